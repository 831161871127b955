"""What a sweep is: one one-dimensional equation, solved for a time step on all lines of a grid."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.lattice.lines import LineSet
from fpsim.parallel import Team

__all__ = ["Account", "Block", "Sweep", "table_of"]

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
    def grid(self) -> Grid:
        """Grid it was made for."""
        ...

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


@lru_cache(maxsize=64)
def table_of(lines: LineSet, shape: tuple[int, ...]) -> tuple[NDArray[np.int32], int]:
    """Where a coefficient of that (broadcast) shape begins on each line, and its step along lines."""
    return (lines.starts, lines.stride) if shape == lines.shape else lines.starts_in(shape)
