"""The transition matrix ``P = 1 + Q / L`` by diagonals: one Poisson term after another without index lists.

Jumps along one offset connect cells a fixed number of places apart in memory, so ``P`` is a few diagonals, which are
read in order and in whole vector registers. What wraps around a periodic axis lies elsewhere and is kept as a list
(``seams``); so memory is that of the rates, whatever the boundary.

Cells are independent within a term, and every cell adds its terms in one order: the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.generator.generator import Generator
from fpsim.parallel import SMALLEST, Team

__all__ = ["Stencil", "poisson_series", "stencil_of"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_TINY = 1e-290
_BLOCK = 1024  # cells that stay in the fastest memory while all diagonals pass over them
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
    stencil: Stencil, start: Array, windows: list[tuple[int, Array]], outflow: Array, *, team: Team | None = None
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
        Threads; one by default.

    Returns
    -------
    states : ndarray, shape (windows, size)
    lost : ndarray, shape (windows,)
    """
    size = start.size
    margin = int(np.abs(stencil.shifts).max())
    x = np.zeros((2, size + 2 * margin))
    x[0, margin : margin + size] = start
    first = np.array([w[0] for w in windows], np.int64)
    begins = np.cumsum([0] + [len(w[1]) for w in windows])
    weights = np.concatenate([w[1] for w in windows])
    count = int((first + np.diff(begins)).max())
    states, losses = np.zeros((len(windows), size)), np.zeros(count)
    walls = np.flatnonzero(outflow)
    leaks = outflow[walls]
    fixed = (stencil.keep, stencil.shifts, stencil.ahead, stencil.behind, stencil.rows, stencil.cols, stencil.data)
    series = (first, begins, weights, states)
    if team is None or team.size == 1 or size < SMALLEST:
        _terms(0, count, 0, size, margin, x, *fixed, *series, walls, leaks, losses)
    else:
        nothing = walls[:0]

        def term(k: int) -> Callable[[int, int, int], None]:
            def work(part: int, begin: int, end: int) -> None:
                mine = walls if part == 0 else nothing
                _terms(k, k + 1, begin, end, margin, x, *fixed, *series, mine, leaks, losses)

            return work

        for k in range(count):
            team.run(term(k), size, size)
    before = np.concatenate([[0.0], np.cumsum(losses)])
    lost = [w @ before[k : k + len(w)] for k, w in windows]
    return states, np.array(lost)


@njit(cache=True, nogil=True)
def _terms(  # type: ignore[no-untyped-def]
    k0, k1, begin, end, margin, x, keep, shifts, ahead, behind, rows, cols, data, first, begins, weights, states,
    walls, leaks, losses,
):  # fmt: skip
    """Terms ``k0`` to ``k1`` in the cells ``begin`` to ``end``: add them to the states and make the next."""
    low, high = np.searchsorted(rows, begin), np.searchsorted(rows, end)
    for k in range(k0, k1):
        old, new = x[k % 2], x[(k + 1) % 2]
        for j in range(first.size):
            place = k - first[j]
            if 0 <= place < begins[j + 1] - begins[j]:
                _add(weights[begins[j] + place], old[margin + begin : margin + end], states[j, begin:end])
        if walls.size:
            losses[k] = 0.0
            for w in range(walls.size):
                losses[k] += leaks[w] * old[margin + walls[w]]
        seam = low
        for a in range(begin, end, _BLOCK):
            b = min(a + _BLOCK, end)
            left, right = margin + a, margin + b
            here, out = old[left:right], new[left:right]
            for d in range(shifts.size):
                above, below = old[left + shifts[d] : right + shifts[d]], old[left - shifts[d] : right - shifts[d]]
                if d == 0:
                    _first(here, above, below, keep[a:b], ahead[d, a:b], behind[d, a:b], out)
                else:
                    _more(above, below, ahead[d, a:b], behind[d, a:b], out)
            while seam < high and rows[seam] < b:
                new[margin + rows[seam]] += data[seam] * old[margin + cols[seam]]
                seam += 1
            for i in range(out.size):
                # subnormal tails slow every product several times and carry no mass
                out[i] = out[i] if abs(out[i]) > _TINY else 0.0


@njit(cache=True, nogil=True)
def _add(weight: float, x: Array, state: Array) -> None:
    for i in range(state.size):
        state[i] += weight * x[i]


@njit(cache=True, nogil=True)
def _first(here: Array, above: Array, below: Array, keep: Array, ahead: Array, behind: Array, out: Array) -> None:
    for i in range(out.size):
        out[i] = keep[i] * here[i] + ahead[i] * above[i] + behind[i] * below[i]


@njit(cache=True, nogil=True)
def _more(above: Array, below: Array, ahead: Array, behind: Array, out: Array) -> None:
    for i in range(out.size):
        out[i] += ahead[i] * above[i] + behind[i] * below[i]
