"""Energy distance, in its squared form (Szekely & Rizzo 2013): linear in ``1 / n`` under agreement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from fpsim.comparison.distances.projected import Projected
from fpsim.comparison.floors import energy_floor, thinned
from fpsim.support.random_streams import numpy_generator

__all__ = ["ENERGY"]

Array = NDArray[np.float64]


def _line(a: Array, b: Array) -> float:
    from scipy.stats import energy_distance

    return float(energy_distance(a, b)) ** 2


def _gap(difference: Array, thresholds: Array) -> Array:
    return np.asarray(2.0 * np.trapezoid(difference**2, thresholds, axis=-1))


def _mean_gap(s: Array) -> float:
    """``E|X - X'|`` over all pairs, from the order statistics."""
    n = s.size
    return float(2.0 * (np.sort(s) * (2.0 * np.arange(1, n + 1) - n - 1)).sum() / n**2)


def _floor(lines: list[Array], n: float) -> tuple[float, float]:
    few = numpy_generator(0).choice(lines[0].size, min(lines[0].size, 500), replace=False)
    gaps, one = np.zeros((few.size, few.size)), np.empty((few.size, few.size))
    for s in lines:
        np.subtract.outer(s[few], s[few], out=one)
        gaps += np.abs(one, out=one)
    gaps /= len(lines)
    return energy_floor(gaps, float(np.mean([_mean_gap(thinned(s) if len(lines) > 1 else s) for s in lines])), n)


def _scale(ndim: int) -> float:
    """``|x|`` over the average of ``|u . x|``: the average of line distances times this is the distance in space."""
    return float(np.sqrt(np.pi) * np.exp(gammaln((ndim + 1) / 2) - gammaln(ndim / 2)))


ENERGY = Projected("energy", _line, _gap, _floor, scale=_scale, squared=True)
"""``2 E|X - Y| - E|X - X'| - E|Y - Y'|``; its root is a metric, and what SciPy calls the energy distance."""
