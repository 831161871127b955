"""Wasserstein-1 distance; in more than one dimension its sliced version (Rabin et al. 2012)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.distances.projected import Projected
from fpsim.comparison.floors import sliced_floor, wasserstein_floor

__all__ = ["WASSERSTEIN"]

Array = NDArray[np.float64]


def _line(a: Array, b: Array) -> float:
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(a, b))


def _gap(difference: Array, thresholds: Array) -> Array:
    return np.asarray(np.trapezoid(np.abs(difference), thresholds, axis=-1))


def _floor(lines: list[Array], n: float) -> tuple[float, float]:
    return wasserstein_floor(lines[0], n) if len(lines) == 1 else sliced_floor(lines, n)


WASSERSTEIN = Projected("wasserstein", _line, _gap, _floor)
"""``int |F - G| dx`` (unit of the coordinate), averaged over directions."""
