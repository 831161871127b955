"""Carrying lines of cell averages to other cells: mass between feet, from a primitive that never decreases."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["carry"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_REACH = 3
_LANES = 32


def _feet_of(feet: Array, n: int) -> tuple[Integers, Array]:
    """Cells that feet (in cells of a line of ``n``) lie in, and weights (feet, 7) of the cells around them.

    They give the mass left of a foot in its cell (Lagrange's primitive). What lies beyond the first and the last foot
    goes to their sides.
    """
    feet = np.clip(feet, 0.0, n)
    feet[0], feet[-1] = 0.0, n
    cells = np.minimum(feet.astype(np.int64), n - 1)
    xi, nodes = feet - cells, np.arange(-_REACH, _REACH + 2)
    factors = (xi[:, None, None] - nodes) / np.where(np.eye(len(nodes), dtype=bool), 1.0, nodes[:, None] - nodes)
    lagrange = np.where(np.eye(len(nodes), dtype=bool), 1.0, factors).prod(axis=2)
    beyond = np.cumsum(lagrange[:, :0:-1], axis=1)[:, ::-1]
    return cells, np.where(nodes[:-1] < 0, beyond - 1.0, beyond)


def carry(values: Array, axis: int, feet: Array, *, periodic: bool, ratio: float, out: Array) -> None:
    """``ratio`` times the mass between consecutive feet along an axis; ``out`` may be ``values``, of the same shape."""
    n, after = values.shape[axis], prod(values.shape[axis + 1 :])
    lines, target = values.reshape(-1, n, after), out.reshape(-1, out.shape[axis], after)
    _carry_lines(lines, *_feet_of(feet, n), periodic, ratio, np.empty((n + 2, min(after, _LANES))), target)


@njit(cache=True, nogil=True)
def _carry_lines(
    u: Array, cells: Integers, weights: Array, periodic: bool, ratio: float, room: Array, out: Array
) -> None:
    """``ratio`` times the mass between consecutive feet along the middle of three axes.

    ``u`` has shape (before, n, after) and ``out`` (before, feet - 1, after); it may be ``u`` itself, if the shape is
    the same. ``room`` has shape (n + 2, lanes).
    """
    n, lanes = u.shape[1], room.shape[1]
    held, mass = room[n], room[n + 1]
    for o in range(u.shape[0]):
        for first in range(0, u.shape[2], lanes):
            m = min(lanes, u.shape[2] - first)
            for i in range(n):
                for q in range(m):
                    room[i, q] = u[o, i, first + q]
            previous = 0
            for q in range(m):
                held[q] = 0.0
            for f in range(len(cells)):
                i = cells[f]
                for q in range(m):
                    mass[q] = 0.0
                for k in range(2 * _REACH + 1):
                    j = i + k - _REACH
                    j = j % n if periodic else min(max(j, 0), n - 1)
                    for q in range(m):
                        mass[q] += weights[f, k] * room[j, q]
                for q in range(m):
                    least = held[q] if i == previous else 0.0
                    mass[q] = min(max(mass[q], least), room[i, q])
                    if f > 0:
                        got = mass[q] - held[q]
                        if i != previous:
                            between = 0.0
                            for j in range(previous + 1, i):
                                between += room[j, q]
                            got = mass[q] + (room[previous, q] - held[q]) + between
                        out[o, f - 1, first + q] = got * ratio
                    held[q] = mass[q]
                previous = i
