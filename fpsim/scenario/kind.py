"""Kinds of scenario: what each brings, and finding one by name.

A kind is a module or package of :mod:`fpsim.scenario.kinds` that exports ``KIND``. It composes what the packages below
offer; physics and statistics live there.
"""

from __future__ import annotations

import importlib
import pkgutil
import reprlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from fpsim.scenario.sections import ScenarioBase
from fpsim.support.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STRICT_Z", "Kind", "kind_named", "kind_names"]

STRICT_Z = 4.0
"""Standard errors (or spreads, under agreement) beyond which anything falls short, in every kind."""


@dataclass(frozen=True)
class Kind:
    """What a kind of scenario brings.

    Attributes
    ----------
    model : type
        The validated description; a subclass of :class:`fpsim.scenario.sections.ScenarioBase`.
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
