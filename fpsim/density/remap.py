"""Conservative remap along lines of cells: the mass between consecutive feet of faces.

A cell's new content is what lay between two feet. The mass left of a foot inside its cell comes from a reconstruction
over seven cells, ``sum_j weight_j(xi) u_{i+j}``, ``j = -3 ... 3``: the polynomial of degree seven through the primitive
at eight faces, exact for densities that are polynomials of degree six. It is kept in cell-local form (no running total
along the line: relative accuracy holds in the tails) and clamped between the previous foot's mass and the cell's. A
primitive that never decreases is a density that is never negative, so this one clamp is all the limiting there is:
peaks are not clipped. There is no step restriction; the content is conserved to rounding.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density.tiles import LANES, TINY, load_tile, store_tile
from fpsim.support.compilation import njit

__all__ = ["REACH", "Feet", "carry", "fill_ghosts", "reconstruction_weights", "remap_tile"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Small = NDArray[np.int32]

REACH = 3
"""Cells on either side that a reconstruction looks at."""


class Feet(NamedTuple):
    """Cells that feet lie in, shape (feet,), and weights of the cells around them, shape (7, feet)."""

    cell: Integers
    weight: Array


@njit(cache=True, nogil=True, error_model="numpy")
def reconstruction_weights(foot: Array, n: int, periodic: bool, feet: Feet) -> None:
    """Cell of every foot (in cells of a line of ``n``), and weights of the mass left of it inside that cell.

    Exactly zero at a cell's left face and the cell's own unit weight at its right one.
    """
    cell, weight = feet
    last = n - 1 if not periodic else np.iinfo(np.int64).max
    first = 0 if not periodic else np.iinfo(np.int64).min
    for f in range(foot.size):
        i = min(max(int(np.floor(foot[f])), first), last)
        cell[f] = i
        x0 = foot[f] - i + 3.0
        x1, x2, x3, x4, x5, x6, x7 = x0 - 1, x0 - 2, x0 - 3, x0 - 4, x0 - 5, x0 - 6, x0 - 7
        a2 = x0 * x1
        a3 = a2 * x2
        a4 = a3 * x3
        a5 = a4 * x4
        a6 = a5 * x5
        c5 = x6 * x7
        c4 = x5 * c5
        c3 = x4 * c4
        c2 = x3 * c3
        c1 = x2 * c2
        # Lagrange's polynomials of the eight faces; a cell gets the sum of those beyond it
        l0, l1, l2 = x1 * c1 / -5040.0, x0 * c1 / 720.0, a2 * c2 / -240.0
        l4, l5, l6, l7 = a4 * c4 / -144.0, a5 * c5 / 240.0, a6 * x7 / -720.0, a6 * x6 / 5040.0
        weight[0, f] = -l0
        weight[1, f] = -(l0 + l1)
        weight[2, f] = -(l0 + l1 + l2)
        weight[6, f] = l7
        weight[5, f] = l6 + l7
        weight[4, f] = l5 + l6 + l7
        weight[3, f] = l4 + l5 + l6 + l7


@njit(cache=True, nogil=True, error_model="numpy")
def fill_ghosts(v: Array, n: int, periodic: bool, flat: bool) -> None:
    """Cells beyond the ends of a tile: the other end of a ring; else the last cell, or a parabola through three.

    ``flat``: at the ends of a box that is no wall, where all that is left is a tail that falls by orders of magnitude.
    """
    for m in range(1, REACH + 1):
        low, high = REACH - m, REACH + n - 1 + m
        if periodic:
            for q in range(v.shape[1]):
                v[low, q] = v[REACH + (n - m) % n, q]
                v[high, q] = v[REACH + (m - 1) % n, q]
        elif flat or n < 3:
            for q in range(v.shape[1]):
                v[low, q], v[high, q] = v[REACH, q], v[REACH + n - 1, q]
        else:
            a, b, c = 0.5 * (m + 1.0) * (m + 2.0), -m * (m + 2.0), 0.5 * m * (m + 1.0)
            p = REACH + n - 1
            for q in range(v.shape[1]):
                v[low, q] = a * v[REACH, q] + b * v[REACH + 1, q] + c * v[REACH + 2, q]
                v[high, q] = a * v[p, q] + b * v[p - 1, q] + c * v[p - 2, q]


@njit(nogil=True, error_model="numpy", inline="always")
def remap_tile(
    lanes: int, v: Array, w: Array, periodic: bool, feet: Feet, room: Array, lost: Array, clipped: Array
) -> None:
    """Remap the lines of a tile from ``v``, its ghosts filled, to ``w``, with the feet that they have in common.

    Both have their cells from row ``REACH`` on and as many rows beyond them. ``lanes`` is ``v.shape[1]``, or the number
    1 where it is known to be: the compiler then makes loops over lines go away. ``room`` has shape (feet + 3, lanes).
    What was carried out through the ends is added to ``lost``, what the clamp moved to ``clipped``.
    """
    cell, weight = feet
    n, many = v.shape[0] - 2 * REACH, cell.size
    total, held, got, wrap = room[:many], room[many], room[many + 1], room[many + 2]
    for f in range(many):
        row = cell[f] % n if periodic else cell[f]
        w0, w1, w2, w3 = weight[0, f], weight[1, f], weight[2, f], weight[3, f]
        w4, w5, w6 = weight[4, f], weight[5, f], weight[6, f]
        for q in range(lanes):
            mass = w0 * v[row, q] + w1 * v[row + 1, q] + w2 * v[row + 2, q] + w3 * v[row + 3, q]
            total[f, q] = mass + w4 * v[row + 4, q] + w5 * v[row + 5, q] + w6 * v[row + 6, q]
    for q in range(lanes):
        held[q] = 0.0
    previous = cell[0]
    for f in range(many):
        i = cell[f]
        row = i % n if periodic else i
        left = (previous % n if periodic else previous) + REACH
        same, other = (1.0, 0.0) if i == previous else (0.0, 1.0)
        # the last foot of a ring is the first one, a period later
        seam = periodic and f > 0 and i == cell[many - 1]
        for q in range(lanes):
            clamped = min(max(total[f, q], same * held[q]), wrap[q] if seam else v[row + REACH, q])
            clipped[q] += abs(clamped - total[f, q])
            got[q] = clamped + (other * v[left, q] - held[q])
            held[q] = clamped
        for m in range(previous + 1, i):
            between = (m % n if periodic else m) + REACH
            for q in range(lanes):
                got[q] += v[between, q]
        if f > 0:
            for q in range(lanes):
                w[f - 1 + REACH, q] = got[q] if got[q] > TINY else 0.0
        else:
            for q in range(lanes):
                wrap[q] = held[q]
                lost[q] += 0.0 if periodic else got[q]
            for m in range(0 if periodic else previous):
                for q in range(lanes):
                    lost[q] += v[m + REACH, q]
        previous = i
    if not periodic:
        for q in range(lanes):
            lost[q] += v[previous + REACH, q] - held[q]
        for m in range(previous + 1, n):
            for q in range(lanes):
                lost[q] += v[m + REACH, q]


def carry(values: Array, axis: int, foot: Array, *, periodic: bool, ratio: float, out: Array) -> None:
    """``ratio`` times the mass between consecutive feet along an axis.

    ``foot`` is in cells; what lies beyond the first and the last goes to their sides. ``out`` may be ``values``, of the
    same shape.
    """
    n, m, after = values.shape[axis], out.shape[axis], prod(values.shape[axis + 1 :])
    foot = np.clip(foot, 0.0, n)
    foot[0], foot[-1] = 0.0, n
    feet = Feet(np.empty(m + 1, np.int64), np.empty((2 * REACH + 1, m + 1)))
    reconstruction_weights(foot, n, periodic, feet)
    lines = np.arange(values.size // n, dtype=np.int32)
    starts, targets = ((lines // after) * (k * after) + lines % after for k in (n, m))
    rows = n + 2 * REACH + m + 2 * REACH + m + 1 + 3 + 2
    room = np.empty((rows, min(lines.size, LANES)))
    _carry_lines(values.ravel(), starts, after, periodic, feet, ratio, room, out.reshape(-1), targets)


@njit(cache=True, nogil=True, error_model="numpy")
def _carry_lines(
    u: Array,
    starts: Small,
    stride: int,
    periodic: bool,
    feet: Feet,
    ratio: float,
    room: Array,
    out: Array,
    targets: Small,
) -> None:
    m = feet.cell.size - 1
    n = room.shape[0] - (m + 2 * REACH) - (m + 6) - 2 * REACH
    for first in range(0, starts.size, LANES):
        lanes = min(LANES, starts.size - first)
        tile = room[:, :lanes]
        v, w, rest = tile[: n + 2 * REACH], tile[n + 2 * REACH : n + m + 4 * REACH], tile[n + m + 4 * REACH :]
        rest[-2:] = 0.0
        load_tile(u, starts[first : first + lanes], stride, v[REACH : REACH + n])
        fill_ghosts(v, n, periodic, True)
        remap_tile(lanes, v, w, periodic, feet, rest, rest[-2], rest[-1])
        store_tile(out, targets[first : first + lanes], stride, w[REACH : REACH + m], ratio)
