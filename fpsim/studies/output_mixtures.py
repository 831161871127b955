"""Pooled outputs without the noise of the data: mixtures of normal densities, one a replica, and their distances.

For Gaussian data a replica's output is normal, so that the pooled density of a law is a mixture which is known as a
function. What remains is the sampling of the replicas: a distance between two mixtures has a floor, found from the
scatter of block means. Limits: independent replicas, two or more; linear networks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["BLOCKS", "Needed", "mixture_blocks", "mixture_distance", "output_widths", "outputs_needed"]

Array = NDArray[np.float64]
BLOCKS = 64
DRAWS = 400


class Needed(NamedTuple):
    """How many independent outputs would show a difference of pooled densities.

    Attributes
    ----------
    excess, error : float
        Total variation freed of its floor, and its standard error; where it is not resolved, an upper bound and 0.
    fewest, most : float
        Outputs that are needed, one standard error to either side; ``most`` is infinite where only a bound is known.
    """

    excess: float
    error: float
    fewest: float
    most: float


def output_widths(w1: ArrayLike, w2: ArrayLike, variances: ArrayLike) -> Array:
    """Standard deviation ``|b_1| sqrt(a^T C a)`` of each replica's first output, one linear neuron on Gaussian data.

    Parameters
    ----------
    w1, w2 : array_like, shapes (R, 1, d), (R, d, 1)
        Rows ``a`` and columns ``b``.
    variances : array_like, shape (d,)
        Diagonal of ``C``.
    """
    a, b = np.asarray(w1, np.float64)[:, 0, :], np.asarray(w2, np.float64)[:, 0, 0]
    return np.sqrt(np.maximum(b**2 * (a**2 @ np.asarray(variances, np.float64)), 1e-12))


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


def outputs_needed(
    distance: float, floor: float, spread: float, error: float, *, of: tuple[float, float], outputs: int, z: float = 3.0
) -> Needed:
    """How many outputs would show the difference of two mixtures at ``z`` spreads above the floor.

    The distance of the mixtures is freed of its own sampling, ``e^2 = d^2 - f^2 - s^2``. It adds to the floor ``f_0``
    and spread ``s_0`` of ``n_0`` pooled outputs in quadrature, and both fall as ``n^{-1/2}``, so that
    ``n = n_0 ((f_0 + z s_0)^2 - f_0^2) / e^2``. Where ``d`` is within ``z`` spreads of its floor there is only a bound.

    Parameters
    ----------
    distance, floor, spread, error : float
        Of :func:`mixture_distance`.
    of : tuple of float
        ``f_0`` and ``s_0``.
    outputs : int
        ``n_0``.
    """
    scale = outputs * ((of[0] + z * of[1]) ** 2 - of[0] ** 2)
    known = z * max(spread, error)
    if distance <= floor + known:
        bound = float(np.sqrt((max(distance, floor) + known) ** 2 - floor**2))
        return Needed(bound, 0.0, scale / bound**2, float("inf"))
    excess = float(np.sqrt(distance**2 - floor**2 - spread**2))
    own = distance * error / excess  # less than half of the excess, since the distance is above floor + 3 errors
    return Needed(excess, own, scale / (excess + own) ** 2, scale / (excess - own) ** 2)
