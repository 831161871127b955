"""Comparison of two runs, or of the theory of one run with its own ensemble.

Two ensembles are compared by their stored weights, or by their histograms where these lie on the same cells and hold
more replicas; stored weights of runs with the same seed as pairs. Whatever lies on different cells is compared on
common ones, with the error of regridding in the floor. Limits: two theories have no sampling floor; their z counts the
distance in units of the numerical errors that both files state, and of that error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison import Comparison, compare_densities, compare_density, compare_samples
from fpsim.density import Density
from fpsim.runs.run import Run
from fpsim.scenario.records import group
from fpsim.support.errors import DomainError
from fpsim.support.random_streams import numpy_generator

__all__ = ["ComparedRow", "compare_runs", "remarks", "table"]

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
        The distance, and its mean and standard deviation if both were the same law; between theories 0 and the
        numerical error.
    shared : bool
        Both are ensembles that were drawn with the same seed: their random numbers are the same.
    """

    first: str
    second: str
    variable: str
    time: float
    value: float
    floor: float
    spread: float
    shared: bool = False

    @property
    def z(self) -> float:
        """Excess over the floor in units of the spread; 0 for identical things.

        Infinite where nothing is stated that could explain it.
        """
        if self.value == 0.0:
            return 0.0
        if not self.spread > 0.0:
            return math.inf if self.value > self.floor else 0.0
        return (self.value - self.floor) / self.spread


@dataclass(frozen=True, eq=False)
class _Series:
    """One density through time; of an ensemble also the number of its replicas and the weights that were stored."""

    path: str
    variable: str
    times: NDArray[np.float64]
    densities: tuple[Density, ...]
    replicas: int
    diverged: int
    error: float
    weights: NDArray[np.float64] | None
    seed: int

    @property
    def parent(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def is_ensemble(self) -> bool:
        return self.path.rpartition("/")[2] == ENSEMBLE

    def points(self, index: int) -> NDArray[np.float64]:
        """One point for each replica, shape (replicas, ndim): evenly within the cell that its histogram says."""
        density, rng = self.densities[index], numpy_generator(index)
        grid = density.grid
        counts = np.rint(density.values * grid.cell_volume * self.replicas).astype(int)
        cells = np.repeat(np.argwhere(np.ones(grid.shape, bool)), counts.ravel(), axis=0)
        return np.asarray(grid.lower) + (cells + rng.random(cells.shape)) * np.asarray(grid.spacing)

    def stored(self, index: int) -> NDArray[np.float64]:
        """The stored weights of the replicas that did not diverge, shape (stored, ndim)."""
        if self.weights is None:
            return np.empty((0, self.densities[index].grid.ndim))
        return self.weights[index][np.isfinite(self.weights[index]).all(axis=1)]


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
        If the distance is unknown, nothing in the files can be compared, or they have no time in common.
    """
    mine, theirs = list(_series(one)), list(_series(other or one))
    rows: list[ComparedRow] = []
    apart: list[tuple[_Series, _Series]] = []
    for a in mine:
        for b in theirs:
            against_ensemble = not a.is_ensemble and b.is_ensemble and a.parent == b.parent
            same = other is not None and a.path == b.path
            if a.variable == b.variable and (against_ensemble or same):
                pairs = _common_times(a, b)
                apart += [] if pairs else [(a, b)]
                found = [_compare(a, b, i, j, distance) for i, j in (pairs if all_times else pairs[-1:])]
                rows += [row for row in found if row is not None]
    files = f"{one.path}{f' and {other.path}' if other else ''}"
    if not rows and apart:
        a, b = apart[0]
        raise DomainError(
            f"{files}: no time in common: {a.path} recorded {_span(a)}, {b.path} {_span(b)}; runs that recorded at "
            "least one time in common are accepted"
        )
    if not rows:
        raise DomainError(
            f"{files}: nothing to compare; accepted are runs that hold densities of the same groups and times, an "
            f"experiment in groups named {ENSEMBLE}; two theories by total variation"
        )
    if other is not None:
        names = f"{one.path.name}:", f"{other.path.name}:"
        rows = [replace(row, first=names[0] + row.first, second=names[1] + row.second) for row in rows]
    return tuple(rows)


def _series(run: Run) -> Iterator[_Series]:
    for path, variables in run.densities.items():
        data = group(run.tree, path)
        diverged = int(data.attrs.get("diverged", 0))
        replicas = int(data.attrs.get("replicas", 0)) - diverged
        error = sum(float(data.attrs.get(name, 0.0)) for name in ("time_error", "grid_error")) / 2.0
        for name, densities in variables.items():
            times = run.times(path) if "time" in data[name].dims else np.zeros(1)
            columns = densities[0].grid.names if densities else ()
            weights = None
            if {"weights", "weight"} <= set(data.variables) and set(columns) <= set(map(str, data["weight"].values)):
                weights = data["weights"].sel(weight=list(columns)).transpose("time", "replica", "weight").values
            stated = error if math.isfinite(error) else 0.0
            yield _Series(path, name, times, densities, replicas, diverged, stated, weights, run.seed)


def _common_times(a: _Series, b: _Series) -> list[tuple[int, int]]:
    return [(i, int(j)) for i, t in enumerate(a.times) for j in np.flatnonzero(np.isclose(b.times, t, rtol=1e-9))]


def _span(series: _Series) -> str:
    times = series.times
    return f"t = {times[0]:g}" if times.size == 1 else f"{times.size} times from {times[0]:g} to {times[-1]:g}"


def _compare(a: _Series, b: _Series, i: int, j: int, distance: str) -> ComparedRow | None:
    p, q = a.densities[i], b.densities[j]
    if p.grid.ndim != q.grid.ndim or any(s.is_ensemble and s.replicas < 2 for s in (a, b)):
        return None
    row = ComparedRow(a.path, b.path, a.variable, float(a.times[i]), 0.0, 0.0, math.nan)
    if a.is_ensemble and b.is_ensemble:
        return _two_ensembles(row, (a, i), (b, j), distance)
    if a.is_ensemble or b.is_ensemble:
        theory, (ensemble, k) = (q, (a, i)) if a.is_ensemble else (p, (b, j))
        return _theory_and_ensemble(row, theory, ensemble, k, distance)
    if distance != "total_variation":
        return None
    errors = (a.error, b.error)
    return _filled(row, compare_densities(p, q, observable=a.variable, distance=distance, errors=errors))


def _two_ensembles(
    row: ComparedRow, one: tuple[_Series, int], other: tuple[_Series, int], distance: str
) -> ComparedRow:
    (a, i), (b, j) = one, other
    p, q, mine, theirs = a.densities[i], b.densities[j], a.stored(i), b.stored(j)
    shared = a.seed == b.seed
    row = replace(row, shared=shared)
    same_cells = p.grid == q.grid
    if len(mine) and len(theirs) and not (same_cells and min(len(mine), len(theirs)) < min(a.replicas, b.replicas)):
        # Replicas that diverged were not stored: where there are none, the rows of both runs are the same replicas.
        pairs = shared and not a.diverged and not b.diverged and len(mine) == len(theirs)
        return _filled(row, compare_samples(mine, theirs, observable=a.variable, distance=distance, paired=pairs))
    if same_cells:
        found = _filled(row, compare_samples(a.points(i), b.points(j), observable=a.variable, distance=distance))
        same = a.replicas == b.replicas and np.array_equal(p.values, q.values)
        return replace(found, value=0.0) if same else found
    replicas = (float(a.replicas), float(b.replicas))
    return _filled(row, compare_densities(p, q, observable=a.variable, distance=distance, replicas=replicas))


def _theory_and_ensemble(row: ComparedRow, theory: Density, ensemble: _Series, k: int, distance: str) -> ComparedRow:
    histogram, stored = ensemble.densities[k], ensemble.stored(k)
    if histogram.grid == theory.grid or len(stored):
        points = ensemble.points(k) if histogram.grid == theory.grid else stored
        return _filled(row, compare_density(theory, points, observable=row.variable, distance=distance))
    replicas = (math.inf, float(ensemble.replicas))
    return _filled(
        row, compare_densities(theory, histogram, observable=row.variable, distance=distance, replicas=replicas)
    )


def _filled(row: ComparedRow, found: Comparison) -> ComparedRow:
    return replace(row, value=found.value, floor=found.floor, spread=found.spread)


def remarks(rows: Sequence[ComparedRow]) -> tuple[str, ...]:
    """What a reader of the table should know besides: one line each."""
    said = []
    if any(row.shared for row in rows):
        said.append(
            "both runs used the same seed: their replicas share random numbers; stored weights are compared as "
            "pairs, histograms as if independent (z far below 0 is then no surprise)"
        )
    if rows[0].first != rows[0].second and {row.time for row in rows} == {0.0}:
        said.append("the only time in common is the start, t = 0: nothing was compared after it")
    return tuple(said)


def table(rows: Sequence[ComparedRow], *, limit: float) -> str:
    """The rows as text; what exceeds ``limit`` is marked."""
    width = max(len(f"{row.first} : {row.second}") for row in rows) + 2
    lines = [f"{'':<{width}}{'density':<14}{'time':>9}{'distance':>11}{'floor':>20}{'z':>8}"]
    for row in rows:
        pair = row.first if row.first == row.second else f"{row.first} : {row.second}"
        floor = f"{row.floor:.4f} ±{row.spread:.4f}" if row.spread > 0 else f"{row.floor:.4f}"
        z = f"{row.z:.1f}"
        mark = f"  above {limit:g}" if row.z > limit else "  identical" if row.value == 0.0 else ""
        lines.append(f"{pair:<{width}}{row.variable:<14}{row.time:>9.3g}{row.value:>11.4f}{floor:>20}{z:>8}{mark}")
    return "\n".join(lines)
