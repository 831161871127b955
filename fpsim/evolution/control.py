"""Step control: the caller gives a tolerance, never a step.

The tolerance bounds the L1 distance between what is computed and what the sweeps' continuous-time limit would be, as a
share of the mass. Fokker-Planck evolution never increases L1 distances, so the sum of the local errors bounds the
global one. A local error is a third of the distance between one double step and two single ones. Equations whose
coefficients are fixed are probed every few steps only; when a probe finds the error grown too far, the steps since the
last probe are taken back.

Shorter steps do not help where the grid is what errs. The sweeps report how much the limiter of their remaps moved; an
error below that is the grid's, not the step's. Where the distance stops falling for another reason, a few refinements
in vain tell. The controller then goes on with the step that it has, and says so.

Two errors are no local ones of third order and are kept apart: that at a jump of the coefficients in time, which goes
with the step, and what an absorbing wall takes too early from what drift carries there, which goes with the root of the
step and does not add up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil, floor, inf, log2
from operator import add

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Grid
from fpsim.evolution.follow import Follower, shrunk
from fpsim.evolution.stepper import Stepper
from fpsim.evolution.survey import Walls
from fpsim.support.errors import ToleranceError
from fpsim.support.threads import chunked_distance

__all__ = ["TOUCH", "Controller"]

Array = NDArray[np.float64]

CRUISE = 8
"""Steps between probes of an autonomous equation."""

FLOOR_ORDER = 1.5
"""Local errors fall as h^3; falling slower than this, the grid is what is left."""

WALL_ORDER = 0.75
"""The same where drift presses on a wall: as h^2 in the end, as h while steps are longer than the layer takes.

And where coefficients may jump: errors at jumps fall as h.
"""

JUMP_SHARE = 0.1
"""Share of what is left of the tolerance that a jump may take.

Its error falls no faster than steps do, and is up to the whole distance of a probe.
"""

FLOOR_LARGEST = 3e-3

DOUBTS = 2, 4
"""Refinements in vain, of fixed and of varying coefficients, that tell: these may oscillate faster than steps."""

LADDER = 4
"""Steps are shares 2^(-k / LADDER) of the whole time: those that return find their tables."""

SHORTEST = 0.02, 0.0005
"""Shortest step of fixed and of varying coefficients: the share of a cell's content that it moves.

Below it the error of a remap, which does not depend on the step, is all there is.
"""

ASYMPTOTIC = 0.25
"""Distance between one step and two above which no order shows yet, so that a third of it says little."""

EARLY_SHARE = 0.5
"""Share of the tolerance for what outflow loses too early.

A step of diffusion absorbs what lies within its reach of the wall and would have been carried there a little later. At
any time that is what one long step loses more than two short ones.
"""

CLIP_SHARE = 1.0
"""Share of what limiters moved that passes for the step's error."""

TOUCH = 1e-6
"""Mass at the walls, relative to all, from which on it matters how drift meets them."""

MAX_STEPS = 1_000_000

OTHERS = "; method='generator', or 'rational' along a single axis, takes no steps"


@dataclass(eq=False)
class Controller:
    """Takes a stepper through time within a tolerance and keeps the account.

    Attributes
    ----------
    stepper : Stepper
    state : tuple of ndarray
        Flat densities, advanced in place.
    tolerance : float
        Time error accepted over the whole evolution: L1, relative to the mass, for the worst equation.
    span : float
        Time that the tolerance is meant for.
    follower : Follower, optional
        Moves the grids; ``None`` leaves them.
    longest : float
        Longest step that may be tried.
    walls : Walls
        How drift meets the walls.
    error, taken, rejected : running account
    early : float
        Mass that outflow has lost too early, relative to all.
    floor : whether the grid's own error kept the time error from falling.
    absorbed : tuple of float, per equation
        Mass absorbed so far.
    path : list of (t, h, count)
        The steps that were accepted, for doing them again on another grid.
    moves : list of (k, grids)
        What the follower moved to before step ``k`` of the path.
    """

    stepper: Stepper
    state: tuple[Array, ...]
    tolerance: float
    span: float
    follower: Follower | None = None
    progress: Callable[[float], None] | None = None
    longest: float = inf
    walls: Walls = field(default_factory=Walls)
    t: float = 0.0
    error: float = 0.0
    early: float = 0.0
    taken: int = 0
    rejected: int = 0
    floor: bool = False
    absorbed: tuple[float, ...] = field(init=False)
    path: list[tuple[float, float, int]] = field(default_factory=list)
    moves: list[tuple[int, tuple[Grid, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.absorbed = (0.0,) * len(self.state)
        self._spare = tuple(np.empty_like(u) for u in self.state)
        if self.follower is not None:
            self._refit()
        self._saved = tuple(np.empty_like(u) for u in self.state)
        self._mass = max(float(u.sum()) * v for u, v in zip(self.state, self.stepper.volumes, strict=True))
        first = min(self.span * min(max(self.tolerance**0.5, 1 / 128), 1 / 4), self.longest)
        self._h, self._least = self._on_ladder(first), 0.0
        self._doubts, self._wary, self._speed, self._touches = 0, 0.0, 0.0, False

    def run_to(self, end: float) -> None:
        """Advance to time ``end``."""
        self._save()
        while self.t < end:
            self._probe(end)
            if self.t < end and self._may_cruise():
                self._cruise(end)
            if self.taken > MAX_STEPS:
                raise ToleranceError(
                    f"tolerance {self.tolerance:g} would need more than {MAX_STEPS} steps (reached t = {self.t:g}): "
                    f"a larger tolerance or a shorter time is accepted{OTHERS * self.stepper.autonomous}"
                )
            if self.progress is not None:
                self.progress(min(self.t / self.span, 1.0))

    def close(self) -> None:
        """Let go of working memory."""
        self._spare = self._saved = ()

    def _may_cruise(self) -> bool:
        """Whether the next steps may go unprobed: none where a probe failed before, none longer than probed.

        Nor where drift meets a density at a wall.
        """
        known = self.t > self._wary and self._h <= 1.5 * self._probed
        return known and self.stepper.autonomous and self.follower is None and not self._touches

    def _save(self) -> None:
        for copy, u in zip(self._saved, self.state, strict=True):
            copy[:] = u
        self._mark = (self.t, self.error, self.taken, len(self.path), self.absorbed)

    def _probe(self, end: float) -> None:
        """Two steps that the error estimate accepts; on failure back to the last accepted probe."""
        before: tuple[float, float, float] | None = None
        while True:
            h = min(self._h, 0.5 * (end - self.t))
            for copy, u in zip(self._spare, self.state, strict=True):
                copy[:] = u
            once, _ = self.stepper.advance(self._spare, self.t, 2.0 * h, 1, pieces=2)
            self._speed = self.stepper.speed
            lost, clipped = self.stepper.advance(self.state, self.t, h, 2)
            self._speed = max(self._speed, self.stepper.speed)  # coefficients may vanish for a while
            if self.follower is not None and not self._fits(h):
                before = None
                continue
            distance, early = self._distance(), self._early(once, lost)
            self._touches = self.walls.meets and self._at_walls()
            local = third = (distance if self.walls.still else max(distance - early, 0.0)) / (
                1.0 if self.walls.pressed and self._touches else 3.0
            )
            tolerated, limited = self._allowed(2.0 * h), CLIP_SHARE * max(clipped) / self._mass
            if before is not None and before[2] == self.t:
                self._doubt(h, third, *before[:2])
                if self.stepper.time_dependent and third > before[1] * (h / before[0]) ** FLOOR_ORDER:
                    local, tolerated = distance, max(tolerated, JUMP_SHARE * self._left)
            allowed = max(tolerated, limited)
            too_early = early / (EARLY_SHARE * self.tolerance)
            if local <= 1.5 * allowed and distance <= ASYMPTOTIC and too_early <= 1.5:
                self.floor = self.floor or local > 1.5 * tolerated
                break
            if h <= max(self._least, self._shortest()):
                self.floor = True
                break
            before, self._wary = (h, third, self.t) if local > 1.5 * allowed else None, self.t
            growth = self._growth(local / allowed, too_early)
            self._reject(self._on_ladder(h * min(max(growth, 0.1), 0.7)))
        self._absorb(lost)
        self.error += local
        self.early = max(early, 0.5 * self.early)  # a short step does not mend at once what long ones did
        self.taken += 2
        self.path.append((self.t, h, 2))
        self._rate, self._probed = local / (2.0 * h), h
        self.t = end if self.t + 2.0 * h >= end * (1 - 1e-15) else self.t + 2.0 * h
        if self.follower is not None:
            self._refit()
        self._save()
        self._choose(h, self._growth(local / allowed, too_early))

    def _early(self, once: tuple[float, ...], twice: tuple[float, ...]) -> float:
        """Mass that outflow loses too early; see :data:`EARLY_SHARE`."""
        if not self.walls.outflow:
            return 0.0
        return max(abs(a - b) for a, b in zip(once, twice, strict=True)) / self._mass

    def _growth(self, error: float, early: float) -> float:
        """By how much steps may grow, from errors relative to what is allowed."""
        return 0.85 * min(max(error, 1e-300) ** -0.5, 1.0 / max(early, 1e-300))

    @property
    def stated(self) -> float:
        """Error up to now."""
        return self.error + self.early

    def _reject(self, h: float) -> None:
        """Back to the last accepted probe, with another step."""
        self.rejected += 2
        self._h = h
        for copy, u in zip(self._saved, self.state, strict=True):
            u[:] = copy
        self.t, self.error, self.taken, accepted, self.absorbed = self._mark
        del self.path[accepted:]

    def _fits(self, h: float) -> bool:
        """Whether the densities still fit their grids; if not, the steps are taken back and the grids made to fit."""
        assert self.follower is not None
        grids = self.stepper.grids
        if self.follower.leaks(grids, self.state):
            self._reject(0.5 * h)
            self._refit(urgent=True)
            self._save()
            return False
        if shrunk(grids, self.state):
            self._reject(0.5 * h)
            return False
        return True

    def _refit(self, *, urgent: bool = False) -> None:
        """Move the grids if they have to."""
        assert self.follower is not None
        grids = self.follower.refit(self.stepper.grids, self.state, self._spare, urgent=urgent)
        if grids != self.stepper.grids:
            self.stepper.move(grids)
            self.moves.append((len(self.path), grids))

    def _doubt(self, h: float, local: float, longer: float, error: float) -> None:
        """Stop refining after some refinements in a row, from the same time, that brought less than they should.

        Steps so long that no order shows yet prove nothing; their errors are large.
        """
        order = WALL_ORDER if self.walls.pressed or self.stepper.time_dependent else FLOOR_ORDER
        vain = local > error * (h / longer) ** order and local < FLOOR_LARGEST
        self._doubts = self._doubts + 1 if vain else 0
        if self._doubts >= DOUBTS[0 if self.stepper.autonomous else 1]:
            self.floor, self._least = True, max(self._least, longer if local / h > error / longer else h)

    def _on_ladder(self, h: float) -> float:
        """The next shorter step of the ladder."""
        if h <= 0.0:  # an evolution to time 0
            return h
        return self.span * 2.0 ** (floor(LADDER * log2(h / self.span) + 1e-9) / LADDER)

    def _shortest(self) -> float:
        return SHORTEST[0 if self.stepper.autonomous else 1] / self._speed if self._speed > 0.0 else 0.0

    def _choose(self, h: float, growth: float) -> None:
        """The next step."""
        wanted = self._on_ladder(min(h * min(max(growth, 0.3), 3.0), self.longest))
        wanted = max(wanted, self._least, self._shortest())
        self._h = max(wanted, self._h) if growth > 1.0 else wanted

    def _cruise(self, end: float) -> None:
        """Steps without a probe, at the last probe's error rate."""
        left = end - self.t
        needed = max(ceil(left / self._h * (1.0 - 1e-12)), 1)
        steps, h = (needed, left / needed) if needed <= CRUISE else (CRUISE, self._h)
        lost = self.stepper.advance(self.state, self.t, h, steps).absorbed
        if self.walls.meets and (sum(lost) > TOUCH * self._mass or self._at_walls()):
            self._wary = self.t + h * steps  # what arrives at a wall is watched
            self._reject(self._h)
            return
        self._absorb(lost)
        self.path.append((self.t, h, steps))
        self.error += self._rate * (h / self._probed) ** 2 * h * steps
        self.taken += steps
        self.t = end if needed <= CRUISE else self.t + steps * h

    def _at_walls(self) -> bool:
        """Whether some mass lies in the outermost cells of axes that are not periodic."""
        for u, grid in zip(self.state, self.stepper.grids, strict=True):
            p = u.reshape(grid.shape)
            ends = sum(
                float(p.take(side, axis).sum())
                for axis in range(grid.ndim)
                for side in (0, -1)
                if not grid.periodic(axis)
            )
            if ends * grid.cell_volume > TOUCH * self._mass:
                return True
        return False

    def _absorb(self, lost: tuple[float, ...]) -> None:
        self.absorbed = tuple(map(add, self.absorbed, lost))

    def _distance(self) -> float:
        """L1 distance between the two results of a probe, relative to the mass; the worst equation's."""
        team = self.stepper.team
        return max(
            chunked_distance(a, b, team) * volume / self._mass
            for a, b, volume in zip(self._spare, self.state, self.stepper.volumes, strict=True)
        )

    def _allowed(self, dt: float) -> float:
        """Local error that the rest of the tolerance leaves for a time ``dt``."""
        return self._left * dt / max(self.span - self.t, dt)

    @property
    def _left(self) -> float:
        """What is left of the tolerance for local errors."""
        own = self.tolerance * (1.0 - EARLY_SHARE * self.walls.outflow)
        return max(own - self.error, 0.1 * self.tolerance)
