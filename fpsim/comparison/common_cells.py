"""Common coarse cells of two densities on different grids, and the regridding's own error.

Two theories, or the histograms of two ensembles whose weights were not kept, are seen through the same cells: the faces
that both grids have, where these are enough, else every second face of the coarser grid. Mass of a cell that a face
cuts is divided by a cubic cumulative; the distance between that and an even division is the error of the division, an
upper estimate for smooth densities. Between two theories there is no sampling floor.

Limits: distances of histograms only; what happens inside a cell is not seen. Histograms cannot tell which replicas
shared random numbers: their floor is that of independent samples, too high then and never too low.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.comparison import Comparison
from fpsim.comparison.distances import DISTANCES, distance_named
from fpsim.comparison.distances.binned import Binned
from fpsim.comparison.floors import binned_floor, root_floor
from fpsim.comparison.partition import MIN_COUNT
from fpsim.comparison.samples import cumulative
from fpsim.density import Density
from fpsim.support.errors import DomainError

__all__ = ["compare_densities"]

Array = NDArray[np.float64]

FEWEST = 8
"""Cells along an axis below which common faces are not enough."""
EMPTY = 1e-12
"""Frequency of an empty cell of a theory, where the distance needs a positive one."""
ROUNDING = 1e-13
"""Distance (square of a distance that is a root) below which densities are equal."""
HALVED = 2
"""Cells of the coarser grid in a common cell."""


def compare_densities(
    first: Density,
    second: Density,
    *,
    observable: str,
    distance: str = "total_variation",
    replicas: tuple[float, float] = (math.inf, math.inf),
    errors: tuple[float, float] = (0.0, 0.0),
    time: float = math.nan,
) -> Comparison:
    """Compare two densities on grids, equal or not: of two theories, or histograms of ensembles.

    Parameters
    ----------
    first, second : Density
        Over the same coordinates; both are normalised.
    observable : str
        Name for tables.
    distance : str
        A distance of histograms: ``total_variation``, ``kullback_leibler``, ``hellinger``.
    replicas : (float, float)
        Independent replicas behind each histogram; infinite for a theory.
    errors : (float, float)
        Numerical errors that the theories state, in the unit of the distance.
    time : float
        For the record.

    Returns
    -------
    Comparison
        Floor and spread: of sampling, where there is any, and on top of it the numerical errors and that of the
        regridding (``details["regridding"]``). Between two theories the floor is zero and ``z`` counts the distance in
        units of these errors: zero for identical densities, infinite if they differ and no error is stated.

    Raises
    ------
    DomainError
        If the numbers of coordinates differ, the distance has no bins or is unknown, fewer than two replicas or a
        negative error are given.
    """
    kind = distance_named(distance)
    if not isinstance(kind, Binned):
        named = ", ".join(name for name, d in DISTANCES.items() if isinstance(d, Binned))
        raise DomainError(f"distance {distance!r} of two densities: those of histograms ({named}) are accepted")
    if first.grid.ndim != second.grid.ndim:
        raise DomainError(f"{observable}: densities of {first.grid.ndim} and {second.grid.ndim} coordinates")
    if not min(replicas) >= 2.0 or not min(errors) >= 0.0:
        raise DomainError(f"replicas = {replicas}, errors = {errors}: at least 2 and nonnegative ones are accepted")
    edges = tuple(_common_edges(a, b) for a, b in zip(first.grid.edges, second.grid.edges, strict=True))
    p, q = (_masses(density, edges, even=False) for density in (first, second))
    spread_p, spread_q = (_masses(density, edges, even=True) for density in (first, second))
    cells = _occupied(p, q, replicas)
    p, q, spread_p, spread_q = (np.bincount(cells, x).astype(np.float64) for x in (p, q, spread_p, spread_q))
    epsilon = 0.5 / min(replicas) if kind.positive and math.isfinite(min(replicas)) else 0.0
    value = _distance(kind, p, q, epsilon)
    value = value if value > (ROUNDING**0.5 if kind.root else ROUNDING) else 0.0
    regridding = _distance(kind, spread_p, p, epsilon) + _distance(kind, spread_q, q, epsilon)
    numerical = regridding + errors[0] + errors[1]
    floor, spread, method = 0.0, numerical, "no sampling"
    if math.isfinite(min(replicas)):
        mean, deviation = _sampling_floor(kind, p, q, replicas, epsilon)
        floor, spread, method = mean + numerical, math.hypot(deviation, numerical), "closed form"
    details: dict[str, Any] = {
        "replicas": replicas,
        "bins": p.size,
        "binning": "common cells",
        "regridding": regridding,
        "errors": errors,
    }
    return Comparison(observable, kind.name, value, floor, spread, time, method=method, details=details)


def _distance(kind: Binned, p: Array, q: Array, epsilon: float) -> float:
    """Distance of frequencies; ``epsilon`` is added to those of a reference that must be positive."""
    q = (q + epsilon) / (1.0 + q.size * epsilon)
    total = max(float(np.asarray(kind.summand(p, np.where(q > 0.0, q, EMPTY) if kind.positive else q)).sum()), 0.0)
    return math.sqrt(total) if kind.root else total


def _sampling_floor(
    kind: Binned, p: Array, q: Array, replicas: tuple[float, float], epsilon: float
) -> tuple[float, float]:
    n, others = replicas
    if math.isfinite(n) and math.isfinite(others):
        pool = (n * p + others * q) / (n + others)
        mean, sd = binned_floor(kind.summand, pool, n, others, epsilon)
    else:
        reference, n = (q, n) if math.isfinite(n) else (p, others)
        mean, sd = binned_floor(kind.summand, reference, n, epsilon=epsilon)
    return root_floor(mean, sd) if kind.root else (mean, sd)


def _common_edges(a: Array, b: Array) -> Array:
    """Faces of cells that both grids have along an axis, over the union of both boxes."""
    if a.size == b.size and np.allclose(a, b, rtol=0.0, atol=1e-9 * (a[1] - a[0])):
        return a
    near = 1e-6 * min(a[1] - a[0], b[1] - b[0])
    place = np.clip(np.searchsorted(b, a), 1, b.size - 1)
    both = a[np.minimum(np.abs(a - b[place]), np.abs(a - b[place - 1])) < near]
    coarse = a if a[1] - a[0] >= b[1] - b[0] else b
    inner = both if both.size > FEWEST else coarse[::HALVED]
    low, high = min(a[0], b[0]), max(a[-1], b[-1])
    return np.concatenate([[low], inner[(inner > low + near) & (inner < high - near)], [high]])


def _masses(density: Density, edges: tuple[Array, ...], *, even: bool) -> Array:
    """Mass in every common cell, flat; cells that a face cuts are divided evenly or by a cubic cumulative."""
    mass = density.values / density.values.sum()
    for axis, (own, edge) in enumerate(zip(density.grid.edges, edges, strict=True)):
        if own.size == edge.size and np.array_equal(own, edge):
            continue
        if even:
            sums = np.concatenate((np.zeros_like(mass.take([0], axis)), np.cumsum(mass, axis)), axis)
            lines = np.moveaxis(sums, axis, -1).reshape(-1, own.size)
            at = np.stack([np.interp(edge, own, line) for line in lines])
            at = np.moveaxis(at.reshape(*np.moveaxis(sums, axis, -1).shape[:-1], edge.size), -1, axis)
        else:
            at = cumulative(mass, own, edge, axis)
        mass = np.diff(at, axis=axis)
    return np.maximum(mass.ravel(), 0.0)


def _occupied(p: Array, q: Array, replicas: tuple[float, float]) -> NDArray[np.int64]:
    """Number of the bin of every cell: where replicas are counted, cells that expect too few are one bin."""
    fewest = min(replicas)
    if not math.isfinite(fewest):
        return np.arange(p.size)
    pool = 0.5 * (p + q) if math.isfinite(max(replicas)) else (q if math.isfinite(replicas[0]) else p)
    good = pool * fewest >= MIN_COUNT
    cells = np.zeros(p.size, np.int64)
    cells[good] = np.arange(1, 1 + np.count_nonzero(good))
    return cells if not good.all() else cells - 1
