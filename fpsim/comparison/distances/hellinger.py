"""Hellinger distance: half the Euclidean distance of root frequencies, in [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.distances.binned import Binned

__all__ = ["HELLINGER"]

Array = NDArray[np.float64]


def _summand(p: Array, q: Array) -> Array:
    return 0.5 * (np.sqrt(p) - np.sqrt(q)) ** 2


HELLINGER = Binned("hellinger", _summand, root=True)
"""``sqrt(sum_i (sqrt(p_i) - sqrt(q_i))^2 / 2)``, in [0, 1]."""
