"""Many steps of drift and diffusion along the lines of one axis while they are in the cache.

Where the coefficients of an axis depend on its own coordinate only, every line along it obeys the same one-dimensional
equation, whatever its neighbours do. A programme of sweeps (all halves and steps of a splitting) then runs on a group
of lines between one load and one store.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.transport.diffuse import diffuse_lines
from fpsim.transport.diffuse_group import diffuse_group
from fpsim.transport.limit import LANES
from fpsim.transport.remap import remap_group
from fpsim.transport.trace import REACH

__all__ = ["DIFFUSE", "REMAP", "room_for", "sweep_lines"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Small = NDArray[np.int32]

DIFFUSE, REMAP = 0, 1
"""Operations of a programme; each comes with the number of its table."""


def room_for(n: int, lines: int) -> int:
    """Size of the scratch that ``sweep_lines`` needs for lines of ``n`` cells."""
    return (2 * (n + 2 * REACH) + 7 * n + 9) * min(lines, LANES)


@njit(cache=True, nogil=True, error_model="numpy")
def sweep_lines(
    u: Array,
    starts: Small,
    stride: int,
    n: int,
    periodic: bool,
    low: float,
    high: float,
    programme: Integers,
    cells: Integers,
    weights: Array,
    rates: Array,
    factors: Array,
    begin: int,
    end: int,
    work: Array,
    absorbed: Array,
) -> None:
    """Run a programme on the lines ``begin ... end`` of the flat array ``u`` in place.

    Parameters
    ----------
    starts, stride, n : cell ``k`` of a line is ``u[starts[line] + k * stride]``
    low, high : rates of leaving at the ends, relative to those of a jump
    programme : shape (operations, 2), rows (operation, table)
    cells, weights : shapes (tables, n + 1), (tables, 7, n + 1), of ``reconstruction_weights``
    rates, factors : shapes (tables, n), (tables, FACTORS, n), of ``eliminate``
    work : flat, of size ``room_for(n, lines)``
    absorbed : receives per line what left through its ends
    """
    tall, closed = n + 2 * REACH, periodic and n > 2
    for first in range(begin, end, LANES):
        lanes = min(LANES, end - first)
        rows = work[: (2 * tall + 9) * lanes].reshape((2 * tall + 9, lanes))
        v, w, few = rows[:tall], rows[tall : 2 * tall], rows[2 * tall :]
        lost, before = few[0], few[1]
        for q in range(lanes):
            lost[q] = 0.0
        for k in range(n):
            for q in range(lanes):
                v[k + REACH, q] = u[starts[first + q] + k * stride]
        for step in range(len(programme)):
            table = programme[step, 1]
            if programme[step, 0] == REMAP:
                remap_group(v, w, n, periodic, cells[table], weights[table], few[2:5], lost)
                v, w = w, v
                continue
            before[:] = lost
            x, y = v[REACH : REACH + n], w[REACH : REACH + n]
            if diffuse_group(x, y, n, closed, low, high, rates[table], factors[table], few[2], lost):
                v, w = w, v
            else:
                lost[:] = before
                rest = work[(2 * tall + 9) * lanes : (2 * tall + 9 + 7 * n) * lanes]
                _diffuse_safely(x, n, closed, low, high, rates[table], rest, lost)
        for k in range(n):
            for q in range(lanes):
                u[starts[first + q] + k * stride] = v[k + REACH, q]
        for q in range(lanes):
            absorbed[first + q] = lost[q]


@njit(cache=True, nogil=True, error_model="numpy")
def _diffuse_safely(
    v: Array, n: int, closed: bool, low: float, high: float, rate: Array, work: Array, lost: Array
) -> None:
    """Diffuse the lines of a group in place in sub-steps that cannot undershoot."""
    lanes = v.shape[1]
    starts, same = np.arange(lanes).astype(np.int32), np.zeros(lanes, np.int32)
    lengths, order = np.full(lanes, n, np.int32), np.empty((0, 0), np.int32)
    low_exit, high_exit = np.full(lanes, low).astype(np.float32), np.full(lanes, high).astype(np.float32)
    out = np.zeros(lanes)
    diffuse_lines(
        v.reshape(n * lanes), starts, lengths, lanes, order, closed, low_exit, high_exit, rate, same, 1, 1.0,
        0, lanes, work, out,
    )  # fmt: skip
    lost += out
