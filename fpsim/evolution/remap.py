"""Drift along lines of cells: conservative semi-Lagrangian remap.

A cell's new content is what lay between the feet of its faces (see :mod:`fpsim.evolution.trace`). The mass left of a
foot inside its cell comes from a reconstruction over seven cells, in cell-local form (no running total along the line:
relative accuracy holds in the tails), and is clamped between the previous foot's and the cell's content. A primitive
that never decreases is a density that is never negative, so this one clamp is all the limiting there is: peaks are not
clipped. No step restriction; the content is conserved to rounding.

Two kernels: ``remap_group`` for lines that have the same drift (weights computed once), ``remap_lines`` otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.evolution.limit import TINY
from fpsim.evolution.trace import REACH, reconstruction_weights, trace_feet
from fpsim.support.compilation import njit

__all__ = ["remap_group", "remap_lines"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Small = NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_ghosts(v: Array, n: int, periodic: bool) -> None:
    """Cells beyond the ends: the other end, or a parabola through the last three cells."""
    for m in range(1, REACH + 1):
        low, high = REACH - m, REACH + n - 1 + m
        if periodic:
            for q in range(v.shape[1]):
                v[low, q] = v[REACH + (n - m) % n, q]
                v[high, q] = v[REACH + (m - 1) % n, q]
        elif n < 3:
            for q in range(v.shape[1]):
                v[low, q], v[high, q] = v[REACH, q], v[REACH + n - 1, q]
        else:
            a, b, c = 0.5 * (m + 1.0) * (m + 2.0), -m * (m + 2.0), 0.5 * m * (m + 1.0)
            p = REACH + n - 1
            for q in range(v.shape[1]):
                v[low, q] = a * v[REACH, q] + b * v[REACH + 1, q] + c * v[REACH + 2, q]
                v[high, q] = a * v[p, q] + b * v[p - 1, q] + c * v[p - 2, q]


@njit(cache=True, nogil=True, error_model="numpy")
def remap_group(
    v: Array,
    w: Array,
    n: int,
    periodic: bool,
    cell: Integers,
    weight: Array,
    room: Array,
    lost: Array,
    clipped: Array,
) -> None:
    """Remap several lines at once, from ``v`` to ``w``.

    Both have shape (n + 6, lines) with the cells in rows ``REACH ... REACH + n``; ``cell`` and ``weight`` are what
    ``reconstruction_weights`` gives for the common drift; ``room`` has shape (3, lines); what was carried out through
    the ends is added to ``lost``, what the clamp moved to ``clipped``.
    """
    held, got, wrap = room[0], room[1], room[2]
    lanes = v.shape[1]  # not a constant: loops of known, small length would be unrolled instead of vectorised
    _fill_ghosts(v, n, periodic)
    for q in range(lanes):
        held[q] = 0.0
    previous = cell[0]
    for f in range(n + 1):
        i = cell[f]
        row = i % n if periodic else i
        left = (previous % n if periodic else previous) + REACH
        w0, w1, w2, w3 = weight[0, f], weight[1, f], weight[2, f], weight[3, f]
        w4, w5, w6 = weight[4, f], weight[5, f], weight[6, f]
        same, other = (1.0, 0.0) if i == previous else (0.0, 1.0)
        # the last foot of a ring is the first one, a period later
        most = wrap if periodic and f > 0 and i == cell[n] else v[row + REACH]
        for q in range(lanes):
            total = w0 * v[row, q] + w1 * v[row + 1, q] + w2 * v[row + 2, q] + w3 * v[row + 3, q]
            total += w4 * v[row + 4, q] + w5 * v[row + 5, q] + w6 * v[row + 6, q]
            clamped = min(max(total, same * held[q]), most[q])
            clipped[q] += abs(clamped - total)
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


@njit(cache=True, nogil=True, error_model="numpy")
def remap_lines(
    u: Array,
    starts: Small,
    stride: int,
    n: int,
    periodic: bool,
    low: bool,
    high: bool,
    drift: Array,
    drift_starts: Small,
    drift_stride: int,
    scale: float,
    dt: float,
    begin: int,
    end: int,
    work: Array,
    cells: Integers,
    weights: Array,
    known: bool,
    absorbed: Array,
    clipped: Array,
) -> None:
    """Remap each line with its own drift ``drift[drift_starts[line] + f * drift_stride] * scale`` (cells per time).

    ``work`` has shape (4, n + 7). ``cells`` and ``weights``, of shapes (tables, n + 1) and (tables, 7, n + 1), with a
    table per line or one for all, receive what ``reconstruction_weights`` gives, or have it already (``known``).
    """
    foot, speed, totals = work[0], work[1], work[2]
    v = work[3].reshape((n + 7, 1))
    for line in range(begin, end):
        base, place = starts[line], line if len(cells) > 1 else 0
        cell, weight = cells[place], weights[place]
        for k in range(n):
            v[k + REACH, 0] = u[base + k * stride]
        if not known:
            for f in range(n + 1):
                speed[f] = drift[drift_starts[line] + f * drift_stride] * scale
            trace_feet(speed, dt, n, periodic, low, high, foot)
            reconstruction_weights(foot, n, periodic, cell, weight)
        _fill_ghosts(v, n, periodic)
        for f in range(n + 1):
            row = cell[f] % n if periodic else cell[f]
            total = 0.0
            for j in range(2 * REACH + 1):
                total += weight[j, f] * v[row + j, 0]
            totals[f] = total
        held, wrap, moved, previous = 0.0, 0.0, 0.0, cell[0]
        for f in range(n + 1):
            i = cell[f]
            row = i % n if periodic else i
            seam = periodic and i == cell[n] and f > 0
            clamped = min(max(totals[f], held if i == previous else 0.0), wrap if seam else v[row + REACH, 0])
            moved += abs(clamped - totals[f])
            if i == previous:
                got = clamped - held
            else:
                got = clamped + (v[(previous % n if periodic else previous) + REACH, 0] - held)
            for m in range(previous + 1, i):
                got += v[(m % n if periodic else m) + REACH, 0]
            held = clamped
            if f > 0:
                u[base + (f - 1) * stride] = got if got > TINY else 0.0
            else:
                wrap = held
                absorbed[line] = 0.0 if periodic else got
                for m in range(0 if periodic else previous):
                    absorbed[line] += v[m + REACH, 0]
            previous = i
        clipped[line] = moved
        if not periodic:
            absorbed[line] += v[previous + REACH, 0] - held
            for m in range(previous + 1, n):
                absorbed[line] += v[m + REACH, 0]
