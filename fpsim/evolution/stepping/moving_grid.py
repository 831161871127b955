"""Moving grids: boxes refitted to the density, conservatively, as the density moves, contracts or spreads.

Along an axis with two reflecting walls the box is taken to be the computation's, not the problem's: it moves. Periodic
and absorbing axes keep theirs. The number of cells stays; where it could not resolve the density in a wider box, the
old one only moves, by whole cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid, fitted_grid, regrid
from fpsim.density.regrid import support

__all__ = ["MovingGrid", "shrunk"]

Array = NDArray[np.float64]

USED = 0.5  # share of a box below which the density gets a smaller one
LEAST = 0.3  # share below which a step has squeezed it too far
NEAR = 0.06  # least distance to a wall, as a share of the box
LEAK = 1e-9  # mass in the outermost cells that calls for a wider box
RESOLVED = 1.5  # cells that a standard deviation must be wide in a box with wider cells


@dataclass
class MovingGrid:
    """Decides when densities need other boxes, and moves them there.

    ``refused`` are the axes, by equation, along which a wider box would not resolve the density; ``missed`` those along
    which that was so at any time.
    """

    margin: float = 0.2
    refits: int = 0
    refused: set[tuple[int, int]] = field(default_factory=set)
    missed: set[tuple[int, int]] = field(default_factory=set)

    def refit(
        self, grids: tuple[Grid, ...], state: tuple[Array, ...], room: tuple[Array, ...], *, urgent: bool = False
    ) -> tuple[Grid, ...]:
        """Grids that fit, the flat arrays regridded in place where they changed; ``room`` is overwritten."""
        fitted = []
        for k, (grid, u, free) in enumerate(zip(grids, state, room, strict=True)):
            now = Density.over(grid, u)
            there = self._fit(k, now, urgent) if urgent or _misfit(now) else grid
            if there != grid:
                u[:] = regrid(now, there, out=free).values.ravel()
                self.refits += 1
            fitted.append(there)
        return tuple(fitted)

    def leaks(self, grids: tuple[Grid, ...], state: tuple[Array, ...]) -> bool:
        """Whether mass has reached the outermost cells of an axis whose box may move."""
        for k, (grid, u) in enumerate(zip(grids, state, strict=True)):
            p = u.reshape(grid.shape)
            total = float(u.sum())
            for axis in _movable(grid):
                ends = p.take(0, axis).sum() + p.take(-1, axis).sum()
                if ends > LEAK * total and ((k, axis) not in self.refused or _aside(Density.over(grid, u), axis)):
                    return True
        return False

    def _fit(self, k: int, now: Density, urgent: bool) -> Grid:
        """A box that fits along every axis along which its cells resolve the density; wide, if it is urgent."""
        grid = now.grid
        lower, upper = list(grid.lower), list(grid.upper)
        for margin in (2.0 * self.margin, self.margin) if urgent else (self.margin,):
            there = fitted_grid(now, margin=margin)
            for axis in _movable(grid):
                if (lower[axis], upper[axis]) != (grid.lower[axis], grid.upper[axis]):
                    continue
                if there.spacing[axis] <= max(grid.spacing[axis], _moments(now, axis)[1] / RESOLVED):
                    lower[axis], upper[axis] = there.lower[axis], there.upper[axis]
                    self.refused.discard((k, axis))
                else:
                    self.refused.add((k, axis))
        for axis in _movable(grid):
            cells = round(_off(now, axis)) if (k, axis) in self.refused else 0
            if cells:
                lower[axis] += cells * grid.spacing[axis]
                upper[axis] += cells * grid.spacing[axis]
        self.missed |= self.refused
        return grid.with_box(lower, upper)


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
        (*support(density, axis), grid.lower[axis], grid.upper[axis], grid.spacing[axis]) for axis in _movable(grid)
    ]


def _movable(grid: Grid) -> list[int]:
    return [axis for axis in range(grid.ndim) if set(grid.boundary[axis]) == {"reflecting"}]


def _off(density: Density, axis: int) -> float:
    """Cells from the middle of the box to the mean."""
    grid, (mean, _) = density.grid, _moments(density, axis)
    return (mean - 0.5 * (grid.lower[axis] + grid.upper[axis])) / grid.spacing[axis]


def _aside(density: Density, axis: int) -> bool:
    """Whether a step has carried a density aside in a box that cannot grow."""
    return abs(_off(density, axis)) > max(NEAR * density.grid.shape[axis], 1.5)


def _moments(density: Density, axis: int) -> tuple[float, float]:
    """Mean and standard deviation along an axis."""
    line = density.values.sum(axis=tuple(a for a in range(density.grid.ndim) if a != axis))
    share, x = line / line.sum(), density.grid.centers[axis]
    mean = float((share * x).sum())
    return mean, float(np.sqrt((share * (x - mean) ** 2).sum()))
