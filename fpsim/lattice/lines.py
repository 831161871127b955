"""Lines of cells along an integer offset: what one-dimensional sweeps run over.

A line is ``start, start + e, start + 2 e, ...`` up to a wall, or closed on itself where every axis it moves along is
periodic::

    . . . c        offset (1, 1): the lines a, b, c, d, ... of a 4 x 4 box,
    . . b .        each with its own length; they partition the cells
    . a . d
    a . . .

Sweeps see gathered lines only, never how cells are stored: ``cell(k) = start + k * stride`` in the flattened array, or
``order`` where a line wraps around a periodic axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid

__all__ = ["LineSet", "lines_along", "strides_of"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LineSet:
    """All lines of a grid along one offset.

    Attributes
    ----------
    offset : tuple of int
    starts, lengths : ndarray of int, shape (lines,)
        Flat index of the first cell, and number of cells.
    coordinates : ndarray of int, shape (lines, ndim)
        Grid indices of the first cell.
    stride : int
        Step in the flattened array; 0 where ``order`` is needed.
    order : ndarray of int, shape (lines, length) or (0, 0)
        Flat indices of every cell, only for lines that wrap around an axis without being parallel to it.
    closed : bool
        Whether the last cell is followed by the first.
    low_exit, high_exit : ndarray, shape (lines,)
        Rate at which a jump beyond either end leaves the box, relative to the rate of the jump: 0 at a reflecting
        wall, 1 / (distance to the wall in jumps) at an absorbing one.
    """

    offset: tuple[int, ...]
    starts: Integers
    lengths: Integers
    coordinates: Integers
    stride: int
    order: Integers
    closed: bool
    low_exit: Array
    high_exit: Array

    @property
    def count(self) -> int:
        """Number of lines."""
        return len(self.starts)

    @property
    def longest(self) -> int:
        """Cells of the longest line."""
        return int(self.lengths.max())


def strides_of(shape: tuple[int, ...]) -> Integers:
    """Flat strides of a C-contiguous array of that shape, zero along axes of length one."""
    strides = np.ones(len(shape), np.int64)
    strides[:-1] = np.cumprod(shape[:0:-1])[::-1]
    return np.where(np.array(shape) == 1, 0, strides)


@lru_cache(maxsize=64)
def lines_along(grid: Grid, offset: tuple[int, ...]) -> LineSet:
    """Lines of ``grid`` along ``offset``, ordered so that neighbouring lines are neighbours in memory."""
    e, shape = np.array(offset), np.array(grid.shape)
    moving = e != 0
    walls = moving & np.array([not grid.periodic(a) for a in range(grid.ndim)])
    if walls.any():
        starts = _first_cells(grid, e, walls)
        room = np.where(e > 0, shape - 1 - starts, starts)[:, walls] // np.abs(e[walls])
        lengths = room.min(axis=1) + 1
    else:
        starts, period = _cycle_cells(grid, e)
        lengths = np.full(len(starts), period)
    wraps = bool((moving & ~walls).any()) and moving.sum() > 1
    flat = starts @ strides_of(grid.shape)
    order = np.empty((0, 0), np.int64)
    if wraps:
        steps = np.arange(lengths.max())[None, :, None]
        cells = np.where(
            walls, np.clip(starts[:, None] + steps * e, 0, shape - 1), (starts[:, None] + steps * e) % shape
        )
        order = np.ascontiguousarray(cells @ strides_of(grid.shape))
    last = starts + (lengths[:, None] - 1) * e
    return LineSet(
        offset,
        flat,
        lengths,
        starts,
        0 if wraps else int(e @ strides_of(grid.shape)),
        order,
        not walls.any(),
        _exit_rate(grid, starts, -e, walls),
        _exit_rate(grid, last, e, walls),
    )


def _first_cells(grid: Grid, e: Integers, walls: NDArray[np.bool_]) -> Integers:
    """Cells whose predecessor lies outside the box."""
    outside = np.zeros(grid.shape, bool)
    for axis in np.flatnonzero(walls):
        n, step = grid.shape[axis], abs(int(e[axis]))
        index: list[slice] = [slice(None)] * grid.ndim
        index[axis] = slice(0, min(step, n)) if e[axis] > 0 else slice(max(n - step, 0), n)
        outside[tuple(index)] = True
    return np.argwhere(outside)


def _cycle_cells(grid: Grid, e: Integers) -> tuple[Integers, int]:
    """One cell of every closed line, and the common number of cells of those lines."""
    shape = np.array(grid.shape)
    period = lcm(*(n // gcd(n, int(abs(s))) for n, s in zip(grid.shape, e, strict=True) if s))
    if np.count_nonzero(e) == 1 and abs(e).max() == 1:
        index = [1 if s else n for n, s in zip(grid.shape, e, strict=True)]
        return np.argwhere(np.ones(index, bool)), period
    free = np.ones(grid.shape, bool)
    starts = []
    for cell in np.ndindex(*grid.shape):
        if free[cell]:
            starts.append(cell)
            orbit = (np.array(cell) + np.arange(period)[:, None] * e) % shape
            free[tuple(orbit.T)] = False
    return np.array(starts), period


def _exit_rate(grid: Grid, cells: Integers, e: Integers, walls: NDArray[np.bool_]) -> Array:
    rate = np.zeros(len(cells))
    for axis in np.flatnonzero(walls):
        side = 1 if e[axis] > 0 else 0
        if grid.boundary[axis][side] is Boundary.ABSORBING:
            depth = (grid.shape[axis] - cells[:, axis] if side else cells[:, axis] + 1) - 0.5
            leaves = depth < abs(e[axis])
            rate = np.maximum(rate, np.where(leaves, abs(e[axis]) / depth, 0.0))
    return rate
