"""Expectations over laws of the weights: densities on grids and ensembles alike.

A density of cell averages ``p_i`` becomes points at the cell centres whose weights undo the averaging, axis by axis,
``p - delta^2 p / 24 + 3 delta^4 p / 640`` (density zero outside its box; the points reach two cells beyond it). With
that, averages of polynomials up to degree five along each axis are exact for a density that is smooth on the grid,
so that a moment has no ``h^2 / 12``. The error is the difference to the same density on cells twice as wide.

Limits: a density that jumps at its walls leaves an error O(h^2) there. Periodic axes keep their cells as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density, Grid
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import Estimate, block_jackknife

__all__ = ["DensityExpectation", "Expectation", "SampleExpectation", "expectation_of", "replica_expectation"]

Array = NDArray[np.float64]
Observables = Callable[[Sequence[Array]], Iterable[Array]]

_STENCIL = np.array([3.0 / 640.0, -1.0 / 24.0 - 12.0 / 640.0, 1.0 + 1.0 / 12.0 + 18.0 / 640.0])
"""Outer, middle and central coefficient of ``1 - delta^2 / 24 + 3 delta^4 / 640``."""


class Expectation(Protocol):
    """What averages of functions of the weights can be taken over."""

    def expectation(self, observables: Observables) -> Estimate:
        """Averages of the functions that ``observables(points)`` yields, shape (K,)."""


@dataclass(frozen=True, eq=False)
class DensityExpectation:
    """Averages over a density.

    Attributes
    ----------
    density : Density
    coarse : Density, optional
        The same density known less well (from a coarser grid or a looser tolerance), whose averages give the error; by
        default the density itself on cells twice as wide.
    """

    density: Density
    coarse: Density | None = None

    def expectation(self, observables: Observables) -> Estimate:
        """Averages with their grid error."""
        value = _averages(self.density, observables)
        coarse = self.coarse if self.coarse is not None else _coarsened(self.density)
        if coarse is None:
            return Estimate(value, np.empty((0, *value.shape)), np.empty(0), False)
        return Estimate(value, _averages(coarse, observables)[None], np.ones(1), False)


@dataclass(frozen=True, eq=False)
class SampleExpectation:
    """Averages over independent replicas.

    Attributes
    ----------
    samples : ndarray, shape (R, p)
        Coordinates of every replica.
    blocks : int
        Number of blocks of the jackknife that gives standard errors.

    Raises
    ------
    DomainError
        If samples are not finite, or fewer than blocks.
    """

    samples: Array
    blocks: int = 32

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, float)
        samples = samples[:, None] if samples.ndim == 1 else samples
        if samples.ndim != 2 or not 2 <= self.blocks <= len(samples):
            raise DomainError(
                f"samples have shape {samples.shape}: (R, p) with R >= blocks = {self.blocks} is accepted"
            )
        if not np.isfinite(samples).all():
            bad = int((~np.isfinite(samples).all(axis=1)).sum())
            raise DomainError(
                f"{bad} of {len(samples)} replicas are not finite: remove diverged replicas and say how many"
            )
        object.__setattr__(self, "samples", samples)

    def expectation(self, observables: Observables) -> Estimate:
        """Averages with standard errors."""
        size = len(self.samples)
        points = [np.ascontiguousarray(x) for x in self.samples.T]
        values = [np.broadcast_to(f, (size,)) for f in observables(points)]
        return block_jackknife(np.stack(values, axis=1), self.blocks)


def expectation_of(source: Any) -> Expectation:
    """A law from a density, from samples (R, p) or (R,), or a law as it is."""
    if isinstance(source, Density):
        return DensityExpectation(source)
    if hasattr(source, "expectation"):
        law: Expectation = source
        return law
    return SampleExpectation(np.asarray(source, float))


def replica_expectation(weights: Mapping[str, ArrayLike], *, blocks: int = 32) -> SampleExpectation:
    """Law of trained networks from their matrices ``{"W1": (R, k, d), ...}``; coordinates in C order, matrix by matrix.

    Raises
    ------
    DomainError
        If the matrices do not have the same number of replicas, or some are not finite.
    """
    parts = [np.asarray(w, float) for w in weights.values()]
    counts = {len(w) for w in parts}
    if len(counts) != 1 or any(w.ndim < 2 for w in parts):
        raise DomainError(
            f"matrices have shapes {[w.shape for w in parts]}: replicas first, equally many, are accepted"
        )
    return SampleExpectation(np.concatenate([w.reshape(len(w), -1) for w in parts], axis=1), blocks)


def _averages(density: Density, observables: Observables) -> Array:
    points, weights = _quadrature(density)
    total = weights.sum()
    return np.array([float(np.sum(weights * f)) / total for f in observables(points)])


def _quadrature(density: Density) -> tuple[tuple[Array, ...], Array]:
    grid, weights = density.grid, density.values
    along = []
    for axis, (centers, h) in enumerate(zip(grid.centers, grid.spacing, strict=True)):
        if grid.periodic(axis):
            along.append(centers)
            continue
        along.append(centers[0] + h * np.arange(-2, len(centers) + 2))
        padded = np.pad(weights, [(4, 4) if a == axis else (0, 0) for a in range(grid.ndim)])
        n = padded.shape[axis]
        cut = [padded.take(range(k, n - 4 + k), axis) for k in range(5)]
        outer, middle, centre = _STENCIL
        weights = outer * (cut[0] + cut[4]) + middle * (cut[1] + cut[3]) + centre * cut[2]
    return tuple(np.meshgrid(*along, indexing="ij", sparse=True)), weights


def _coarsened(density: Density) -> Density | None:
    """The density on cells twice as wide, ``None`` where a cell count is odd or too small."""
    shape = density.grid.shape
    if any(n % 2 or n < 8 for n in shape):
        return None
    grid: Grid = density.grid.with_shape([n // 2 for n in shape])
    values = density.values
    for axis, n in enumerate(shape):
        pairs = values.reshape(*values.shape[:axis], n // 2, 2, *values.shape[axis + 1 :])
        values = pairs.mean(axis=axis + 1)
    return Density(grid, values)
