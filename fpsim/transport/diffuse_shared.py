"""Diffusion along lines that all have the same rates: the elimination is done once for all of them.

The same scheme as :mod:`fpsim.transport.diffuse`, for jumps along an axis whose rate depends on that axis at most. A
group of lines that this cannot keep non-negative is left as it was and reported, to be swept in sub-steps there.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.transport.limit import LANES, NEGLIGIBLE, TINY, borrow

__all__ = ["FACTORS", "diffuse_shared", "eliminate"]

Array = NDArray[np.float64]
Small = NDArray[np.int32]

FACTORS = 6
"""Rows of the table of factors: a, b, explicit diagonal, inverse pivot, upper, tail."""


@njit(cache=True, nogil=True, error_model="numpy")
def eliminate(r: Array, closed: bool, low: float, high: float, factor: Array) -> None:
    """Weights and elimination of one line with ``r = rate * dt`` per cell; ``factor`` has shape (FACTORS, n)."""
    n = r.size
    a, b, e, inv, z, s = factor[0], factor[1], factor[2], factor[3], factor[4], factor[5]
    for k in range(n):
        links = 2.0 if closed else (1.0 if k > 0 else 0.0) + (1.0 if k < n - 1 else 0.0)
        out = (low if k == 0 else 0.0) + (high if k == n - 1 else 0.0)
        a[k], b[k] = 1.0 / 12.0 - 0.5 * r[k], 1.0 / 12.0 + 0.5 * r[k]
        e[k] = 1.0 - links * b[k] - 0.5 * out * r[k]
        inv[k] = 1.0 - links * a[k] + 0.5 * out * r[k]
    m = n - 1 if closed else n
    for k in range(m):
        tail = 0.0
        if closed:
            tail = (-a[m] if k == 0 else 0.0) - (a[m] if k == m - 1 else 0.0)
        if k > 0:
            inv[k] -= a[k - 1] * z[k - 1]
            tail -= a[k - 1] * s[k - 1]
        inv[k] = 1.0 / inv[k]
        z[k] = a[k + 1] * inv[k] if k < m - 1 else 0.0
        s[k] = tail * inv[k]
    if closed:
        for k in range(m - 2, -1, -1):
            s[k] -= z[k] * s[k + 1]
        inv[m] = 1.0 / (inv[m] + a[0] * s[0] + a[m - 1] * s[m - 1])


@njit(cache=True, nogil=True, error_model="numpy")
def diffuse_shared(
    u: Array,
    starts: Small,
    stride: int,
    n: int,
    closed: bool,
    low: float,
    high: float,
    r: Array,
    factor: Array,
    begin: int,
    end: int,
    work: Array,
    absorbed: Array,
    failed: NDArray[np.bool_],
) -> int:
    """Sweep the lines ``begin ... end`` of the flat array ``u`` in place.

    ``factor`` is what ``eliminate`` gives; ``work`` has shape (2, n, LANES); ``absorbed[line]`` receives what left
    through the ends; ``failed[line]`` says that a line was left alone; the answer is how many groups were.
    """
    v, w = work[0], work[1]
    a, b, e, inv, z, s = factor[0], factor[1], factor[2], factor[3], factor[4], factor[5]
    at, left_over = np.empty(LANES, np.int64), 0
    m = n - 1 if closed else n
    for first in range(begin, end, LANES):
        lanes = min(LANES, end - first)
        for q in range(LANES):
            at[q] = starts[first + min(q, lanes - 1)]
        for k in range(n):
            for q in range(LANES):
                v[k, q] = u[at[q] + k * stride]
        lowest, largest = 0.0, 0.0
        before, here, pivot = (b[n - 1] if closed else 0.0), b[0], 0.0
        for k in range(n):
            after = b[k + 1] if k < n - 1 else (b[0] if closed else 0.0)
            p = k - 1 if k > 0 else n - 1
            f = k + 1 if k < n - 1 else 0
            stay, scale, lower = e[k], (inv[k] if k < m else 1.0), (pivot if k < m else 0.0)
            for q in range(LANES):
                g = stay * v[k, q] + (before * v[p, q] + after * v[f, q])
                lowest, largest = min(lowest, g), max(largest, v[k, q])
                w[k, q] = (g - lower * w[p, q]) * scale if k > 0 else g * scale
            before, here, pivot = here, after, a[k]
        good = lowest >= -NEGLIGIBLE * largest
        if good:
            lowest = 0.0
            for k in range(m - 1, -1, -1):
                upper = z[k]
                for q in range(LANES):
                    if k < m - 1:
                        w[k, q] -= upper * w[k + 1, q]
                    lowest = min(lowest, w[k, q])
            if closed:
                lowest = 0.0
                for q in range(LANES):
                    w[m, q] = (w[m, q] - a[0] * w[0, q] - a[m - 1] * w[m - 1, q]) * inv[m]
                for k in range(n):
                    tail = s[k] if k < m else 0.0
                    for q in range(LANES):
                        w[k, q] += tail * w[m, q]
                        lowest = min(lowest, w[k, q])
            for q in range(lanes):
                out = low * r[0] * (v[0, q] + w[0, q]) + high * r[n - 1] * (v[n - 1, q] + w[n - 1, q])
                absorbed[first + q] = 0.5 * out
            if lowest < 0.0:
                good = borrow(w, n, closed)
        for q in range(lanes):
            failed[first + q] = not good
        if not good:
            left_over += 1
        else:
            for k in range(n):
                for q in range(lanes):
                    u[at[q] + k * stride] = w[k, q] if w[k, q] > TINY else 0.0
    return left_over
