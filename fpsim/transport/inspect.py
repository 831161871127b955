"""What can be said about a computation before and after it: cell Peclet numbers, memory, and reasons for caution."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.transport.sweeps import Sampled

__all__ = ["cautions", "jump_rate", "memory_estimate", "peclet_range"]

Array = NDArray[np.float64]

EDGE_MASS = 1e-6
"""Mass in the outermost cells, relative to all, that is worth a warning."""

ARRAYS = 4.0  # the state, two copies for the step control, one answer
PER_CELL_OF_A_LINE = 4 * (9 + 7) + 20  # numbers in the tables and scratch of sweeps along an axis
MARGIN = 0.5  # masks and sums while an answer is checked, in arrays


def peclet_range(known: Iterable[tuple[Sampled, Grid]]) -> tuple[float, float]:
    """Smallest and largest cell Peclet number ``|b_i| h_i / D_ii`` on grids (infinite where D vanishes)."""
    low, high = np.inf, 0.0
    for part, grid in known:
        for axis, b in enumerate(part.drift):
            drift, diffusion = np.abs(b) * grid.spacing[axis], part.diffusion.axis(axis)
            if drift.shape[axis] > 1 and diffusion.shape[axis] > 1:
                drift = drift[(slice(None),) * axis + (slice(0, -1),)]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                ratio = np.where(drift == 0.0, 0.0, drift / diffusion)
            low, high = min(low, float(ratio.min())), max(high, float(ratio.max()))
    return low, high


def jump_rate(known: Sampled, grid: Grid) -> float:
    """Largest rate at which a cell is left in the generator of an equation, about."""
    total = 0.0
    for axis, h in enumerate(grid.spacing):
        total += 2.0 * float(known.diffusion.axis(axis).max()) / h**2 + float(np.abs(known.drift[axis]).max()) / h
    return total


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


def cautions(density: Density, start_edge: float) -> list[str]:
    """Reasons not to trust a density on its grid: mass at the walls, or a peak that cells do not resolve."""
    found = []
    edge, mass = density.edge_mass(), density.mass
    if edge > max(EDGE_MASS * mass, 10.0 * start_edge) and not _absorbing(density.grid):
        found.append(
            f"mass {edge:.2g} has reached the outermost cells: a larger box, or follow=True, keeps it off the walls"
        )
    for axis, name in enumerate(density.grid.names):
        width = _peak_width(density, axis)
        if width < 1.0:
            found.append(
                f"the density is {2.0 * width:.2g} cells wide along {name}, narrower than two: "
                "more cells, or follow=True, resolve it"
            )
    return found


def _absorbing(grid: Grid) -> bool:
    return any(side == "absorbing" for sides in grid.boundary for side in sides)


def _peak_width(density: Density, axis: int) -> float:
    """Standard deviation, in cells, of the highest peak of a marginal, from its curvature (exact for a Gaussian)."""
    line = density.values.sum(axis=tuple(a for a in range(density.grid.ndim) if a != axis))
    k = int(np.argmax(line))
    before = line[k - 1] if k > 0 else line[k]
    after = line[k + 1] if k + 1 < len(line) else line[k]
    tiny = 1e-12 * line[k]
    bend = 2.0 * np.log(line[k]) - np.log(max(before, tiny)) - np.log(max(after, tiny))
    return float(1.0 / np.sqrt(bend)) if bend > 0.0 else np.inf
