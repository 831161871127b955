"""Error of time steps by step doubling: one step of 2 h against two of h.

The L1 distance between both, as a share of the mass, is three times the error of two steps of second order. Where the
coefficients are fixed and nothing lies at walls, every probe begins with both at the density that has been reached:
local errors are told, and their sum bounds the error. Elsewhere that sum says far too much: densities that settle
forget their errors, what an absorbing wall takes too early it would have taken a little later, and the layers that the
sweeps leave at a wall cancel from step to step. A companion then goes its own way in steps of 2 h, and its distance is
the error so far, not a sum; where errors grow, as at a state that is about to be left, it grows too. Where coefficients
may jump in time unnamed, local errors are told as long as nothing lies at walls: the companion might miss what it steps
over as the steps do.

Errors at walls are of lower order and count whole, not a third: the companion's distance where drift points at a
reflecting wall or a full tensor meets one, the mass that it has lost more where a wall absorbs. The steps themselves
are decided in :mod:`fpsim.evolution.stepping.step_control`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.support.threads import chunked_distance

if TYPE_CHECKING:
    from fpsim.evolution.coefficients import Walls
    from fpsim.evolution.sweeps.splitting import Splitting

__all__ = ["WALL_MASS", "Probe", "StepDoubling"]

Array = NDArray[np.float64]

WALL_MASS = 1e-6
"""Mass at the walls, relative to all, from which on wall errors are estimated."""

SECOND_ORDER = 1.0 / 3.0
"""Share of the distance between steps h and 2 h that is the error of steps h."""


class _Distance(NamedTuple):
    """L1 distance to the companion, and the mass that it has lost more, both relative to the mass."""

    whole: float = 0.0
    lost: float = 0.0


class Probe(NamedTuple):
    """Two steps and their error, every entry relative to the mass.

    Attributes
    ----------
    error : float
        Since the companion set out.
    before : float
        The same before these two steps.
    distance : float
        By how much the distance to the companion has grown; the worst equation's.
    lost : float
        Part of the error: mass that absorbing walls took too early.
    limited : float
        Mass that limiters moved: below it the grid errs, not the step.
    follows : bool
        Whether the companion goes on from here on its own way.
    at_walls : bool
        Whether some mass lies at walls that steps err at.
    absorbed : tuple of float
        Mass that left in the two steps, per equation (not relative).
    """

    error: float
    before: float
    distance: float
    lost: float
    limited: float
    follows: bool
    at_walls: bool
    absorbed: tuple[float, ...]


@dataclass(eq=False)
class StepDoubling:
    """Takes steps and tells their error.

    Attributes
    ----------
    splitting : Splitting
    walls : Walls
        Errors to expect at the walls.
    mass : float
        That errors are relative to.
    companion : tuple of ndarray
        Arrays like the state: that of steps twice as long.
    speed : float
        Largest share of a cell's content that any sweep of the last probe moved per unit time.
    """

    splitting: Splitting
    walls: Walls
    mass: float
    companion: tuple[Array, ...]
    speed: float = 0.0
    _found: _Distance = field(default=_Distance(), init=False)
    _kept: _Distance = field(default=_Distance(), init=False)
    _saved: tuple[Array, ...] = field(default=(), init=False)
    _follows: bool = field(default=False, init=False)

    def probe(self, state: tuple[Array, ...], t: float, h: float) -> Probe:
        """Advance ``state`` in place by two steps ``h``, and tell the error."""
        if not self._follows:
            for copy, u in zip(self.companion, state, strict=True):
                copy[:] = u
        self.splitting.advance(self.companion, t, 2.0 * h, 1, pieces=2)
        self.speed = self.splitting.speed
        absorbed, limited = self.splitting.advance(state, t, h, 2)
        self.speed = max(self.speed, self.splitting.speed)  # coefficients may vanish for a while
        self._found, before = self._distance(state), self._kept
        at_walls = self.walls.meets and self.at_walls(state)
        return Probe(
            self._error(self._found, at_walls),
            self._error(before, at_walls),
            self._found.whole - before.whole,
            self._found.lost,
            max(limited) / self.mass,
            at_walls or not (self.splitting.autonomous or self.splitting.searches_jumps),
            at_walls,
            absorbed,
        )

    def keep(self, *, follows: bool) -> None:
        """Let the last probe stand; ``follows``: whether the companion goes on from there on its own way."""
        self._follows, self._kept = follows, self._found if follows else _Distance()
        if follows:
            self._saved = self._saved or tuple(np.empty_like(u) for u in self.companion)
            for copy, u in zip(self._saved, self.companion, strict=True):
                copy[:] = u

    def back(self) -> None:
        """Back to the last probe that stands."""
        if self._follows:
            for u, copy in zip(self.companion, self._saved, strict=True):
                u[:] = copy

    def close(self) -> None:
        """Let go of working memory."""
        self.companion = self._saved = ()

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

    def _error(self, found: _Distance, at_walls: bool) -> float:
        """Error that a distance tells."""
        if at_walls and (self.walls.pressed or self.walls.crossed):
            return found.whole
        return found.lost + SECOND_ORDER * max(found.whole - found.lost, 0.0)

    def _distance(self, state: tuple[Array, ...]) -> _Distance:
        """Distance between state and companion; the worst equation's."""
        whole = lost = 0.0
        for a, b, volume in zip(self.companion, state, self.splitting.volumes, strict=True):
            whole = max(whole, chunked_distance(a, b, self.splitting.team) * volume / self.mass)
            if self.walls.outflow:
                lost = max(lost, abs(float(a.sum()) - float(b.sum())) * volume / self.mass)
        return _Distance(whole, lost)
