"""Reflecting walls at which the diffusion vanishes or the drift is infinite, and their outflow index.

With ``s`` the distance to the wall and ``D = D' s + ...`` along its normal, a density without current through the wall
is ``p ~ s^(a - 1)`` with the outflow index ``a = b(0) / D'(0)``, ``b`` the Ito drift inwards (CIR, Wright-Fisher and
squared Bessel processes; Feller 1952); with ``D`` positive and ``b = c / s + ...`` it is ``a = 1 + c / D`` (Bessel
processes). For ``a >= 1`` the wall is never reached and harmless. For ``a < 1`` the density is singular there, and
cells of width ``h`` see it with an error of order ``h^a``, logarithmic at ``a = 0``, where (and for ``a < 0``) the mass
that reaches the wall stays on it as an atom.

Promises: index from diffusion at cell centres and drift on faces; a diffusion that vanishes faster than linearly is not
meant. Limits: ``D`` that falls below a twentieth of its value half a cell from the wall counts as vanishing on that
grid; a drift counts as infinite if it had no value on the wall and falls as one over the distance on the first faces.

Reference: Feller, Ann. Math. 55, 468 (1952).
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.equation.diffusion import DiffusionField
from fpsim.support.errors import ValidityWarning

__all__ = [
    "INFINITE_DRIFT",
    "DegenerateWall",
    "degenerate_walls",
    "text_of_degenerate_wall",
    "warn_of_degenerate_walls",
]

Array = NDArray[np.float64]

INFINITE_DRIFT = "the drift is infinite"

_VANISHED = 0.05  # at the wall, of the value half a cell from it
_ROUNDING = 1e-6
_FEWEST = 4  # cells along an axis
_LINEAR = 6.0  # ratio of D in the second and the first cell: 3 if linear, 9 if quadratic


class DegenerateWall(NamedTuple):
    """Side 0 (lower) or 1 (upper) of an axis, its smallest outflow index (dimensionless), and what makes it so."""

    axis: int
    side: int
    outflow_index: float
    cause: str


def degenerate_walls(grid: Grid, field: DiffusionField, drift: tuple[Array, ...]) -> list[DegenerateWall]:
    """Reflecting walls of outflow index below two, at which errors of the grid may be of lower order than the second.

    Parameters
    ----------
    grid : Grid
    field : DiffusionField
        Diffusion at cell centres.
    drift : tuple of ndarray
        Ito drift per axis, on its faces.
    """
    found = []
    for axis in range(grid.ndim):
        if grid.shape[axis] < _FEWEST:
            continue
        diffusion, velocity = np.moveaxis(field.axis(axis), axis, 0), np.moveaxis(drift[axis], axis, 0)
        for side in (0, 1):
            if grid.boundary[axis][side] is not Boundary.REFLECTING:
                continue
            near, inwards = (diffusion[::-1], -velocity[::-1]) if side else (diffusion, velocity)
            vanishing = _index_of_vanishing(near, inwards, grid.spacing[axis])
            singular = _index_of_singular(near, inwards, grid.spacing[axis])
            index, cause = min((vanishing, "the diffusion vanishes"), (singular, INFINITE_DRIFT))
            if index < 2.0 - _ROUNDING:
                found.append(DegenerateWall(axis, side, index, cause))
    return found


def _index_of_vanishing(diffusion: Array, inwards: Array, h: float) -> float:
    """Smallest ``b(0) / D'(0)``; infinite where ``D`` does not vanish linearly."""
    if len(diffusion) < _FEWEST:
        return np.inf
    first, second, third = diffusion[:3]
    wall = np.abs(15.0 * first - 10.0 * second + 3.0 * third) / 8.0  # a parabola through the first three cells
    vanishing = (first > 0.0) & (wall < _VANISHED * first) & (second < _LINEAR * first)
    if not vanishing.any():
        return np.inf
    replaced = len(inwards) > 2 and np.array_equal(
        inwards[0], inwards[1]
    )  # the next face's value stands for the wall's
    drift = 2.0 * inwards[1] - inwards[2] if replaced else inwards[0]
    with np.errstate(all="ignore"):
        return float(np.min(np.where(vanishing, drift / (2.0 * first / h), np.inf))) + 0.0


def _index_of_singular(diffusion: Array, inwards: Array, h: float) -> float:
    """Smallest ``1 + c / D`` of a drift ``c / s``; infinite where there is none, or ``D`` vanishes."""
    if len(inwards) < _FEWEST:
        return np.inf
    replaced = inwards[0] == inwards[1]  # the next face's value stands for the wall's
    if not replaced.any():
        return np.inf
    cells = diffusion[:3] if len(diffusion) > 1 else diffusion.repeat(3, axis=0)
    with np.errstate(all="ignore"):
        near = 2.0 * h * inwards[1] / (cells[0] + cells[1])
        next_one = 4.0 * h * inwards[2] / (cells[1] + cells[2])
        wall = 2.0 * near - next_one  # zero for drifts that are finite there
        infinite = replaced & (wall / near > 0.5)
        singular = infinite & (np.abs(cells[1] - cells[0]) < 0.5 * cells[0])
    return float(np.min(np.where(singular, 1.0 + wall, np.inf)))


def text_of_degenerate_wall(grid: Grid, wall: DegenerateWall) -> str | None:
    """A wall of outflow index below one, and what it means, in words; ``None`` for others, which are harmless."""
    axis, side, index, cause = wall
    if index > 1.0 - _ROUNDING:
        return None
    rule = "what reaches it stays on it, and errors fall as one over the logarithm of the cell width at best"
    if index > 0.0:
        rule = f"the density is singular there, and errors fall as the cell width to the power {index:.2g}"
    return (
        f"{cause} at the {('lower', 'upper')[side]} wall of axis {grid.names[axis]}, which is reflecting, with outflow "
        f"index {index:.2g} < 1: {rule}; an absorbing wall, or a coordinate in which neither happens, avoids it"
    )


def warn_of_degenerate_walls(grid: Grid, walls: list[DegenerateWall], *, stacklevel: int) -> None:
    """A ``ValidityWarning`` for every wall of outflow index below one."""
    for text in filter(None, [text_of_degenerate_wall(grid, wall) for wall in walls]):
        warnings.warn(text, ValidityWarning, stacklevel=stacklevel + 1)
