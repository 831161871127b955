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

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import gcd, lcm, prod

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid

__all__ = ["LineSet", "find_lines", "line_bytes", "lines_along", "strides_of", "wraps"]

Integers = NDArray[np.int64]
Small = NDArray[np.int32]

_PLACES = 1 << 15


@dataclass(frozen=True, eq=False)
class LineSet:
    """All lines of a grid along one offset.

    Attributes
    ----------
    offset : tuple of int
    shape : tuple of int
        Cells of the grid.
    starts, lengths : ndarray of int32, shape (lines,)
        Flat index of the first cell, and number of cells.
    stride : int
        Step in the flattened array; 0 where ``order`` is needed.
    order : ndarray of int32, shape (lines, length) or (0, 0)
        Flat indices of every cell, only for lines that wrap around an axis other than by single steps along it.
    closed : bool
        Whether the last cell is followed by the first.
    low_exit, high_exit : ndarray of float32, shape (lines,)
        Rate at which a jump beyond either end leaves the box, relative to the rate of the jump: 0 at a reflecting
        wall, 1 / (distance to the wall in jumps) at an absorbing one.
    """

    offset: tuple[int, ...]
    shape: tuple[int, ...]
    starts: Small
    lengths: Small
    stride: int
    order: Small
    closed: bool
    low_exit: NDArray[np.float32]
    high_exit: NDArray[np.float32]

    @property
    def count(self) -> int:
        """Number of lines."""
        return len(self.starts)

    def starts_in(self, shape: tuple[int, ...]) -> tuple[Small, int]:
        """Where each line begins in a flat array of that (broadcast) shape, and its step along lines."""
        strides = strides_of(shape)
        index = np.unravel_index(self.starts, self.shape)
        flat = np.zeros(self.count, np.int32)
        for i, step in zip(index, strides, strict=True):
            if step:
                flat += (i * step).astype(np.int32)
        return flat, int(np.array(self.offset) @ strides)

    def within(self, shape: tuple[int, ...], corner: tuple[int, ...]) -> LineSet:
        """The same lines where their grid is a part of one of that shape, its first cell at ``corner``.

        Only for lines that do not wrap.
        """
        starts, stride = self.starts_in(shape)
        return replace(self, shape=shape, starts=starts + np.int32(corner @ strides_of(shape)), stride=stride)

    def some(self, begin: int, end: int) -> LineSet:
        """The lines ``begin ... end``."""
        names = ("starts", "lengths", "low_exit", "high_exit", *(("order",) if self.order.size else ()))
        return replace(self, **{name: getattr(self, name)[begin:end] for name in names})

    def cells(self) -> Small:
        """Flat indices of all cells, line after line."""
        out = np.empty(int(self.lengths.sum()), np.int32)
        _list_cells(self.starts, self.lengths, self.stride, self.order, out)
        return out

    @cached_property
    def longest(self) -> int:
        """Cells of the longest line."""
        return int(self.lengths.max())


@njit(cache=True, nogil=True)
def _list_cells(starts: Small, lengths: Small, stride: int, order: Small, out: Small) -> None:
    place = 0
    for line in range(len(starts)):
        for k in range(lengths[line]):
            out[place] = order[line, k] if order.size > 0 else starts[line] + k * stride
            place += 1


def strides_of(shape: tuple[int, ...]) -> Integers:
    """Flat strides of a C-contiguous array of that shape, zero along axes of length one."""
    strides = np.ones(len(shape), np.int64)
    strides[:-1] = np.cumprod(shape[:0:-1])[::-1]
    return np.where(np.array(shape) == 1, 0, strides)


@lru_cache(maxsize=64)
def lines_along(grid: Grid, offset: tuple[int, ...]) -> LineSet:
    """Lines of ``grid`` along ``offset``, ordered so that neighbouring lines are neighbours in memory; kept."""
    return find_lines(grid, offset)


def line_bytes(grid: Grid, offset: tuple[int, ...]) -> int:
    """Memory of the lines along an offset: 16 bytes a line, and 4 a place where they wrap (as long as the longest)."""
    walls = [axis for axis, step in enumerate(offset) if step and not grid.periodic(axis)]
    if walls:
        inner = prod(max(n - abs(offset[a]), 0) if a in walls else n for a, n in enumerate(grid.shape))
        longest, count = min(-(-grid.shape[a] // abs(offset[a])) for a in walls), grid.size - inner
    else:
        longest = _period(grid, offset)
        count = grid.size // longest
    return 16 * count + 4 * longest * count * wraps(grid, offset)


def wraps(grid: Grid, offset: tuple[int, ...]) -> bool:
    """Whether lines pass a periodic border other than by single steps along an axis."""
    moving = [axis for axis, step in enumerate(offset) if step]
    return any(map(grid.periodic, moving)) and (len(moving) > 1 or offset[moving[0]] != 1)


def find_lines(grid: Grid, offset: tuple[int, ...]) -> LineSet:
    """Lines of ``grid`` along ``offset``, found again at every call: a fifth of the time of a sweep."""
    moving = [axis for axis, step in enumerate(offset) if step]
    walls = [axis for axis in moving if not grid.periodic(axis)]
    strides = strides_of(grid.shape)
    starts = _first_cells(grid, offset, walls) if walls else _cycle_cells(grid, offset)
    if walls:
        lengths = np.full(len(starts), np.iinfo(np.int32).max, np.int32)
        for axis in walls:
            room, step = _index(starts, grid.shape, axis), offset[axis]
            if step > 0:
                np.subtract(grid.shape[axis] - 1, room, out=room)
            room //= abs(step)
            np.minimum(lengths, np.add(room, 1, out=room), out=lengths)
    else:
        lengths = np.full(len(starts), _period(grid, offset), np.int32)
    wrapping = wraps(grid, offset)
    return LineSet(
        offset,
        grid.shape,
        starts,
        lengths,
        0 if wrapping else int(np.array(offset) @ strides),
        _order(grid, offset, starts, int(lengths.max())) if wrapping else np.empty((0, 0), np.int32),
        not walls,
        *(_exit_rate(grid, offset, starts, lengths, walls, high=high) for high in (False, True)),
    )


def _index(flat: Small, shape: tuple[int, ...], axis: int) -> Small:
    """Grid index along an axis of flat indices."""
    index = flat // np.int32(prod(shape[axis + 1 :]))
    index %= np.int32(shape[axis])
    return index


def _first_cells(grid: Grid, offset: tuple[int, ...], walls: list[int]) -> Small:
    """Cells whose predecessor lies outside the box."""
    outside = np.zeros(grid.shape, bool)
    for axis in walls:
        n, step = grid.shape[axis], offset[axis]
        index: list[slice] = [slice(None)] * grid.ndim
        index[axis] = slice(0, min(step, n)) if step > 0 else slice(max(n + step, 0), n)
        outside[tuple(index)] = True
    return np.flatnonzero(outside).astype(np.int32)


def _period(grid: Grid, offset: tuple[int, ...]) -> int:
    """Cells of a closed line."""
    return lcm(*(n // gcd(n, abs(step)) for n, step in zip(grid.shape, offset, strict=True) if step))


def _cycle_cells(grid: Grid, offset: tuple[int, ...]) -> Small:
    """One cell of every closed line: the first in memory."""
    lowest, reach, period = np.arange(grid.size, dtype=np.int32).reshape(grid.shape), 1, _period(grid, offset)
    axes = tuple(range(grid.ndim))
    while reach < period:  # the lowest of ``reach`` cells from here on; twice as many with those from there on
        np.minimum(lowest, np.roll(lowest, tuple(-reach * step for step in offset), axes), out=lowest)
        reach *= 2
    return np.flatnonzero(lowest.ravel() == np.arange(grid.size, dtype=np.int32)).astype(np.int32)


def _order(grid: Grid, offset: tuple[int, ...], starts: Small, longest: int) -> Small:
    """Flat index of every cell of lines that wrap; beyond the end of a line, of its last place at a wall."""
    flat = np.zeros((len(starts), longest), np.int32)
    rows = max(_PLACES // longest, 1)  # some at a time: no second table of the same size
    for begin in range(0, len(starts), rows):
        part = slice(begin, begin + rows)
        for axis, (n, step, stride) in enumerate(zip(grid.shape, offset, strides_of(grid.shape), strict=True)):
            cells = _index(starts[part], grid.shape, axis)[:, None] + np.arange(longest, dtype=np.int32) * step
            flat[part] += (cells % n if grid.periodic(axis) else np.clip(cells, 0, n - 1)) * np.int32(stride)
    return flat


def _exit_rate(
    grid: Grid, offset: tuple[int, ...], starts: Small, lengths: Small, walls: list[int], *, high: bool
) -> NDArray[np.float32]:
    """Rate of leaving beyond the last (``high``) or the first cell of each line; see :class:`LineSet`."""
    rate = np.zeros(len(starts), np.float32)
    for axis in walls:
        step = offset[axis] if high else -offset[axis]
        if grid.boundary[axis][1 if step > 0 else 0] is Boundary.ABSORBING:
            index = _index(starts, grid.shape, axis) + (lengths - 1) * offset[axis] * high
            depth = (grid.shape[axis] - index if step > 0 else index + 1) - 0.5
            np.maximum(rate, np.where(depth < abs(step), abs(step) / depth, 0.0), out=rate, casting="same_kind")
    return rate
