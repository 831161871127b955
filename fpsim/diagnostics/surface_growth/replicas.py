"""Pooling and jackknife over replicas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fpsim.diagnostics.surface_growth.surface import SurfaceEnsemble
from fpsim.support.errors import DomainError

__all__ = ["jackknife", "pooled_cumulants", "raw_moments"]

_BLOCKS = 64
_FEWEST = 8


def jackknife(
    samples: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Value and standard error of a function of sample means.

    Parameters
    ----------
    samples : ndarray (R, ...)
        One entry per independent replica; at least 8.
    statistic : callable
        Takes means with one leading axis of resamplings, (B, ...), and answers (B, ...).

    Returns
    -------
    value, error : ndarray
        ``statistic`` of the overall mean, and the delete-a-block jackknife error (up to 64 blocks of replicas).
    """
    replicas = samples.shape[0]
    if replicas < _FEWEST:
        message = f"an error bar from {replicas} replicas is worthless; accepted: {_FEWEST} or more"
        raise DomainError(message)
    blocks = min(_BLOCKS, replicas)
    edges = np.arange(blocks + 1) * replicas // blocks
    sums = np.add.reduceat(samples, edges[:-1], axis=0)
    counts = np.diff(edges).reshape((-1,) + (1,) * (samples.ndim - 1))
    without = statistic((sums.sum(axis=0) - sums) / (replicas - counts))
    value = statistic(samples.mean(axis=0)[None])[0]
    spread = np.mean((without - without.mean(axis=0)) ** 2, axis=0)
    return value, np.sqrt((blocks - 1) * spread)


def raw_moments(ensemble: SurfaceEnsemble) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Moments 1 to 4 of the sites of every replica about the ensemble mean, (R, T, 4), and that mean, (T,)."""
    reference = ensemble.mean.mean(axis=1)
    x = ensemble.mean - reference[:, None]
    m2, m3, m4 = np.moveaxis(ensemble.central, -1, 0)
    raw = np.stack([x, m2 + x**2, m3 + 3 * x * m2 + x**3, m4 + 4 * x * m3 + 6 * x**2 * m2 + x**4], axis=-1)
    return np.swapaxes(raw, 0, 1), reference


def pooled_cumulants(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulants 1 to 4 (last axis) from raw moments 1 to 4 (last axis)."""
    q1, q2, q3, q4 = np.moveaxis(raw, -1, 0)
    return np.stack(
        [
            q1,
            q2 - q1**2,
            q3 - 3 * q1 * q2 + 2 * q1**3,
            q4 - 4 * q1 * q3 - 3 * q2**2 + 12 * q1**2 * q2 - 6 * q1**4,
        ],
        axis=-1,
    )
