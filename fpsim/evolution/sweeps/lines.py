"""Lines of cells along an integer offset: what one-dimensional sweeps run over.

A line is ``start, start + e, start + 2 e, ...`` up to a wall, or closed on itself where every axis it moves along is
periodic::

    . . . c        offset (1, 1): the lines a, b, c, d, ... of a 4 x 4 box,
    . . b .        each with its own length; they partition the cells
    . a . d
    a . . .

Sweeps see tiles of lines only, never how cells are stored: ``cell(k) = start + k * stride`` in the flattened array, or
``order`` where a line wraps around a periodic axis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import gcd, lcm, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.support.compilation import njit

__all__ = ["Coefficient", "LineSet", "Places", "coefficient_along", "line_bytes", "lines_along", "wraps"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Small = NDArray[np.int32]
Mask = NDArray[np.bool_]

_PLACES = 1 << 15


class Places(NamedTuple):
    """Cells of lines, for kernels: that of step ``k`` is ``starts[line] + k * stride``, or ``order[line, k]``."""

    starts: Small
    lengths: Small
    stride: int
    order: Small


class Coefficient(NamedTuple):
    """A coefficient along lines, for kernels: at step ``k``, ``values[starts[line] + k * stride]``.

    Or ``values[order[line, k]]``, where there is an order.
    """

    values: Array
    starts: Small
    stride: int
    order: Small


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

    @cached_property
    def longest(self) -> int:
        """Cells of the longest line."""
        return int(self.lengths.max())

    @property
    def places(self) -> Places:
        """The lines as kernels take them."""
        return Places(self.starts, self.lengths, self.stride, self.order)

    def starts_in(self, shape: tuple[int, ...]) -> tuple[Small, int]:
        """First place of each line in a flat array of that (broadcast) shape, and its step along lines."""
        strides = _strides_of(shape)
        index = np.unravel_index(self.starts, self.shape)
        flat = np.zeros(self.count, np.int32)
        for i, step in zip(index, strides, strict=True):
            if step:
                flat += (i * step).astype(np.int32)
        return flat, int(np.array(self.offset) @ strides)

    def where(self, chosen: Mask) -> LineSet:
        """Some of the lines."""
        names = ("starts", "lengths", "low_exit", "high_exit", *(("order",) if self.order.size else ()))
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


@lru_cache(maxsize=64)
def lines_along(grid: Grid, offset: tuple[int, ...]) -> LineSet:
    """Lines of ``grid`` along ``offset``, ordered so that neighbouring lines are neighbours in memory; kept."""
    walls = [axis for axis, step in enumerate(offset) if step and not grid.periodic(axis)]
    starts = _listed(_first_cells(grid, offset, walls) if walls else _cycle_cells(grid, offset))
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
        0 if wrapping else int(np.array(offset) @ _strides_of(grid.shape)),
        _order(grid, offset, starts, int(lengths.max())) if wrapping else np.empty((0, 0), np.int32),
        not walls,
        *(_exit_rate(grid, offset, starts, lengths, walls, high=high) for high in (False, True)),
    )


def coefficient_along(lines: LineSet, coefficient: Array) -> Coefficient:
    """A coefficient of broadcast shape along lines."""
    shape, flat = coefficient.shape, np.ascontiguousarray(coefficient).ravel()
    if shape == lines.shape:
        return Coefficient(flat, lines.starts, lines.stride, lines.order)
    return Coefficient(flat, *_starts_in(lines, shape), lines.order[:0])


@lru_cache(maxsize=64)
def _starts_in(lines: LineSet, shape: tuple[int, ...]) -> tuple[Small, int]:
    return lines.starts_in(shape)


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


def _strides_of(shape: tuple[int, ...]) -> Integers:
    """Flat strides of a C-contiguous array of that shape, zero along axes of length one."""
    strides = np.ones(len(shape), np.int64)
    strides[:-1] = np.cumprod(shape[:0:-1])[::-1]
    return np.where(np.array(shape) == 1, 0, strides)


def _index(flat: Small, shape: tuple[int, ...], axis: int) -> Small:
    """Grid index along an axis of flat indices."""
    index = flat // np.int32(prod(shape[axis + 1 :]))
    index %= np.int32(shape[axis])
    return index


def _first_cells(grid: Grid, offset: tuple[int, ...], walls: list[int]) -> Mask:
    """Cells whose predecessor lies outside the box."""
    outside = np.zeros(grid.shape, bool)
    for axis in walls:
        n, step = grid.shape[axis], offset[axis]
        index: list[slice] = [slice(None)] * grid.ndim
        index[axis] = slice(0, min(step, n)) if step > 0 else slice(max(n + step, 0), n)
        outside[tuple(index)] = True
    return outside.ravel()


def _period(grid: Grid, offset: tuple[int, ...]) -> int:
    """Cells of a closed line."""
    return lcm(*(n // gcd(n, abs(step)) for n, step in zip(grid.shape, offset, strict=True) if step))


def _cycle_cells(grid: Grid, offset: tuple[int, ...]) -> Mask:
    """One cell of every closed line: the first in memory."""
    first = np.ones(grid.size, bool)
    _mark_cycles(np.array(grid.shape), np.array(offset), _strides_of(grid.shape), first)
    return first


@njit(cache=True, nogil=True)
def _mark_cycles(shape: Integers, offset: Integers, strides: Integers, first: Mask) -> None:
    """Leave ``first`` true for the lowest cell of every closed line only."""
    place = np.empty(len(shape), np.int64)
    for start in range(len(first)):
        if not first[start]:
            continue
        for a in range(len(shape)):
            place[a] = start // strides[a] % shape[a]
        while True:
            cell = 0
            for a in range(len(shape)):
                place[a] = (place[a] + offset[a]) % shape[a]
                cell += place[a] * strides[a]
            if cell == start:
                break
            first[cell] = False


@njit(cache=True, nogil=True)
def _listed(mask: Mask) -> Small:
    """Where a mask is true."""
    out = np.empty(np.count_nonzero(mask), np.int32)
    k = 0
    for cell in range(len(mask)):
        if mask[cell]:
            out[k] = cell
            k += 1
    return out


def _order(grid: Grid, offset: tuple[int, ...], starts: Small, longest: int) -> Small:
    """Flat index of every cell of lines that wrap; beyond the end of a line, of its last place at a wall."""
    flat = np.zeros((len(starts), longest), np.int32)
    rows = max(_PLACES // longest, 1)  # some at a time: no second table of the same size
    for begin in range(0, len(starts), rows):
        part = slice(begin, begin + rows)
        for axis, (n, step, stride) in enumerate(zip(grid.shape, offset, _strides_of(grid.shape), strict=True)):
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
