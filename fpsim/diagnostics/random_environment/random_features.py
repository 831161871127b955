"""Rugged losses: an environment of known correlation, the counterpart of a linear network's.

Per-sample losses ``cos(k . W + phase)`` with ``k ~ N(0, 1 / length^2)`` and uniform phases have gradients whose
covariance decays as a Gaussian of the distance: ``K(W, W') = -grad grad exp(-|W - W'|^2 / 2 length^2) / 2``, up to what
finitely many features leave. With it a random environment decorrelates, which no polynomial does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.random_environment.environment import Gradients
from fpsim.support.checks import real_number, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.random_streams import RNG, numpy_generator

__all__ = ["feature_correlation", "feature_gradients"]

Array = NDArray[np.float64]


def feature_gradients(dimension: int, *, length: float, features: int = 2000, rng: RNG = None) -> Gradients:
    """Per-sample gradients ``(M, dimension) -> (M, features, dimension)`` of random cosines.

    Parameters
    ----------
    length : float
        Correlation length of the losses.
    features : int
        Number of samples N; correlations beyond ``length`` are zero up to ``N^(-1/2)``.

    Raises
    ------
    DomainError
        If a number is not positive.
    """
    dimension, features = whole_number(dimension, "dimension", least=1), whole_number(features, "features", least=2)
    if not real_number(length, "length") > 0.0:
        raise DomainError(f"dimension {dimension}, features {features}, length {length}: positive ones are accepted")
    source = numpy_generator(rng)
    k = source.standard_normal((features, dimension)) / length
    phase = source.uniform(0.0, 2.0 * np.pi, features)

    def gradients(w: Array) -> Array:
        return np.asarray(-np.sin(w @ k.T + phase)[..., None] * k)

    return gradients


def feature_correlation(distance: ArrayLike, *, dimension: int, length: float) -> Array:
    """``tr K(W, W') / tr K(W, W) = (1 - x^2 / dimension) exp(-x^2 / 2)`` with ``x = distance / length``."""
    x2 = (np.asarray(distance, float) / length) ** 2
    return np.asarray((1.0 - x2 / dimension) * np.exp(-0.5 * x2))
