"""Scenario as a value: parameters, stages that compute labelled arrays, and what is said about their numbers.

A scenario file defines functions of ``(p, run)``, the parameters and the results so far, and puts them together::

    scenario = Scenario(
        title="Two wells", description=__doc__, parameters=TwoWells(), stages=(density, passage),
        claims=claims, tables=tables, figures=figures, conclusions=conclusions,
    )

Stages answer data sets, which become groups of the run's file; everything else is computed from that file alone. A
function draws, judges or says something about numbers that are there; it does not compute them. Limits: a stage must be
a function of parameters and earlier groups, bit for bit, so that an interrupted run can go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from fpsim.scenario.catalogue import programs
from fpsim.scenario.parameters.sections import Parameters
from fpsim.scenario.parameters.toml_text import check_values, read_toml_text, toml_text
from fpsim.scenario.parameters.values import dotted, merged, value_text, with_values
from fpsim.scenario.results import Results
from fpsim.scenario.tables import Table
from fpsim.support.checks import shown
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable, read_only_mapping
from fpsim.uncertainty.verdict import Claim, Identity

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from fpsim.experiment import Experiment

__all__ = ["Each", "Scenario"]

StageFunction: TypeAlias = "Callable[..., xr.Dataset]"


def _once(_parameters: Any) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class Each(Immutable):
    """A stage that is done once for each of several keys, as one start or learning rate after the other.

    Attributes
    ----------
    function : callable
        ``function(p, run, *keys)`` answers the data set of the group ``/key/key/...``.
    over : callable
        ``over(p)``: the keys, each a word or a tuple of words, in order.
    """

    function: StageFunction
    over: Callable[[Any], Iterable[str | tuple[str, ...]]] = _once

    def parts(self, parameters: Parameters) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Path of every group, with the keys it belongs to."""
        if self.over is _once:
            yield f"/{self.function.__name__}", ()
            return
        for key in self.over(parameters):
            keys = (key,) if isinstance(key, str) else tuple(key)
            yield "/" + "/".join(keys), keys


@dataclass(frozen=True, kw_only=True)
class Scenario(Immutable):
    """An experiment's protocol.

    Attributes
    ----------
    title : str
        One line.
    parameters : Parameters
        All that can be changed, with the values that it runs with.
    stages : tuple of callable or Each
        In order; a function ``density(p, run)`` makes the group ``/density``.
    description : str
        A paragraph that says what the scenario is for; the docstring of its file, whose first line is left out.
    subject : str
        Heading under which it is listed.
    quick : mapping
        Values, by dotted key, of a run that takes seconds.
    check : callable, optional
        ``check(p)`` refuses, before any work, what the experiment or the memory does not allow.
    claims : callable, optional
        ``claims(p, run)`` yields verdict records (:mod:`fpsim.uncertainty.verdict`), which are judged together.
    tables : callable, optional
        ``tables(p, run)`` yields tables.
    figures : callable, optional
        ``figures(p, run)`` yields name and figure.
    conclusions : callable, optional
        ``conclusions(p, run)`` yields sentences computed from the numbers.
    summary : callable, optional
        ``summary(p, run)``: the data set at the root of the file, whose scalars a sweep gathers.
    experiments : callable, optional
        ``experiments(p)``: the experiments of the run by name, for ``fpsim check`` to say which theory applies.
    name : str
        Name of the run; that of the file unless said otherwise.
    source : str
        Name of the scenario file that defines it.
    defaults : Parameters, optional
        Parameters before anything was changed.
    """

    title: str
    parameters: Parameters
    stages: tuple[StageFunction | Each, ...]
    description: str | None = ""
    subject: str = "More"
    quick: Mapping[str, Any] = field(default_factory=dict, compare=False)
    check: Callable[[Any], None] | None = None
    claims: Callable[[Any, Results], Iterable[Identity | Claim]] | None = None
    tables: Callable[[Any, Results], Iterable[Table]] | None = None
    figures: Callable[[Any, Results], Iterable[tuple[str, Figure]]] | None = None
    conclusions: Callable[[Any, Results], Iterable[str]] | None = None
    summary: Callable[[Any, Results], xr.Dataset] | None = None
    experiments: Callable[[Any], Mapping[str, Experiment]] | None = None
    name: str = ""
    source: str = ""
    defaults: Parameters | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.parameters, Parameters):
            raise DomainError(
                f"parameters is {shown(self.parameters)}: an object of a subclass of Parameters is accepted"
            )
        stages = tuple(one if isinstance(one, Each) else Each(one) for one in self.stages)
        if not stages or not all(callable(stage.function) for stage in stages):
            raise DomainError(f"stages is {shown(self.stages)}: one or more functions of (p, run) are accepted")
        object.__setattr__(self, "description", "" if self.description is None else self.description)
        words = {key: getattr(self, key) for key in ("title", "description", "subject", "name", "source")}
        for key, text in words.items():
            if not isinstance(text, str):
                raise DomainError(f"{key} is {shown(text)}: text is accepted")
        check_values(words, "scenario")
        if self.name and not re.fullmatch(r"\w[\w.\- ]*", self.name):
            raise DomainError(f"name is {shown(self.name)}: letters, digits, spaces and the signs . - _ are accepted")
        if not isinstance(self.quick, Mapping):
            raise DomainError(f"quick is {shown(self.quick)}: values by dotted key are accepted")
        object.__setattr__(self, "stages", stages)
        object.__setattr__(self, "quick", read_only_mapping(self.quick))
        if self.defaults is None:  # as its file defines it: changed values need not go with the quick ones
            with_values(self.parameters, self.quick, where="quick")

    def __reduce__(self) -> tuple[Any, ...]:
        if self.source in programs():
            return _of_config, (self.config, self.defaults)
        return super().__reduce__()

    def __deepcopy__(self, _memo: dict[int, Any]) -> Scenario:
        return self

    def parts(self) -> Iterator[tuple[StageFunction, str, tuple[str, ...]]]:
        """Function, group and keys of all that is to be computed, in order."""
        for stage in self.stages:
            assert isinstance(stage, Each)
            for path, keys in stage.parts(self.parameters):
                yield stage.function, path, keys

    @property
    def purpose(self) -> str:
        """The description without its first line, which is the file's heading."""
        first, _, rest = str(self.description).strip().partition("\n\n")
        return rest.strip() or first

    def with_values(self, changes: Mapping[str, Any]) -> Scenario:
        """The same scenario with single values changed, by dotted key.

        Raises
        ------
        ConfigError
            If a key or value is not accepted.
        """
        return self._with(with_values(self.parameters, changes, where=self.name or "scenario"))

    def with_sections(self, sections: Mapping[str, Any], *, where: str) -> Scenario:
        """The same scenario with sections, as of a TOML file, put over its own."""
        return self._with(merged(self.parameters, sections, where=where))

    def quick_version(self) -> Scenario:
        """The same scenario at the size of its quick values."""
        return self.with_values(self.quick)

    def _with(self, parameters: Parameters) -> Scenario:
        return replace(self, parameters=parameters, defaults=self.defaults or self.parameters)

    @property
    def changed(self) -> tuple[str, ...]:
        """Keys whose values are not the scenario's own, as ``key = value (was: value)``."""
        if self.defaults is None:
            return ()
        before, now = dotted(self.defaults), dotted(self.parameters)
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return tuple(f"{key} = {value_text(now.get(key))} (was: {value_text(before.get(key))})" for key in keys)

    @property
    def config(self) -> str:
        """Names and parameters as TOML, from which the scenario is found again."""
        head = {"scenario": self.source, "name": self.name, "title": self.title, "description": self.description}
        return toml_text({**head, **self.parameters.model_dump(exclude_none=True)})


def _of_config(config: str, defaults: Parameters | None) -> Scenario:
    """A scenario of the package, pickled as its configuration."""
    from fpsim.scenario.loading import scenario_from

    return replace(scenario_from(read_toml_text(config, "pickle"), where="pickle"), defaults=defaults)
