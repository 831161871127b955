"""A grid that follows the density: refitted, conservatively, as the density moves, contracts or spreads.

Along an axis with two reflecting walls the box is taken to be the computation's, not the problem's: it moves. Periodic
and absorbing axes keep theirs. The number of cells stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid, fitted_grid, regrid
from fpsim.density.regrid import support

__all__ = ["Follower"]

Array = NDArray[np.float64]

USED = 0.5  # share of a box below which the density gets a smaller one
LEAST = 0.3  # share below which a step has squeezed it too far
NEAR = 0.06  # least distance to a wall, as a share of the box
LEAK = 1e-9  # mass in the outermost cells that calls for a wider box


@dataclass
class Follower:
    """Decides when densities need other boxes, and moves them there."""

    margin: float = 0.2
    refits: int = 0

    def refit(
        self, grids: tuple[Grid, ...], state: tuple[Array, ...], room: tuple[Array, ...], *, urgent: bool = False
    ) -> tuple[Grid, ...]:
        """Grids that fit, the flat arrays regridded in place where they changed; ``room`` is overwritten."""
        fitted = []
        for grid, u, free in zip(grids, state, room, strict=True):
            now = Density.over(grid, u)
            if urgent or _misfit(now):
                there = fitted_grid(now, margin=2.0 * self.margin if urgent else self.margin)
                u[:] = regrid(now, there, out=free).values.ravel()
                self.refits += 1
                fitted.append(there)
            else:
                fitted.append(grid)
        return tuple(fitted)


def leaks(grids: tuple[Grid, ...], state: tuple[Array, ...]) -> bool:
    """Whether mass has reached the outermost cells of an axis whose box may move."""
    for grid, u in zip(grids, state, strict=True):
        p = u.reshape(grid.shape)
        total = float(u.sum())
        for axis in range(grid.ndim):
            if set(grid.boundary[axis]) == {"reflecting"}:
                ends = p.take(0, axis).sum() + p.take(-1, axis).sum()
                if ends > LEAK * total:
                    return True
    return False


def shrunk(grids: tuple[Grid, ...], state: tuple[Array, ...]) -> bool:
    """Whether a density occupies so little of its box that resolution was lost on the way."""
    return any(
        2.0 * h < high - low < LEAST * (upper - lower)
        for grid, u in zip(grids, state, strict=True)
        for low, high, lower, upper, h in _occupied(Density.over(grid, u))
    )


def _misfit(density: Density) -> bool:
    return any(
        2.0 * h < high - low < USED * (upper - lower) or min(low - lower, upper - high) < NEAR * (upper - lower)
        for low, high, lower, upper, h in _occupied(density)
    )


def _occupied(density: Density) -> list[tuple[float, float, float, float, float]]:
    """Support, box and cell width along every axis whose box may move."""
    grid = density.grid
    return [
        (*support(density, axis), grid.lower[axis], grid.upper[axis], grid.spacing[axis])
        for axis in range(grid.ndim)
        if set(grid.boundary[axis]) == {"reflecting"}
    ]
