"""The dual simplex method for many small linear programmes of the same columns, each from its predecessor's basis.

Small functions: one large one took the compiler four times as long.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["dual_simplex"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_MAX_PIVOTS = 400


@njit(cache=True, nogil=True)
def dual_simplex(target: Array, table: Array, cost: Array, basis0: Integers, inverse0: Array, chosen: Integers) -> None:
    """Solve ``max cost . x, table^T x = target, x >= 0`` for every row; ``target`` is overwritten by ``x``.

    Rounding builds up in the inverse: it is forgotten now and then, and where the equations do not hold.
    """
    m = basis0.size
    basis, inverse = basis0.copy(), inverse0.copy()
    x, price, row = np.empty(m), np.empty(m), np.empty(cost.size)
    pivots = 0
    for cell in range(target.shape[0]):
        for attempt in range(2):
            if pivots > _MAX_PIVOTS // 4 or attempt > 0:
                basis[:], inverse[:] = basis0, inverse0
                pivots = 0
            pivots += _solve(target[cell], table, cost, basis, inverse, x, price, row)
            if _holds(target[cell], table, basis, x):
                break
        for r in range(m):
            target[cell, r] = max(x[r], 0.0)
            chosen[cell, r] = basis[r]


@njit(cache=True, nogil=True)
def _solve(
    target: Array, table: Array, cost: Array, basis: Integers, inverse: Array, x: Array, price: Array, row: Array
) -> int:
    """Exchange columns of the basis until ``x`` is not negative; how many were."""
    m = basis.size
    for pivots in range(_MAX_PIVOTS):
        leaving = _leaving(inverse, target, x)
        if leaving < 0:
            return pivots
        for k in range(m):
            price[k] = 0.0
            for r in range(m):
                price[k] += cost[basis[r]] * inverse[r, k]
        entering = _entering(inverse[leaving], price, table, cost, row)
        if entering < 0:
            return pivots
        _exchange(inverse, leaving, table[entering], row[entering])
        basis[leaving] = entering
    return _MAX_PIVOTS


@njit(cache=True, nogil=True)
def _holds(target: Array, table: Array, basis: Integers, x: Array) -> bool:
    """Whether ``x`` solves the equations, up to rounding."""
    scale = off = 0.0
    for k in range(target.size):
        total = -target[k]
        for r in range(target.size):
            total += table[basis[r], k] * x[r]
        scale, off = max(scale, abs(target[k])), max(off, abs(total))
    return off <= 1e-9 * scale


@njit(cache=True, nogil=True)
def _leaving(inverse: Array, target: Array, x: Array) -> int:
    """Most negative entry of ``x = inverse target``, or -1 if none is negative beyond rounding."""
    scale = 0.0
    for r in range(target.size):
        scale = max(scale, abs(target[r]))
    leaving, lowest = -1, -1e-13 * scale
    for r in range(target.size):
        x[r] = 0.0
        for k in range(target.size):
            x[r] += inverse[r, k] * target[k]
        if x[r] < lowest:
            leaving, lowest = r, x[r]
    return leaving


@njit(cache=True, nogil=True)
def _entering(direction: Array, price: Array, table: Array, cost: Array, row: Array) -> int:
    """Column of the smallest ratio of reduced cost to ``row = table direction``, or -1."""
    entering, best = -1, np.inf
    for j in range(cost.size):
        step, reduced = 0.0, -cost[j]
        for k in range(direction.size):
            step += direction[k] * table[j, k]
            reduced += price[k] * table[j, k]
        row[j] = step
        if step < -1e-9 and max(reduced, 0.0) < -best * step:
            entering, best = j, -max(reduced, 0.0) / step
    return entering


@njit(cache=True, nogil=True)
def _exchange(inverse: Array, leaving: int, column: Array, pivot: float) -> None:
    """Update of the inverse when ``column`` takes the place of row ``leaving``."""
    for k in range(column.size):
        inverse[leaving, k] /= pivot
    for r in range(column.size):
        if r != leaving:
            factor = 0.0
            for k in range(column.size):
                factor += inverse[r, k] * column[k]
            # the pivot row itself is already divided: its own entry is one
            for k in range(column.size):
                inverse[r, k] -= factor * inverse[leaving, k]
