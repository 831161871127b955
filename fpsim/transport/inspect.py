"""What can be said about a computation before and after it: its memory, and reasons for caution."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.density import Density, Grid
from fpsim.density.boundary import Boundary
from fpsim.equation import FokkerPlanck

__all__ = ["cautions", "memory_estimate"]

EDGE_MASS = 1e-6
"""Mass in the outermost cells, relative to all, that is worth a warning."""

ARRAYS = 4.0  # the state, two copies for the step control, one answer
PER_CELL_OF_A_LINE = 4 * (9 + 7) + 20  # numbers in the tables and scratch of sweeps along an axis
MARGIN = 0.5  # masks and sums while an answer is checked, in arrays


def memory_estimate(
    equations: tuple[FokkerPlanck, ...],
    grids: tuple[Grid, ...],
    held: float,
    outputs: int,
    *,
    coarse: bool,
) -> int:
    """Bytes that an evolution holds at once, beside its start; ``held`` of them by coefficients."""
    arrays = ARRAYS + outputs - 1 + MARGIN
    if any(e.mean_field for e in equations):
        arrays += 2.0  # a density half a step ahead, and what coefficients are given
    fine, wide = sum(8.0 * g.size for g in grids), sum(8.0 * g.size / 2**g.ndim for g in grids)
    held += sum(8.0 * PER_CELL_OF_A_LINE * sum(g.shape) for g in grids)
    return int(max(fine * arrays + held, (fine * outputs + wide * (arrays + 1)) if coarse else 0.0))


def cautions(density: Density, start: Density) -> list[tuple[str, str]]:
    """Reasons not to trust a density on its grid, as (kind, text): mass at the walls, or a peak narrower than cells."""
    grid, found, edge, total = density.grid, [], 0.0, 0.0
    for axis, name in enumerate(grid.names):
        others = tuple(a for a in range(grid.ndim) if a != axis)
        first, last, total, width = _outline(density.values.sum(axis=others) if others else density.values)
        low, high = (side is Boundary.REFLECTING for side in grid.boundary[axis])
        edge += low * first + high * last
        if width < 1.0:
            text = f"the density is {2.0 * width:.2g} cells wide along {name}, narrower than two: "
            found.append((f"width {name}", text + "more cells, or follow=True, resolve it"))
    if edge > EDGE_MASS * total and edge * grid.cell_volume > 10.0 * start.edge_mass():
        text = (
            f"mass {edge * grid.cell_volume:.2g} has reached the outermost cells: unless that wall is meant, a larger "
        )
        found.insert(0, ("edge", text + "box, or follow=True, keeps it off"))
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
