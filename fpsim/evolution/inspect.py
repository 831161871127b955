"""Reasons for caution that a density shows on its grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density
from fpsim.density.boundary import Boundary
from fpsim.support.compilation import njit

__all__ = ["cautions"]

EDGE_MASS = 1e-6
"""Mass in the outermost cells, relative to all, that is worth a warning."""


def cautions(density: Density, start: Density, *, follow: bool) -> list[tuple[str, str]]:
    """Reasons not to trust a density on its grid, as (kind, text): mass at the walls, or a peak narrower than cells.

    ``follow``: whether the grid follows the density already.
    """
    grid, found, edge, total = density.grid, [], 0.0, 0.0
    remedy = "" if follow else ", or follow=True,"
    for axis, name in enumerate(grid.names):
        line = density.values
        if grid.ndim > 1:
            line = line.sum(axis=tuple([a for a in range(grid.ndim) if a != axis]))
        first, last, total, width = _outline(line)
        low, high = grid.boundary[axis]
        edge += (low is Boundary.REFLECTING) * first + (high is Boundary.REFLECTING) * last
        if width < 1.0:
            text = f"the density is {2.0 * width:.3g} cells wide along {name}, narrower than two: "
            found.append((f"width {name}", text + f"more cells{remedy} resolve it"))
    if edge > EDGE_MASS * total and edge * grid.cell_volume > 10.0 * start.edge_mass():
        text = (
            f"mass {edge * grid.cell_volume:.2g} has reached the outermost cells: unless that wall is meant, a larger "
            f"box{remedy} keeps it off"
        )
        found.insert(0, ("edge", text))
    return found


@njit(cache=True)
def _outline(line: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """What is in the first cell of a marginal, in the last, in all, and the width of its highest peak.

    That is a standard deviation in cells, from the peak's curvature (exact for a Gaussian).
    """
    k, total = 0, 0.0
    for i in range(line.size):
        total += line[i]
        k = i if line[i] > line[k] else k
    tiny = 1e-12 * line[k]
    before, after = line[max(k - 1, 0)], line[min(k + 1, line.size - 1)]
    bend = 2.0 * np.log(line[k]) - np.log(max(before, tiny)) - np.log(max(after, tiny))
    return line[0], line[-1], total, 1.0 / np.sqrt(bend) if bend > 0.0 else np.inf
