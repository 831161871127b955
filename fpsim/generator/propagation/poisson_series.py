"""Poisson series ``sum_k w_k P^k x`` of a transition matrix given by diagonals, and their weights.

Promises: nothing negative from non-negative ``x``, and weights that sum to one. Large grids are cut into slabs that a
thread advances by several terms at a time, margins computed twice, so that rates are read from memory once for all of
them. Every cell adds its terms in one order: the same bits for any number of threads. Limits: weights below the
relative height ``tail`` are left out.

Reference: Fox & Glynn, Commun. ACM 31, 440 (1988).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from fpsim.generator.propagation.poisson_kernels import Slab, Windows, line_terms, slab_terms
from fpsim.generator.stencil import Stencil
from fpsim.support.compilation import njit
from fpsim.support.threads import LANES, Team

__all__ = ["SLAB", "poisson_series", "poisson_windows"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SLAB = 1 << 14
"""Cells that a thread advances by several terms before it moves on; more where jumps are long."""


def poisson_windows(means: Array, tail: float) -> Windows:
    """Weights ``exp(-m) m^k / k!`` cut at the relative height ``tail``, each law scaled to sum to one.

    Parameters
    ----------
    means : ndarray, shape (laws,)
        ``m >= 0``.
    tail : float
        In (0, 1).
    """
    return Windows(*_windows(means, tail))


@njit(cache=True)
def _windows(means: Array, tail: float) -> tuple[Integers, Integers, Array]:
    widths = (9.0 * np.sqrt(means * max(1.0, -np.log10(tail) / 14.0))).astype(np.int64) + 60
    line, weights = np.empty(2 * widths.max() + 1), np.empty(2 * widths.sum() + widths.size)
    first, begins = np.empty(widths.size, np.int64), np.zeros(widths.size + 1, np.int64)
    for j in range(widths.size):
        # relative to the weight of the mode, which is at the middle of the line
        mean, mode, width = means[j], int(means[j]), widths[j]
        low = high = width
        line[width] = 1.0
        for k in range(1, min(mode, width) + 1):
            line[width - k] = line[width - k + 1] * (mode - k + 1) / mean
            if line[width - k] <= tail:
                break
            low = width - k
        for k in range(1, width + 1):
            line[width + k] = line[width + k - 1] * mean / (mode + k)
            if line[width + k] <= tail:
                break
            high = width + k
        left, right = 0.0, 0.0  # small ones first
        for i in range(low, width):
            left += line[i]
        for i in range(high, width, -1):
            right += line[i]
        begin = begins[j]
        for i in range(low, high + 1):
            weights[begin + i - low] = line[i] / (left + (right + 1.0))
        first[j], begins[j + 1] = mode - (width - low), begin + high - low + 1
    return first, begins, weights[: begins[-1]]


def poisson_series(
    stencil: Stencil, start: Array, windows: Windows, *, team: Team, slab: int = SLAB
) -> tuple[Array, Array]:
    """``sum_k w_k P^k x`` for several windows of weights ``w``, and the same sum of what was lost in ``k`` terms.

    Parameters
    ----------
    stencil : Stencil
    start : ndarray, shape (size,)
    windows : Windows
    team : Team, keyword-only
    slab : int, keyword-only
        Least number of cells of a slab.

    Returns
    -------
    states : ndarray, shape (windows, size)
    lost : ndarray, shape (windows,)
    """
    first, begins, _ = windows
    size = start.size
    count = int((first + begins[1:] - begins[:-1]).max())
    length, pace = _slabs(size, stencil.margin, count, slab)
    if stencil.rows.size and length < size:
        pace = 1  # seams reach beyond any margin
    slabs = -(-size // length)
    x, states = np.array(start, float), np.zeros((first.size, size))
    losses = np.zeros((slabs, count if stencil.walls.size else 0))

    if slabs == 1 and stencil.line:
        line_terms(count, x, team.scratch(0, (2, size + 2)), stencil, windows, states, losses[0])
        return states, _lost(losses, windows)

    def advance(k: int, terms: int, x: Array, following: Array, part: int, begin: int, end: int) -> None:
        for place in range(begin // LANES, -(-end // LANES)):
            cells = Slab(k, terms, place * length, min((place + 1) * length, size))
            room = cells.end - cells.begin + 2 * terms * stencil.margin if length < size else size
            scratch = team.scratch(part, (2, room + 2 * stencil.margin))
            slab_terms(cells, x, following, scratch, stencil, windows, states, losses[place])

    following = np.empty(size)
    for k in range(0, count, pace):
        # parts of a team are whole groups of lanes: one slab is one group
        team.run(partial(advance, k, min(pace, count - k), x, following), slabs * LANES, size if slabs > 1 else 0)
        x, following = following, x
    return states, _lost(losses, windows)


def _lost(losses: Array, windows: Windows) -> Array:
    """Weighted sums of what was lost before each term."""
    first, begins, weights = windows
    if not losses.size:
        return np.zeros(first.size)
    before = np.concatenate([[0.0], np.cumsum(losses.sum(axis=0))])
    return np.array([weights[a:b] @ before[k : k + b - a] for k, a, b in zip(first, begins, begins[1:], strict=False)])


def _slabs(size: int, margin: int, count: int, slab: int) -> tuple[int, int]:
    """Cells of a slab and terms that it advances by at a time: of the grid alone, never of the number of threads."""
    least = max(slab, 32 * margin)
    if size <= 2 * least:
        return size, count
    pairs = -(-size // (2 * least))
    length = -(-size // (2 * pairs))
    return length, max(length // (6 * max(margin, 1)), 1)
