"""Diffusion along lines of cells: conservative, positive, compact fourth-order.

One sweep advances ``d_t u_k = r_{k-1} u_{k-1} + r_{k+1} u_{k+1} - 2 r_k u_k`` (jumps along one offset, Ito form) by a
step, with ``r = rate * dt`` per cell:

    (I + d2 (c - r/2)) u' = (I + d2 (c + r/2)) u,      c = min(1/12, r/2),

``d2`` acting on the products. Jumps beyond the end of a line are dropped (reflecting) or counted as absorbed, so the
sum of ``u`` plus what was absorbed is conserved to rounding for any ``r``. The implicit matrix is an M-matrix. The
explicit half is non-negative for ``r <= 5/6``, and for any ``r`` where ``u`` is smooth on the scale of the step; lines
where it is not are done in as many sub-steps as make it so. Second order in time; fourth in space where ``r >= 1/6``
(below that no non-negative three-point scheme is).

Limits: a line that wraps around a periodic axis must have more than two cells (``sweeps`` takes care of it).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["LANES", "diffuse_lines"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LANES = 8
"""Lines treated together: one vector register."""

TINY = 1e-280
"""Below this a cell holds nothing: denormal numbers would slow every later sweep."""


@njit(cache=True, nogil=True, error_model="numpy")
def diffuse_lines(
    u: Array,
    starts: Integers,
    lengths: Integers,
    stride: int,
    order: Integers,
    closed: bool,
    low_exit: Array,
    high_exit: Array,
    rate: Array,
    rate_starts: Integers,
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
    at, rate_at = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    wraps = order.size > 0
    for first in range(begin, end, LANES):
        lanes = min(LANES, end - first)
        rows = 0
        for q in range(LANES):
            line = first + min(q, lanes - 1)
            at[q], rate_at[q] = starts[line], rate_starts[line]
            last[q] = lengths[line] - 1
            low[q], high[q] = low_exit[line], high_exit[line]
            rows = max(rows, lengths[line])
        highest = 0.0
        if wraps:
            for k in range(rows):
                for q in range(LANES):
                    cell = order[first + min(q, lanes - 1), k]
                    inside = k <= last[q]
                    v[k, q] = u[cell] if inside else 0.0
                    r[k, q] = dt * rate[cell] if inside else 0.0
                    highest = max(highest, r[k, q])
        else:
            shared = rate_stride == 0
            for k in range(rows):
                for q in range(LANES):
                    inside = k <= last[q]
                    v[k, q] = u[at[q] + k * stride] if inside else 0.0
                    if not shared or k == 0:
                        r[k, q] = dt * rate[rate_at[q] + k * rate_stride] if inside else 0.0
                        highest = max(highest, r[k, q])
                    else:
                        r[k, q] = r[0, q] if inside else 0.0
        for q in range(lanes):
            absorbed[first + q] = 0.0
        if highest == 0.0:
            continue
        exits = 2.0  # ways out of a cell, in jump rates
        for q in range(LANES):
            exits = max(exits, low[q] + high[q] if last[q] == 0 else 1.0 + max(low[q], high[q]))
        limit = 0.999 * max(2.0 / exits - 1.0 / 6.0, min(1.0 / 6.0, 1.0 / exits))
        steps, step = 1, 0
        while step < steps:
            positive = _half_step(v, r, a, b, g, rows, last, low, high, closed)
            if not positive and steps == 1:
                steps = int(np.ceil(highest / limit))
                for k in range(rows):
                    for q in range(LANES):
                        r[k, q] /= steps
                if steps > 1:
                    continue
            step += 1
            for q in range(lanes):
                absorbed[first + q] += low[q] * b[0, q] * v[0, q] + high[q] * b[last[q], q] * v[last[q], q]
            if closed:
                _solve_closed(v, a, g, z, s, rows)
            else:
                _solve_open(v, a, g, z, rows, last, low, high)
            for q in range(lanes):
                absorbed[first + q] -= low[q] * a[0, q] * v[0, q] + high[q] * a[last[q], q] * v[last[q], q]
        if wraps:
            for q in range(lanes):
                for k in range(last[q] + 1):
                    u[order[first + q, k]] = v[k, q] if v[k, q] > TINY else 0.0
        else:
            for k in range(rows):
                for q in range(lanes):
                    if k <= last[q]:
                        u[at[q] + k * stride] = v[k, q] if v[k, q] > TINY else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _half_step(
    v: Array,
    r: Array,
    a: Array,
    b: Array,
    g: Array,
    rows: int,
    last: Integers,
    low: Array,
    high: Array,
    closed: bool,
) -> bool:
    """Weights ``a = c - r/2``, ``b = c + r/2`` and the explicit half ``g``; whether ``g`` is non-negative."""
    lowest = 0.0
    for k in range(rows):
        for q in range(LANES):
            c = min(1.0 / 12.0, 0.5 * r[k, q])
            a[k, q] = c - 0.5 * r[k, q]
            b[k, q] = c + 0.5 * r[k, q]
    for k in range(rows):
        before = k - 1 if k > 0 else (rows - 1 if closed else 0)
        after = k + 1 if k + 1 < rows else (0 if closed else k)
        for q in range(LANES):
            left = 1.0 if k > 0 or closed else low[q]
            right = 1.0 if k < last[q] or closed else high[q]
            inflow = b[after, q] * v[after, q] if k < last[q] or closed else 0.0
            if (k > 0 and k <= last[q]) or closed:
                inflow += b[before, q] * v[before, q]
            g[k, q] = v[k, q] - (left + right) * b[k, q] * v[k, q] + inflow
            lowest = min(lowest, g[k, q])
    return lowest >= 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_open(v: Array, a: Array, g: Array, z: Array, rows: int, last: Integers, low: Array, high: Array) -> None:
    """Tridiagonal solve between two ends; ``z`` holds the eliminated upper diagonal."""
    for k in range(rows):
        for q in range(LANES):
            left = 1.0 if k > 0 else low[q]
            right = 1.0 if k < last[q] else high[q]
            below = a[k - 1, q] if k > 0 and k <= last[q] else 0.0
            above = a[k + 1, q] if k < last[q] else 0.0
            den = 1.0 - (left + right) * a[k, q]
            rhs = g[k, q]
            if k > 0:
                den -= below * z[k - 1, q]
                rhs -= below * v[k - 1, q]
            inv = 1.0 / den
            z[k, q] = above * inv
            v[k, q] = rhs * inv
    for k in range(rows - 2, -1, -1):
        for q in range(LANES):
            v[k, q] -= z[k, q] * v[k + 1, q]


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_closed(v: Array, a: Array, g: Array, z: Array, s: Array, rows: int) -> None:
    """Cyclic tridiagonal solve, the last unknown eliminated last; every term is non-negative."""
    n = rows - 1
    for q in range(LANES):
        # u_k = v_k + s_k u_n for k < n
        for k in range(n):
            den = 1.0 - 2.0 * a[k, q]
            rhs = g[k, q]
            tail = -a[n, q] if k == 0 else 0.0
            if k == n - 1:
                tail -= a[n, q]
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
