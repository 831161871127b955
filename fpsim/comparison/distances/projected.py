"""Distances of cumulative distributions: on a line by the library, in more dimensions along directions.

In one dimension the distance of the points is computed exactly. In ``ndim > 1`` points are projected on fixed
directions (16 equally spaced angles in the plane, 64 quasi-random ones beyond; the axes alone where the distance is a
maximum), and along each the two cumulatives are compared at 128 thresholds that span both samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.distances.base import Distance
from fpsim.comparison.resample import pooled_null
from fpsim.comparison.samples import Distribution, ExactDensity, Sample, draw
from fpsim.support.random_streams import numpy_generator

__all__ = ["Projected", "ProjectedFrame", "directions"]

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

THRESHOLDS = 128
NULL_POINTS = 500


def directions(ndim: int) -> Array:
    """Unit vectors (directions, ndim) on which points are projected."""
    if ndim == 1:
        return np.ones((1, 1))
    if ndim == 2:
        angle = np.pi * (np.arange(16) + 0.5) / 16
        return np.stack((np.cos(angle), np.sin(angle)), axis=1)
    from scipy.stats import norm, qmc

    normal = norm.ppf(qmc.Sobol(ndim, scramble=True, rng=0).random(64))
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))


def _along(points: Array, direction: Array) -> Array:
    return np.asarray(np.einsum("ij,j->i", points, direction))


@dataclass(frozen=True, eq=False)
class ProjectedFrame:
    """Directions (L, ndim) and increasing thresholds (L, G) along each."""

    directions: Array
    thresholds: Array


def _thresholds(s: Array, count: int) -> Array:
    """Half of them quantiles of ``s`` (of an even part of it, if long), half evenly spaced between its ends."""
    half = count // 2
    inner = np.quantile(s[:: max(1, len(s) >> 13)], (np.arange(half) + 0.5) / half)
    return np.sort(np.concatenate((inner, np.linspace(s.min(), s.max(), count - half))))


def _unscaled(_ndim: int) -> float:
    return 1.0


@dataclass(frozen=True)
class Projected(Distance):
    """A distance of two cumulatives along lines.

    Parameters
    ----------
    line : callable
        Distance of two one-dimensional samples, by a library.
    gap : callable
        The same from the difference of the cumulatives (..., G) and the thresholds (G,).
    floor : callable
        Floor and spread from the projections of reference points and ``n``; ``None`` where only a bootstrap knows.
    axes_only : bool
        Compare along the coordinate axes and take the largest, instead of the average over directions.
    scale : callable
        Factor of the average in ``ndim`` dimensions.
    """

    line: Callable[[Array, Array], float]
    gap: Callable[[Array, Array], Array]
    floor: Callable[[list[Array], float], tuple[float, float] | None]
    axes_only: bool = False
    scale: Callable[[int], float] = _unscaled

    def frame(self, sample: Sample, reference: Distribution, bins: Any) -> ProjectedFrame:
        """Directions, and thresholds from the pooled points."""
        self.without_bins(bins)
        along = np.eye(sample.ndim) if self.axes_only else directions(sample.ndim)
        count = THRESHOLDS if sample.ndim > 1 or sample.clustered else 8 * THRESHOLDS
        pools = ((_along(sample.points, u), _along(reference.points, u)) for u in along)
        return ProjectedFrame(along, np.stack([_thresholds(np.concatenate(pool), count) for pool in pools]))

    def sums(self, points: Array, labels: Labels, groups: int, frame: ProjectedFrame) -> Array:
        """Points of every group at or below every threshold, shape (groups, L G)."""
        lines, count = frame.thresholds.shape
        out = np.empty((groups, lines, count))
        for j in range(lines):
            s = np.searchsorted(frame.thresholds[j], _along(points, frame.directions[j]), side="left")
            cell = np.bincount(labels * (count + 1) + s, minlength=groups * (count + 1))
            np.cumsum(cell.reshape(groups, count + 1)[:, :-1], axis=1, out=out[:, j])
        return out.reshape(groups, -1)

    def expected(self, theory: ExactDensity, frame: ProjectedFrame) -> Array:
        """Cumulative of the theory's points at every threshold, shape (L G,)."""
        everything = np.zeros(len(theory.points), np.int64)
        return self.sums(theory.points, everything, 1, frame)[0] / len(theory.points)

    def functional(self, p: Array, q: Array, frame: ProjectedFrame) -> Array:
        """Distance of cumulatives, averaged (or maximised) over the directions."""
        lines, count = frame.thresholds.shape
        difference = np.asarray(p - q).reshape((*np.shape(p)[:-1], lines, count))
        per_line = np.stack([self.gap(difference[..., j, :], frame.thresholds[j]) for j in range(lines)], axis=-1)
        if self.axes_only:
            return np.asarray(per_line.max(axis=-1))
        return np.asarray(per_line.mean(axis=-1) * self.scale(frame.directions.shape[1]))

    def value(self, sample: Sample, reference: Distribution, _frame: ProjectedFrame) -> float | None:
        """Exact distance on a line, unless points are clustered (then value and floor share the thresholds)."""
        if sample.ndim > 1 or sample.clustered:
            return None
        return float(self.line(sample.points[:, 0], reference.points[:, 0]))

    def null(self, sample: Sample, reference: Distribution, frame: ProjectedFrame) -> tuple[float, float] | None:
        """Closed form where there is one; for a theory without one, points drawn from the theory."""
        if isinstance(reference, ExactDensity):
            n, pool = sample.size, reference.points
        else:
            n = sample.size * reference.size / (sample.size + reference.size)
            pool = np.concatenate((sample.points, reference.points))
        closed = self.floor([_along(pool, u) for u in frame.directions], n)
        if closed is not None:
            return closed[0] * self.scale(sample.ndim), closed[1] * self.scale(sample.ndim)
        return self._bootstrap(reference, frame, n) if isinstance(reference, ExactDensity) else None

    def _bootstrap(self, theory: ExactDensity, frame: ProjectedFrame, n: float) -> tuple[float, float]:
        """Two halves drawn from the theory: the distance scales with the root of the effective number of points."""
        rng = numpy_generator(0)
        points = draw(theory.density, 2 * NULL_POINTS, rng)
        sums, ones = self.sums(points, np.arange(len(points)), len(points), frame), np.ones(len(points))
        mean, sd = pooled_null(
            lambda p, q: self.functional(p, q, frame),
            sums,
            ones,
            (NULL_POINTS, NULL_POINTS),
            rng=rng,
        )
        shrink = float(np.sqrt(NULL_POINTS / 2.0 / n))
        return mean * shrink, sd * shrink

    def describe(self, frame: ProjectedFrame) -> dict[str, Any]:
        """Directions used."""
        return {"directions": len(frame.directions)}
