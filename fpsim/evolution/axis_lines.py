"""Many steps of drift and diffusion along the lines of one axis while they are in the cache.

Where the coefficients of an axis depend on its own coordinate only, every line along it obeys the same one-dimensional
equation, whatever its neighbours do. A programme of sweeps (all halves and steps of a splitting) then runs on a group
of lines between one load and one store.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.evolution.diffuse_group import diffuse_group, eliminate
from fpsim.evolution.limit import LANES
from fpsim.evolution.remap import remap_group
from fpsim.evolution.trace import REACH
from fpsim.support.compilation import njit

__all__ = ["DIFFUSE", "REMAP", "room_for", "sweep_lines"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Small = NDArray[np.int32]

DIFFUSE, REMAP = 0, 1
"""Operations of a programme; each comes with the number of its table."""


CACHE_LINE = 8  # numbers

MOST_PARTS = 32
"""Most parts of a diffusion step that are tried before its order is lowered."""

IMPLICIT_PARTS = 8
"""Parts of what is left then, fully implicit: of first order, but nothing can go negative."""


def room_for(n: int, lines: int) -> int:
    """Size of the scratch that ``sweep_lines`` needs for lines of ``n`` cells."""
    return (2 * (n + 2 * REACH) + 6) * min(lines, LANES) + 7 * n


@njit(cache=True, nogil=True, error_model="numpy")
def _load(u: Array, starts: Small, stride: int, v: Array) -> None:
    """Cells of some lines to ``v[k, line]``; where a line is contiguous, a cache line of it at a time."""
    n, lanes = v.shape
    block = CACHE_LINE if stride == 1 else 1
    for low in range(0, n, block):
        for q in range(lanes):
            for k in range(low, min(low + block, n)):
                v[k, q] = u[starts[q] + k * stride]


@njit(cache=True, nogil=True, error_model="numpy")
def _store(u: Array, starts: Small, stride: int, v: Array) -> None:
    """The way back of ``_load``."""
    n, lanes = v.shape
    block = CACHE_LINE if stride == 1 else 1
    for low in range(0, n, block):
        for q in range(lanes):
            for k in range(low, min(low + block, n)):
                u[starts[q] + k * stride] = v[k, q]


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
    clipped: Array,
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
    absorbed, clipped : receive per line what left through its ends, and what the remaps' clamp moved
    """
    tall, closed = n + 2 * REACH, periodic and n > 2
    for first in range(begin, end, LANES):
        lanes = min(LANES, end - first)
        rows = work[: (2 * tall + 6) * lanes].reshape((2 * tall + 6, lanes))
        v, w, few = rows[:tall], rows[tall : 2 * tall], rows[2 * tall :]
        lost, moved = few[0], few[1]
        for q in range(lanes):
            lost[q] = moved[q] = 0.0
        _load(u, starts[first : first + lanes], stride, v[REACH : REACH + n])
        for step in range(len(programme)):
            table = programme[step, 1]
            if programme[step, 0] == REMAP:
                remap_group(v, w, n, periodic, cells[table], weights[table], few[2:5], lost, moved)
                v, w = w, v
                continue
            few[2] = lost
            x, y = v[REACH : REACH + n], w[REACH : REACH + n]
            if diffuse_group(x, y, n, closed, low, high, 0.5, rates[table], factors[table], few[3], lost):
                v, w = w, v
            else:
                lost[:] = few[2]
                rest = work[(2 * tall + 6) * lanes : (2 * tall + 6) * lanes + 7 * n]
                if _diffuse_safely(x, y, n, closed, low, high, rates[table], few[3:], rest, lost):
                    v, w = w, v
        _store(u, starts[first : first + lanes], stride, v[REACH : REACH + n])
        for q in range(lanes):
            absorbed[first + q], clipped[first + q] = lost[q], moved[q]


@njit(cache=True, nogil=True, error_model="numpy")
def _diffuse_safely(
    v: Array,
    w: Array,
    n: int,
    closed: bool,
    low: float,
    high: float,
    rate: Array,
    few: Array,
    work: Array,
    lost: Array,
) -> bool:
    """Diffuse the lines of a group in parts that a cliff permits; whether ``w`` has the result.

    The first part is so short that nothing can undershoot. It rounds the cliff, so that later ones may be longer.
    """
    shortest, left, swapped = 0.8 / rate.max(), 1.0, False
    part, r, factor = shortest, work[:n], work[n : 7 * n].reshape((6, n))
    for _ in range(MOST_PARTS):
        now = left if left < 1.5 * part else part
        r[:] = rate * now
        eliminate(r, closed, low, high, 0.5, factor)
        few[0] = lost
        if diffuse_group(v, w, n, closed, low, high, 0.5, r, factor, few[1], lost):
            v, w, swapped = w, v, not swapped
            if now == left:
                return swapped
            left, part = left - now, 3.0 * part
        else:
            lost[:] = few[0]
            if part <= shortest:
                break
            part = max(0.2 * part, shortest)
    r[:] = rate * (left / IMPLICIT_PARTS)
    eliminate(r, closed, low, high, 0.0, factor)
    for _ in range(IMPLICIT_PARTS):
        diffuse_group(v, w, n, closed, low, high, 0.0, r, factor, few[1], lost)
        v, w, swapped = w, v, not swapped
    return swapped
