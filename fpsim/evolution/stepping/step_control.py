"""Step control: from the error of two steps to whether they stand and how long the next ones are.

The tolerance bounds the L1 distance between what is computed and what the sweeps' continuous-time limit would be, as a
share of the mass. Fokker-Planck evolution never increases L1 distances, so the sum of the local errors bounds the
global one. Equations whose coefficients are fixed are probed every few steps only; when a probe finds the error grown
too far, the steps since the last probe are taken back.

Shorter steps do not help where the grid is what errs. The sweeps report how much the limiter of their remaps moved; an
error below that is the grid's, not the step's. Where the distance stops falling for another reason, a few refinements
in vain tell. The control then goes on with the step that it has, and says so.

Errors are those of :mod:`fpsim.evolution.stepping.error_estimate`; at a jump of the coefficients in time that the
equation does not name they fall with the step only, and the whole distance counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, inf, log2
from typing import NamedTuple

from fpsim.evolution.stepping.error_estimate import LocalError

__all__ = ["StepControl"]

CRUISE = 8
"""Steps between probes of an autonomous equation."""

FLOOR_ORDER = 1.5
"""Local errors fall as h^3; falling slower than this, the grid is what is left."""

WALL_ORDER = 0.75
"""The same where drift presses on a wall: as h^2 in the end, as h while steps are longer than the layer takes.

And where coefficients may jump unnamed: errors at jumps fall as h.
"""

JUMP_SHARE = 0.1
"""Share of what is left of the tolerance that an unnamed jump may take.

Its error falls no faster than steps do, and is up to the whole distance of a probe.
"""

FLOOR_LARGEST = 3e-3
"""Local error above which a refinement in vain proves nothing about the grid."""

MAX_STALLS = 2, 4
"""Refinements in vain, of fixed and of varying coefficients, that tell: these may oscillate faster than steps."""

LADDER = 4
"""Steps are shares 2^(-k / LADDER) of the whole time: those that return find their tables."""

SHORTEST = 0.02, 0.0005
"""Shortest step of fixed and of varying coefficients: the share of a cell's content that it moves.

Below it the error of a remap, which does not depend on the step, is all there is.
"""

ASYMPTOTIC = 0.25
"""Distance between one step and two above which no order shows yet, so that a third of it says little."""

OUTFLOW_SHARE = 0.5
"""Share of the tolerance for what outflow loses too early.

A step of diffusion absorbs what lies within its reach of the wall and would have been carried there a little later. At
any time that is what one long step loses more than two short ones.
"""

LIMITER_SHARE = 1.0
"""Share of what limiters moved that passes for the step's error."""

MAX_STEPS = 1_000_000
"""Steps of an evolution beyond which its tolerance is refused."""


class _Attempt(NamedTuple):
    """A rejected probe: its time, its step and its local error."""

    t: float
    h: float
    error: float


@dataclass(eq=False)
class StepControl:
    """Decides about steps, and sums up their errors.

    Attributes
    ----------
    tolerance : float
        Time error accepted over the whole evolution: L1, relative to the mass, for the worst equation.
    span : float
        Time that the tolerance is meant for.
    longest : float
        Longest step that may be tried.
    fixed : bool
        Whether coefficients depend on neither time nor density.
    searching : bool
        Whether coefficients may jump in time at places that are not named.
    pressed, outflow : bool
        Whether drift points at a reflecting, at an absorbing wall.
    h : float
        The next step.
    error : float
        Sum of the local errors so far.
    outflow_error : float
        Mass that outflow has lost too early, relative to all.
    floor : bool
        Whether the grid's own error kept the time error from falling.
    """

    tolerance: float
    span: float
    longest: float = inf
    fixed: bool = True
    searching: bool = False
    pressed: bool = False
    outflow: bool = False
    h: float = 0.0
    error: float = 0.0
    outflow_error: float = 0.0
    floor: bool = False

    def __post_init__(self) -> None:
        self.h = self._on_ladder(min(self.span * min(max(self.tolerance**0.5, 1 / 128), 1 / 4), self.longest))
        self._least, self._stalls = 0.0, 0
        self._refined_at, self._rejected = 0.0, _Attempt(inf, 0.0, 0.0)
        self._at_walls, self._rate, self._probed = False, 0.0, 0.0

    @property
    def stated(self) -> float:
        """Error up to now."""
        return self.error + self.outflow_error

    def accepts(self, t: float, h: float, found: LocalError, speed: float) -> bool:
        """Whether two steps ``h`` from time ``t`` stand; sets the next step, or the one to try again with.

        ``speed``: largest share of a cell's content that moves per unit time.
        """
        shortest = SHORTEST[0 if self.fixed else 1] / speed if speed > 0.0 else 0.0
        local, tolerated, before = found.splitting, self._share(t, 2.0 * h), self._rejected
        if before.t == t:
            self._note_stall(h, local, before)
            if self.searching and local > before.error * (h / before.h) ** FLOOR_ORDER:
                local, tolerated = found.distance, max(tolerated, JUMP_SHARE * self._left)
        allowed = max(tolerated, LIMITER_SHARE * found.limited)
        lost = found.outflow / (OUTFLOW_SHARE * self.tolerance)
        growth = 0.85 * min(max(local / allowed, 1e-300) ** -0.5, 1.0 / max(lost, 1e-300))
        self._at_walls = found.at_walls
        if local <= 1.5 * allowed and found.distance <= ASYMPTOTIC and lost <= 1.5:
            self.floor = self.floor or local > 1.5 * tolerated
        elif h <= max(self._least, shortest):
            self.floor = True
        else:
            self._rejected = _Attempt(t if local > 1.5 * allowed else inf, h, found.splitting)
            self._refined_at = t
            self.h = self._on_ladder(h * min(max(growth, 0.1), 0.7))
            return False
        self._rejected = _Attempt(inf, 0.0, 0.0)
        self.error += local
        self.outflow_error = max(found.outflow, 0.5 * self.outflow_error)  # short steps do not mend long ones at once
        self._rate, self._probed = local / (2.0 * h), h
        wanted = self._on_ladder(min(h * min(max(growth, 0.3), 3.0), self.longest))
        wanted = max(wanted, self._least, shortest)
        self.h = max(wanted, self.h) if growth > 1.0 else wanted
        return True

    def unprobed(self, t: float, end: float) -> tuple[int, float]:
        """Number and length of the steps from ``t`` that need no probe.

        None where a probe failed before, where drift meets a density at a wall, or longer than probed.
        """
        if not (self.fixed and t > self._refined_at and self.h <= 1.5 * self._probed and not self._at_walls):
            return 0, self.h
        needed = max(ceil((end - t) / self.h * (1.0 - 1e-12)), 1)
        return (needed, (end - t) / needed) if needed <= CRUISE else (CRUISE, self.h)

    def count_unprobed(self, steps: int, h: float) -> None:
        """Add the error of steps without a probe, at the last probe's rate."""
        self.error += self._rate * (h / self._probed) ** 2 * h * steps

    def restart(self, h: float, *, until: float = -inf) -> None:
        """Try again with a step ``h``, with probes up to a time."""
        self.h, self._refined_at = h, max(self._refined_at, until)
        self._rejected = _Attempt(inf, 0.0, 0.0)

    def _note_stall(self, h: float, local: float, before: _Attempt) -> None:
        """Stop refining after some refinements in a row, from the same time, that brought less than they should.

        Steps so long that no order shows yet prove nothing; their errors are large.
        """
        order = WALL_ORDER if self.pressed or self.searching else FLOOR_ORDER
        vain = local > before.error * (h / before.h) ** order and local < FLOOR_LARGEST
        self._stalls = self._stalls + 1 if vain else 0
        if self._stalls >= MAX_STALLS[0 if self.fixed else 1]:
            longer = local / h > before.error / before.h
            self.floor, self._least = True, max(self._least, before.h if longer else h)

    def _on_ladder(self, h: float) -> float:
        """The next shorter step of the ladder."""
        if h <= 0.0:  # an evolution to time 0
            return h
        return self.span * 2.0 ** (floor(LADDER * log2(h / self.span) + 1e-9) / LADDER)

    def _share(self, t: float, dt: float) -> float:
        """Local error that the rest of the tolerance leaves for a time ``dt`` from ``t``."""
        return self._left * dt / max(self.span - t, dt)

    @property
    def _left(self) -> float:
        """Rest of the tolerance for local errors."""
        own = self.tolerance * (1.0 - OUTFLOW_SHARE * self.outflow)
        return max(own - self.error, 0.1 * self.tolerance)
