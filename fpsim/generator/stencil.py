"""The transition matrix ``P = 1 + Q / L`` by diagonals, ``L`` the largest exit rate: no index lists.

Jumps along one offset connect cells a fixed number of places apart in memory, so ``P`` is a few diagonals, which are
read in order and in whole vector registers. What wraps around a periodic axis lies elsewhere and is kept as a list
(``seams``); so memory is that of the rates, whatever the boundary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.generator.links import Links

__all__ = ["Stencil", "stencil_of"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_SEAM = 8  # a diagonal that holds less than this part of the cells is a list


@dataclass(frozen=True, eq=False)
class Stencil:
    """Rows of ``P^T`` (masses) or ``P`` (observables).

    ``new[i] = keep[i] x[i] + sum_k ahead[k, i] x[i + shifts[k]] + behind[k, i] x[i - shifts[k]]``, and for every seam
    ``new[rows] += data x[cols]``, rows in order. Of the cells ``walls`` the part ``leaks`` is lost per term.
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

    @cached_property
    def margin(self) -> int:
        """Cells on either side that a cell depends on, seams aside."""
        return int(np.abs(self.shifts).max())

    @cached_property
    def chain(self) -> bool:
        """Whether cells jump to their neighbours in memory only, seams aside."""
        return self.shifts.tolist() == [1]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))


def stencil_of(links: Sequence[Links], exit_rates: Array, outflow: Array, *, backward: bool) -> Stencil:
    """Diagonals of the transition matrix of these rates (one of them positive), for masses or for observables."""
    size, rate = exit_rates.size, float(exit_rates.max())
    pieces: dict[int, list[tuple[Any, Any, Array, Array]]] = {}
    lists: list[tuple[Any, Any, Array]] = []
    for link in links:
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
    ahead, behind = _aligned(max(len(pieces), 1), size), _aligned(max(len(pieces), 1), size)
    for k, parts in enumerate(pieces.values()):
        for tail, head, up, down in parts:
            ahead[k, tail] += up
            behind[k, head] += down
    ahead /= rate
    behind /= rate
    keep = _aligned(size)
    np.maximum(1.0 - exit_rates / rate, 0.0, out=keep)
    shifts = np.array(list(pieces) or [0], np.int64)
    rows = cols = np.zeros(0, np.int64)
    data = np.zeros(0)
    if lists:
        rows, cols, data = (np.concatenate(part) for part in zip(*lists, strict=True))
        order = np.argsort(rows, kind="stable")
        rows, cols, data = rows[order].astype(np.int64), cols[order].astype(np.int64), data[order] / rate
    walls = np.flatnonzero(outflow)
    return Stencil(keep, shifts, ahead, behind, rows, cols, data, walls, outflow[walls] / rate)


def _aligned(*shape: int) -> Array:
    """Zeros that begin a cache line: a register that lies across two of them takes twice as long to read."""
    room = np.zeros(prod(shape) + 7)
    begin = -(room.ctypes.data // 8) % 8
    return room[begin : begin + prod(shape)].reshape(shape)
