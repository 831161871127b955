"""Both sides of a comparison: an exact density on a grid, a sample of points of replicas.

Both answer the same questions (points, mean, covariance, number of independent draws), so that a distance is written
once. A theory stands for infinitely many draws: its points are quantiles in one dimension and stratified in more, their
error is O(1 / points), far below the sampling noise of any ensemble used here. Limits: inside a cell the density of
points is interpolated (cubic cumulative in one dimension, linear in more), so a density narrower than a few cells has
points that are too wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density, place_points
from fpsim.support.errors import DomainError

__all__ = [
    "Distribution",
    "ExactDensity",
    "Sample",
    "check_points",
    "covariance_of",
    "cumulative",
    "draw",
    "quantiles",
    "sample_of",
    "stratified",
]

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

POINTS = 32768
"""Points that stand for a theory density."""


def cumulative(mass: Array, edges: Array, at: Array, axis: int = 0) -> Array:
    """Cumulative of cell masses along an axis, at any points: exact at cell edges, monotone cubic in between."""
    from scipy.interpolate import PchipInterpolator

    clean = np.where(mass > 1e-30 * mass.max(), mass, 0.0)  # slopes of denormal size overflow the interpolation
    sums = np.concatenate((np.zeros_like(clean.take([0], axis)), np.cumsum(clean, axis)), axis)
    return np.asarray(PchipInterpolator(edges, sums, axis)(np.clip(at, edges[0], edges[-1])))


def quantiles(density: Density, levels: Array) -> Array:
    """Quantiles of a one-dimensional density, from its cumulative at cell edges."""
    edges = density.grid.edges[0]
    fine = np.linspace(edges[0], edges[-1], 8 * (edges.size - 1) + 1)
    return np.interp(levels, cumulative(density.values / density.values.sum(), edges, fine), fine)


def stratified(density: Density, count: int) -> Array:
    """Deterministic points (count, ndim): every cell gets its share to within one, spread evenly inside the cell."""
    levels = (np.arange(count) + 0.5) / count
    if density.grid.ndim == 1:
        return quantiles(density, levels)[:, None]
    ratio = _harmonious(density.grid.ndim)
    inside = (0.5 + np.arange(count)[:, None] * ratio ** -np.arange(1.0, density.grid.ndim + 1)) % 1.0
    return place_points(density.grid, density.values, levels, inside)


def draw(density: Density, count: int, rng: np.random.Generator) -> Array:
    """Independent points (count, ndim) drawn from a density."""
    levels = rng.random(count)
    if density.grid.ndim == 1:
        return quantiles(density, levels)[:, None]
    return place_points(density.grid, density.values, levels, rng.random((count, density.grid.ndim)))


def _harmonious(ndim: int) -> float:
    """Root of ``x^(ndim + 1) = x + 1``: its powers give the evenest additive recurrence known (Roberts 2018)."""
    x = 1.5
    for _ in range(60):
        x = (1.0 + x) ** (1.0 / (ndim + 1))
    return x


def covariance_of(points: Array) -> Array:
    """Covariance (ndim, ndim) of points (n, ndim), 1/n normalisation.

    Without a matrix product: for few columns, threads of the linear algebra library cost far more than they give.
    """
    x = points - points.mean(axis=0)
    return np.asarray(np.einsum("ni,nj->ij", x, x) / len(x))


def check_points(points: ArrayLike, *, what: str) -> Array:
    """Points as a finite float array (n, ndim).

    Raises
    ------
    DomainError
        If the shape is not (n,) or (n, ndim), there are fewer than two rows, or some are not finite (with their count).
    """
    x = np.asarray(points, np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[0] < 2 or x.shape[1] < 1:
        raise DomainError(f"{what} have shape {np.shape(points)}: (n,) or (n, ndim) with n >= 2 is accepted")
    bad = int((~np.isfinite(x).all(axis=1)).sum())
    if bad:
        raise DomainError(
            f"{bad} of {len(x)} {what} are not finite (diverged replicas): finite values are accepted; "
            "remove diverged replicas first and say how many"
        )
    return x


@dataclass(frozen=True, eq=False)
class ExactDensity:
    """A density taken as exact; ``count`` points stand for it where points are needed."""

    density: Density
    size: float = math.inf
    count: int = POINTS

    @cached_property
    def points(self) -> Array:
        """Stratified points (count, ndim)."""
        return stratified(self.density, self.count)

    @property
    def ndim(self) -> int:
        """Number of coordinates."""
        return self.density.grid.ndim

    @cached_property
    def mean(self) -> Array:
        """Mean (ndim,)."""
        return self.density.mean

    @cached_property
    def covariance(self) -> Array:
        """Covariance (ndim, ndim), with Sheppard's correction."""
        return self.density.covariance


@dataclass(frozen=True, eq=False)
class Sample:
    """Points (n, ndim) of replicas; ``replica[i]`` is the replica of point ``i``, numbered from zero.

    ``size`` counts replicas; ``clustered`` says that replicas have several points, which depend on each other.
    """

    points: Array
    replica: Labels
    size: float
    clustered: bool = False

    @classmethod
    def independent(cls, points: Array) -> Sample:
        """One point for each replica."""
        return cls(points, np.arange(len(points)), float(len(points)))

    @property
    def ndim(self) -> int:
        """Number of coordinates."""
        return int(self.points.shape[1])

    @cached_property
    def mean(self) -> Array:
        """Mean (ndim,)."""
        return np.asarray(self.points.mean(axis=0))

    @cached_property
    def covariance(self) -> Array:
        """Covariance (ndim, ndim), 1/n normalisation."""
        return covariance_of(self.points)


Distribution = ExactDensity | Sample


def sample_of(points: ArrayLike, *, what: str, labels: ArrayLike | None = None) -> Sample:
    """Sample from points (n,), (n, ndim), or (replicas, m, ndim); ``labels`` name the replica of each row of the first.

    Raises
    ------
    DomainError
        If points have another shape or are not finite (with their count), not every row has a label, or replicas with
        several points are fewer than two.
    """
    x = np.asarray(points, np.float64)
    if x.ndim == 3 and labels is None:
        replica, count = np.repeat(np.arange(len(x)), x.shape[1]), len(x)
        x = check_points(x.reshape(-1, x.shape[2]), what=what)
    else:
        x = check_points(x, what=what)
        if labels is None:
            return Sample.independent(x)
        flat = np.asarray(labels).ravel()
        if flat.size != len(x):
            raise DomainError(f"clusters of {what} name {flat.size} rows of {len(x)}: one label for each is accepted")
        replica = np.unique(flat, return_inverse=True)[1].astype(np.int64)
        count = int(replica.max()) + 1
    if count < 2:
        raise DomainError(f"{what} come from {count} replica: at least 2 are accepted")
    return Sample(x, replica, float(count), clustered=True)
