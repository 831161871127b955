"""Compiled moves of a surface: relaxation with noise on a sublattice, growth along the slope, moments of a profile."""

from __future__ import annotations

import math

from numba import prange

from fpsim.support.compilation import njit
from fpsim.support.random_streams import normal

__all__ = ["advance"]


@njit(cache=True)
def _relax(h, start, keep, kick, key, n):  # type: ignore[no-untyped-def]
    """Draw every other site from its Ornstein-Uhlenbeck transition given its two neighbours."""
    size = h.size
    for i in range(start, size, 2):
        right = h[i + 1] if i + 1 < size else h[0]
        left = h[i - 1] if i > 0 else h[size - 1]
        xi, n = normal(key, n)
        h[i] = (1.0 - keep) * 0.5 * (left + right) + keep * h[i] + kick * xi
    return n


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True, parallel=True)
def advance(h, keys, counters, steps, keep, kick, step, centred, scratch, moments):  # type: ignore[no-untyped-def]
    """Take ``steps`` steps; ``h`` (R, size), ``scratch`` (chunks, 3, size), ``moments`` (R, 4)."""
    chunks = scratch.shape[0]
    for c in prange(chunks):
        for r in range(c, h.shape[0], chunks):
            row, key = h[r], keys[r]
            n = _relax(row, 0, keep, kick, key, counters[r])
            for k in range(steps):
                n = _relax(row, 1, keep, kick, key, n)
                if step != 0.0:
                    _grow(row, step, centred, scratch[c])
                n = _relax(row, 1, keep, kick, key, n)
                if k < steps - 1:  # the end of this step and the start of the next, in one move
                    n = _relax(row, 0, keep * keep, kick * math.sqrt(1.0 + keep * keep), key, n)
            counters[r] = _relax(row, 0, keep, kick, key, n)
            _moments(row, moments[r])
