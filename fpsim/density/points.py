"""Points from uniform numbers: which cell, and where in it.

Promises: cells get their share exactly; inside a cell the density is linear along each axis with the slope of the
neighbours, cut where it would turn negative. So the points' covariance is the density's to fourth order in the cell
width; points spread evenly over cells would be too wide by ``h^2 / 6``. Limits: a density narrower than a few cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density.grid import Grid
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError

__all__ = ["place_points"]

Array = NDArray[np.float64]


def place_points(grid: Grid, values: Array, levels: ArrayLike, inside: ArrayLike) -> Array:
    """Points of a density, shape (M, ndim), from numbers in [0, 1).

    Independent uniform numbers give independent draws, evenly spread ones give stratified points.

    Parameters
    ----------
    grid : Grid
    values : ndarray, shape grid.shape
        The density in the cells, in any unit.
    levels : array_like, shape (M,)
        Levels of the cumulative over cells, in C order: they choose the cell.
    inside : array_like, shape (M, ndim)
        Levels of the cumulative inside the cell along each axis.

    Raises
    ------
    DomainError
        If shapes disagree or a number lies outside [0, 1].
    """
    p = values
    level, u = real_array(levels, "levels"), real_array(inside, "places inside cells")
    if level.ndim != 1 or u.shape != (level.size, grid.ndim):
        raise DomainError(f"levels {level.shape} and places {u.shape}: (M,) and (M, {grid.ndim}) are accepted")
    for numbers in (level, u):
        if not ((numbers >= 0.0) & (numbers <= 1.0)).all():
            raise DomainError("levels lie outside [0, 1] or are not finite: numbers between 0 and 1 are accepted")
    sums = np.cumsum(p.ravel())
    last = int(np.flatnonzero(p)[-1])
    cells = np.minimum(np.searchsorted(sums, level * sums[-1], side="right"), last)
    index = np.unravel_index(cells, grid.shape)
    here = p.ravel()[cells]
    x = np.empty_like(u)
    for axis, n in enumerate(grid.shape):
        i = index[axis]
        above, below = (
            ((i + 1) % n, (i - 1) % n) if grid.periodic(axis) else (np.minimum(i + 1, n - 1), np.maximum(i - 1, 0))
        )
        beside = [p[(*index[:axis], j, *index[axis + 1 :])] for j in (above, below)]
        width = 2.0 if grid.periodic(axis) else above - below
        s = np.clip((beside[0] - beside[1]) / (2.0 * width * here), -1.0, 1.0)
        # density 1 + s (2 v - 1): the root of its cumulative, in a form without cancellation
        root = 1.0 - s + np.sqrt((1.0 - s) ** 2 + 4.0 * s * u[:, axis])
        v = np.divide(2.0 * u[:, axis], root, out=np.zeros(len(s)), where=root > 0.0)
        x[:, axis] = grid.lower[axis] + (i + np.minimum(v, 1.0)) * grid.spacing[axis]
    return x
