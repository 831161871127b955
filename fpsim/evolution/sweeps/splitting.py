"""Strang splitting: symmetric composition of sweeps, second order in time, positive and conservative.

For blocks ``B_1 ... B_m`` of commuting sweeps one step is ``B_1(h/2) ... B_m(h) ... B_1(h/2)`` (Strang, SIAM J. Numer.
Anal. 5, 506 (1968)); between steps of equal length the outer halves merge. Coefficients that depend on time are taken
at the middle of the step, those that depend on the density at a density predicted there by half a step of first order,
with the coefficients of the step before (an error of first order in them is one of second order in what is predicted):
the composition stays of second order. (No splitting into positive steps has a higher order: Sheng 1989, Suzuki 1991.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.equation.time_averages import time_average
from fpsim.evolution.coefficients import Coefficients, evaluate_coefficients
from fpsim.evolution.sweeps.assembly import sweep_blocks
from fpsim.evolution.sweeps.sweep import Block, Sweep
from fpsim.support.checks import check_left
from fpsim.support.threads import Team

__all__ = ["Splitting", "StepBalance", "strang_sequence"]

Array = NDArray[np.float64]


def strang_sequence(blocks: tuple[Block, ...], steps: int = 1) -> Iterator[tuple[Sweep, float, int]]:
    """Sweeps of ``steps`` symmetric steps with their share of the step and how often, outer halves merged."""
    if len(blocks) <= 1:
        yield from ((sweep, 1.0, steps) for block in blocks for sweep in block)
        return
    *outer, middle = blocks
    for step in range(steps):
        for k, block in enumerate(outer):
            if k > 0 or step == 0:
                yield from ((sweep, 0.5, 1) for sweep in block)
        yield from ((sweep, 1.0, 1) for sweep in middle)
        for k, block in reversed(list(enumerate(outer))):
            share = 1.0 if k == 0 and step + 1 < steps else 0.5
            yield from ((sweep, share, 1) for sweep in block)


class StepBalance(NamedTuple):
    """Per equation: mass absorbed by walls, mass moved by limiters."""

    absorbed: tuple[float, ...]
    limited: tuple[float, ...]


@dataclass(eq=False)
class Splitting:
    """Steps of given length of the densities of one equation, or of a coupled system.

    Attributes
    ----------
    equations, grids : tuples of the same length
    coupled : bool
        Whether coefficients get the tuple of densities rather than the density.
    added : float
        Largest isotropic diffusion added so far to keep lattice offsets within reach.
    speed : float
        Largest share of a cell's content that any sweep of the last step moved per unit time.
    """

    equations: tuple[FokkerPlanck, ...]
    grids: tuple[Grid, ...]
    coupled: bool
    team: Team
    added: float = 0.0
    speed: float = 0.0
    _fixed: tuple[tuple[Block, ...], ...] | None = field(default=None, init=False)
    _sequences: dict[int, list[tuple[tuple[Sweep, float, int], ...]]] = field(default_factory=dict, init=False)
    _predicted: tuple[Array, ...] | None = field(default=None, init=False)
    _recent: tuple[tuple[Block, ...], ...] | None = field(default=None, init=False)

    @cached_property
    def autonomous(self) -> bool:
        """Whether coefficients depend on neither time nor density."""
        return all(e.autonomous for e in self.equations)

    @cached_property
    def time_dependent(self) -> bool:
        """Whether a coefficient depends on time."""
        return any(e.time_dependent for e in self.equations)

    @cached_property
    def mean_field(self) -> bool:
        """Whether a coefficient depends on the density."""
        return any(e.mean_field for e in self.equations)

    @cached_property
    def searches_jumps(self) -> bool:
        """Whether coefficients may jump in time at places that the equation does not name."""
        return any(e.time_dependent and e.jumps is None for e in self.equations)

    @property
    def volumes(self) -> tuple[float, ...]:
        """Cell volume per equation."""
        return tuple(g.cell_volume for g in self.grids)

    def move(self, grids: tuple[Grid, ...]) -> None:
        """Go on with other grids of the same shapes."""
        if grids != self.grids:
            self.grids, self._fixed = grids, None
            self._sequences.clear()
            self.forget()

    def forget(self) -> None:
        """Let go of the coefficients of the step before: they have changed at once."""
        self._recent = None

    def hold(self, known: Sequence[Coefficients]) -> None:
        """Take fixed coefficients that have been evaluated already."""
        self._fixed = self._noted(
            [(sweep_blocks(c, g, keep=True), c.added) for c, g in zip(known, self.grids, strict=True)]
        )

    def advance(self, state: tuple[Array, ...], t: float, h: float, steps: int, *, pieces: int = 1) -> StepBalance:
        """Advance flat arrays in place by ``steps`` steps ``h``.

        Each drift sweep is made of ``pieces`` equal ones. A step ``2 h`` in two pieces remaps as often and as far as
        two steps ``h``: what differs between them is the error of the splitting, not that of the remap. Of coefficients
        that may jump in time it takes an average, which notices jumps (see :mod:`fpsim.equation.time_averages`).
        """
        if self.autonomous:
            if self._fixed is None:
                self._fixed = self._blocks(t, None)
            sequences = self._sequences.get(steps)
            if sequences is None:
                self._sequences[steps] = sequences = [tuple(strang_sequence(b, steps)) for b in self._fixed]
            return self._balance([self._take(u, s, h, pieces) for u, s in zip(state, sequences, strict=True)])
        total = np.zeros((len(state), 2))
        for step in range(steps):
            total += self._change(state, t + step * h, h, pieces)
        return self._balance(total.tolist())

    def _change(self, state: tuple[Array, ...], t: float, h: float, pieces: int) -> Array:
        """One step with coefficients of its own: content absorbed and moved by limiters, per equation."""
        middle = self._middle(state, t, h) if self.mean_field else None
        self._recent = None  # not two sets of coefficients at a time
        blocks = self._blocks(t + 0.5 * h, middle, h if pieces > 1 else 0.0)
        if self.mean_field:
            self._recent = blocks
        taken = [self._take(u, strang_sequence(b), h, pieces) for u, b in zip(state, blocks, strict=True)]
        return np.array(taken)

    def _take(
        self, u: Array, sequence: Iterable[tuple[Sweep, float, int]], h: float, pieces: int
    ) -> tuple[float, float]:
        """Content absorbed and moved by limiters in some steps."""
        absorbed = limited = 0.0
        for sweep, share, times in sequence:
            more, moved = sweep.apply(u, share * h, self.team, steps=times, pieces=pieces)
            absorbed, limited = absorbed + more, limited + moved
        return absorbed, limited

    def _balance(self, contents: Sequence[Sequence[float]]) -> StepBalance:
        """Masses of contents."""
        absorbed, limited = zip(*contents, strict=True)
        volumes = self.volumes
        return StepBalance(*(tuple(v * c for v, c in zip(volumes, row, strict=True)) for row in (absorbed, limited)))

    def _middle(self, state: tuple[Array, ...], t: float, h: float) -> tuple[Array, ...]:
        """Densities half a step ahead, to first order."""
        if self._predicted is None:
            self._predicted = tuple(np.empty_like(u) for u in state)
        recent = self._recent or self._blocks(t, state)
        for copy, u, blocks in zip(self._predicted, state, recent, strict=True):
            copy[:] = u
            for block in blocks:
                for sweep in block:
                    sweep.apply(copy, 0.5 * h, self.team)
        return self._predicted

    def _blocks(self, t: float, state: tuple[Array, ...] | None, around: float = 0.0) -> tuple[tuple[Block, ...], ...]:
        """Blocks of sweeps per equation, with coefficients of a time, or averaged over a time ``around`` it."""
        p: tuple[Density, ...] | Density | None = None
        if state is not None:
            for u in state:
                check_left(u, t)
            p = tuple(Density.over(g, u) for g, u in zip(self.grids, state, strict=True))
            p = p if self.coupled else p[0]
        found = []
        for equation, grid in zip(self.equations, self.grids, strict=True):
            averages = around and equation.time_dependent and equation.jumps is None
            now = time_average(equation, t - 0.5 * around, around) if averages else equation
            known = evaluate_coefficients(now, grid, t=t, p=p)
            found.append((sweep_blocks(known, grid, keep=self.autonomous), known.added))
        return self._noted(found)

    def _noted(self, found: Sequence[tuple[tuple[Block, ...], float]]) -> tuple[tuple[Block, ...], ...]:
        self.added = max(self.added, *(added for _, added in found))
        self.speed = max((s.speed for blocks, _ in found for block in blocks for s in block), default=0.0)
        return tuple(blocks for blocks, _ in found)
