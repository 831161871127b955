"""Assessment of an evolution: the grid's error from cells twice as wide, and reasons for caution.

Limits: the order of the grid's error is taken, not measured: two, and one where drift carries mass to walls, jumps of a
full tensor cross reflecting walls several cells at a time, or the generator's fluxes are dominated by drift.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, regrid
from fpsim.density.boundary import Boundary
from fpsim.evolution.coefficients import GridScales
from fpsim.evolution.result import Evolution, MethodResult
from fpsim.evolution.stepping.error_estimate import WALL_MASS
from fpsim.support.compilation import njit

__all__ = ["assess"]

Array = NDArray[np.float64]

DRIFTING = 2.0
"""Cell Peclet number above which exponential fluxes are of first order."""

GRID_ORDER = 2
"""Order of the difference between cells h and 2 h: what is guaranteed, not what is usual."""

EDGE_MASS = 1e-6
"""Mass in the outermost cells, relative to all, that is worth a warning."""


def assess(
    run: MethodResult,
    starts: tuple[Density, ...],
    wide: MethodResult | None,
    scales: GridScales,
    reason: str,
    memory: int,
    budget: float,
    *,
    follow: bool = False,
) -> Evolution:
    """Result of a run, with the error of its grid from the same evolution on wider cells, and every reason for caution.

    ``scales.walls`` says whether drift carries mass to walls, where layers may be thinner than cells.
    """
    if wide is None:
        error = np.full(len(run.times), np.nan)
    else:
        drifting = run.method != "sweeps" and scales.peclet[1] > DRIFTING
        meets = scales.walls.pressed or scales.walls.outflow
        layers = run.method == "sweeps" and meets and _mass_at_walls(run, starts)
        order = 1 if drifting or layers or (scales.rough and _mass_at_walls(run, starts)) else GRID_ORDER
        error = _difference(run, wide) / ((2**order - 1) * max(d.mass for d in starts))
    warnings = (*run.warnings, *_all_cautions(run, starts, follow))
    return Evolution(
        run.times,
        run.densities,
        run.time_error,
        error,
        run.absorbed,
        run.steps,
        run.rejected,
        run.method,
        reason,
        warnings,
        scales.peclet,
        memory,
        budget,
    )


def _mass_at_walls(run: MethodResult, starts: tuple[Density, ...]) -> bool:
    """Whether any mass was at walls at one of the times, or left through them."""
    mass = max(d.mass for d in starts)
    several = [now if isinstance(now, tuple) else (now,) for now in run.densities]
    return bool(run.absorbed.max() > WALL_MASS * mass) or any(
        d.edge_mass() > WALL_MASS * mass for now in several for d in now
    )


def _difference(fine: MethodResult, wide: MethodResult) -> Array:
    """L1 distance per time between two evolutions, on the cells of the second; the worst equation's."""
    out = []
    for a, b in zip(fine.densities, wide.densities, strict=True):
        pairs = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
        out.append(max(float(np.abs(regrid(x, y.grid).values - y.values).sum()) * y.grid.cell_volume for x, y in pairs))
    return np.array(out)


def _all_cautions(run: MethodResult, starts: tuple[Density, ...], follow: bool) -> list[str]:
    """Reasons for caution that the densities show, each once, with the time at which it first holds."""
    found: dict[str, str] = {}
    for t, now in zip(run.times, run.densities, strict=True):
        for density, start in zip(now if isinstance(now, tuple) else (now,), starts, strict=True):
            for kind, text in _cautions(density, start, follow=follow):
                found.setdefault(kind, f"t={t:g}: {text}")
    return list(found.values())


def _cautions(density: Density, start: Density, *, follow: bool) -> list[tuple[str, str]]:
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
    """Content of the first cell of a marginal, of the last, of all, and the width of its highest peak.

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
