"""What a sweep is: one one-dimensional equation, solved for a time step on all lines of a grid."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fpsim.lattice.line_set import LineSet
from fpsim.support.compilation import njit
from fpsim.support.threads import Team

__all__ = ["Account", "Block", "Part", "Sweep", "Table", "table_of"]

Array = NDArray[np.float64]

CHUNK = 256  # lines


class Account(NamedTuple):
    """What became of the content, in the unit of ``sum(u)``: absorbed by walls; misplaced by a limiter."""

    absorbed: float = 0.0
    clipped: float = 0.0

    @classmethod
    def of(cls, lines: Array) -> Account:
        """Sum of what happened on every line; rows as here."""
        return cls(*_sums(lines))


@njit(cache=True)
def _sums(lines: Array) -> tuple[float, float]:
    """Sums of two rows, in chunks: rounding does not grow with the number of lines."""
    first = second = 0.0
    for begin in range(0, lines.shape[1], CHUNK):
        a = b = 0.0
        for k in range(begin, min(begin + CHUNK, lines.shape[1])):
            a += lines[0, k]
            b += lines[1, k]
        first += a
        second += b
    return first, second


class Sweep(Protocol):
    """Conserves ``sum(u)`` plus what is absorbed, and keeps ``u >= 0``, for any step."""

    @property
    def speed(self) -> float:
        """Largest share of a cell's content that leaves it per unit time."""
        ...

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:
        """Advance the flat array ``u`` in place by ``steps`` steps ``dt``.

        Drift goes in ``pieces`` equal parts per step.
        """
        ...


Block = tuple[Sweep, ...]
"""Sweeps that commute with each other."""


class Table(NamedTuple):
    """A coefficient along lines: that of place ``k`` of a line is ``values[starts[line] + k * stride]``.

    Or ``values[order[line, k]]``, where there is an order.
    """

    values: Array
    starts: NDArray[np.int32]
    stride: int
    order: NDArray[np.int32]


class Part(NamedTuple):
    """Where the grid of a sweep lies in the one that it works on."""

    shape: tuple[int, ...]
    corner: tuple[int, ...]


def table_of(lines: LineSet, coefficient: Array, *, keep: bool) -> Table:
    """A coefficient of broadcast shape along lines; ``keep`` says that they are kept, and so are their places in it."""
    shape, flat = coefficient.shape, np.ascontiguousarray(coefficient).ravel()
    if shape == lines.shape:
        return Table(flat, lines.starts, lines.stride, lines.order)
    starts, stride = (_starts if keep else LineSet.starts_in)(lines, shape)
    return Table(flat, starts, stride, lines.order[:0])


@lru_cache(maxsize=64)
def _starts(lines: LineSet, shape: tuple[int, ...]) -> tuple[NDArray[np.int32], int]:
    return lines.starts_in(shape)
