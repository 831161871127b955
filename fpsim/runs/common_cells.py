"""Common cells of two densities that lie on different grids, and the error of bringing them there.

Between the edges of its own cells the cumulative mass of a density is known up to interpolation: monotone cubic
(Fritsch & Carlson 1980, doi:10.1137/0717021) for the masses, linear (mass spread evenly within cells) for their error.
Limits: axes are treated one after the other; periodic axes must have one box.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from fpsim.density import Density, Grid

__all__ = ["on_common_cells", "on_common_grid"]

WIDER = 4.0
"""Width of common cells, in cells of the coarser grid."""
MOST_CELLS = 4_000_000

Array = NDArray[np.float64]


def on_common_cells(p: Density, q: Density) -> tuple[Density, Density, float]:
    """Both densities on cells ``WIDER`` times as wide as those of the coarser grid.

    Returns
    -------
    p, q : Density
    error : float
        Total variation, summed over both, between masses by cubic and by linear interpolation of the cumulative mass:
        what the place of mass inside the original cells leaves open. Dimensionless.
    """
    return _brought(p, q, _common(p.grid, q.grid, WIDER, max))


def on_common_grid(p: Density, q: Density) -> tuple[Density, Density, float]:
    """Both densities on one grid as fine as the finer of the two, and the error of that; none on equal grids."""
    if p.grid == q.grid:
        return p, q, 0.0
    return _brought(p, q, _common(p.grid, q.grid, 1.0, min))


def _common(a: Grid, b: Grid, wider: float, choose: Callable[[float, float], float]) -> Grid:
    lower = np.minimum(a.lower, b.lower)
    upper = np.maximum(a.upper, b.upper)
    spacing = wider * np.array([choose(h, k) for h, k in zip(a.spacing, b.spacing, strict=True)])
    cells = np.maximum(np.rint((upper - lower) / spacing), 2.0)
    cells = np.maximum(cells * min(1.0, (MOST_CELLS / cells.prod()) ** (1.0 / a.ndim)), 2.0).astype(int)
    return Grid(tuple(lower.tolist()), tuple(upper.tolist()), tuple(cells.tolist()), names=a.names)


def _brought(p: Density, q: Density, grid: Grid) -> tuple[Density, Density, float]:
    error, brought = 0.0, []
    for density in (p, q):
        smooth, even = (_masses(density, grid, cubic=cubic) for cubic in (True, False))
        error += 0.5 * float(np.abs(smooth - even).sum())
        brought.append(Density(grid, smooth / grid.cell_volume))
    return brought[0], brought[1], error


def _masses(density: Density, grid: Grid, *, cubic: bool) -> Array:
    masses = density.values * density.grid.cell_volume
    for axis in range(grid.ndim):
        own, edges = density.grid.edges[axis], grid.edges[axis]
        lines = np.moveaxis(masses, axis, 0)
        cumulative = np.concatenate((np.zeros((1, *lines.shape[1:])), np.cumsum(lines, axis=0)))
        inside = np.clip(edges, own[0], own[-1])
        if cubic:
            at_edges = PchipInterpolator(own, cumulative, axis=0)(inside)
        else:
            place = np.clip(np.searchsorted(own, inside, side="right") - 1, 0, own.size - 2)
            share = ((inside - own[place]) / np.diff(own)[place]).reshape(-1, *(1,) * (lines.ndim - 1))
            at_edges = cumulative[place] + share * (cumulative[place + 1] - cumulative[place])
        masses = np.moveaxis(np.diff(at_edges, axis=0), 0, axis)
    return np.maximum(masses, 0.0)
