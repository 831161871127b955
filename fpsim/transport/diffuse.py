"""Diffusion along lines of cells: conservative, positive, compact fourth-order.

One sweep advances ``d_t u_k = r_{k-1} u_{k-1} + r_{k+1} u_{k+1} - 2 r_k u_k`` (jumps along one offset, Ito form) by a
step, with ``r = rate * dt`` per cell:

    (I + d2 (c - r/2)) u' = (I + d2 (c + r/2)) u,      c = 1/12,

``d2`` acting on the products: fourth order in space, second in time. Jumps beyond the end of a line are dropped
(reflecting) or counted as absorbed, so the sum of ``u`` plus what was absorbed is conserved to rounding for any ``r``.

Positivity: the explicit half is non-negative for ``r <= 5/6``, and for any ``r`` where ``u`` is smooth on the scale of
the step; undershoots of the implicit half in steep tails are borrowed from the neighbour. Lines where either does not
suffice are done in a few sub-steps with ``c = min(1/12, r/2)``, where the implicit matrix is an M-matrix, and with the
explicit share of ``r`` lowered where it is still too large: then nothing can go negative, at first order in time there.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.transport.limit import LANES, NEGLIGIBLE, TINY, borrow

__all__ = ["diffuse_lines"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Small = NDArray[np.int32]

SUBSTEPS = 8
"""Most sub-steps of the safe scheme before its order is lowered."""


@njit(cache=True, nogil=True, error_model="numpy")
def diffuse_lines(
    u: Array,
    starts: Small,
    lengths: Small,
    stride: int,
    order: Small,
    closed: bool,
    low_exit: NDArray[np.float32],
    high_exit: NDArray[np.float32],
    rate: Array,
    rate_starts: Small,
    rate_stride: int,
    dt: float,
    begin: int,
    end: int,
    work: Array,
    absorbed: Array,
) -> None:
    """Sweep the lines ``begin ... end`` of the flat array ``u`` in place.

    ``rate[rate_starts[line] + k * rate_stride]`` is the rate in cell ``k`` of a line (in cell ``order[line, k]`` where
    lines wrap); ``work`` has shape (7, longest, LANES); ``absorbed[line]`` receives what left through its ends.
    """
    v, r, a, b, g, z, s = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    last, low, high = np.empty(LANES, np.int64), np.empty(LANES), np.empty(LANES)
    wraps = order.size > 0
    for first in range(begin, end, LANES):
        lanes = min(LANES, end - first)
        rows, ways = 0, 2.0
        for q in range(LANES):
            line = first + min(q, lanes - 1)
            last[q], low[q], high[q] = lengths[line] - 1, low_exit[line], high_exit[line]
            rows = max(rows, lengths[line])
            ways = max(ways, low[q] + high[q] if last[q] == 0 else 1.0 + max(low[q], high[q]))
        for attempt in range(2):
            safe = attempt == 1
            highest = 0.0
            for k in range(rows):
                for q in range(LANES):
                    line = first + min(q, lanes - 1)
                    if k > last[q]:
                        v[k, q] = r[k, q] = 0.0
                    elif wraps:
                        v[k, q], r[k, q] = u[order[line, k]], dt * rate[order[line, k]]
                    else:
                        v[k, q] = u[starts[line] + k * stride]
                        r[k, q] = dt * rate[rate_starts[line] + k * rate_stride]
                    highest = max(highest, r[k, q])
            for q in range(lanes):
                absorbed[first + q] = 0.0
            if highest == 0.0:
                break
            steps = min(int(highest * ways / 1.6) + 1, SUBSTEPS) if safe else 1
            good = True
            for _ in range(steps):
                _weights(r, a, b, s, rows, last, steps, 0.999 / ways if safe else np.inf)
                good = _explicit_half(v, b, s, g, rows, last, low, high, closed) or safe
                if not good:
                    break
                for q in range(lanes):
                    absorbed[first + q] += low[q] * s[0, q] * v[0, q] + high[q] * s[last[q], q] * v[last[q], q]
                if closed:
                    lowest = _solve_closed(v, a, g, z, s, rows)
                else:
                    lowest = _solve_open(v, r, a, g, z, s, rows, last, low, high, steps)
                    for q in range(lanes):
                        out = low[q] * (r[0, q] / steps - s[0, q]) * v[0, q]
                        out += high[q] * (r[last[q], q] / steps - s[last[q], q]) * v[last[q], q]
                        absorbed[first + q] += out
                if lowest < 0.0:
                    good = borrow(v, rows, closed) or safe
            if good:
                for k in range(rows):
                    for q in range(lanes):
                        if k <= last[q]:
                            cell = order[first + q, k] if wraps else starts[first + q] + k * stride
                            u[cell] = v[k, q] if v[k, q] > TINY else 0.0
                break


@njit(cache=True, nogil=True, error_model="numpy")
def _weights(r: Array, a: Array, b: Array, s: Array, rows: int, last: Integers, steps: int, cap: float) -> None:
    """Explicit weight ``b``, implicit weight ``a = b - r`` and explicit share ``s`` of ``r`` of a sub-step.

    A finite ``cap`` bounds ``b`` and makes ``a`` negative: the safe scheme.
    """
    for k in range(rows):
        for q in range(LANES):
            rate = r[k, q] / steps
            c = min(1.0 / 12.0, 0.5 * rate) if cap < np.inf else 1.0 / 12.0
            inside = k <= last[q]
            b[k, q] = min(c + 0.5 * rate, cap) if inside else 0.0
            a[k, q] = b[k, q] - rate
            s[k, q] = max(b[k, q] - c, 0.0) if inside else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _explicit_half(
    v: Array, b: Array, s: Array, g: Array, rows: int, last: Integers, low: Array, high: Array, closed: bool
) -> bool:
    """``g = (I + d2 b) v``; whether it is non-negative but for what borrowing can mend."""
    lowest, largest = 0.0, 0.0
    for k in range(rows):
        before = k - 1 if k > 0 else (rows - 1 if closed else 0)
        after = k + 1 if k + 1 < rows else (0 if closed else k)
        for q in range(LANES):
            links, inflow = 0.0, 0.0
            if (k > 0 and k <= last[q]) or closed:
                links += 1.0
                inflow += b[before, q] * v[before, q]
            if k < last[q] or closed:
                links += 1.0
                inflow += b[after, q] * v[after, q]
            out = (low[q] if k == 0 else 0.0) + (high[q] if k == last[q] else 0.0)
            g[k, q] = v[k, q] * (1.0 - links * b[k, q] - out * s[k, q]) + inflow
            lowest, largest = min(lowest, g[k, q]), max(largest, v[k, q])
    return lowest >= -NEGLIGIBLE * largest


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_open(
    v: Array,
    r: Array,
    a: Array,
    g: Array,
    z: Array,
    s: Array,
    rows: int,
    last: Integers,
    low: Array,
    high: Array,
    steps: int,
) -> float:
    """Tridiagonal solve between two ends (``z``: eliminated upper diagonal); the lowest value, or zero."""
    for k in range(rows):
        for q in range(LANES):
            below = a[k - 1, q] if k > 0 and k <= last[q] else 0.0
            above = a[k + 1, q] if k < last[q] else 0.0
            links = (1.0 if k > 0 else 0.0) + (1.0 if k < last[q] else 0.0)
            out = (low[q] if k == 0 else 0.0) + (high[q] if k == last[q] else 0.0)
            den = 1.0 - links * a[k, q] + out * (r[k, q] / steps - s[k, q])
            rhs = g[k, q]
            if k > 0:
                den -= below * z[k - 1, q]
                rhs -= below * v[k - 1, q]
            inv = 1.0 / den
            z[k, q] = above * inv
            v[k, q] = rhs * inv
    lowest = 0.0
    for k in range(rows - 1, -1, -1):
        for q in range(LANES):
            if k < rows - 1:
                v[k, q] -= z[k, q] * v[k + 1, q]
            lowest = min(lowest, v[k, q])
    return lowest


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_closed(v: Array, a: Array, g: Array, z: Array, s: Array, rows: int) -> float:
    """Cyclic tridiagonal solve, the last unknown eliminated last; the lowest value, or zero."""
    n = rows - 1
    lowest = 0.0
    for q in range(LANES):
        for k in range(n):  # u_k = v_k + s_k u_n
            den = 1.0 - 2.0 * a[k, q]
            rhs = g[k, q]
            tail = (-a[n, q] if k == 0 else 0.0) - (a[n, q] if k == n - 1 else 0.0)
            if k > 0:
                den -= a[k - 1, q] * z[k - 1, q]
                rhs -= a[k - 1, q] * v[k - 1, q]
                tail -= a[k - 1, q] * s[k - 1, q]
            inv = 1.0 / den
            z[k, q] = a[k + 1, q] * inv if k < n - 1 else 0.0
            v[k, q] = rhs * inv
            s[k, q] = tail * inv
        for k in range(n - 2, -1, -1):
            v[k, q] -= z[k, q] * v[k + 1, q]
            s[k, q] -= z[k, q] * s[k + 1, q]
        v[n, q] = (g[n, q] - a[0, q] * v[0, q] - a[n - 1, q] * v[n - 1, q]) / (
            1.0 - 2.0 * a[n, q] + a[0, q] * s[0, q] + a[n - 1, q] * s[n - 1, q]
        )
        for k in range(n):
            v[k, q] += s[k, q] * v[n, q]
        for k in range(n + 1):
            lowest = min(lowest, v[k, q])
    return lowest
