"""Links: pairs of cells one integer offset apart, and the jump rates between them.

Picture for the offset ``e``: cell ``a`` (tail) and cell ``b = a + e`` (head)::

        forward  Q[a, b]  -->
    a ------------------------- b = a + e
        <--  backward Q[b, a]

Periodic axes wrap; pairs that would leave the box through another side do not exist (see :func:`outward`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.support.immutable import Immutable, read_only

__all__ = ["Indices", "Links", "Outward", "index_type", "outward", "pairs"]

Array = NDArray[np.float64]
Indices = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Links(Immutable):
    """All jumps along one offset and back.

    Attributes
    ----------
    offset : tuple of int
        ``e``, in cells.
    tail, head : ndarray of int, shape (L,)
        Flat indices of ``a`` and ``a + e``.
    forward, backward : ndarray, shape (L,)
        Rates ``Q[a, b]`` and ``Q[b, a]`` (1 / time), both >= 0.
    """

    offset: tuple[int, ...]
    tail: Indices
    head: Indices
    forward: Array
    backward: Array

    def __post_init__(self) -> None:
        for name in ("tail", "head", "forward", "backward"):
            object.__setattr__(self, name, read_only(np.asarray(getattr(self, name))))

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self.tail.nbytes + self.head.nbytes + self.forward.nbytes + self.backward.nbytes

    def net(self, masses: Array) -> Array:
        """Net flow ``Q[a, b] m_a - Q[b, a] m_b`` of probability along every link (1 / time)."""
        return self.forward * masses[self.tail] - self.backward * masses[self.head]


@dataclass(frozen=True, eq=False)
class Outward:
    """Jumps along one offset that meet an absorbing wall.

    ``cells`` are flat indices; ``share`` is the part of the offset, in (0, 1), that lies before the wall (one half for
    a step of one cell); ``side`` is ``(axis, 0 or 1)``.
    """

    cells: Indices
    share: Array
    side: tuple[int, int]


def index_type(grid: Grid) -> type[np.int32 | np.int64]:
    """Smallest integer type that numbers the cells."""
    return np.int32 if grid.size < 2**31 else np.int64


def pairs(grid: Grid, offset: tuple[int, ...]) -> tuple[Indices, Indices]:
    """Flat indices of all ``a`` and ``a + offset`` that both exist; a cell is never its own neighbour."""
    cells: Indices = np.arange(grid.size, dtype=index_type(grid)).reshape(grid.shape)
    tail: Indices = cells
    head: Indices = cells
    for axis, step in enumerate(offset):
        if step == 0:
            continue
        n = grid.shape[axis]
        if grid.periodic(axis):
            head = head.take((np.arange(n) + step) % n, axis)
            continue
        keep = max(n - abs(step), 0)
        low, high = slice(0, keep), slice(n - keep, n)
        first, second = (low, high) if step > 0 else (high, low)
        tail = tail[(slice(None),) * axis + (first,)]
        head = head[(slice(None),) * axis + (second,)]
    a: Indices = tail.ravel()
    b: Indices = head.ravel()
    if not any(map(grid.periodic, range(grid.ndim))):
        return a, b
    different = a != b  # a step may lead once around
    return (a, b) if different.all() else (a[different], b[different])


def outward(grid: Grid, offset: tuple[int, ...]) -> list[Outward]:
    """Jumps by ``+offset`` whose first wall is an absorbing one (ties count as absorbing)."""
    reached = np.full(grid.shape, np.inf)
    side = np.full(grid.shape, -1)
    for axis, step in enumerate(offset):
        if step == 0 or grid.periodic(axis):
            continue
        n = grid.shape[axis]
        upper = step > 0
        before = (n - 1 - np.arange(n)) if upper else np.arange(n)
        share = np.where(before < abs(step), (before + 0.5) / abs(step), np.inf)
        share = share.reshape([-1 if a == axis else 1 for a in range(grid.ndim)])
        absorbing = grid.boundary[axis][upper] is Boundary.ABSORBING
        first = (share <= reached) & np.isfinite(share) if absorbing else share < reached
        reached = np.where(first, share, reached)
        side = np.where(first, 2 * axis + upper if absorbing else -1, side)
    found = []
    for code in np.unique(side[side >= 0]):
        cells: Indices = np.flatnonzero(side == code).astype(index_type(grid))
        found.append(Outward(cells, reached.ravel()[cells], (int(code) // 2, int(code) % 2)))
    return found
