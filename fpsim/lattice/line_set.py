"""Lines of cells, as a value: where they begin, how they go on, and what their ends leak."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["LineSet", "strides_of"]

Integers = NDArray[np.int64]
Small = NDArray[np.int32]


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
