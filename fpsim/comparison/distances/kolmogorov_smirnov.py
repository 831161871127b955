"""Kolmogorov-Smirnov distance; in more than one dimension the largest over the coordinate axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.distances.projected import Projected
from fpsim.comparison.floors import kolmogorov_smirnov_floor

__all__ = ["KOLMOGOROV_SMIRNOV"]

Array = NDArray[np.float64]


def _line(a: Array, b: Array) -> float:
    from scipy.stats import ks_2samp

    return float(ks_2samp(a, b, method="asymp").statistic)


def _gap(difference: Array, _thresholds: Array) -> Array:
    return np.asarray(np.abs(difference).max(axis=-1))


def _floor(lines: list[Array], n: float) -> tuple[float, float] | None:
    return kolmogorov_smirnov_floor(n) if len(lines) == 1 else None


KOLMOGOROV_SMIRNOV = Projected("kolmogorov_smirnov", _line, _gap, _floor, axes_only=True)
"""``max_x |F(x) - G(x)|``, in [0, 1]."""
