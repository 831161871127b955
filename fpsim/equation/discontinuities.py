"""Discontinuities of coefficients on a grid: neighbours that differ by far more than those beside them do.

Limits: a jump has to be a twentieth of what is beside it; a function that cells do not resolve passes for one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["has_jumps"]

Array = NDArray[np.float64]

_SHARE = 0.05  # of both values, that a jump takes at least
_FACTOR = 1.2  # by which it exceeds the differences before and after it together; smooth values: 1/2
_ENDS = 2  # differences next to the ends, where a coefficient may vanish or diverge, which are no jumps
_FEWEST = 8  # values along an axis


def has_jumps(values: Array, axis: int) -> bool:
    """Whether values jump, or have a cusp, between places along an axis; not next to its ends."""
    if values.shape[axis] < _FEWEST:
        return False
    before = int(np.prod(values.shape[:axis]))
    return bool(_has_jumps(np.ascontiguousarray(values).reshape(before, values.shape[axis], -1)))


@njit(cache=True)
def _has_jumps(a):  # type: ignore[no-untyped-def]
    """Within one difference, or within two where a value lies in the middle of the jump."""
    n = a.shape[1]
    for i in range(a.shape[0]):
        for k in range(_ENDS + 1, n - _ENDS):
            for j in range(a.shape[2]):
                for width in (1, 2):
                    low, high = a[i, k - width, j], a[i, k, j]
                    step = abs(high - low)
                    beside = abs(low - a[i, k - width - 1, j]) + abs(a[i, k + 1, j] - high)
                    if step > _SHARE * (abs(high) + abs(low)) and step > width * _FACTOR * beside:
                        return True
    return False
