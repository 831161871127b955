"""What can be said about a computation before and after it: its memory, and reasons for caution."""

from __future__ import annotations

from math import inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid
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
    grid, found, edge, least = density.grid, [], 0.0, 0.0
    for axis, name in enumerate(grid.names):
        others = tuple(a for a in range(grid.ndim) if a != axis)
        line = density.values.sum(axis=others) if others else density.values
        k = int(line.argmax())
        least = peak = float(line[k])
        if not grid.periodic(axis):
            edge += float(line[0]) + float(line[-1])
        width = _peak_width(line, k, peak)
        if width < 1.0:
            text = f"the density is {2.0 * width:.2g} cells wide along {name}, narrower than two: "
            found.append((f"width {name}", text + "more cells, or follow=True, resolve it"))
    if edge > EDGE_MASS * least and not _absorbing(grid):  # all cells hold at least what the highest does
        edge *= grid.cell_volume
        if edge > max(EDGE_MASS * density.mass, 10.0 * start.edge_mass()):
            text = f"mass {edge:.2g} has reached the outermost cells: a larger box, or follow=True, keeps it "
            text += "off the walls"
            found.insert(0, ("edge", text))
    return found


def _absorbing(grid: Grid) -> bool:
    return any(side == "absorbing" for sides in grid.boundary for side in sides)


def _peak_width(line: NDArray[np.float64], k: int, peak: float) -> float:
    """Standard deviation, in cells, of the highest peak of a marginal, from its curvature (exact for a Gaussian)."""
    before = float(line[k - 1]) if k > 0 else peak
    after = float(line[k + 1]) if k + 1 < line.size else peak
    tiny = 1e-12 * peak
    bend = 2.0 * log(peak) - log(max(before, tiny)) - log(max(after, tiny))
    return 1.0 / sqrt(bend) if bend > 0.0 else inf
