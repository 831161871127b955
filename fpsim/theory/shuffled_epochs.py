"""Variance of SGD in shuffled epochs on a quadratic loss, far below that of independent batches.

When every epoch visits every sample once, the mini-batch noises of an epoch sum to zero, so that the plain
Fokker-Planck equation with ``D = eta c_B Sigma / 2`` overestimates the stationary variance by orders of magnitude,
unless ``eta lambda M >> 1`` with ``M = N / B`` batches an epoch. The formulas are exact for a quadratic loss of
curvature ``lambda`` with noise that does not depend on the weight; ``sigma2`` is the variance of the per-sample
gradient (1/N).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fpsim.support.errors import DomainError
from fpsim.theory.weight_coordinates import Array

__all__ = ["epoch_variance", "epoch_variance_path", "iid_variance", "iid_variance_path"]


def iid_variance(learning_rate: float, curvature: float, sigma2: float, *, batch_factor: float) -> float:
    """Stationary variance ``eta^2 c_B sigma2 / (1 - a^2)``, ``a = 1 - eta lambda``, of independent batches.

    Raises
    ------
    DomainError
        If ``eta lambda`` is not in (0, 2), where SGD has no stationary state.
    """
    a = _contraction(learning_rate, curvature)
    return learning_rate**2 * batch_factor * sigma2 / (1.0 - a * a)


def epoch_variance(learning_rate: float, curvature: float, sigma2: float, *, samples: int, batch_size: int) -> float:
    """Stationary variance at the ends of shuffled epochs.

    ``Cov(xi_i, xi_j) = s2 (delta_ij - (1 - delta_ij) / (M - 1))`` within an epoch, ``s2 = sigma2 (N - B) / (B (N -
    1))``, gives ``eta^2 s2 (M S2 - S1^2) / ((M - 1) (1 - a^{2M}))`` with ``S1 = sum a^i``, ``S2 = sum a^{2i}``, ``i
    < M``.

    Parameters
    ----------
    learning_rate, curvature, sigma2 : float
        ``eta``, ``lambda``, variance of the per-sample gradient.
    samples, batch_size : int
        ``N`` and ``B``, with ``B`` a divisor of ``N``.

    Raises
    ------
    DomainError
        If ``eta lambda`` is not in (0, 2), or ``B`` does not divide ``N``.
    """
    a = _contraction(learning_rate, curvature)
    one = _one_epoch(learning_rate, a, sigma2, samples, batch_size)
    return float(one[-1] / (1.0 - a ** (2 * (one.size - 1))))


def iid_variance_path(
    learning_rate: float, curvature: float, sigma2: float, *, batch_factor: float, steps: ArrayLike
) -> Array:
    """Variance after ``steps`` independent batches from a point: the stationary one times ``1 - a^{2 k}``."""
    a = _contraction(learning_rate, curvature)
    final = iid_variance(learning_rate, curvature, sigma2, batch_factor=batch_factor)
    return np.asarray(final * (1.0 - a ** (2 * np.asarray(steps))))


def epoch_variance_path(
    learning_rate: float, curvature: float, sigma2: float, *, samples: int, batch_size: int, steps: ArrayLike
) -> Array:
    """Variance after ``steps`` batches of shuffled epochs from a point, also in the middle of an epoch.

    After ``j`` batches of an epoch that began with the variance ``V``: ``a^{2j} V + eta^2 s2 (M S2 - S1^2) / (M - 1)``
    with sums over ``i < j``. Within an epoch the variance rises like a bridge and falls again: only the epoch's sum of
    noises is zero.

    Parameters
    ----------
    learning_rate, curvature, sigma2, samples, batch_size
        As for :func:`epoch_variance`.
    steps : array_like of int
        Steps from the start, at which an epoch begins.

    Raises
    ------
    DomainError
        As for :func:`epoch_variance`.
    """
    a = _contraction(learning_rate, curvature)
    one = _one_epoch(learning_rate, a, sigma2, samples, batch_size)
    batches = one.size - 1
    epoch, j = np.divmod(np.asarray(steps, dtype=np.int64), batches)
    before = one[-1] * (1.0 - a ** (2 * batches * epoch)) / (1.0 - a ** (2 * batches))
    return np.asarray(a ** (2 * j) * before + one[j])


def _one_epoch(learning_rate: float, a: float, sigma2: float, samples: int, batch_size: int) -> Array:
    """Variance after 0 ... M batches of an epoch that begins at a point."""
    if batch_size < 1 or samples % batch_size:
        raise DomainError(f"batch_size = {batch_size}: a divisor of the number of samples {samples} is accepted")
    batches = samples // batch_size
    if batches == 1:
        return np.zeros(2)
    s2 = sigma2 * (samples - batch_size) / (batch_size * (samples - 1))
    powers = a ** np.arange(batches)
    first, second = (np.concatenate([[0.0], np.cumsum(p)]) for p in (powers, powers**2))
    return np.asarray(learning_rate**2 * s2 * (batches * second - first**2) / (batches - 1))


def _contraction(learning_rate: float, curvature: float) -> float:
    if not 0.0 < learning_rate * curvature < 2.0:
        raise DomainError(f"learning_rate * curvature = {learning_rate * curvature:g}: between 0 and 2 is accepted")
    return 1.0 - learning_rate * curvature
