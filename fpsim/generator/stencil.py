"""The transition matrix ``P = 1 + Q / L`` by diagonals: one Poisson term after another without index lists.

Jumps along one offset connect cells a fixed number of places apart in memory, so ``P`` is a few diagonals, which are
read in order and in whole vector registers. What wraps around a periodic axis lies elsewhere and is kept as a list
(``seams``); so memory is that of the rates, whatever the boundary.

Large grids are cut into slabs that a thread advances by several terms at a time, margins computed twice, so that rates
are read from memory once for all of them. Every cell adds its terms in one order: the same bits for any number of
threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.generator.generator import Generator
from fpsim.parallel import LANES, Team

__all__ = ["Stencil", "poisson_series", "stencil_of"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_TINY = 1e-290
_BLOCK = 1024  # cells that stay in the fastest memory while all diagonals pass over them
_SLAB = 1 << 14  # cells that a thread advances by several terms before it moves on
_SEAM = 8  # a diagonal that holds less than this part of the cells is a list


@dataclass(frozen=True, eq=False)
class Stencil:
    """Rows of ``P^T`` (masses) or ``P`` (observables).

    ``new[i] = keep[i] x[i] + sum_k ahead[k, i] x[i + shifts[k]] + behind[k, i] x[i - shifts[k]]``, and for every seam
    ``new[rows] += data x[cols]``, rows in order.
    """

    keep: Array
    shifts: Integers
    ahead: Array
    behind: Array
    rows: Integers
    cols: Integers
    data: Array


def stencil_of(generator: Generator, rate: float, *, backward: bool) -> Stencil:
    """Diagonals of the transition matrix at the uniform rate ``rate >= exit_rates.max()``."""
    size = generator.grid.size
    pieces: dict[int, list[tuple[Any, Any, Array, Array]]] = {}
    lists: list[tuple[Any, Any, Array]] = []
    for link in generator.links:
        if not link.tail.size:
            continue
        # d_t m_head = forward m_tail for masses, d_t u_tail = forward u_head for observables
        up, down = (link.forward, link.backward) if backward else (link.backward, link.forward)
        distance = link.head - link.tail
        if (distance == distance[0]).all():
            pieces.setdefault(int(distance[0]), []).append((link.tail, link.head, up, down))
            continue
        for d in np.unique(distance):
            at = np.flatnonzero(distance == d)
            piece = (link.tail[at], link.head[at], up[at], down[at])
            if at.size * _SEAM >= size:
                pieces.setdefault(int(d), []).append(piece)
            else:
                lists += [(piece[0], piece[1], piece[2]), (piece[1], piece[0], piece[3])]
    ahead, behind = np.zeros((max(len(pieces), 1), size)), np.zeros((max(len(pieces), 1), size))
    for k, parts in enumerate(pieces.values()):
        for tail, head, up, down in parts:
            ahead[k, tail] += up
            behind[k, head] += down
    ahead /= rate
    behind /= rate
    keep = np.maximum(1.0 - generator.exit_rates / rate, 0.0)
    shifts = np.array(list(pieces) or [0], np.int64)
    if not lists:
        none = np.zeros(0, np.int64)
        return Stencil(keep, shifts, ahead, behind, none, none, np.zeros(0))
    rows, cols, data = (np.concatenate(part) for part in zip(*lists, strict=True))
    order = np.argsort(rows, kind="stable")
    return Stencil(
        keep, shifts, ahead, behind, rows[order].astype(np.int64), cols[order].astype(np.int64), data[order] / rate
    )


def poisson_series(
    stencil: Stencil, start: Array, windows: list[tuple[int, Array]], outflow: Array, *, team: Team
) -> tuple[Array, Array]:
    """``sum_k w_k P^k x`` for several windows of weights ``w``, and the same sum of what was lost in ``k`` terms.

    Parameters
    ----------
    stencil : Stencil
    start : ndarray, shape (size,)
    windows : list of (int, ndarray)
        First ``k`` and weights.
    outflow : ndarray, shape (size,)
        Part of every cell that is lost per term.
    team : Team, keyword-only

    Returns
    -------
    states : ndarray, shape (windows, size)
    lost : ndarray, shape (windows,)
    """
    size, margin = start.size, int(np.abs(stencil.shifts).max())
    first = np.array([w[0] for w in windows], np.int64)
    begins = np.cumsum([0] + [len(w[1]) for w in windows])
    weights = np.concatenate([w[1] for w in windows])
    count = int((first + np.diff(begins)).max())
    slab, pace = _slabs(size, margin, count)
    if stencil.rows.size and slab < size:
        pace = 1  # seams reach beyond any margin
    slabs = -(-size // slab)
    states, losses = np.zeros((len(windows), size)), np.zeros((slabs, count))
    walls = np.flatnonzero(outflow)
    leaks = outflow[walls]

    def advance(k: int, terms: int, x: Array, following: Array, part: int, begin: int, end: int) -> None:
        for place in range(begin // LANES, -(-end // LANES)):
            a, b = place * slab, min((place + 1) * slab, size)
            room = b - a + 2 * terms * margin if slab < size else size
            _terms(
                k, terms, a, b, margin, x, following, team.scratch(part, (2, room + 2 * margin)),
                stencil.keep, stencil.shifts, stencil.ahead, stencil.behind, stencil.rows, stencil.cols, stencil.data,
                first, begins, weights, states, walls, leaks, losses[place],
            )  # fmt: skip

    x, following = np.array(start, float), np.empty(size)
    for k in range(0, count, pace):
        # parts of a team are whole groups of lanes: one slab is one group
        team.run(partial(advance, k, min(pace, count - k), x, following), slabs * LANES, size if slabs > 1 else 0)
        x, following = following, x
    before = np.concatenate([[0.0], np.cumsum(losses.sum(axis=0))])
    return states, np.array([w @ before[k : k + len(w)] for k, w in windows])


def _slabs(size: int, margin: int, count: int) -> tuple[int, int]:
    """Cells of a slab and terms that it advances by at a time: of the grid alone, never of the number of threads."""
    least = max(_SLAB, 32 * margin)
    if size <= 2 * least:
        return size, count
    pairs = -(-size // (2 * least))
    slab = -(-size // (2 * pairs))
    return slab, max(slab // (6 * max(margin, 1)), 1)


@njit(cache=True, nogil=True)
def _terms(  # type: ignore[no-untyped-def]
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
    for i in range(high + to + margin):
        scratch[0, i] = x[i - to] if low <= i - to < high else 0.0
        scratch[1, i] = 0.0
    for s in range(terms):
        old, new = scratch[s % 2], scratch[(s + 1) % 2]
        for j in range(first.size):
            place = k0 + s - first[j]
            if 0 <= place < begins[j + 1] - begins[j]:
                _add(weights[begins[j] + place], old[begin + to : end + to], states[j, begin:end])
        for w in range(_before(walls, begin), _before(walls, end)):
            losses[k0 + s] += leaks[w] * old[walls[w] + to]
        low, high = max(begin - (terms - s - 1) * margin, 0), min(end + (terms - s - 1) * margin, size)
        seam = _before(rows, low)
        for a in range(low, high, _BLOCK):
            b = min(a + _BLOCK, high)
            here, out = old[a + to : b + to], new[a + to : b + to]
            for d in range(shifts.size):
                up, down = a + to + shifts[d], a + to - shifts[d]
                above, below = old[up : up + b - a], old[down : down + b - a]
                # subnormal tails slow every product several times and carry no mass
                least = _TINY if d == shifts.size - 1 else 0.0
                if d == 0:
                    _first(here, above, below, keep[a:b], ahead[d, a:b], behind[d, a:b], least, out)
                else:
                    _more(above, below, ahead[d, a:b], behind[d, a:b], least, out)
            while seam < rows.size and rows[seam] < b:
                new[rows[seam] + to] += data[seam] * (old[cols[seam] + to] if whole else x[cols[seam]])
                seam += 1
    for i in range(begin, end):
        following[i] = scratch[terms % 2, i + to]


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


@njit(cache=True, nogil=True)
def _add(weight: float, x: Array, state: Array) -> None:
    for i in range(state.size):
        state[i] += weight * x[i]


@njit(cache=True, nogil=True)
def _first(
    here: Array, above: Array, below: Array, keep: Array, ahead: Array, behind: Array, least: float, out: Array
) -> None:
    for i in range(out.size):
        new = keep[i] * here[i] + ahead[i] * above[i] + behind[i] * below[i]
        out[i] = new if abs(new) > least else 0.0


@njit(cache=True, nogil=True)
def _more(above: Array, below: Array, ahead: Array, behind: Array, least: float, out: Array) -> None:
    for i in range(out.size):
        new = out[i] + (ahead[i] * above[i] + behind[i] * below[i])
        out[i] = new if abs(new) > least else 0.0
