"""Solver of a Fokker-Planck equation, or of a coupled system, on its grids: the one route of every evolution.

Coefficients are evaluated and checked, the method is chosen, its memory checked, the evolution done, and done once
more on cells twice as wide to tell the grid's error. What does not depend on the start is kept where coefficients are
fixed: they and their tables, lattice lines, the generator once it has been used.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

from fpsim.density import Boundary, Density, Grid, regrid
from fpsim.equation import FokkerPlanck
from fpsim.equation.grid_arrays import grid_array_names, on_coarser
from fpsim.evolution.arguments import Arguments
from fpsim.evolution.assessment import assess, order_is_uncertain
from fpsim.evolution.coefficients import Coefficients, GridScales, Walls, survey
from fpsim.evolution.memory_estimate import (
    check_coefficients,
    coefficient_bytes,
    evolution_needs,
    generator_numbers,
    memory_estimate,
)
from fpsim.evolution.method_choice import (
    COARSE,
    LEAST_CELLS,
    LONG,
    Choice,
    choose_method,
    stands,
)
from fpsim.evolution.methods import by_generator, by_rational, by_sweeps, by_the_same_steps
from fpsim.evolution.result import Evolution, MethodResult
from fpsim.evolution.stepping.time_stepping import Path
from fpsim.evolution.sweeps.splitting import Splitting
from fpsim.support.errors import DomainError, MemoryLimitError, ToleranceError, ValidityWarning
from fpsim.support.memory import memory_budget
from fpsim.support.threads import Team

if TYPE_CHECKING:  # linear algebra that sweeps do without
    from fpsim.generator.generator import Generator
    from fpsim.generator.propagation.rational import BirthDeathChain

__all__ = ["Solver"]

log = logging.getLogger(__name__)


class _Task(NamedTuple):
    """Densities to evolve and what is asked, with the coefficients on the grid and the memory budget in bytes."""

    starts: tuple[Density, ...]
    asked: Arguments
    known: tuple[Coefficients, ...]
    scales: GridScales
    budget: float


class Solver:
    """Solver of one equation, or of a coupled system.

    Parameters
    ----------
    equations, grids : tuples of the same length
    coupled : bool, keyword-only
        Whether coefficients get the tuple of densities rather than the density.
    threads : int, optional, keyword-only
    memory : float or str, optional, keyword-only
        Budget in bytes; see :mod:`fpsim.support.memory`.
    """

    def __init__(
        self,
        equations: tuple[FokkerPlanck, ...],
        grids: tuple[Grid, ...],
        *,
        coupled: bool = False,
        threads: int | None = None,
        memory: float | str | None = None,
    ) -> None:
        self.equations, self.grids, self.coupled = equations, grids, coupled
        self.threads, self.memory = threads, memory
        self.fixed = all(e.autonomous for e in equations)
        self._team, self._lock = Team(threads), RLock()
        self._surveyed: tuple[tuple[Coefficients, ...], GridScales] | None = None

    def survey(self, starts: tuple[Density, ...] | None = None) -> tuple[tuple[Coefficients, ...], GridScales]:
        """Coefficients at time 0 and their scales; kept where they are fixed."""
        if self._surveyed is not None:
            return self._surveyed
        check_coefficients(self.equations, self.grids, budget=memory_budget(self.memory))
        p = (starts if self.coupled or starts is None else starts[0]) if not self.fixed else None
        known, scales = zip(*(survey(e, g, p=p) for e, g in zip(self.equations, self.grids, strict=True)), strict=True)
        found = known, GridScales.of(scales)
        if self.fixed:
            self._surveyed = found
        return found

    def evolve(self, starts: tuple[Density, ...], asked: Arguments) -> Evolution:
        """Evolve densities on these grids; one thread at a time, others wait."""
        with self._lock:
            return self._evolve(starts, asked, memory_budget(self.memory))

    def _evolve(self, starts: tuple[Density, ...], asked: Arguments, budget: float) -> Evolution:
        changing = self._changing(asked)
        known, scales = self.survey(starts)
        cost = self._generator_bytes if changing is None and asked.method == "auto" else 0.0
        choice = choose_method(
            asked.method, self.grids[0], scales, end=asked.end, generator_bytes=cost, changing=changing
        )
        log.info("evolve %s to t=%g by %s (%s)", self.grids, asked.end, choice.method, choice.reason)
        task = _Task(starts, asked, known, scales, budget)
        return self._judged(choice, task) if choice.judged else self._solve(choice, task)

    def _judged(self, choice: Choice, task: _Task) -> Evolution:
        """Evolve by the generator, or by sweeps if those do better."""
        asked = task.asked
        measured = task._replace(asked=replace(asked, estimate_grid_error=True))
        try:
            result = self._solve(choice, measured)
        except (DomainError, MemoryLimitError) as refusal:  # sweeps may take what it does not
            if task.scales.underivable:
                raise
            log.info("the %s does not take it: %s", choice.method, refusal)
            return self._solve(Choice("sweeps", f"the {choice.method} does not take it"), task)
        error = float(result.grid_error.max())
        above = f"grid error {error:.2g} of the {choice.method}, above the tolerance {asked.tolerance:g}"
        if not stands(choice, grid_error=error, tolerance=asked.tolerance):
            with suppress(DomainError, MemoryLimitError, ToleranceError):
                sweeps = self._solve(Choice("sweeps", above), measured)
                if sweeps.error.max() <= result.error.max():
                    return sweeps
        if error > asked.tolerance:
            result = replace(result, reason=f"{choice.reason}; {above}")
        if error > COARSE and choice.relaxations > LONG and not choice.resolved:
            text = f"grid error {error:.2g}, and sweeps would take too many steps: more cells resolve it"
            result = replace(result, warnings=(*result.warnings, text))
        return result

    def _changing(self, asked: Arguments) -> str | None:
        """What changes on the way."""
        if asked.follow:
            for equation, grid in zip(self.equations, self.grids, strict=True):
                for name in grid_array_names(equation, grid):
                    raise DomainError(
                        f"{name} is a grid array and the grid would move: with follow=True a callable is accepted"
                    )
            return "a moving grid"
        if self.fixed and not self.coupled:
            return None
        kinds = {
            "a coupled system": self.coupled,
            "a time-dependent equation": any(e.time_dependent for e in self.equations),
            "a density-dependent equation": any(e.mean_field for e in self.equations),
        }
        return next(text for text, holds in kinds.items() if holds)

    def _solve(self, choice: Choice, task: _Task) -> Evolution:
        """Evolve by a method, and once more on wider cells if the grid's error is asked for."""
        starts, asked, known, scales, budget = task
        if choice.method == "sweeps":
            triples = zip(known, self.equations, self.grids, strict=True)
            held = sum(coefficient_bytes(*triple) for triple in triples)
        else:
            held = self._generator_numbers
        measure = asked.estimate_grid_error and min(n for g in self.grids for n in g.shape) >= LEAST_CELLS
        needs = self.equations, self.grids, held, len(asked.times)
        memory = evolution_needs(choice.method, *needs, coarse=measure, budget=budget)
        walls = self._walls(scales, asked)
        if walls is not scales.walls:
            scales = replace(scales, walls=walls)
        result, path = self._run(choice.method, starts, asked, known, scales)
        if asked.progress is not None:
            asked.progress(1.0)
        wider: list[MethodResult] = []
        solver, begin, quiet = self, starts, asked if asked.progress is None else replace(asked, progress=None)
        while measure and min(n for g in solver.grids for n in g.shape) >= LEAST_CELLS * (1 + len(wider)):
            if len(wider) == 2 or (wider and not order_is_uncertain(result, starts, scales)):
                break
            begin, solver = tuple(regrid(d, d.grid.coarser()) for d in begin), solver._wide
            wider.append(solver._repeat(choice.method, begin, quiet, path))
            path = None if path is None else path.coarser()
        return assess(result, starts, wider, scales, choice.reason, memory, budget, follow=asked.follow)

    def _walls(self, scales: GridScales, asked: Arguments) -> Walls:
        """Walls at which the splitting errs, as far as they are sure to stay."""
        walls = scales.walls
        if asked.follow:  # walls that move away
            walls = walls._replace(pressed=False, crossed=False)
        leaky = any(Boundary.ABSORBING in sides for g in self.grids for sides in g.boundary)
        if leaky and (asked.follow or not self.fixed):  # drift may turn to such a wall later
            walls = walls._replace(outflow=True)
        return walls

    def _run(
        self,
        method: str,
        starts: tuple[Density, ...],
        asked: Arguments,
        known: tuple[Coefficients, ...],
        scales: GridScales,
    ) -> tuple[MethodResult, Path | None]:
        """Evolve; also the steps that this took."""
        if method == "generator":
            return by_generator(self._generator, starts[0], asked.times, self.threads), None
        if method == "rational":
            return by_rational(self._chain, starts[0], asked), None
        with self._team:
            return by_sweeps(self._splitting(known, asked), starts, asked, scales)

    def _repeat(self, method: str, starts: tuple[Density, ...], asked: Arguments, path: Path | None) -> MethodResult:
        """Evolve in the way that another evolution went."""
        if path is None:
            return self._run(method, starts, asked, *self.survey(starts))[0]
        with self._team:
            known = self.survey()[0] if self.fixed else ()
            return by_the_same_steps(self._splitting(known, asked), starts, asked.times, path)

    def _splitting(self, known: tuple[Coefficients, ...], asked: Arguments) -> Splitting:
        if not self.fixed or asked.follow:
            return Splitting(self.equations, self.grids, self.coupled, self._team)
        if self._fixed_splitting is None:
            self._fixed_splitting = Splitting(self.equations, self.grids, self.coupled, self._team)
            self._fixed_splitting.hold(known)
        return self._fixed_splitting

    _fixed_splitting: Splitting | None = None

    @cached_property
    def _wide(self) -> Solver:
        """The same on cells twice as wide."""
        equations = tuple(on_coarser(e, g) for e, g in zip(self.equations, self.grids, strict=True))
        grids = tuple(g.coarser() for g in self.grids)
        return Solver(equations, grids, coupled=self.coupled, threads=self.threads, memory=self.memory)

    @cached_property
    def _generator_bytes(self) -> float:
        return memory_estimate("generator", self.equations, self.grids, self._generator_numbers, 1, coarse=False)

    @cached_property
    def _generator_numbers(self) -> float:
        return generator_numbers(self.survey()[0][0], self.grids[0])

    @cached_property
    def _generator(self) -> Generator:
        from fpsim.generator import build_generator

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ValidityWarning)  # the result has them
            return build_generator(self.equations[0], self.grids[0])

    @cached_property
    def _chain(self) -> BirthDeathChain:
        from fpsim.generator.propagation.rational import birth_death_chain

        return birth_death_chain(self._generator)
