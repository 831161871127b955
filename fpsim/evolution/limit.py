"""Keeping a line of cells non-negative without changing its sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["LANES", "NEGLIGIBLE", "TINY", "borrow"]

Array = NDArray[np.float64]

LANES = 32
"""Lines treated together: their cells lie side by side, so that one instruction treats several."""

TINY = 1e-280
"""Below this a cell holds nothing: denormal numbers would slow every later sweep."""

NEGLIGIBLE = 1e-12
"""Undershoots below this share of a line's largest value (ripples in far tails) are mended rather than avoided."""

_PASSES = 16


@njit(cache=True, nogil=True, error_model="numpy")
def borrow(w: Array, n: int, closed: bool) -> bool:
    """Cells of the lines ``w[:n, lane]`` below zero take what they lack from their larger neighbour.

    High-order implicit diffusion undershoots where a density falls by more than a factor of ten per cell, by less than
    a tenth of the drop; neighbours can afford that in one pass. Where they cannot in a few, the answer is ``False``
    and the lines must be done another way.
    """
    for _ in range(_PASSES):
        lowest = 0.0
        for k in range(n):
            p = k - 1 if k > 0 else (n - 1 if closed else min(1, n - 1))
            f = k + 1 if k < n - 1 else (0 if closed else max(n - 2, 0))
            for q in range(w.shape[1]):
                if w[k, q] < 0.0:
                    lender = p if w[p, q] > w[f, q] else f
                    w[lender, q] += w[k, q]
                    w[k, q] = 0.0
                    lowest = min(lowest, w[lender, q])
        if lowest == 0.0:
            return True
    return False
