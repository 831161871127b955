"""Errors of the first two moments: Euclidean norm of the difference of means, Frobenius norm of that of covariances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.distances.base import Distance
from fpsim.comparison.floors import norm_floor
from fpsim.comparison.samples import Distribution, ExactDensity, Sample, covariance_of

__all__ = ["COVARIANCE", "MEAN", "Moments"]

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def _mean(features: Array, ndim: int) -> Array:
    return features[..., :ndim]


def _covariance(features: Array, ndim: int) -> Array:
    x = features[..., :ndim]
    products = x[..., :, None] * x[..., None, :]
    return features[..., ndim:] - products.reshape((*x.shape[:-1], ndim * ndim))


@dataclass(frozen=True)
class Moments(Distance):
    """Norm of the difference of a moment.

    Parameters
    ----------
    moment : callable
        The moment, flattened, from the mean features ``(x - c, (x - c)(x - c)^T)`` and the number of coordinates.
    """

    moment: Callable[[Array, int], Array]

    def frame(self, _sample: Sample, reference: Distribution, bins: Any) -> Array:
        """The centre ``c``: the mean of the reference."""
        self.without_bins(bins)
        return reference.mean

    def _features(self, points: Array, centre: Array) -> Array:
        x = points - centre
        return np.concatenate((x, (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)), axis=1)

    def sums(self, points: Array, labels: Labels, groups: int, frame: Array) -> Array:
        """Sums of the coordinates and their products in every group."""
        return np.stack([np.bincount(labels, f, groups) for f in self._features(points, frame).T], axis=1)

    def expected(self, theory: ExactDensity, frame: Array) -> Array:
        """Moments of the theory about the centre."""
        x = theory.mean - frame
        return np.concatenate((x, (theory.covariance + np.outer(x, x)).ravel()))

    def functional(self, p: Array, q: Array, frame: Array) -> Array:
        """Norm of the difference."""
        ndim = len(frame)
        return np.asarray(np.linalg.norm(self.moment(p, ndim) - self.moment(q, ndim), axis=-1))

    def value(self, _sample: Sample, _reference: Distribution, _frame: Array) -> None:
        """Mean features are all there is."""

    def null(self, sample: Sample, reference: Distribution, frame: Array) -> tuple[float, float]:
        """Normal law of the difference, its covariance from the theory (or the pooled sample)."""
        if isinstance(reference, ExactDensity):
            pool, n = reference.points, sample.size
        else:
            pool = np.concatenate((sample.points, reference.points))
            n = sample.size * reference.size / (sample.size + reference.size)
        features = self._features(pool, pool.mean(axis=0))
        ndim = len(frame)
        # About the mean itself a covariance is, to leading order, the mean of the products.
        part = features[:, :ndim] if self.moment is _mean else features[:, ndim:]
        return norm_floor(covariance_of(part), n)

    def describe(self, _frame: Array) -> dict[str, Any]:
        """Nothing was chosen."""
        return {}


MEAN = Moments("mean", _mean)
"""``|mean - mean'|`` (unit of the coordinates)."""

COVARIANCE = Moments("covariance", _covariance)
"""``|cov - cov'|_F`` (unit squared)."""
