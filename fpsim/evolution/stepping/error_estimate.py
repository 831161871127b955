"""Error of a time step by step doubling: one step of 2 h against two of h.

The L1 distance between both, as a share of the mass, is three times the local error of two steps of second order.
Two errors are no local ones of third order and are told apart: that where drift presses on a reflecting wall, which is
of first order, and what an absorbing wall takes too early from what drift carries there, which goes with the root of
the step and does not add up. The steps themselves are decided in :mod:`fpsim.evolution.stepping.step_control`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.support.threads import chunked_distance

if TYPE_CHECKING:
    from fpsim.evolution.coefficients import Walls
    from fpsim.evolution.sweeps.splitting import Splitting

__all__ = ["WALL_MASS", "LocalError", "StepDoubling"]

Array = NDArray[np.float64]

WALL_MASS = 1e-6
"""Mass at the walls, relative to all, from which on wall errors are estimated."""


class LocalError(NamedTuple):
    """Error of two steps, every entry relative to the mass.

    Attributes
    ----------
    distance : float
        L1 distance between one step and two; the worst equation's.
    splitting : float
        Local error of the splitting that follows from it.
    outflow : float
        Mass that absorbing walls took too early.
    limited : float
        Mass that limiters moved: below it the grid errs, not the step.
    at_walls : bool
        Whether some mass lies at walls that drift points at.
    absorbed : tuple of float
        Mass that left in the two steps, per equation (not relative).
    """

    distance: float
    splitting: float
    outflow: float
    limited: float
    at_walls: bool
    absorbed: tuple[float, ...]


@dataclass(eq=False)
class StepDoubling:
    """Takes steps and tells their error.

    Attributes
    ----------
    splitting : Splitting
    walls : Walls
        Directions of the drift at the walls.
    mass : float
        That errors are relative to.
    room : tuple of ndarray
        Arrays like the state, overwritten by every probe.
    speed : float
        Largest share of a cell's content that any sweep of the last probe moved per unit time.
    """

    splitting: Splitting
    walls: Walls
    mass: float
    room: tuple[Array, ...]
    speed: float = 0.0

    def probe(self, state: tuple[Array, ...], t: float, h: float) -> LocalError:
        """Advance ``state`` in place by two steps ``h``, and tell the error."""
        for copy, u in zip(self.room, state, strict=True):
            copy[:] = u
        once, _ = self.splitting.advance(self.room, t, 2.0 * h, 1, pieces=2)
        self.speed = self.splitting.speed
        absorbed, limited = self.splitting.advance(state, t, h, 2)
        self.speed = max(self.speed, self.splitting.speed)  # coefficients may vanish for a while
        distance, outflow = self._distance(state), 0.0
        if self.walls.outflow:
            outflow = max(abs(a - b) for a, b in zip(once, absorbed, strict=True)) / self.mass
        at_walls = self.walls.meets and self.at_walls(state)
        local = distance if self.walls.still else max(distance - outflow, 0.0)
        local /= 1.0 if self.walls.pressed and at_walls else 3.0
        return LocalError(distance, local, outflow, max(limited) / self.mass, at_walls, absorbed)

    def at_walls(self, state: tuple[Array, ...]) -> bool:
        """Whether some mass lies in the outermost cells of axes that are not periodic."""
        for u, grid in zip(state, self.splitting.grids, strict=True):
            p = u.reshape(grid.shape)
            ends = sum(
                float(p.take(side, axis).sum())
                for axis in range(grid.ndim)
                for side in (0, -1)
                if not grid.periodic(axis)
            )
            if ends * grid.cell_volume > WALL_MASS * self.mass:
                return True
        return False

    def _distance(self, state: tuple[Array, ...]) -> float:
        """L1 distance between the two results of a probe, relative to the mass; the worst equation's."""
        return max(
            chunked_distance(a, b, self.splitting.team) * volume / self.mass
            for a, b, volume in zip(self.room, state, self.splitting.volumes, strict=True)
        )
