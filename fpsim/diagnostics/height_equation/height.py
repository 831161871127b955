"""Height ``h = ln p`` of a density and the height identity, the exact equation it obeys.

From ``d_t p = -d_i(b_i p) + d_i d_j(D_ij p)``, for any drift and any tensor,

    d_t h = D : grad grad h  +  (grad h)^T D (grad h)  +  (2 div D - b) . grad h  +  grad grad : D - div b
            diffusion           nonlinear                  advection                source

An identity: its residual measures numerics. With ``D = nu I`` it is a Kardar-Parisi-Zhang equation without noise
term, whose ``lambda / 2`` in front of ``|grad h|^2`` is ``nu``: ``lambda = 2 nu`` always. It is deterministic, so
that no growth exponent and no Tracy-Widom law follows from it. ``v = -2 nu grad h`` obeys a forced Burgers equation.

Differences are of fourth order and of point values, so that the residual of a density from a second-order solver
falls with the square of the cell and measures the solver. The rate is a central difference in time, of second order.

Limits: only where ``p`` exceeds a floor as far as the differences reach, three cells away from the walls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid
from fpsim.diagnostics.height_equation.central_differences import REACH, first, point_height, second
from fpsim.equation import FokkerPlanck, diffusion_on_cells, drift_on_cells
from fpsim.support.errors import DomainError
from fpsim.uncertainty.verdict import Identity

__all__ = ["HeightTerms", "burgers_velocity", "height", "height_budget", "height_residual"]

Array = NDArray[np.float64]


def height(density: Density) -> Array:
    """``h = ln p`` of the cell averages, ``-inf`` where they are zero; p in its own unit, shape ``grid.shape``."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(density.values))


@dataclass(frozen=True, eq=False)
class HeightTerms:
    """Both sides of the height identity at one time, in 1 / time, shape ``grid.shape`` each.

    Attributes
    ----------
    grid : Grid
    rate : ndarray
        ``d_t h``.
    diffusion, nonlinear, advection, source : ndarray
        The four terms on the right.
    mask : ndarray of bool
        Where they count: density above the floor, away from the walls.
    weight : ndarray
        The density, zero off the mask, normalised to sum one.
    """

    grid: Grid
    rate: Array
    diffusion: Array
    nonlinear: Array
    advection: Array
    source: Array
    mask: NDArray[np.bool_]
    weight: Array

    @property
    def residual(self) -> Array:
        """Left minus right side."""
        return self.rate - self.diffusion - self.nonlinear - self.advection - self.source

    @property
    def scale(self) -> float:
        """Density-weighted root mean square of the largest term."""
        terms = (self.rate, self.diffusion, self.nonlinear, self.advection, self.source)
        return max(self._mean_square(term) for term in terms) ** 0.5

    @property
    def relative_residual(self) -> float:
        """Density-weighted root mean square of the residual over that of the largest term."""
        return float(self._mean_square(self.residual) ** 0.5 / self.scale)

    @property
    def largest_residual(self) -> float:
        """Largest residual on the mask, over the same scale."""
        return float(np.abs(self.residual[self.mask]).max()) / self.scale

    def _mean_square(self, term: Array) -> float:
        return float(np.sum(self.weight[self.mask] * term[self.mask] ** 2))


def height_budget(
    before: Density,
    now: Density,
    after: Density,
    equation: FokkerPlanck,
    *,
    interval: float,
    t: float = 0.0,
    floor: float = 1e-6,
) -> HeightTerms:
    """The height identity term by term from three densities ``interval`` apart, the middle one at time ``t``.

    Parameters
    ----------
    floor : float
        Share of the largest density below which cells are left out.

    Returns
    -------
    HeightTerms
        Errors of fourth order in the cell and of second order in the interval.

    Raises
    ------
    DomainError
        If the densities live on different grids, the interval is not positive, or nothing is above the floor.
    """
    grid = now.grid
    if before.grid != grid or after.grid != grid:
        raise DomainError("the three densities live on different grids: one grid is accepted")
    if not interval > 0.0:
        raise DomainError(f"interval is {interval}: a positive time is accepted")
    heights = [point_values(d) for d in (before, now, after)]
    mask = interior(grid, [before, now, after], floor)
    return height_terms(heights, now, equation, mask, interval=interval, t=t)


def height_terms(
    heights: Sequence[Array],
    now: Density,
    equation: FokkerPlanck,
    mask: NDArray[np.bool_],
    *,
    interval: float,
    t: float,
) -> HeightTerms:
    """The height identity term by term from point values of the height at three times; see :func:`height_budget`."""
    grid = now.grid
    drift = [np.broadcast_to(b, grid.shape) for b in drift_on_cells(equation, grid, t=t, p=now)]
    field = diffusion_on_cells(equation, grid, t=t, p=now)
    slopes = [first(heights[1], grid, a) for a in range(grid.ndim)]
    diffusion, nonlinear, advection, source = (np.zeros(grid.shape) for _ in range(4))
    for a in range(grid.ndim):
        advection -= drift[a] * slopes[a]
        source -= first(drift[a], grid, a)
        for b in range(grid.ndim):
            entry = field.entries[a][b]
            if entry is None:
                continue
            d = np.broadcast_to(entry, grid.shape)
            diffusion += d * second(heights[1], grid, a, b)
            nonlinear += d * slopes[a] * slopes[b]
            advection += 2.0 * first(d, grid, a) * slopes[b]
            source += second(d, grid, a, b)
    weight = np.where(mask, now.values, 0.0)
    rate = (heights[2] - heights[0]) / (2.0 * interval)
    return HeightTerms(grid, rate, diffusion, nonlinear, advection, source, mask, weight / weight.sum())


def height_residual(fine: HeightTerms | Sequence[HeightTerms], coarse: HeightTerms | Sequence[HeightTerms]) -> Identity:
    """The height identity, judged by the same budget on cells twice as wide (and twice the interval).

    Numerics explain a residual that falls as ``h^2``, a third of the difference; a wrong drift or tensor leaves it
    where it is. Of budgets at several times the root mean square counts.
    """
    r, c = (
        float(np.sqrt(np.mean([terms.relative_residual**2 for terms in ([f] if isinstance(f, HeightTerms) else f)])))
        for f in (fine, coarse)
    )
    return Identity(
        "height identity",
        r,
        abs(c - r) / 3.0,
        details={"coarse": c, "order": float(np.log2(c / r)) if r > 0.0 else np.inf},
    )


def burgers_velocity(density: Density, viscosity: float, *, floor: float = 1e-6) -> Array:
    """``v = -2 nu grad h``, shape (ndim, *grid.shape), ``nan`` below the floor; length per time.

    Raises
    ------
    DomainError
        If the viscosity is not positive.
    """
    if not viscosity > 0.0:
        raise DomainError(f"viscosity is {viscosity}: a positive number is accepted")
    mask = interior(density.grid, [density], floor)
    h = point_values(density)
    axes = range(density.grid.ndim)
    return np.stack([np.where(mask, -2.0 * viscosity * first(h, density.grid, a), np.nan) for a in axes])


def interior(grid: Grid, densities: Sequence[Density], floor: float) -> NDArray[np.bool_]:
    """Cells above the share ``floor`` of the largest density, as are all cells that their differences reach.

    Raises
    ------
    DomainError
        If there is none.
    """
    above = np.logical_and.reduce([d.values > floor * d.values.max() for d in densities])
    for axis in range(grid.ndim):
        padding = [(REACH, REACH) if a == axis else (0, 0) for a in range(grid.ndim)]
        padded = np.pad(above, padding, mode="wrap") if grid.periodic(axis) else np.pad(above, padding)
        above = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1, axis).all(axis=-1)
    if not above.any():
        raise DomainError(f"no density above the floor {floor:g} of its maximum away from the walls: a lower floor")
    return np.asarray(above)


def point_values(density: Density) -> Array:
    """``ln p`` at cell centres; finite and meaningless where the density is zero and :func:`interior` masks."""
    return point_height(np.where(density.values > 0.0, height(density), 0.0))
