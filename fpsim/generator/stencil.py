"""Transition matrix ``P = 1 + Q / L`` by diagonals, ``L`` the largest exit rate: no index lists.

Jumps along one offset connect cells a fixed number of places apart in memory, so ``P`` is a few diagonals, which are
read in order and in whole vector registers. What wraps around a periodic axis lies elsewhere and is kept as a list
(``seams``); so memory is that of the rates, whatever the boundary.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.generator.links import Links
from fpsim.support.compilation import njit

__all__ = ["Stencil", "stencil_of"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_SEAM = 8  # a diagonal that holds less than this part of the cells is a list


class Stencil(NamedTuple):
    """Rows of ``P^T`` (masses) or ``P`` (observables), as kernels take them.

    ``new[i] = keep[i] x[i] + sum_k ahead[k, i] x[i + shifts[k]] + behind[k, i] x[i - shifts[k]]``, and for every seam
    ``new[rows] += data x[cols]``, rows in order. Of the cells ``walls`` the part ``leaks`` is lost per term; ``margin``
    is the largest absolute value of the shifts.
    """

    keep: Array
    shifts: Integers
    ahead: Array
    behind: Array
    rows: Integers
    cols: Integers
    data: Array
    walls: Integers
    leaks: Array
    margin: int

    @property
    def line(self) -> bool:
        """Whether cells jump to their neighbours in memory only, seams aside."""
        return self.shifts.size == 1 and self.shifts[0] == 1

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return sum(value.nbytes for value in self if isinstance(value, np.ndarray))


def stencil_of(links: Sequence[Links], exit_rates: Array, outflow: Array, rate: float, *, backward: bool) -> Stencil:
    """Diagonals of the transition matrix, for masses or for observables; ``rate`` is the largest exit rate."""
    size = exit_rates.size
    links = [link for link in links if link.tail.size]
    distances = [_distances(link, size) for link in links]
    shifts = list(dict.fromkeys(d for common, _ in distances for d in common)) or [0]
    keep, ahead, behind = _aligned((size,), (len(shifts), size), (len(shifts), size))
    np.maximum(1.0 - exit_rates / rate, 0.0, out=keep)
    seams: list[tuple[Any, Any, Array]] = []
    for link, (common, rare) in zip(links, distances, strict=True):
        # d_t m_head = forward m_tail for masses, d_t u_tail = forward u_head for observables
        up, down = (link.forward, link.backward) if backward else (link.backward, link.forward)
        for d in (*common, *rare):
            tail, head, to, back = link.tail, link.head, up, down
            if rare or len(common) > 1:
                at = np.flatnonzero(link.head - link.tail == d)
                tail, head, to, back = tail[at], head[at], up[at], down[at]
            if d in common:
                k = shifts.index(d)
                _lay(tail, head, to, back, rate, ahead[k], behind[k])
            else:
                seams += [(tail, head, to), (head, tail, back)]
    rows = cols = np.zeros(0, np.int64)
    data = np.zeros(0)
    if seams:
        rows, cols, data = (np.concatenate(part) for part in zip(*seams, strict=True))
        order = np.argsort(rows, kind="stable")
        rows, cols, data = rows[order].astype(np.int64), cols[order].astype(np.int64), data[order] / rate
    walls = outflow.nonzero()[0]
    leaks, margin = outflow[walls] / rate, max(map(abs, shifts))
    return Stencil(keep, np.array(shifts, np.int64), ahead, behind, rows, cols, data, walls, leaks, margin)


def _distances(link: Links, size: int) -> tuple[list[int], list[int]]:
    """Distances in memory of the jumps of a link: those of many, those of a few at a seam."""
    same = _common_distance(link.tail, link.head)
    if same:
        return [same], []
    found, counts = np.unique(link.head - link.tail, return_counts=True)
    many = counts * _SEAM >= size
    return found[many].tolist(), found[~many].tolist()


def _aligned(*shapes: tuple[int, ...]) -> list[Array]:
    """Zeros that begin a cache line: a register that lies across two of them takes twice as long to read."""
    lines = [-(-prod(shape) // 8) for shape in shapes]
    room = np.zeros(8 * sum(lines) + 7)
    at, arrays = -(room.ctypes.data // 8) % 8, []
    for shape, count in zip(shapes, lines, strict=True):
        arrays.append(room[at : at + prod(shape)].reshape(shape))
        at += 8 * count
    return arrays


@njit(cache=True)
def _common_distance(tail: Integers, head: Integers) -> int:
    """Distance in memory that all jumps have in common, or zero."""
    distance = head[0] - tail[0]
    for i in range(tail.size):
        if head[i] - tail[i] != distance:
            return 0
    return distance


@njit(cache=True)
def _lay(tail: Integers, head: Integers, up: Array, down: Array, rate: float, ahead: Array, behind: Array) -> None:
    for i in range(tail.size):
        ahead[tail[i]] += up[i] / rate
        behind[head[i]] += down[i] / rate
