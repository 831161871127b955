"""Reflecting walls at which the diffusion vanishes, and their outflow index.

With ``s`` the distance to the wall and ``D = D' s + ...`` along its normal, a density without current through the wall
is ``p ~ s^(a - 1)`` with the outflow index ``a = b(0) / D'(0)``, ``b`` the Ito drift inwards (CIR, Wright-Fisher and
squared Bessel processes; Feller 1952). For ``a >= 1`` the wall is never reached and harmless. For ``a < 1`` the density
is singular there, and cells of width ``h`` see it with an error of order ``h^a``, logarithmic at ``a = 0``, where (and
for ``a < 0``) the mass that reaches the wall stays on it as an atom.

Promises: index from coefficients at cell centres; a diffusion that vanishes faster than linearly is not meant. Limits:
``D`` that falls below a twentieth of its value half a cell from the wall counts as vanishing on that grid.

Reference: Feller, Ann. Math. 55, 468 (1952).
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Boundary, Grid
from fpsim.equation import DiffusionField
from fpsim.support.errors import ValidityWarning

__all__ = ["DegenerateWall", "degenerate_walls", "warn_of_degenerate_walls"]

Array = NDArray[np.float64]

_VANISHED = 0.05  # at the wall, of the value half a cell from it
_ROUNDING = 1e-6
_LINEAR = 6.0  # ratio of D in the second and the first cell: 3 if linear, 9 if quadratic


class DegenerateWall(NamedTuple):
    """Side 0 (lower) or 1 (upper) of an axis, and its smallest outflow index (dimensionless)."""

    axis: int
    side: int
    outflow_index: float


def degenerate_walls(grid: Grid, field: DiffusionField, drift: tuple[Array, ...]) -> list[DegenerateWall]:
    """Reflecting walls of outflow index below one.

    Parameters
    ----------
    grid : Grid
    field : DiffusionField
        Diffusion at cell centres.
    drift : tuple of ndarray
        Ito drift at cell centres, each broadcastable to the grid.
    """
    found = []
    for axis in range(grid.ndim):
        diffusion = np.moveaxis(field.axis(axis), axis, 0)
        if len(diffusion) < 3 or grid.periodic(axis):
            continue
        velocity = np.moveaxis(np.broadcast_to(drift[axis], grid.shape), axis, 0)
        for side in (0, 1):
            if grid.boundary[axis][side] is not Boundary.REFLECTING:
                continue
            near, towards = (diffusion[::-1], -velocity[::-1]) if side else (diffusion, velocity)
            first, second, third = near[:3]
            wall = np.abs(15.0 * first - 10.0 * second + 3.0 * third) / 8.0  # a parabola through the first three cells
            vanishing = (first > 0.0) & (wall < _VANISHED * first) & (second < _LINEAR * first)
            if not vanishing.any():
                continue
            slope = 2.0 * first / grid.spacing[axis]
            inwards = 1.5 * towards[0] - 0.5 * towards[1]
            with np.errstate(divide="ignore", invalid="ignore"):
                index = float(np.min(np.where(vanishing, inwards / slope, np.inf)))
            if index < 1.0 - _ROUNDING:
                found.append(DegenerateWall(axis, side, index))
    return found


def warn_of_degenerate_walls(grid: Grid, walls: list[DegenerateWall], *, stacklevel: int) -> None:
    """A ``ValidityWarning`` for every such wall, with its outflow index and what it means."""
    for axis, side, index in walls:
        rule = "what reaches it stays on it, and errors fall as one over the logarithm of the cell width at best"
        if index > 0.0:
            rule = f"the density is singular there, and errors fall as the cell width to the power {index:.2g}"
        warnings.warn(
            f"the diffusion vanishes at the {('lower', 'upper')[side]} wall of axis {grid.names[axis]}, which is "
            f"reflecting, with outflow index {index:.2g} < 1: {rule}; with_grid_error observes the order, an absorbing "
            "wall or a coordinate in which the noise does not vanish avoids it",
            ValidityWarning,
            stacklevel=stacklevel + 1,
        )
