"""Compiled moves of a surface: relaxation with noise on a sublattice, growth along the slope, moments of a profile."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fpsim.support.compilation import njit
from fpsim.support.random_streams import fill_normals

__all__ = ["RELAXATION", "START", "Move", "grow_surfaces"]

RELAXATION, START = 0, 1
"""Streams of random numbers: what they are for."""


class Move(NamedTuple):
    """One time step, as kernels take it."""

    keep: float
    """Factor ``a`` of a site's own height in the relaxation of a sublattice."""
    kick: float
    """Standard deviation of the noise of such a relaxation."""
    growth: float
    """``lam / 2`` times the length of the step."""
    centred: bool
    """Whether slopes are centred differences, else those of Lam & Shin."""


@njit(cache=True, nogil=True)
def _relax(h, start, keep, kick, xi):  # type: ignore[no-untyped-def]
    """Draw every other site from its Ornstein-Uhlenbeck transition given its two neighbours."""
    size, near = h.size, (1.0 - keep) * 0.5
    if start == 0:
        h[0] = near * (h[size - 1] + h[1]) + keep * h[0] + kick * xi[0]
    else:
        h[size - 1] = near * (h[size - 2] + h[0]) + keep * h[size - 1] + kick * xi[size // 2 - 1]
    for j in range(1 - start, size // 2 - start):
        i = 2 * j + start
        h[i] = near * (h[i - 1] + h[i + 1]) + keep * h[i] + kick * xi[j]


@njit(cache=True, nogil=True)
def _squared_slope(h, centred, out):  # type: ignore[no-untyped-def]
    """``N_i`` of all sites."""
    size = h.size
    for edge in range(2):
        i = edge * (size - 1)
        left, right = h[i] - h[i - 1 if edge else size - 1], h[0 if edge else 1] - h[i]
        mean = 0.5 * (left + right)
        out[i] = mean * mean if centred else (left * left + left * right + right * right) / 3.0
    if centred:
        for i in range(1, size - 1):
            mean = 0.5 * (h[i + 1] - h[i - 1])
            out[i] = mean * mean
    else:
        for i in range(1, size - 1):
            left, right = h[i] - h[i - 1], h[i + 1] - h[i]
            out[i] = (left * left + left * right + right * right) * (1.0 / 3.0)


@njit(cache=True, nogil=True)
def _grow(h, step, centred, scratch):  # type: ignore[no-untyped-def]
    """Runge-Kutta 4 for ``dh_i/dt = N_i`` over ``step`` (which carries ``lam / 2``)."""
    size = h.size
    stage, slope, total = scratch[0], scratch[1], scratch[2]
    _squared_slope(h, centred, slope)
    for i in range(size):
        total[i] = slope[i]
        stage[i] = h[i] + 0.5 * step * slope[i]
    _squared_slope(stage, centred, slope)
    for i in range(size):
        total[i] += 2.0 * slope[i]
        stage[i] = h[i] + 0.5 * step * slope[i]
    _squared_slope(stage, centred, slope)
    for i in range(size):
        total[i] += 2.0 * slope[i]
        stage[i] = h[i] + step * slope[i]
    _squared_slope(stage, centred, slope)
    for i in range(size):
        h[i] += step / 6.0 * (total[i] + slope[i])


@njit(cache=True, nogil=True)
def _moments(h, out):  # type: ignore[no-untyped-def]
    """Mean and central moments 2 to 4 of one profile."""
    mean = 0.0
    for x in h:
        mean += x
    mean /= h.size
    m2 = m3 = m4 = 0.0
    for x in h:
        d = x - mean
        m2 += d * d
        m3 += d * d * d
        m4 += d * d * d * d
    out[0], out[1], out[2], out[3] = mean, m2 / h.size, m3 / h.size, m4 / h.size


@njit(cache=True, nogil=True)
def grow_surfaces(h, key, first, sweep, steps, move, moments):  # type: ignore[no-untyped-def]
    """Take ``steps`` steps of the surfaces ``h`` (R, size), in place, and their ``moments`` (R, 4).

    ``first`` is the number of the first surface; ``sweep`` that of the first relaxation, of which there are ``3 steps
    + 1``: surface, sweep and site are the address of every random number.
    """
    half = h.shape[1] // 2
    scratch, xi = np.empty((3, h.shape[1])), np.empty(half + half % 2)
    twice = move.kick * math.sqrt(1.0 + move.keep * move.keep)
    for r in range(h.shape[0]):
        row, n = h[r], sweep
        fill_normals(key, RELAXATION, n, first + r, xi)
        _relax(row, 0, move.keep, move.kick, xi)
        for k in range(steps):
            fill_normals(key, RELAXATION, n + 1, first + r, xi)
            _relax(row, 1, move.keep, move.kick, xi)
            if move.growth != 0.0:
                _grow(row, move.growth, move.centred, scratch)
            fill_normals(key, RELAXATION, n + 2, first + r, xi)
            _relax(row, 1, move.keep, move.kick, xi)
            n += 3
            fill_normals(key, RELAXATION, n, first + r, xi)
            if k < steps - 1:  # the end of this step and the start of the next, in one move
                _relax(row, 0, move.keep * move.keep, twice, xi)
        _relax(row, 0, move.keep, move.kick, xi)
        _moments(row, moments[r])
