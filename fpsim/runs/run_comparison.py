"""Comparison of two runs, or of the theory of one run with its own ensemble.

An ensemble is taken at its full size: its histogram says how many replicas lie in every cell, and a replica's place
inside a cell is drawn evenly. Limits: two theories have no sampling floor; their floor is the numerical error that both
files state, and their z counts the excess in units of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison import compare_density, compare_samples
from fpsim.density import Density, regrid
from fpsim.runs.run import Run
from fpsim.scenario.shared.records import group
from fpsim.support.errors import DomainError

__all__ = ["ComparedRow", "compare_runs", "table"]

ENSEMBLE = "ensemble"
"""Last part of the path of a group that holds an experiment."""


@dataclass(frozen=True)
class ComparedRow:
    """One density of one time against another.

    Attributes
    ----------
    first, second : str
        Groups; behind the name of the file where there are two.
    variable : str
    time : float
    value, floor, spread : float
        The distance, and its mean and standard deviation if both were the same law; ``spread`` is ``nan`` where a
        theory states no error.
    """

    first: str
    second: str
    variable: str
    time: float
    value: float
    floor: float
    spread: float

    @property
    def z(self) -> float:
        """Excess over the floor in units of the spread; infinite where nothing is stated that could explain it."""
        if not self.spread > 0.0:
            return math.inf if self.value > self.floor else math.nan
        return (self.value - self.floor) / self.spread


@dataclass(frozen=True, eq=False)
class _Series:
    """One density through time, and for an ensemble the number of its replicas."""

    path: str
    variable: str
    times: NDArray[np.float64]
    densities: tuple[Density, ...]
    replicas: int
    error: float

    @property
    def parent(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def is_ensemble(self) -> bool:
        return self.path.rpartition("/")[2] == ENSEMBLE

    def points(self, index: int) -> NDArray[np.float64]:
        """One point for each replica, shape (replicas, ndim)."""
        density, rng = self.densities[index], np.random.default_rng(index)
        grid = density.grid
        counts = np.rint(density.values * grid.cell_volume * self.replicas).astype(int)
        cells = np.repeat(np.argwhere(np.ones(grid.shape, bool)), counts.ravel(), axis=0)
        return np.asarray(grid.lower) + (cells + rng.random(cells.shape)) * np.asarray(grid.spacing)


def compare_runs(
    one: Run, other: Run | None = None, *, distance: str = "total_variation", all_times: bool = False
) -> tuple[ComparedRow, ...]:
    """Compare two runs, or the theory of one with its own ensemble.

    Parameters
    ----------
    one, other : Run
        With one run: every theory against the ensemble beside it (same parent group, same variable). With two: every
        density against the one of the same group and variable, and every theory of ``one`` against the ensemble of
        ``other``.
    distance : str
        A key of ``fpsim.comparison.DISTANCES``; two theories are compared by total variation only.
    all_times : bool
        At every time that both recorded, instead of the last of these.

    Raises
    ------
    DomainError
        If the distance is unknown or nothing in the files can be compared.
    """
    mine, theirs = list(_series(one)), list(_series(other or one))
    rows = []
    for a in mine:
        for b in theirs:
            against_ensemble = not a.is_ensemble and b.is_ensemble and a.parent == b.parent
            same = other is not None and a.path == b.path
            if a.variable == b.variable and (against_ensemble or same):
                rows += _compare(a, b, distance, all_times)
    if not rows:
        raise DomainError(
            f"{one.path}{f' and {other.path}' if other else ''}: nothing to compare; accepted are runs that hold "
            f"densities of the same groups and times, an experiment in groups named {ENSEMBLE}"
        )
    if other is not None:
        names = f"{one.path.name}:", f"{other.path.name}:"
        rows = [replace(row, first=names[0] + row.first, second=names[1] + row.second) for row in rows]
    return tuple(rows)


def _series(run: Run) -> Iterator[_Series]:
    size = getattr(getattr(run.scenario, "ensemble", None), "replicas", 0)
    for path, variables in run.densities.items():
        attributes = group(run.tree, path).attrs
        replicas = int(attributes.get("replicas", size)) - int(attributes.get("diverged", 0))
        error = (float(attributes.get("time_error", 0.0)) + float(attributes.get("grid_error", 0.0))) / 2.0
        for name, densities in variables.items():
            timed = "time" in group(run.tree, path)[name].dims
            times = run.times(path) if timed else np.zeros(1)
            yield _Series(path, name, times, densities, replicas, error)


def _compare(a: _Series, b: _Series, distance: str, all_times: bool) -> list[ComparedRow]:
    pairs = [(i, j) for i, t in enumerate(a.times) for j in np.flatnonzero(np.isclose(b.times, t, rtol=1e-9))]
    rows = [_one(a, b, i, int(j), distance) for i, j in (pairs if all_times else pairs[-1:])]
    return [row for row in rows if row is not None]


def _one(a: _Series, b: _Series, i: int, j: int, distance: str) -> ComparedRow | None:
    time = float(a.times[i])
    p, q = a.densities[i], b.densities[j]
    if p.grid.ndim != q.grid.ndim:
        return None
    if a.is_ensemble and b.is_ensemble:
        found = compare_samples(a.points(i), b.points(j), observable=a.variable, distance=distance)
    elif a.is_ensemble or b.is_ensemble:
        theory, points = (q, a.points(i)) if a.is_ensemble else (p, b.points(j))
        found = compare_density(theory, points, observable=a.variable, distance=distance)
    elif distance == "total_variation":
        floor = a.error + b.error
        value = 0.5 * float(np.abs(p.values - _on_grid_of(q, p)).sum() * p.grid.cell_volume)
        return ComparedRow(a.path, b.path, a.variable, time, value, floor, floor if floor > 0.0 else math.nan)
    else:
        return None
    return ComparedRow(a.path, b.path, a.variable, time, found.value, found.floor, found.spread)


def _on_grid_of(q: Density, p: Density) -> NDArray[np.float64]:
    return q.values if q.grid == p.grid else regrid(q, p.grid).values


def table(rows: Sequence[ComparedRow], *, limit: float) -> str:
    """The rows as text; what exceeds ``limit`` is marked."""
    width = max(len(f"{row.first} : {row.second}") for row in rows) + 2
    lines = [f"{'':<{width}}{'density':<14}{'time':>9}{'distance':>11}{'floor':>20}{'z':>8}"]
    for row in rows:
        pair = row.first if row.first == row.second else f"{row.first} : {row.second}"
        floor = f"{row.floor:.4f} ±{row.spread:.4f}" if row.spread > 0 else f"{row.floor:.4f}"
        z = "-" if math.isnan(row.z) else f"{row.z:.1f}"
        mark = f"  above {limit:g}" if row.z > limit else "  identical" if row.value == 0.0 else ""
        lines.append(f"{pair:<{width}}{row.variable:<14}{row.time:>9.3g}{row.value:>11.4f}{floor:>20}{z:>8}{mark}")
    return "\n".join(lines)
