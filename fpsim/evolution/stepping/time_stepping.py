"""Time stepping: densities advanced by split steps, within a tolerance, to given times.

:class:`~fpsim.evolution.stepping.error_estimate.StepDoubling` takes steps and tells their error,
:class:`~fpsim.evolution.stepping.step_control.StepControl` decides about them; here is the loop between the two, with
what it takes back, the jumps in time that it stops at, and the grids that it moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fpsim.evolution.stepping.error_estimate import WALL_MASS, StepDoubling
from fpsim.evolution.stepping.moving_grid import MovingGrid, shrunk
from fpsim.evolution.stepping.step_control import MAX_STEPS, StepControl
from fpsim.support.errors import ToleranceError

if TYPE_CHECKING:
    from fpsim.density import Grid
    from fpsim.evolution.coefficients import Walls
    from fpsim.evolution.sweeps.splitting import Splitting

__all__ = ["Path", "TimeStepping"]

Array = NDArray[np.float64]

OTHERS = "; method='generator', or 'rational' along a single axis, takes no steps"


@dataclass(eq=False)
class Path:
    """Steps of an evolution, for doing them again on another grid.

    Attributes
    ----------
    steps : list of (t, h, count)
        Steps that were taken: time of the first, length, number.
    moves : list of (k, grids)
        Grids that it moved to before step ``k``.
    """

    steps: list[tuple[float, float, int]] = field(default_factory=list)
    moves: list[tuple[int, tuple[Grid, ...]]] = field(default_factory=list)

    def coarser(self) -> Path:
        """The same steps on cells twice as wide."""
        return Path(self.steps, [(k, tuple(g.coarser() for g in grids)) for k, grids in self.moves])


@dataclass(eq=False)
class TimeStepping:
    """Densities on their way through time.

    Attributes
    ----------
    splitting : Splitting
    state : tuple of ndarray
        Flat densities, advanced in place.
    control : StepControl
    walls : Walls
        Directions of the drift at the walls.
    moving : MovingGrid, optional
        Moves the grids; ``None`` leaves them.
    progress : callable, optional
        Called with the share of the time that is done.
    t : float
        Time of the state.
    taken, rejected : int
        Steps.
    absorbed : tuple of float, per equation
        Mass absorbed so far.
    path : Path
    """

    splitting: Splitting
    state: tuple[Array, ...]
    control: StepControl
    walls: Walls
    moving: MovingGrid | None = None
    progress: Callable[[float], None] | None = None
    t: float = 0.0
    taken: int = 0
    rejected: int = 0
    absorbed: tuple[float, ...] = field(init=False)
    path: Path = field(default_factory=Path)

    def __post_init__(self) -> None:
        self.absorbed = (0.0,) * len(self.state)
        room = tuple(np.empty_like(u) for u in self.state)
        mass = max(float(u.sum()) * v for u, v in zip(self.state, self.splitting.volumes, strict=True))
        self._doubling = StepDoubling(self.splitting, self.walls, mass, room)
        self._saved = tuple(np.empty_like(u) for u in self.state)
        if self.moving is not None:
            self._refit()
        jumps = {t for e in self.splitting.equations for t in e.jumps or ()}
        self._jumps = sorted(t for t in jumps if 0.0 < t < self.control.span)

    def run_to(self, end: float) -> None:
        """Advance to time ``end``; steps end at every named jump of the coefficients.

        Raises
        ------
        ToleranceError
            If the tolerance would need an absurd number of steps.
        """
        self._save()
        for stop in [*(t for t in self._jumps if self.t < t < end), end]:
            while self.t < stop:
                self._probe(stop)
                if self.t < stop:
                    self._cruise(stop)
                if self.taken > MAX_STEPS:
                    raise ToleranceError(
                        f"tolerance {self.control.tolerance:g} would need more than {MAX_STEPS} steps (reached t = "
                        f"{self.t:g}): a larger tolerance or a shorter time is accepted{OTHERS * self.control.fixed}"
                    )
                if self.progress is not None:
                    self.progress(min(self.t / self.control.span, 1.0))

    def close(self) -> None:
        """Let go of working memory."""
        self._doubling.close()
        self._saved = ()

    def _save(self) -> None:
        for copy, u in zip(self._saved, self.state, strict=True):
            copy[:] = u
        control = self.control
        self._mark = (self.t, control.error, control.settled, self.taken, len(self.path.steps), self.absorbed)

    def _take_back(self) -> None:
        """Back to the last accepted probe."""
        self.rejected += 2
        for copy, u in zip(self._saved, self.state, strict=True):
            u[:] = copy
        self._doubling.back()
        self.t, self.control.error, self.control.settled, self.taken, accepted, self.absorbed = self._mark
        del self.path.steps[accepted:]

    def _probe(self, end: float) -> None:
        """Two steps that the control accepts; on failure back to the last accepted probe."""
        while True:
            h = min(self.control.h, 0.5 * (end - self.t))
            found = self._doubling.probe(self.state, self.t, h)
            if self.moving is not None and not self._fits(h):
                continue
            if self.control.accepts(self.t, h, found, self._doubling.speed):
                break
            self._take_back()
        self._doubling.keep(follows=self.control.follows)
        self._count(found.absorbed, self.t, h, 2)
        self.t = end if self.t + 2.0 * h >= end * (1 - 1e-15) else self.t + 2.0 * h
        if self.moving is not None:
            self._refit()
        self._save()

    def _cruise(self, end: float) -> None:
        """Steps without a probe."""
        steps, h = self.control.unprobed(self.t, end) if self.moving is None else (0, 0.0)
        if not steps:
            return
        lost = self.splitting.advance(self.state, self.t, h, steps).absorbed
        if self.walls.meets and (
            sum(lost) > WALL_MASS * self._doubling.mass or self._doubling.at_walls(self.state)
        ):  # what arrives at a wall is watched
            until = self.t + h * steps
            self._take_back()
            self.control.restart(self.control.h, until=until)
            return
        self._count(lost, self.t, h, steps)
        self.control.count_unprobed(steps, h)
        self.t = end if self.t + steps * h >= end * (1 - 1e-12) else self.t + steps * h

    def _count(self, lost: tuple[float, ...], t: float, h: float, steps: int) -> None:
        self.absorbed = tuple(map(add, self.absorbed, lost))
        self.path.steps.append((t, h, steps))
        self.taken += steps

    def _fits(self, h: float) -> bool:
        """Whether the densities still fit their grids; if not, the steps are taken back and the grids made to fit."""
        assert self.moving is not None
        grids = self.splitting.grids
        leaks = self.moving.leaks(grids, self.state)
        if not leaks and not shrunk(grids, self.state):
            return True
        self._take_back()
        self.control.restart(0.5 * h)
        if leaks:
            self._refit(urgent=True)
            self._save()
        return False

    def _refit(self, *, urgent: bool = False) -> None:
        """Move the grids if they have to; what was saved is overwritten."""
        assert self.moving is not None
        grids = self.moving.refit(self.splitting.grids, self.state, self._saved, urgent=urgent)
        if grids != self.splitting.grids:
            self.splitting.move(grids)
            self._doubling.keep(follows=False)
            self.control.settled = self.control.error
            self.path.moves.append((len(self.path.steps), grids))
