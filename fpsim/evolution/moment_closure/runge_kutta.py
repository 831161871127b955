"""Adaptive Runge-Kutta steps of many small systems, each with its own step.

The pair of Dormand & Prince (1980, doi:10.1016/0771-050X(80)90013-3) of orders five and four. Every column chooses its
own steps by its own error, so that a stiff one costs its own steps and no other column's accuracy; columns that have
arrived leave the batch. A column whose rates are not finite takes smaller steps instead of spreading them.

The error of a step is measured in units of the column's own widths: ``|e_i| / sigma_i`` of a mean, ``|e_ij| / (sigma_i
sigma_j)`` of a covariance, the largest one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.evolution.moment_closure.closure import Rate
from fpsim.support.compilation import njit
from fpsim.support.errors import ToleranceError

__all__ = ["Integrated", "integrate"]

Array = NDArray[np.float64]

NODES = np.array([0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0])
STAGES = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [1 / 5, 0.0, 0.0, 0.0, 0.0, 0.0],
        [3 / 40, 9 / 40, 0.0, 0.0, 0.0, 0.0],
        [44 / 45, -56 / 15, 32 / 9, 0.0, 0.0, 0.0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0.0, 0.0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0.0],
        [35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
DIFFERENCE = np.array([71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])
SAFETY, SHRINK, GROW = 0.9, 0.2, 5.0
TINY = 1e-200
LEAP = 20.0
"""Widths that a component may move in the first step tried: coefficients far off may not be finite."""
SHORTEST = 1e-12
"""Shortest step, relative to the interval."""
MOST_STEPS = 100_000
"""Steps of one column between two times."""


class Integrated(NamedTuple):
    """What a batch took."""

    error: Array
    """Sum of the estimated local errors of each column, in its own widths."""
    steps: int
    rejected: int


def integrate(
    rate: Rate, state: Array, begin: float, end: float, step: Array, *, tolerance: float, floor: Array, together: bool
) -> Integrated:
    """Advance the columns of ``state`` in place; ``step`` (M,) holds the steps to try first, and then next.

    Parameters
    ----------
    rate : callable
    state : ndarray, shape (rows, M)
    begin, end : float
    step : ndarray, shape (M,)
    tolerance : float
        Accepted local error.
    floor : ndarray, shape (n,)
        Widths below which errors need not be resolved.
    together : bool
        One step for all columns, as rates that depend on time need.

    Raises
    ------
    ToleranceError
        If a column would need more than ``MOST_STEPS`` steps, or shorter ones than rounding allows.
    """
    rows, n = len(state), len(floor)
    error, place = np.zeros(state.shape[1]), np.arange(state.shape[1])
    y, h, t = state.copy(), step.copy(), np.full(state.shape[1], begin)
    k = np.empty((7, *y.shape))
    rate(begin, y, k[0])
    h = np.minimum(h, _first_leap(y, k[0], floor))
    steps = rejected = tries = 0
    while place.size:
        if together:
            h[:] = h.min()
        left = end - t
        tries += 1
        if tries > MOST_STEPS or h.min() < SHORTEST * (end - begin):
            v = int(h.argmin())
            raise ToleranceError(
                f"a component at {_place(y[:n, v])} cannot go on at t = {t[v]:g}, with steps of {h[v]:.3g}: a larger "
                "tolerance, or coefficients that are finite and smooth there, are accepted"
            )
        last = h >= left * (1.0 - 1e-12)
        taken = np.where(last, left, h)
        stage = np.empty_like(y)
        for s in range(1, 7):
            _combine(y, k, STAGES[s], s, taken, stage)
            rate(float(t[0] + NODES[s] * taken[0]) if together else begin, stage, k[s])
        size = np.empty(place.size)
        _local_error(n, k, taken, y, stage, floor, size)
        if together:
            size[:] = size.max()
        with np.errstate(divide="ignore"):
            change = np.clip(SAFETY * (tolerance / size) ** 0.2, SHRINK, GROW)
        change[~np.isfinite(change)] = SHRINK
        good = size <= tolerance
        h = np.where(good & (taken < 0.99 * h), h, taken * change)  # a step cut short at the end tells nothing
        steps, rejected = steps + int(good.sum()), rejected + int((~good).sum())
        _accept(good, taken, size, stage, k, y, t, error, place)
        done = good & last
        if done.any():
            state[:, place[done]], step[place[done]] = y[:, done], h[done]
            keep = ~done
            place, t, h = place[keep], t[keep], h[keep]
            y = np.ascontiguousarray(y[:, keep])
            first = np.ascontiguousarray(k[0][:, keep])
            k = np.empty((7, rows, place.size))
            k[0] = first
    return Integrated(error, steps, rejected)


@njit(cache=True, nogil=True, error_model="numpy")
def _combine(y, k, weights, count, step, out):  # type: ignore[no-untyped-def]
    for r in range(y.shape[0]):
        for v in range(y.shape[1]):
            out[r, v] = weights[0] * k[0, r, v]
        for s in range(1, count):
            if weights[s] != 0.0:
                for v in range(y.shape[1]):
                    out[r, v] += weights[s] * k[s, r, v]
        for v in range(y.shape[1]):
            out[r, v] = y[r, v] + step[v] * out[r, v]


@njit(cache=True, nogil=True, error_model="numpy")
def _local_error(n, k, step, y, ahead, floor, size):  # type: ignore[no-untyped-def]
    """Largest scaled entry of the difference of the pair; nan counts as infinite."""
    columns = y.shape[1]
    width = np.empty((n, columns))
    difference = np.empty(columns)
    for i in range(n):
        row = n + i * (i + 1) // 2 + i
        for v in range(columns):
            width[i, v] = np.sqrt(max(y[row, v], ahead[row, v], floor[i] * floor[i]))
    for v in range(columns):
        size[v] = 0.0
    row = 0
    for part in range(n + 1):  # means, then rows of the covariance
        for j in range(n if part == 0 else part):
            for v in range(columns):
                difference[v] = 0.0
            for s in range(7):
                for v in range(columns):
                    difference[v] += DIFFERENCE[s] * k[s, row, v]
            for v in range(columns):
                scale = width[j, v] if part == 0 else width[j, v] * width[part - 1, v]
                e = abs(step[v] * difference[v]) / scale
                size[v] = e if e > size[v] or e != e else size[v]
            row += 1
    for v in range(columns):
        if size[v] != size[v]:
            size[v] = np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _accept(good, taken, size, ahead, k, y, t, error, place):  # type: ignore[no-untyped-def]
    for v in range(good.size):
        if good[v]:
            t[v] += taken[v]
            error[place[v]] += size[v]
    for r in range(y.shape[0]):
        for v in range(good.size):
            if good[v]:
                y[r, v] = ahead[r, v]
                k[0, r, v] = k[6, r, v]


def _first_leap(y: Array, rate: Array, floor: Array) -> Array:
    n = len(floor)
    if (floor < TINY).any():
        return np.full(y.shape[1], np.inf)
    diagonal = n + np.cumsum(np.arange(1, n + 1)) - 1
    width = np.sqrt(np.maximum(y[diagonal], floor[:, None] ** 2))
    fastest = np.abs(rate[:n] / width).max(axis=0)
    return LEAP / np.maximum(np.nan_to_num(fastest, nan=np.inf), TINY)


def _place(x: Array) -> str:
    return "(" + ", ".join(f"{v:.4g}" for v in x) + ")"
