"""Diffusion along lines that all have the same rates: the elimination is done once for all of them.

The same scheme as :mod:`fpsim.evolution.diffuse`, for jumps along an axis whose rate depends on that axis at most.
Lines that this cannot keep non-negative are reported; in the fully implicit scheme none are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.evolution.limit import NEGLIGIBLE, TINY, borrow
from fpsim.support.compilation import njit

__all__ = ["FACTORS", "diffuse_group", "eliminate"]

Array = NDArray[np.float64]

FACTORS = 6
"""Rows of the table of factors: a, b, explicit diagonal, inverse pivot, upper, tail."""


@njit(cache=True, nogil=True, error_model="numpy")
def eliminate(r: Array, closed: bool, low: float, high: float, share: float, factor: Array) -> None:
    """Weights and elimination of one line with ``r = rate * dt`` per cell; ``factor`` has shape (FACTORS, n).

    ``share`` of ``r`` is explicit: 1/2, or 0 for the fully implicit scheme, whose matrix is an M-matrix.
    """
    n, c = r.size, 1.0 / 12.0 if share > 0.0 else 0.0
    a, b, e, inv, z, s = factor[0], factor[1], factor[2], factor[3], factor[4], factor[5]
    for k in range(n):
        links = 2.0 if closed else (1.0 if k > 0 else 0.0) + (1.0 if k < n - 1 else 0.0)
        out = (low if k == 0 else 0.0) + (high if k == n - 1 else 0.0)
        a[k], b[k] = c - (1.0 - share) * r[k], c + share * r[k]
        e[k] = 1.0 - links * b[k] - share * out * r[k]
        inv[k] = 1.0 - links * a[k] + (1.0 - share) * out * r[k]
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
def diffuse_group(
    v: Array,
    w: Array,
    n: int,
    closed: bool,
    low: float,
    high: float,
    share: float,
    r: Array,
    factor: Array,
    lowest: Array,
    lost: Array,
) -> bool:
    """Diffuse several lines at once, from ``v`` to ``w``, both of shape (n, lines).

    ``share`` and ``factor`` are those of ``eliminate``; ``lowest`` has room for a value per line; what left through
    the ends is added to ``lost``. The answer is whether ``w`` is non-negative; if not, neither is of use.
    """
    a, b, e, inv, z, s = factor[0], factor[1], factor[2], factor[3], factor[4], factor[5]
    lanes, m = v.shape[1], n - 1 if closed else n
    for q in range(lanes):
        lowest[q] = 0.0
    for k in range(n):  # several simple loops: each becomes vector instructions, one for all does not
        p, f = (k - 1 if k > 0 else n - 1), (k + 1 if k < n - 1 else 0)
        stay, before, after = e[k], (b[p] if k > 0 or closed else 0.0), (b[f] if k < n - 1 or closed else 0.0)
        for q in range(lanes):
            w[k, q] = stay * v[k, q] + (before * v[p, q] + after * v[f, q])
            lowest[q] = min(lowest[q], w[k, q])
    for q in range(lanes):
        if lowest[q] < 0.0 and lowest[q] < -NEGLIGIBLE * v[:, q].max():
            return False
    for q in range(lanes):
        w[0, q] *= inv[0]
    for k in range(1, m):
        lower, scale = a[k - 1], inv[k]
        for q in range(lanes):
            x = (w[k, q] - lower * w[k - 1, q]) * scale
            w[k, q] = x if abs(x) > TINY else 0.0  # here, not in the end: tails decay through many empty cells
    for k in range(m - 2, -1, -1):
        upper = z[k]
        for q in range(lanes):
            x = w[k, q] - upper * w[k + 1, q]
            w[k, q] = x if abs(x) > TINY else 0.0
    if closed:
        for q in range(lanes):
            w[m, q] = (w[m, q] - a[0] * w[0, q] - a[m - 1] * w[m - 1, q]) * inv[m]
        for k in range(m):
            tail = s[k]
            for q in range(lanes):
                x = w[k, q] + tail * w[m, q]
                w[k, q] = x if abs(x) > TINY else 0.0
    if low > 0.0 or high > 0.0:
        into, out, rest = low * r[0], high * r[n - 1], 1.0 - share
        for q in range(lanes):
            lost[q] += into * (share * v[0, q] + rest * w[0, q]) + out * (share * v[n - 1, q] + rest * w[n - 1, q])
    negative = 0
    for k in range(n):
        for q in range(lanes):
            negative |= w[k, q] < 0.0
    return negative == 0 or borrow(w, n, closed)
