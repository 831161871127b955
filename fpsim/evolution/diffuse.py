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
from numpy.typing import NDArray

from fpsim.evolution.limit import LANES, NEGLIGIBLE, TINY, borrow
from fpsim.support.compilation import njit

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
    rate_order: Small,
    dt: float,
    begin: int,
    end: int,
    work: Array,
    absorbed: Array,
) -> None:
    """Sweep the lines ``begin ... end`` of the flat array ``u`` in place.

    Cell ``k`` of a line is ``starts[line] + k * stride``, or ``order[line, k]`` where there is an order, and so is its
    place in ``rate``; ``work`` is flat, of size 7 * longest * LANES or less for fewer lines; ``absorbed[line]``
    receives what left through its ends.
    """
    last, wraps, tabled = np.empty(LANES, np.int64), order.size > 0, rate_order.size > 0
    low, high, lowest, largest = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(begin, end, LANES):
        lanes = min(LANES, end - first)
        rows, ways = 0, 2.0
        for q in range(lanes):
            line = first + q
            last[q], low[q], high[q], absorbed[line] = lengths[line] - 1, low_exit[line], high_exit[line], 0.0
            rows = max(rows, lengths[line])
            ways = max(ways, low[q] + high[q] if last[q] == 0 else 1.0 + max(low[q], high[q]))
        w = work[: 7 * rows * lanes].reshape((7, rows, lanes))
        v, r, a, b, g, z, s = w[0], w[1], w[2], w[3], w[4], w[5], w[6]
        for attempt in range(2):
            safe = attempt == 1
            for k in range(rows):
                for q in range(lanes):
                    line = first + q
                    if k > last[q]:
                        v[k, q] = r[k, q] = 0.0
                    else:
                        v[k, q] = u[order[line, k] if wraps else starts[line] + k * stride]
                        place = rate_order[line, k] if tabled else rate_starts[line] + k * rate_stride
                        r[k, q] = dt * rate[place]
            highest = r.max()
            for q in range(lanes):
                absorbed[first + q] = 0.0
            if highest == 0.0:
                break
            steps = min(int(highest * ways / 1.6) + 1, SUBSTEPS) if safe else 1
            good = True
            for _ in range(steps):
                _weights(r, a, b, s, last, steps, 0.999 / ways if safe else np.inf)
                _explicit_half(v, b, s, g, last, low, high, closed, lowest, largest)
                for q in range(lanes):
                    good = good and (safe or lowest[q] >= -NEGLIGIBLE * largest[q])
                    absorbed[first + q] += low[q] * s[0, q] * v[0, q] + high[q] * s[last[q], q] * v[last[q], q]
                if not good:
                    break
                if closed:
                    _solve_closed(v, a, g, z, s, lowest)
                else:
                    _solve_open(v, r, a, g, z, s, last, low, high, steps, lowest)
                    for q in range(lanes):
                        out = low[q] * (r[0, q] / steps - s[0, q]) * v[0, q]
                        out += high[q] * (r[last[q], q] / steps - s[last[q], q]) * v[last[q], q]
                        absorbed[first + q] += out
                if lowest[:lanes].min() < 0.0:
                    good = borrow(v, rows, closed) or safe
            if good:
                for k in range(rows):
                    for q in range(lanes):
                        if k <= last[q]:
                            cell = order[first + q, k] if wraps else starts[first + q] + k * stride
                            u[cell] = v[k, q] if v[k, q] > TINY else 0.0
                break


@njit(cache=True, nogil=True, error_model="numpy")
def _weights(r: Array, a: Array, b: Array, s: Array, last: Integers, steps: int, cap: float) -> None:
    """Explicit weight ``b``, implicit weight ``a = b - r`` and explicit share ``s`` of ``r`` of a sub-step.

    A finite ``cap`` bounds ``b`` and makes ``a`` negative: the safe scheme.
    """
    share, most = 1.0 / steps, 0.5 if cap < np.inf else np.inf
    for k in range(r.shape[0]):
        for q in range(r.shape[1]):
            rate = r[k, q] * share
            c = 1.0 / 12.0 if most == np.inf else min(1.0 / 12.0, most * rate)
            inside = 1.0 if k <= last[q] else 0.0
            b[k, q] = inside * min(c + 0.5 * rate, cap)
            a[k, q] = b[k, q] - rate
            s[k, q] = inside * max(b[k, q] - c, 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _explicit_half(
    v: Array,
    b: Array,
    s: Array,
    g: Array,
    last: Integers,
    low: Array,
    high: Array,
    closed: bool,
    lowest: Array,
    largest: Array,
) -> None:
    """``g = (I + d2 b) v``, its lowest value (or zero) and the largest of ``v`` per line."""
    rows, lanes = v.shape
    for q in range(lanes):
        lowest[q] = largest[q] = 0.0
    for k in range(rows):
        before = k - 1 if k > 0 else (rows - 1 if closed else 0)
        after = k + 1 if k + 1 < rows else (0 if closed else k)
        start = 1.0 if k == 0 else 0.0
        for q in range(lanes):
            below = 1.0 if closed or 0 < k <= last[q] else 0.0
            above = 1.0 if closed or k < last[q] else 0.0
            out = start * low[q] + (high[q] if k == last[q] else 0.0)
            inflow = below * (b[before, q] * v[before, q]) + above * (b[after, q] * v[after, q])
            g[k, q] = v[k, q] * (1.0 - (below + above) * b[k, q] - out * s[k, q]) + inflow
            lowest[q], largest[q] = min(lowest[q], g[k, q]), max(largest[q], v[k, q])


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_open(
    v: Array,
    r: Array,
    a: Array,
    g: Array,
    z: Array,
    s: Array,
    last: Integers,
    low: Array,
    high: Array,
    steps: int,
    lowest: Array,
) -> None:
    """Tridiagonal solve between two ends (``z``: eliminated upper diagonal); the lowest value (or zero) per line."""
    (rows, lanes), share = v.shape, 1.0 / steps
    for q in range(lanes):
        z[0, q] = lowest[q] = 0.0
    for k in range(rows):
        before, after, start = max(k - 1, 0), min(k + 1, rows - 1), 1.0 if k == 0 else 0.0
        for q in range(lanes):
            below = 1.0 if 0 < k <= last[q] else 0.0
            above = 1.0 if k < last[q] else 0.0
            out = start * low[q] + (high[q] if k == last[q] else 0.0)
            lower = below * a[before, q]
            den = 1.0 - (below + above) * a[k, q] + out * (r[k, q] * share - s[k, q])
            inv = 1.0 / (den - lower * z[before, q])
            z[k, q] = above * a[after, q] * inv
            x = (g[k, q] - lower * v[before, q]) * inv
            v[k, q] = x if abs(x) > TINY else 0.0
    for k in range(rows - 2, -1, -1):
        for q in range(lanes):
            x = v[k, q] - z[k, q] * v[k + 1, q]
            v[k, q] = x if abs(x) > TINY else 0.0
    for k in range(rows):
        for q in range(lanes):
            lowest[q] = min(lowest[q], v[k, q])


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_closed(v: Array, a: Array, g: Array, z: Array, s: Array, lowest: Array) -> None:
    """Cyclic tridiagonal solve, the last unknown eliminated last; the lowest value (or zero) per line."""
    n, lanes = v.shape[0] - 1, v.shape[1]
    for k in range(n):  # u_k = v_k + s_k u_n
        edge, lower = (1.0 if k == 0 else 0.0) + (1.0 if k == n - 1 else 0.0), 1.0 if k > 0 else 0.0
        before, upper = max(k - 1, 0), 1.0 if k < n - 1 else 0.0
        if k == 0:
            for q in range(lanes):
                z[0, q] = s[0, q] = 0.0
        for q in range(lanes):
            link = lower * a[before, q]
            inv = 1.0 / (1.0 - 2.0 * a[k, q] - link * z[before, q])
            x, y = (g[k, q] - link * v[before, q]) * inv, (-edge * a[n, q] - link * s[before, q]) * inv
            v[k, q], s[k, q] = x if abs(x) > TINY else 0.0, y if abs(y) > TINY else 0.0
            z[k, q] = upper * a[k + 1, q] * inv
    for k in range(n - 2, -1, -1):
        for q in range(lanes):
            x, y = v[k, q] - z[k, q] * v[k + 1, q], s[k, q] - z[k, q] * s[k + 1, q]
            v[k, q], s[k, q] = x if abs(x) > TINY else 0.0, y if abs(y) > TINY else 0.0
    for q in range(lanes):
        v[n, q] = (g[n, q] - a[0, q] * v[0, q] - a[n - 1, q] * v[n - 1, q]) / (
            1.0 - 2.0 * a[n, q] + a[0, q] * s[0, q] + a[n - 1, q] * s[n - 1, q]
        )
        lowest[q] = min(v[n, q], 0.0)
    for k in range(n):
        for q in range(lanes):
            x = v[k, q] + s[k, q] * v[n, q]
            v[k, q] = x if abs(x) > TINY else 0.0
            lowest[q] = min(lowest[q], v[k, q])
