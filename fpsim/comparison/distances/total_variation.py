"""Total variation: the largest difference in probability the two laws give to any event made of bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.distances.binned import Binned

__all__ = ["TOTAL_VARIATION"]

Array = NDArray[np.float64]


def _summand(p: Array, q: Array) -> Array:
    return 0.5 * np.abs(p - q)


TOTAL_VARIATION = Binned("total_variation", _summand)
"""``sum_i |p_i - q_i| / 2``, in [0, 1]."""
