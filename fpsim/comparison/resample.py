"""Resampling of whole replicas for confidence bands, and for floors where no closed form exists.

Every distance here is a function of *mean features* (bin indicators, threshold indicators, monomials), so a resampled
distance needs only the feature sums of each group of replicas, not the points again (Efron 1979; Davison & Hinkley
1997, section 3.8 for clusters). Limits: bands are normal, ``value +- 1.96 sd``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["exchanged_null", "pooled_null", "resampled_means", "standard_deviation"]

Array = NDArray[np.float64]
Functional = Callable[[Array, Array], Array]
Grouped = tuple[Array, Array]

_BAND = 64  # resamples behind a band, whose width is then known to 9 %
_NULL = 256  # resamples behind a floor: its mean is known to 1/16 of the spread, the spread to 4 %


def resampled_means(sums: Array, counts: Array, draws: int, resamples: int, rng: np.random.Generator) -> Array:
    """Means of the features over ``draws`` groups drawn with replacement, shape (resamples, features).

    Parameters
    ----------
    sums : ndarray, shape (groups, features)
        Sums of the features over the points of each group.
    counts : ndarray, shape (groups,)
        Points in each group.
    """
    means = np.zeros((resamples, sums.shape[1]))
    _add_drawn(rng.integers(len(counts), size=(resamples, draws)), np.ascontiguousarray(sums), counts, means)
    return means


@njit(cache=True, nogil=True)
def _add_drawn(chosen, sums, counts, out):  # type: ignore[no-untyped-def]
    """Row by row, without a matrix product: threads of the linear algebra library cost more than they give here."""
    for r in range(chosen.shape[0]):
        total = 0.0
        for c in range(chosen.shape[1]):
            g = chosen[r, c]
            total += counts[g]
            for f in range(sums.shape[1]):
                out[r, f] += sums[g, f]
        for f in range(sums.shape[1]):
            out[r, f] /= total


def standard_deviation(
    functional: Functional,
    first: Grouped,
    second: Grouped | Array,
    *,
    rng: np.random.Generator,
    paired: bool = False,
) -> float:
    """Standard deviation of the distance when whole groups of each sample are resampled, pairs together.

    ``first`` and ``second`` are (sums, counts) of the groups; a theory is given by its mean features alone.
    """
    again = copy.deepcopy(rng) if paired else rng
    a = resampled_means(*first, len(first[1]), _BAND, rng)
    b = resampled_means(*second, len(second[1]), _BAND, again) if isinstance(second, tuple) else second
    return float(np.std(functional(a, b), ddof=1))


def pooled_null(
    functional: Functional, sums: Array, counts: Array, draws: tuple[int, int], *, rng: np.random.Generator
) -> tuple[float, float]:
    """Mean and standard deviation of the distance if both samples came from one law.

    Both are drawn, with replacement, from the same pool of groups: ``draws`` groups each.
    """
    a, b = (resampled_means(sums, counts, n, _NULL, rng) for n in draws)
    values = functional(a, b)
    return float(values.mean()), float(values.std(ddof=1))


def exchanged_null(
    functional: Functional, first: Grouped, second: Grouped, *, rng: np.random.Generator
) -> tuple[float, float]:
    """Mean and standard deviation of the distance if pairs of replicas came from one law and share random numbers.

    Then either of a pair may stand on either side: groups of pairs are exchanged at random, which is exact whatever
    their dependence (a permutation test of exchangeable pairs). Zero for identical samples.
    """
    (a, counts), (b, others) = first, second
    stays = rng.integers(2, size=(_NULL, len(counts))).astype(np.float64)
    left = (stays @ a + (1.0 - stays) @ b) / (stays @ counts + (1.0 - stays) @ others)[:, None]
    right = (stays @ b + (1.0 - stays) @ a) / (stays @ others + (1.0 - stays) @ counts)[:, None]
    values = functional(left, right)
    return float(values.mean()), float(values.std(ddof=1))
