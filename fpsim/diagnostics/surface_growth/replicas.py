"""Moments over replicas: means with jackknife errors, cumulants pooled over sites and replicas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.diagnostics.surface_growth.surface import SurfaceEnsemble
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import Estimate, block_jackknife

__all__ = ["pooled_cumulants", "raw_moments", "replica_mean"]

_BLOCKS = 64
_FEWEST = 8


def replica_mean(samples: NDArray[np.float64]) -> Estimate:
    """Mean of one entry per independent replica, (R, ...), with up to 64 blocks of replicas left out in turn.

    Raises
    ------
    DomainError
        If there are fewer than eight replicas.
    """
    if len(samples) < _FEWEST:
        raise DomainError(f"an error bar from {len(samples)} replicas is worthless: {_FEWEST} or more are accepted")
    return block_jackknife(samples, min(_BLOCKS, len(samples)))


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
