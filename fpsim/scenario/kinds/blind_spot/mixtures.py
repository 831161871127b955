"""Pooled outputs without the noise of the data: mixtures of normal densities, one a replica, and their distances.

For Gaussian data a replica's output is normal, so that the pooled density of a law is a mixture which is known as a
function. What remains is the sampling of the replicas: a distance between two mixtures has a floor, found from the
scatter of block means. Limits: independent replicas, two or more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCKS", "mixture_blocks", "mixture_distance"]

Array = NDArray[np.float64]
BLOCKS = 64
DRAWS = 400


def mixture_blocks(widths: Array, y: Array) -> Array:
    """``mean over replicas of N(0, width^2)`` at ``y`` for each of ``BLOCKS`` parts of the replicas.

    Parameters
    ----------
    widths : ndarray, shape (R,)
        Standard deviations of the replicas' outputs; fewer than ``BLOCKS`` are a block each.
    y : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (min(BLOCKS, R), n)
        Its mean over the blocks is the density of the mixture (replicas of a part that is shorter by one weigh more).
    """
    parts = np.array_split(widths, min(BLOCKS, widths.size))
    blocks = [(np.exp(-0.5 * (y / part[:, None]) ** 2) / part[:, None]).mean(axis=0) for part in parts]
    return np.array(blocks) / np.sqrt(2.0 * np.pi)


def mixture_distance(left: Array, right: Array, step: float, rng: np.random.Generator) -> dict[str, float]:
    """Total variation between two mixtures, and what sampling makes of it.

    The fluctuation of a block mean about the mean of all, times an independent normal number, sums to a draw of the
    fluctuation of the mixture (multiplier bootstrap).

    Parameters
    ----------
    left, right : ndarray, shape (blocks, n)
        Of :func:`mixture_blocks`, from independent replicas.
    step : float
        Distance of the places.

    Returns
    -------
    dict
        ``distance``; ``floor`` and ``spread``, its mean and standard deviation if the mixtures were the same;
        ``error``, its standard error as they are.
    """
    gap = left.mean(axis=0) - right.mean(axis=0)
    noise = np.zeros((DRAWS, gap.size))
    for blocks in (left, right):
        count = len(blocks)
        noise += rng.standard_normal((DRAWS, count)) @ (blocks - blocks.mean(axis=0)) / np.sqrt(count * (count - 1))
    observed, null, again = (0.5 * step * np.abs(g).sum(axis=-1) for g in (gap, noise, gap + noise))
    return {
        "distance": float(observed),
        "floor": float(null.mean()),
        "spread": float(null.std()),
        "error": float(again.std()),
    }
