"""Kernels of the Poisson series: products with the transition matrix one after another, weighted sums on the way.

Compiled without the interpreter lock; no allocation. Products are positive sums, so nothing can go negative. Loops from
an arbitrary place on count by unsigned numbers: a signed place could count from the end, and testing for that at every
access keeps a loop from being vectorised (slices would do as well, but on few cells making them takes longer than the
products).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["Slab", "Windows", "line_terms", "slab_terms"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# Added to every new value and taken away again, which rounds it to a multiple of 1e-292: a subnormal number would slow
# every product several times, and carries no mass. Numbers above 1e-260 keep all their digits.
_TINY = 1e-276
_BLOCK = 1024  # cells that stay in the fastest memory while all diagonals pass over them


class Windows(NamedTuple):
    """Weights of several Poisson laws: those of law ``j`` are ``weights[begins[j] : begins[j + 1]]``, of ``k`` from
    ``first[j]`` on.
    """

    first: Integers
    begins: Integers
    weights: Array


class Slab(NamedTuple):
    """Cells ``begin`` to ``end``, and the terms ``first`` to ``first + terms`` that they are advanced by."""

    first: int
    terms: int
    begin: int
    end: int


@njit(cache=True, nogil=True, fastmath={"contract"})
def line_terms(count, x, scratch, stencil, windows, states, losses):  # type: ignore[no-untyped-def]
    """Add ``count`` terms to the states of a line of cells that jump to their neighbours (and along seams).

    One kernel without slices or calls in its loops: on few cells these would take longer than the products.
    """
    keep, ahead, behind = stencil.keep, stencil.ahead[0], stencil.behind[0]
    rows, cols, data, walls, leaks = stencil.rows, stencil.cols, stencil.data, stencil.walls, stencil.leaks
    first, begins, weights = windows
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


@njit(cache=True, nogil=True)
def slab_terms(slab, x, following, scratch, stencil, windows, states, losses):  # type: ignore[no-untyped-def]
    """Add the terms of a slab to its cells' states; what follows the last term goes into ``following``.

    Cells on either side that the last term depends on are computed along, fewer with every term.
    """
    begin, end, margin = slab.begin, slab.end, stencil.margin
    keep, ahead, behind, shifts = stencil.keep, stencil.ahead, stencil.behind, stencil.shifts
    rows, cols, data, walls, leaks = stencil.rows, stencil.cols, stencil.data, stencil.walls, stencil.leaks
    first, begins, weights = windows
    size = x.size
    low, high = max(begin - slab.terms * margin, 0), min(end + slab.terms * margin, size)
    whole = low == 0 and high == size
    to = margin - low  # from the place in the grid to that in the scratch memory
    old, new = scratch[0], scratch[1]
    for i in range(high + to + margin):
        old[i] = x[i - to] if low <= i - to < high else 0.0
        new[i] = 0.0
    wall, last_wall = _before(walls, begin), _before(walls, end)
    seam, last_seam = _before(rows, begin), _before(rows, end)  # slabs with seams advance by one term at a time
    for k in range(slab.first, slab.first + slab.terms):
        for j in range(first.size):
            place = begins[j] + k - first[j]
            if begins[j] <= place < begins[j + 1]:
                _add(weights[place], old, begin + to, states, j, begin, end - begin)
        for w in range(wall, last_wall):
            losses[k] += leaks[w] * old[walls[w] + to]
        rest = slab.first + slab.terms - 1 - k
        low, high = max(begin - rest * margin, 0), min(end + rest * margin, size)
        for a in range(low, high, _BLOCK):
            count = min(_BLOCK, high - a)
            for d in range(shifts.size):
                least = _TINY if d == shifts.size - 1 else 0.0
                if d == 0:
                    _first(old, new, a + to, shifts[d], keep, ahead, behind, a, count, least)
                else:
                    _more(old, new, a + to, shifts[d], d, ahead, behind, a, count, least)
        for s in range(seam, last_seam):
            new[rows[s] + to] += data[s] * (old[cols[s] + to] if whole else x[cols[s]])
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


# In the loops below ``at``, ``up`` and ``down`` are places in the scratch memory, ``a`` is one in the grid.


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add(weight, old, at, states, j, a, count):  # type: ignore[no-untyped-def]
    at, j, a = uint64(at), uint64(j), uint64(a)
    for i in range(uint64(count)):
        states[j, a + i] += weight * old[at + i]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _first(old, new, at, shift, keep, ahead, behind, a, count, least):  # type: ignore[no-untyped-def]
    at, up, down, a, d = uint64(at), uint64(at + shift), uint64(at - shift), uint64(a), uint64(0)
    for i in range(uint64(count)):
        pair = ahead[d, a + i] * old[up + i] + (behind[d, a + i] * old[down + i] + _TINY)
        new[at + i] = (keep[a + i] * old[at + i] + pair) - least


@njit(cache=True, nogil=True, fastmath={"contract"})
def _more(old, new, at, shift, d, ahead, behind, a, count, least):  # type: ignore[no-untyped-def]
    at, up, down, a, d = uint64(at), uint64(at + shift), uint64(at - shift), uint64(a), uint64(d)
    for i in range(uint64(count)):
        new[at + i] = (new[at + i] + (ahead[d, a + i] * old[up + i] + behind[d, a + i] * old[down + i])) - least
