"""Kinds of scenario: programs of :mod:`fpsim.scenario.kinds`, each with a model of its TOML files.

A kind is a module or package that exports ``KIND``. Scenario files (:mod:`fpsim.scenario.scenario`) replace them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from fpsim.scenario.missing import NOT_COMPUTABLE, possible, reason, with_missing
from fpsim.scenario.parameters.sections import ScenarioBase
from fpsim.scenario.parameters.toml_text import nested_copy, toml_text
from fpsim.scenario.parameters.values import put_value, validated
from fpsim.scenario.records import labelled
from fpsim.support.checks import shown
from fpsim.support.errors import ConfigError
from fpsim.support.progress import Progress, Reporter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fpsim.storage import Checkpoint

__all__ = ["STRICT_Z", "Kind", "compute_kind", "kind_named", "kind_names", "scenario_of_kind"]

STRICT_Z = 4.0
"""Standard errors (or spreads, under agreement) beyond which anything falls short, in every kind."""


@dataclass(frozen=True)
class Kind:
    """What a kind of scenario brings.

    Attributes
    ----------
    model : type
        The validated description; a subclass of :class:`fpsim.scenario.parameters.sections.ScenarioBase`.
    check : callable
        ``check(scenario)`` refuses, before any work, what the experiment or the memory does not allow.
    stages : callable
        ``stages(scenario, done, *, threads, report)`` yields finished groups ``{path: Dataset}`` that ``done`` does not
        hold yet, each a function of the scenario and of earlier groups, bit for bit.
    summary : callable
        ``summary(tree)``: the data set at the root of a complete file.
    figures : callable
        ``figures(tree)`` yields name and figure, drawn from the tree alone.
    report : callable
        ``report(tree)``: the table as text.
    shortfalls : callable
        ``shortfalls(tree)``: one line per comparison, identity or claim of this run that did not hold.
    """

    model: type[ScenarioBase]
    check: Callable[..., None]
    stages: Callable[..., Iterator[dict[str, xr.Dataset]]]
    summary: Callable[[xr.DataTree], xr.Dataset]
    figures: Callable[[xr.DataTree], Iterator[tuple[str, Figure]]]
    report: Callable[[xr.DataTree], str]
    shortfalls: Callable[[xr.DataTree], tuple[str, ...]]


def kind_names() -> tuple[str, ...]:
    """All kinds, in alphabetical order."""
    from fpsim.scenario import kinds

    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(kinds.__path__)))


def kind_named(name: object) -> Kind:
    """Find a kind.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in kind_names():
        raise ConfigError(f"kind = {reprlib.repr(name)}: accepted are {', '.join(kind_names())}")
    kind = importlib.import_module(f"fpsim.scenario.kinds.{str(name).replace('-', '_')}").KIND
    assert isinstance(kind, Kind)
    return kind


def scenario_of_kind(
    raw: Mapping[str, Any], *, changes: Mapping[str, Any] | None, quick: bool, where: str
) -> ScenarioBase:
    """Validate a nested mapping as a scenario of its kind."""
    tree = nested_copy(raw, where)
    sections = tree.get("quick", {}) if quick else {}
    if not isinstance(sections, dict):
        raise ConfigError(f"{where}: quick = {shown(sections)}: sections with keys are accepted")
    for section, values in sections.items():
        if not isinstance(values, dict) or not isinstance(tree.setdefault(section, {}), dict):
            raise ConfigError(f"{where}: quick.{section}: a section with keys is accepted")
        tree[section].update(values)
    for key, value in (changes or {}).items():
        put_value(tree, key, value)
    tree.setdefault("kind", "bottleneck")
    tree.setdefault("name", "unnamed")
    try:
        model = kind_named(tree["kind"]).model
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    found = validated(model, tree, where=where)
    if getattr(getattr(found, "data", None), "is_own", False):
        raise ConfigError(f"{where}: data.source of this scenario: digits and iris are accepted")
    return found


def config_of_kind(scenario: ScenarioBase) -> str:
    """The resolved scenario as TOML."""
    return toml_text(scenario.model_dump(exclude_none=True))


def compute_kind(
    scenario: ScenarioBase,
    tree: xr.DataTree,
    *,
    threads: int | None,
    report: Reporter,
    checkpoint: Checkpoint | None,
    keep: Callable[[xr.DataTree], None],
) -> None:
    """Put all groups into the tree, then what stands at its root."""
    kind = kind_named(tree.attrs["kind"])
    extra = {"checkpoint": checkpoint} if "checkpoint" in inspect.signature(kind.stages).parameters else {}
    tasks = [str(tree.attrs["kind"])]

    def noted(task: str) -> Progress:
        tasks.append(task)
        return report(task)

    try:
        for groups in kind.stages(scenario, tree, threads=threads, report=noted, **extra):
            for path, dataset in groups.items():
                tree[path] = xr.DataTree(labelled(dataset))
            keep(tree)
    except NOT_COMPUTABLE as error:
        keep(tree)  # an interrupt may be the reason; it is told here
        tree.attrs["missing"] = reason(error, tasks[-1], scenario)
    summary = possible(kind.summary, tree, xr.Dataset())
    tree.dataset = labelled(summary).assign_attrs(tree.attrs)
    tree.attrs["table"] = with_missing(possible(kind.report, tree, ""), tree)
