"""Diffusion along lines of cells: conservative, positive, compact fourth-order.

One sweep advances ``d_t u_k = r_{k-1} u_{k-1} + r_{k+1} u_{k+1} - 2 r_k u_k`` (jumps along one offset, Ito form) by a
step, with ``r = rate * dt`` per cell:

    (I + d2 (c - r/2)) u' = (I + d2 (c + r/2)) u,      c = 1/12,

``d2`` acting on the products: fourth order in space, second in time. Jumps beyond the end of a line are dropped
(reflecting) or counted as absorbed, so the sum of ``u`` plus what was absorbed is conserved to rounding for any ``r``.

Positivity: the explicit half is non-negative for ``r <= 5/6``, and for any ``r`` where ``u`` is smooth on the scale of
the step; undershoots of the implicit half in steep tails are borrowed from the neighbour. Lines where either does not
suffice are diffused in parts of the step: the first so short that nothing can undershoot, which rounds the cliff, so
that later ones may be longer. What that leaves undone is fully implicit, with an M-matrix: then nothing can go
negative, at first order in time there.

Rates are those of a tile of lines, or of one line if all have the same: the elimination is then done once for all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from fpsim.density.tiles import TINY
from fpsim.support.compilation import njit

__all__ = ["FACTORS", "Ends", "borrow", "diffuse_tile", "eliminate_tile", "factors_of"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

FACTORS = 6
"""Rows of a table of factors: see :class:`Factors`."""

NEGLIGIBLE = 1e-12
"""Undershoots below this share of a line's largest value (ripples in far tails) are mended rather than avoided."""

BORROWINGS = 16
"""Passes in which neighbours may lend."""

MOST_PARTS = 32
"""Most parts of a step that are tried before its order is lowered."""

IMPLICIT_PARTS = 8
"""Parts of what is left then, fully implicit."""


class Factors(NamedTuple):
    """Elimination of the lines of a tile, entries of shape (n, lanes); of shape (n,) for one line and all like it.

    Explicit weight ``b``, implicit weight ``a``, explicit diagonal, inverse pivot, upper diagonal, tail of a ring.
    """

    b: Array
    a: Array
    diagonal: Array
    pivot: Array
    upper: Array
    tail: Array


class Ends(NamedTuple):
    """Ends of the lines of a tile.

    ``closed``: a ring. ``last``: index of the last cell per line, or one number for all; ``low`` and ``high``: rates of
    leaving at the ends, relative to those of a jump there, in the same form.
    """

    closed: bool
    last: Any
    low: Any
    high: Any


def _at(value: Any, q: int) -> Any:
    """Entry ``q``, of a number the number itself."""
    return value if np.ndim(value) == 0 else value[q]


@overload(_at)
def _compiled_at(value, q):  # type: ignore[no-untyped-def]  # noqa: ARG001
    if hasattr(value, "ndim"):
        return lambda value, q: value[q]
    return lambda value, q: value  # noqa: ARG005


@njit(cache=True, nogil=True, error_model="numpy")
def factors_of(table: Array) -> Factors:
    """Factors of a table of shape (FACTORS, ...)."""
    return Factors(table[0], table[1], table[2], table[3], table[4], table[5])


def _like(table: Array, r: Array) -> Array:
    """A table of shape (FACTORS, n, 1) without its last axis, if rates are those of one line."""
    return table[:, :, 0] if r.ndim == 1 else table


@overload(_like)
def _compiled_like(table, r):  # type: ignore[no-untyped-def]  # noqa: ARG001
    if r.ndim == 1:
        return lambda table, r: table[:, :, 0]  # noqa: ARG005
    return lambda table, r: table  # noqa: ARG005


@njit(cache=True, nogil=True, error_model="numpy")
def eliminate_tile(r: Array, dt: float, share: float, ends: Ends, factors: Factors) -> None:
    """Weights and elimination for rates ``r`` of shape (n, lanes) and a step ``dt``.

    ``share`` of ``r`` is explicit: 1/2, or 0 for the fully implicit scheme, whose matrix is an M-matrix.
    """
    if r.shape[1] == 1:  # compiled without loops over lines
        _eliminate(1, r, dt, share, ends, factors)
    else:
        _eliminate(r.shape[1], r, dt, share, ends, factors)


@njit(nogil=True, error_model="numpy", inline="always")
def _eliminate(lanes: int, r: Array, dt: float, share: float, ends: Ends, factors: Factors) -> None:
    n, c = r.shape[0], 1.0 / 12.0 if share > 0.0 else 0.0
    b, a, diagonal, pivot, upper, tail = factors
    closed, m = ends.closed, n - 1 if ends.closed else n
    explicit, implicit = share * dt, (1.0 - share) * dt
    for k in range(n):
        for q in range(lanes):
            last = _at(ends.last, q)
            inside = 1.0 if k <= last else 0.0
            links = 2.0 if closed else inside * ((1.0 if k > 0 else 0.0) + (1.0 if k < last else 0.0))
            out = (_at(ends.low, q) if k == 0 else 0.0) + (_at(ends.high, q) if k == last else 0.0)
            b[k, q] = inside * (c + explicit * r[k, q])
            a[k, q] = inside * (c - implicit * r[k, q])
            diagonal[k, q] = 1.0 - links * b[k, q] - out * explicit * r[k, q]
            pivot[k, q] = 1.0 - links * a[k, q] + out * implicit * r[k, q]
    for k in range(m):
        below, above = max(k - 1, 0), min(k + 1, m - 1)
        linked, edge = 1.0 if k > 0 else 0.0, (1.0 if k == 0 else 0.0) + (1.0 if k == m - 1 else 0.0)
        for q in range(lanes):
            lower = linked * a[below, q]
            inverse = 1.0 / (pivot[k, q] - lower * (upper[below, q] if k > 0 else 0.0))
            pivot[k, q] = inverse
            upper[k, q] = a[above, q] * inverse if k < m - 1 else 0.0
        if closed:
            for q in range(lanes):
                before = a[below, q] * tail[below, q] if k > 0 else 0.0
                tail[k, q] = (-edge * a[m, q] - before) * pivot[k, q]
    if closed:
        for k in range(m - 2, -1, -1):
            for q in range(lanes):
                tail[k, q] -= upper[k, q] * tail[k + 1, q]
        for q in range(lanes):
            pivot[m, q] = 1.0 / (pivot[m, q] + a[0, q] * tail[0, q] + a[m - 1, q] * tail[m - 1, q])


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(
    v: Array, w: Array, r: Any, dt: float, share: float, ends: Ends, factors: Factors, few: Array, lost: Array
) -> bool:
    """One step from ``v`` to ``w``, of shapes (n, lanes); whether ``w`` is non-negative.

    If not, it is of no use. Cells beyond the last one of a line must be zero, and are. ``few`` has shape (2, lanes);
    what left through the ends is added to ``lost``, if the step stands.
    """
    if v.shape[1] == 1:
        return _solve_lanes(1, v, w, r, dt, share, ends, factors, few, lost)
    return _solve_lanes(v.shape[1], v, w, r, dt, share, ends, factors, few, lost)


@njit(nogil=True, error_model="numpy", inline="always")
def _solve_lanes(
    lanes: int,
    v: Array,
    w: Array,
    r: Any,
    dt: float,
    share: float,
    ends: Ends,
    factors: Factors,
    few: Array,
    lost: Array,
) -> bool:
    lowest, out = few[0], few[1]
    b, a, diagonal, pivot, upper, tail = factors
    n, closed = v.shape[0], ends.closed
    m, shortest = n - 1 if closed else n, n
    for q in range(lanes):
        lowest[q] = 0.0
        shortest = min(shortest, _at(ends.last, q) + 1)
    for k in range(n):  # several simple loops: each becomes vector instructions, one for all does not
        p, f = (k - 1 if k > 0 else n - 1), (k + 1 if k < n - 1 else 0)
        stay, before, after = diagonal[k], b[p], b[f]
        if closed or 0 < k < n - 1:
            for q in range(lanes):
                w[k, q] = _at(stay, q) * v[k, q] + (_at(before, q) * v[p, q] + _at(after, q) * v[f, q])
                lowest[q] = min(lowest[q], w[k, q])
        elif n == 1:
            for q in range(lanes):
                w[k, q] = _at(stay, q) * v[k, q]
                lowest[q] = min(lowest[q], w[k, q])
        else:
            one, other = (f, after) if k == 0 else (p, before)
            for q in range(lanes):
                w[k, q] = _at(stay, q) * v[k, q] + _at(other, q) * v[one, q]
                lowest[q] = min(lowest[q], w[k, q])
    for k in range(shortest, n):  # what flowed beyond an end is not negative
        for q in range(lanes):
            w[k, q] = w[k, q] if k <= _at(ends.last, q) else 0.0
    for q in range(lanes):
        if lowest[q] < 0.0 and lowest[q] < -NEGLIGIBLE * v[:, q].max():
            return False
    scale = pivot[0]
    for q in range(lanes):
        w[0, q] *= _at(scale, q)
    for k in range(1, m):
        lower, scale = a[k - 1], pivot[k]
        for q in range(lanes):
            x = (w[k, q] - _at(lower, q) * w[k - 1, q]) * _at(scale, q)
            w[k, q] = x if abs(x) > TINY else 0.0  # here, not in the end: tails decay through many empty cells
    for k in range(m - 2, -1, -1):
        above = upper[k]
        for q in range(lanes):
            x = w[k, q] - _at(above, q) * w[k + 1, q]
            w[k, q] = x if abs(x) > TINY else 0.0
    if closed:
        first, last, scale = a[0], a[m - 1], pivot[m]
        for q in range(lanes):
            w[m, q] = (w[m, q] - _at(first, q) * w[0, q] - _at(last, q) * w[m - 1, q]) * _at(scale, q)
        for k in range(m):
            rest = tail[k]
            for q in range(lanes):
                x = w[k, q] + _at(rest, q) * w[m, q]
                w[k, q] = x if abs(x) > TINY else 0.0
    for k in range(shortest, n):
        for q in range(lanes):
            w[k, q] = w[k, q] if k <= _at(ends.last, q) else 0.0
    negative = 0
    for k in range(n):
        for q in range(lanes):
            negative |= w[k, q] < 0.0
    for q in range(lanes):  # before anything is borrowed
        end, rest = _at(ends.last, q), 1.0 - share
        low, high = _at(ends.low, q) * dt * _at(r[0], q), _at(ends.high, q) * dt * _at(r[end], q)
        out[q] = low * (share * v[0, q] + rest * w[0, q]) + high * (share * v[end, q] + rest * w[end, q])
    if negative and not borrow(w, closed):
        return False
    for q in range(lanes):
        lost[q] += out[q]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def borrow(w: Array, closed: bool) -> bool:
    """Cells of the lines of a tile below zero take what they lack from their larger neighbour.

    High-order implicit diffusion undershoots where a density falls by more than a factor of ten per cell, by less than
    a tenth of the drop; neighbours can afford that in one pass. Where they cannot in a few, the answer is ``False``
    and the lines must be done another way.
    """
    n, lanes = w.shape
    for _ in range(BORROWINGS):
        lowest = 0.0
        for k in range(n):
            p = k - 1 if k > 0 else (n - 1 if closed else min(1, n - 1))
            f = k + 1 if k < n - 1 else (0 if closed else max(n - 2, 0))
            for q in range(lanes):
                if w[k, q] < 0.0:
                    lender = p if w[p, q] > w[f, q] else f
                    w[lender, q] += w[k, q]
                    w[k, q] = 0.0
                    lowest = min(lowest, w[lender, q])
        if lowest == 0.0:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def diffuse_tile(
    v: Array, w: Array, r: Any, dt: float, ends: Ends, factors: Factors, room: Array, few: Array, lost: Array
) -> bool:
    """Diffuse the lines of a tile over ``dt``, between ``v`` and ``w``; whether ``w`` has the result, or else ``v``.

    ``factors`` are those of :func:`eliminate_tile` for a share of 1/2, ``r`` the rates in the same form. ``room``, of
    shape (FACTORS + 1, n, lanes) or (FACTORS + 1, n, 1), is for other steps; it may be the memory of the factors, but
    not that of ``r``; ``few`` has shape (2, lanes). What left through the ends is added to ``lost``.
    """
    if _solve(v, w, r, dt, 0.5, ends, factors, few, lost):
        return True
    return _diffuse_in_parts(v, w, r, dt, ends, room, few, lost)


@njit(cache=True, nogil=True, error_model="numpy")
def _diffuse_in_parts(v: Array, w: Array, r: Any, dt: float, ends: Ends, room: Array, few: Array, lost: Array) -> bool:
    """Diffuse in parts that a cliff permits; whether ``w`` has the result, or else ``v``."""
    rates, factors, ways = room[FACTORS], factors_of(room[:FACTORS]), 2.0
    known = factors_of(_like(room[:FACTORS], r))
    for k in range(rates.shape[0]):
        row = r[k]
        for q in range(rates.shape[1]):
            rates[k, q] = _at(row, q)
    for q in range(rates.shape[1]):
        ways = max(ways, 1.0 + max(_at(ends.low, q), _at(ends.high, q)))
        if _at(ends.last, q) == 0:
            ways = max(ways, _at(ends.low, q) + _at(ends.high, q))
    shortest, left, swapped = 1.6 / (ways * rates.max()), dt, False
    part = shortest
    for _ in range(MOST_PARTS):
        now = left if left < 1.5 * part else part
        eliminate_tile(rates, now, 0.5, ends, factors)
        if _solve(v, w, r, now, 0.5, ends, known, few, lost):
            v, w, swapped = w, v, not swapped
            if now == left:
                return swapped
            left, part = left - now, 3.0 * part
        else:
            if part <= shortest:
                break
            part = max(0.2 * part, shortest)
    now = left / IMPLICIT_PARTS
    eliminate_tile(rates, now, 0.0, ends, factors)
    for _ in range(IMPLICIT_PARTS):
        _solve(v, w, r, now, 0.0, ends, known, few, lost)
        v, w, swapped = w, v, not swapped
    return swapped
