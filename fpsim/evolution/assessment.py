"""Assessment of an evolution: the grid's error from cells two and four times as wide, and reasons for caution.

With the L1 distances ``d`` between the first two densities and ``c`` between the last two, the grid's error is
``SAFETY d / (2^q - 1)``, ``q = log2(c / d)`` the order that is observed (Roache 1994). It is believed between
``LEAST_ORDER`` and the order that is possible: two; one where drift carries mass to walls, jumps of a full tensor cross
reflecting walls several cells at a time, a coefficient jumps from cell to cell, or the generator's fluxes are dominated
by drift; the outflow index of a wall at which the diffusion vanishes or the drift is infinite. Where nothing makes the
order uncertain (:func:`order_is_uncertain`), and with less than 32 cells along an axis, there are two densities, and
the order is that which is possible. Limits: no estimate is a bound; a drift that jumps on a face of all three grids may
give errors that none of them shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, regrid
from fpsim.density.boundary import Boundary
from fpsim.evolution.coefficients import GridScales
from fpsim.evolution.result import Evolution, MethodResult
from fpsim.evolution.stepping.error_estimate import WALL_MASS
from fpsim.support.compilation import njit

__all__ = ["assess", "order_is_uncertain"]

Array = NDArray[np.float64]

DRIFTING = 2.0
"""Cell Peclet number above which exponential fluxes are of first order."""

GRID_ORDER = 2.0
"""Order of the difference between cells h and 2 h: what is guaranteed, not what is usual."""

LOGARITHMIC = 0.1
"""Order of errors that fall as one over the logarithm of the cell width, or stay."""

SAFETY = 1.25
"""Factor of errors from an observed order (Roache, J. Fluids Eng. 116, 405, 1994)."""

LEAST_ORDER = 0.25
"""Order below which an observed one is not believed: the error is then more than five times the difference."""

EDGE_MASS = 1e-6
"""Mass in the outermost cells, relative to all, that is worth a warning."""


def assess(
    run: MethodResult,
    starts: tuple[Density, ...],
    wider: Sequence[MethodResult],
    scales: GridScales,
    reason: str,
    memory: int,
    budget: float,
    *,
    follow: bool = False,
) -> Evolution:
    """Result of a run, with the error of its grid from the same evolution on wider cells, and every reason for caution.

    ``wider``: on cells two and four times as wide, as far as there are enough of them; none without an estimate.
    ``scales.walls`` says whether drift carries mass to walls, where layers may be thinner than cells.
    """
    mass = max(d.mass for d in starts)
    if not wider:
        error = np.full(len(run.times), np.nan)
    else:  # no two densities are further apart than twice the mass
        error = (
            np.minimum(_richardson((run, *wider), _highest_order(run, starts, scales), scales.jumping), 2.0 * mass)
            / mass
        )
    warnings = (*run.warnings, *scales.cautions, *_all_cautions(run, starts, follow))
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


def order_is_uncertain(run: MethodResult, starts: tuple[Density, ...], scales: GridScales) -> bool:
    """Whether the grid's error may be of a lower order than the scheme is known to have."""
    return scales.irregular or _disturbed_at_walls(run, starts, scales)


def _highest_order(run: MethodResult, starts: tuple[Density, ...], scales: GridScales) -> float:
    """Order that the grid's error has at most."""
    drifting = run.method != "sweeps" and scales.peclet[1] > DRIFTING
    order = 1.0 if drifting or scales.jumping or _disturbed_at_walls(run, starts, scales) else GRID_ORDER
    if scales.wall_order < order and _mass_at_walls(run, starts):
        order = max(scales.wall_order, LOGARITHMIC)
    return order


def _disturbed_at_walls(run: MethodResult, starts: tuple[Density, ...], scales: GridScales) -> bool:
    """Whether the scheme is of first order at walls where mass is: layers of the splitting, jumps of a tensor."""
    layers = run.method == "sweeps" and (scales.walls.pressed or scales.walls.outflow)
    return (layers or scales.rough) and _mass_at_walls(run, starts)


def _richardson(levels: Sequence[MethodResult], order: float, by_chance: bool) -> Array:
    """Error of the first of two or three evolutions, each on cells twice as wide as those of the one before.

    ``by_chance``: whether two grids may agree by chance, as where a coefficient jumps at the same face of both.
    """
    near = _difference(levels[0], levels[1])
    if len(levels) == 2:
        return near / (2.0**order - 1.0)
    far = _difference(levels[1], levels[2])
    if by_chance or order < 1.0:  # a singular density, of which two grids see different shares
        near = np.maximum(near, far / 2.0**order)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.log2(far / near)
    observed = np.clip(np.where(near > 0.0, observed, order), min(LEAST_ORDER, order), order)
    return np.asarray(SAFETY * near / (2.0**observed - 1.0))


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
