"""Step control: from the error of two steps to whether they stand and how long the next ones are.

The tolerance bounds the L1 distance between what is computed and what the sweeps' continuous-time limit would be, as a
share of the mass. Equations whose coefficients are fixed are probed every few steps only, and the sum of the local
errors bounds the global one, because their evolution never increases L1 distances; when a probe finds the error grown
too far, the steps since the last probe are taken back. Where the error itself is followed
(:mod:`fpsim.evolution.stepping.error_estimate`), it may grow as the root of the time: errors that add up then take
hardly more steps than at an even rate, and those that are forgotten leave long steps to a density that rests.

Shorter steps do not help where the grid is what errs. The sweeps report how much the limiter of their remaps moved; an
error below that is the grid's, not the step's. Where the distance stops falling for another reason, a few refinements
in vain tell. The control then goes on with the step that it has, and says so.

At a jump of the coefficients in time that the equation does not name errors fall with the step only, and the whole
distance counts; what is followed begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, inf, log2, sqrt
from typing import NamedTuple

from fpsim.evolution.stepping.error_estimate import Probe

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

UNSTABLE = 1.1
"""Growth of such an error, relative to what it grows by itself, that is put down to no step."""

SAFETY = 0.85
"""Share of the step at which an error would be just what is allowed."""

ASYMPTOTIC = 0.25
"""Distance between one step and two above which no order shows yet, so that a third of it says little."""

AHEAD = 0.25
"""Share of the time so far that an error which is followed is looked ahead, at the rate at which it grows."""

FULL = 0.8
"""Share of what is due from which on such an error lets no step be longer than its growth suggests."""

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
    pressed : bool
        Whether drift points at a reflecting wall.
    h : float
        The next step.
    error : float
        Error so far.
    settled : float
        The part of it that does not change any more: all but what is followed.
    lost : float
        The part of it that absorbing walls took too early.
    follows : bool
        Whether the error is followed from here on.
    floor : bool
        Whether the grid's own error kept the time error from falling.
    unstable : bool
        Whether an error that is followed has grown by itself.
    """

    tolerance: float
    span: float
    longest: float = inf
    fixed: bool = True
    searching: bool = False
    pressed: bool = False
    h: float = 0.0
    error: float = 0.0
    settled: float = 0.0
    lost: float = 0.0
    follows: bool = False
    floor: bool = False
    unstable: bool = False

    def __post_init__(self) -> None:
        self.h = self._on_ladder(min(self.span * min(max(self.tolerance**0.5, 1 / 128), 1 / 4), self.longest))
        self._least, self._stalls = 0.0, 0
        self._refined_at, self._rejected = 0.0, _Attempt(inf, 0.0, 0.0)
        self._at_walls, self._rate, self._probed = False, 0.0, 0.0
        self._grown, self._unstable = (0.0, 0.0), 0.0

    def accepts(self, t: float, h: float, found: Probe, speed: float) -> bool:
        """Whether two steps ``h`` from time ``t`` stand; sets the next step, or the one to try again with.

        ``speed``: largest share of a cell's content that moves per unit time.
        """
        shortest = SHORTEST[0 if self.fixed else 1] / speed if speed > 0.0 else 0.0
        grown, tolerated, before = found.error - found.before, self._share(t, 2.0 * h), self._rejected
        self.follows = found.follows
        if found.follows:
            tolerated = max(tolerated, self._due(t + 2.0 * h) - self.error)
            self._note_instability(h, grown, found.before)
        elif before.t == t:
            self._note_stall(h, grown, before)
        local = grown - self._unstable * found.before * 2.0 * h
        if before.t == t and self.searching and grown > before.error * (h / before.h) ** FLOOR_ORDER:
            grown = local = found.distance
            tolerated, self.follows = max(tolerated, JUMP_SHARE * self._left), False
        allowed = max(tolerated, LIMITER_SHARE * found.limited)
        stands = local <= 1.5 * allowed
        if stands and found.distance <= ASYMPTOTIC:
            self.floor = self.floor or local > 1.5 * tolerated
        elif h <= max(self._least, shortest):
            self.floor = True
        else:
            self._rejected = _Attempt(inf if stands else t, h, grown)
            self._refined_at = t
            self.h = self._on_ladder(h * min(max(SAFETY * _root(allowed, local), 0.1), 0.7))
            return False
        self._rejected = _Attempt(inf, 0.0, 0.0)
        self.error, self.lost = self.settled + found.before + grown, found.lost
        growth = SAFETY * _root(allowed, local)
        if self.follows:
            growth = self._growth_of(t, h, local, found.error)
        else:
            self.settled = self.error
        self._at_walls, self._rate, self._probed = found.at_walls, local / (2.0 * h), h
        wanted = self._on_ladder(min(h * min(max(growth, 0.3), 3.0), self.longest))
        wanted = max(wanted, self._least, shortest)
        self.h = max(wanted, self.h) if growth > 1.0 else wanted
        return True

    def _growth_of(self, t: float, h: float, local: float, followed: float) -> float:
        """Factor of the step, from an error that is followed and grew by ``local`` in two steps from ``t``.

        An error that rests is as large as what steps bring while it is forgotten, and goes with their square.
        """
        now = t + 2.0 * h
        ahead = min(AHEAD * now, max(self.span - now, 2.0 * h))
        free = max(self._due(now + ahead) - self.error, self._share(now, ahead))
        by_rate = _root(free, local * ahead / (2.0 * h))
        by_size = _root(followed + free, followed) if self._unstable == 0.0 else inf
        if by_rate < 1.0 and self.error > FULL * self._due(now):
            return SAFETY * by_rate
        return max(SAFETY * min(by_rate, by_size), 1.0)

    def _due(self, t: float) -> float:
        """Error that is due at a time, where it is followed."""
        return self.tolerance * sqrt(min(t / self.span, 1.0))

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
        self.settled = self.error

    def restart(self, h: float, *, until: float = -inf) -> None:
        """Go on with a step ``h``, with probes up to a time."""
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

    def _note_instability(self, h: float, grown: float, before: float) -> None:
        """Learn the rate at which an error that is followed grows by itself, as close to an unstable state.

        Shorter steps do not help against that, which is how it shows.
        """
        step, earlier = self._grown
        if h < 0.9 * step and before > 0.0:
            vain = grown > max(earlier, 0.0) * (h / step) ** FLOOR_ORDER
            self._stalls = self._stalls + 1 if vain else 0
            if self._stalls >= MAX_STALLS[0]:
                self._unstable, self.unstable = UNSTABLE * grown / (2.0 * h * before), True
        elif self._unstable > 0.0:
            self._unstable = min(self._unstable, UNSTABLE * max(grown, 0.0) / (2.0 * h * before))
        self._grown = h, grown

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
        return max(self.tolerance - self.error, 0.1 * self.tolerance)


def _root(allowed: float, found: float) -> float:
    """Factor of the step at which an error of second order would be what is allowed."""
    return sqrt(max(allowed, 0.0) / max(found, 1e-300))
