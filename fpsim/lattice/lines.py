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

from collections.abc import Iterator
from functools import lru_cache
from math import gcd, lcm, prod

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.lattice.line_set import LineSet, strides_of
from fpsim.support.compilation import njit

__all__ = ["find_lines", "line_bytes", "lines_along", "portions_of_lines", "wraps"]

Integers = NDArray[np.int64]
Small = NDArray[np.int32]
Mask = NDArray[np.bool_]

_PLACES = 1 << 15


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
    return _lines_from(grid, offset, _starts(grid, offset))


def portions_of_lines(grid: Grid, offset: tuple[int, ...], cells: int) -> Iterator[LineSet]:
    """The same lines, some at a time, of about so many cells: all that is ever there at once is where they begin."""
    starts = _starts(grid, offset)
    many = max(cells * len(starts) // grid.size, 1)
    for first in range(0, len(starts), many):
        lines = _lines_from(grid, offset, starts[first : first + many])
        total = int(lines.lengths.sum())
        ends = np.searchsorted(np.cumsum(lines.lengths), np.arange(cells, total + cells, cells))
        begin = 0
        for end in [*np.unique(ends).tolist(), lines.count]:  # lines that begin near a corner are the longest
            if end > begin:
                yield lines.some(begin, end)
                begin = end


def _starts(grid: Grid, offset: tuple[int, ...]) -> Small:
    """First cell of every line."""
    walls = [axis for axis, step in enumerate(offset) if step and not grid.periodic(axis)]
    return _listed(_first_cells(grid, offset, walls) if walls else _cycle_cells(grid, offset))


def _lines_from(grid: Grid, offset: tuple[int, ...], starts: Small) -> LineSet:
    """The lines that begin at these cells."""
    walls = [axis for axis, step in enumerate(offset) if step and not grid.periodic(axis)]
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
        0 if wrapping else int(np.array(offset) @ strides_of(grid.shape)),
        _order(grid, offset, starts, int(lengths.max())) if wrapping else np.empty((0, 0), np.int32),
        not walls,
        *(_exit_rate(grid, offset, starts, lengths, walls, high=high) for high in (False, True)),
    )


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
    _mark_cycles(np.array(grid.shape), np.array(offset), strides_of(grid.shape), first)
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
