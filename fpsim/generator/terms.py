"""Kernels of the Poisson series: one product with the transition matrix after another, weighted sums on the way.

Compiled without the interpreter lock; no allocation. Products are positive sums, so nothing can go negative.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["line_terms", "slab_terms"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# Added to every new value and taken away again, which rounds it to a multiple of 1e-292: a subnormal number would slow
# every product several times, and carries no mass. Numbers above 1e-260 keep all their digits.
_TINY = 1e-276
_BLOCK = 1024  # cells that stay in the fastest memory while all diagonals pass over them


@njit(cache=True, nogil=True, fastmath={"contract"})
def line_terms(  # type: ignore[no-untyped-def]
    count, x, scratch, keep, ahead, behind, rows, cols, data, first, begins, weights, states, walls, leaks, losses
):
    """Add ``count`` terms to the states of a line of cells that jump to their neighbours (and along seams).

    One kernel without slices or calls: on few cells these would take longer than the products.
    """
    size = x.size
    old, new = scratch[0], scratch[1]  # one empty cell more on either side
    old[0] = new[0] = old[size + 1] = new[size + 1] = 0.0
    for i in range(size):
        old[i + 1] = x[i]
    for k in range(count):
        for j in range(first.size):
            place = begins[j] + k - first[j]
            if begins[j] <= place < begins[j + 1]:
                weight = weights[place]
                for i in range(size):
                    states[j, i] += weight * old[i + 1]
        for w in range(walls.size):
            losses[k] += leaks[w] * old[walls[w] + 1]
        below, here = old[0], old[1]  # every old value is read once
        for i in range(size):
            above = old[i + 2]
            new[i + 1] = (keep[i] * here + (ahead[i] * above + (behind[i] * below + _TINY))) - _TINY
            below, here = here, above
        for s in range(rows.size):
            new[rows[s] + 1] += data[s] * old[cols[s] + 1]
        old, new = new, old


@njit(cache=True, nogil=True, fastmath={"contract"})
def slab_terms(  # type: ignore[no-untyped-def]
    k0, terms, begin, end, margin, x, following, scratch, keep, shifts, ahead, behind, rows, cols, data,
    first, begins, weights, states, walls, leaks, losses,
):  # fmt: skip
    """Add terms ``k0`` to ``k0 + terms`` to the states in cells ``begin`` to ``end``; what follows into ``following``.

    Cells on either side that the last term depends on are computed along, fewer with every term.
    """
    size = x.size
    low, high = max(begin - terms * margin, 0), min(end + terms * margin, size)
    whole = low == 0 and high == size
    to = margin - low  # from the place in the grid to that in the scratch memory
    old, new = scratch[0], scratch[1]
    for i in range(high + to + margin):
        old[i] = x[i - to] if low <= i - to < high else 0.0
        new[i] = 0.0
    wall, last_wall = _before(walls, begin), _before(walls, end)
    for k in range(k0, k0 + terms):
        for j in range(first.size):
            place = begins[j] + k - first[j]
            if begins[j] <= place < begins[j + 1]:
                _add(weights[place], old[begin + to : end + to], states[j, begin:end])
        for w in range(wall, last_wall):
            losses[k] += leaks[w] * old[walls[w] + to]
        rest = k0 + terms - 1 - k
        low, high = max(begin - rest * margin, 0), min(end + rest * margin, size)
        for a in range(low, high, _BLOCK):
            b = min(a + _BLOCK, high)
            here, out = old[a + to : b + to], new[a + to : b + to]
            for d in range(shifts.size):
                up, down = a + to + shifts[d], a + to - shifts[d]
                above, below = old[up : up + b - a], old[down : down + b - a]
                least = _TINY if d == shifts.size - 1 else 0.0
                if d == 0:
                    _first(here, above, below, keep[a:b], ahead[d, a:b], behind[d, a:b], least, out)
                else:
                    _more(above, below, ahead[d, a:b], behind[d, a:b], least, out)
        for seam in range(_before(rows, low), rows.size):
            if rows[seam] >= high:
                break
            new[rows[seam] + to] += data[seam] * (old[cols[seam] + to] if whole else x[cols[seam]])
        old, new = new, old
    for i in range(begin, end):
        following[i] = old[i + to]


@njit(cache=True, nogil=True)
def _before(places: Integers, bound: int) -> int:
    """How many of the ascending places lie before a bound."""
    low, high = 0, places.size
    while low < high:
        middle = (low + high) // 2
        if places[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add(weight: float, x: Array, state: Array) -> None:
    for i in range(state.size):
        state[i] += weight * x[i]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _first(
    here: Array, above: Array, below: Array, keep: Array, ahead: Array, behind: Array, least: float, out: Array
) -> None:
    for i in range(out.size):
        out[i] = (keep[i] * here[i] + (ahead[i] * above[i] + (behind[i] * below[i] + _TINY))) - least


@njit(cache=True, nogil=True, fastmath={"contract"})
def _more(above: Array, below: Array, ahead: Array, behind: Array, least: float, out: Array) -> None:
    for i in range(out.size):
        out[i] = (out[i] + (ahead[i] * above[i] + behind[i] * below[i])) - least
