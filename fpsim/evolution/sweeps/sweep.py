"""Sweeps: one one-dimensional equation, solved for a time step on all lines of a grid."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit
from fpsim.support.threads import Team

__all__ = ["Block", "MassBalance", "Sweep"]

Array = NDArray[np.float64]

CHUNK = 256  # lines


class MassBalance(NamedTuple):
    """Mass absorbed by walls and mass moved by the limiter, in the unit of ``sum(u)``."""

    absorbed: float = 0.0
    limited: float = 0.0

    @classmethod
    def of(cls, lines: Array) -> MassBalance:
        """Sum over lines; rows as here."""
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

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> MassBalance:
        """Advance the flat array ``u`` in place by ``steps`` steps ``dt``.

        Drift goes in ``pieces`` equal parts per step.
        """
        ...


Block = tuple[Sweep, ...]
"""Sweeps that commute with each other."""
