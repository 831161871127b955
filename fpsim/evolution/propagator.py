"""Many evolutions with one equation on one grid: coefficients are evaluated and checked once.

A :class:`Propagator` keeps what does not depend on the start: coefficients, lattice lines, tables of the last few
steps, the generator once it has been used. On small grids an evolution then takes a fraction of the time of
:func:`fpsim.evolution.evolve`, which makes a propagator and uses it once. Answers are the same, bit for bit.

Limits: coefficients that depend on neither time nor density, and a grid that stays. Not for two threads at a time.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from fpsim.density import Density, Grid, regrid
from fpsim.equation import FokkerPlanck
from fpsim.evolution.evolution import Evolution, Run
from fpsim.evolution.grid_arrays import on_coarser
from fpsim.evolution.methods import Path, by_fipy, by_generator, by_rational, by_sweeps, repeat
from fpsim.evolution.needs import affordable, memory_estimate
from fpsim.evolution.request import Method, Progress, Request, finished
from fpsim.evolution.stepper import Stepper
from fpsim.evolution.survey import Survey, survey
from fpsim.support.errors import DomainError, MemoryLimitError, ValidityWarning
from fpsim.support.memory import check_memory
from fpsim.support.threads import Team

if TYPE_CHECKING:  # linear algebra that sweeps do without
    from collections.abc import Callable

    from fpsim.generator.generator import Generator
    from fpsim.generator.propagation.rational import RationalPropagation

__all__ = ["Propagator"]

log = logging.getLogger(__name__)


RESOLVED = 0.25
"""Cell Peclet number up to which the generator's numerical diffusion (Pe^2 / 12 of the true one) is negligible."""

CHEAP = 1e8
"""Products of cells and jumps up to which uniformization takes less than about a tenth of a second."""

LONG = 1000.0
"""Relaxation times beyond which sweeps, whose errors add up, are too many."""

COARSE = 0.03
"""Grid error up to which the generator stands where cells do not resolve everything."""

SMALL = 512
"""Cells up to which the generator's transition matrix is squared instead."""

UNCHECKED = 16e6
"""Bytes that any machine has."""


@dataclass(frozen=True, eq=False, repr=False)
class Propagator:
    """``exp(t L)`` of a Fokker-Planck equation on a grid.

    Parameters
    ----------
    equation : FokkerPlanck
        With coefficients that depend on neither time nor density.
    grid : Grid
    threads : int, optional, keyword-only
        Threads to use; all by default. Answers do not depend on it.

    Raises
    ------
    DomainError
        If a coefficient is not accepted (which, and where).

    Examples
    --------
    >>> from fpsim.density import gaussian
    >>> grid = Grid.box((-2, 2, 128))
    >>> flow = Propagator(FokkerPlanck(drift=lambda x: -x, diffusion=0.01), grid)
    >>> [round(float(flow.evolve(gaussian(grid, m, 0.04), [1.0]).final.mean[0]), 4) for m in (1.0, -0.5)]
    [0.3679, -0.1839]
    """

    equation: FokkerPlanck
    grid: Grid
    _: KW_ONLY
    threads: int | None = None
    _survey: Survey = field(init=False)
    _team: Team = field(init=False)
    _needs: dict[tuple[str, int, bool], int] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.equation, FokkerPlanck) or not isinstance(self.grid, Grid):
            raise DomainError(
                f"a {type(self.equation).__name__} on a {type(self.grid).__name__}: "
                "a FokkerPlanck on a Grid is accepted"
            )
        if not self.equation.autonomous:
            raise DomainError(
                f"{self.equation} has coefficients that depend on time or density: fixed ones are accepted here, "
                "fpsim.evolution.evolve takes the others"
            )
        # what is kept is no part of the value
        self.__dict__["_survey"] = survey(self.equation, self.grid)
        self.__dict__["_team"] = Team(self.threads)
        self.__dict__["_needs"] = {}

    def evolve(
        self,
        start: Density,
        times: ArrayLike,
        *,
        tolerance: float = 1e-3,
        method: Method = "auto",
        progress: Progress | None = None,
        estimate_grid_error: bool = True,
    ) -> Evolution:
        """Evolve a density that lives on this grid; see :func:`fpsim.evolution.evolve`."""
        asked = Request(times, tolerance, method, progress, estimate_grid_error)  # type: ignore[arg-type]
        result = self.answer(start, asked)
        for text in result.warnings:
            warnings.warn(text, ValidityWarning, stacklevel=2)
        return result

    def answer(self, start: Density, asked: Request, *, last: bool = False) -> Evolution:
        """What :meth:`evolve` answers, before anything in it is said as a warning.

        If it is the ``last`` answer, tables are let go as soon as they have served.
        """
        if not isinstance(start, Density) or (start.grid is not self.grid and start.grid != self.grid):
            found = f"on {start.grid!r}" if isinstance(start, Density) else f"a {type(start).__name__}"
            raise DomainError(f"start is {found}: a Density on {self.grid!r} is accepted")
        (chosen, tried), (low, high) = self._chosen(asked), self._survey.peclet
        log.info("evolve %s to t=%g by %s, cell Peclet %.3g ... %.3g", self.grid, asked.end, chosen, low, high)
        if not tried:
            return self._solved(chosen, start, asked, measure=asked.estimate_grid_error, last=last)
        with suppress(DomainError, MemoryLimitError):  # a tilted potential on a ring: sweeps may take what it does not
            result = self._solved(chosen, start, asked, measure=True, last=last)
            if result.grid_error.max() <= COARSE:
                return result
            if self._survey.steep * asked.end > LONG:
                text = f"grid error {result.grid_error.max():.2g}, and the time is too long for sweeps: more cells"
                return replace(result, warnings=(*result.warnings, f"{text} resolve it"))
        if last:
            self._forget("_generator")
        return self._solved("sweeps", start, asked, measure=asked.estimate_grid_error, last=last)

    def _solved(self, chosen: str, start: Density, asked: Request, *, measure: bool, last: bool) -> Evolution:
        """Evolve by a method, and once more on wider cells to ``measure`` the grid's error."""
        wide, outputs = None, len(asked.times)
        memory = self._memory(chosen, outputs, measure)
        if memory > UNCHECKED:
            what = f"an evolution on {self.grid.size} cells with {outputs} output time{'s' * (outputs > 1)} by {chosen}"
            check_memory(memory, what, "fewer cells or fewer output times need less")
        result, path = self._run(chosen, start, asked)
        if asked.progress is not None and chosen != "sweeps":
            asked.progress(1.0)
        if last:
            self._forget("_stepper")
        if measure and all(n >= 8 for n in self.grid.shape):
            wide, _ = self._wide._run(chosen, regrid(start, self._wide.grid), replace(asked, progress=None), path)
        if last:
            self._forget("_wide")
        return finished(
            result,
            (start,),
            wide,
            self._survey.peclet,
            memory,
            at_walls=chosen == "sweeps" and self._survey.walls.meets,
        )

    def _memory(self, method: str, outputs: int, coarse: bool) -> int:
        """Bytes that an evolution by a method needs."""
        known = self._needs.get((method, outputs, coarse))
        if known is None:
            whole = (self.equation,), (self.grid,), (self._survey.held,)
            known = memory_estimate(method, *whole, outputs, coarse=coarse)
            self._needs[method, outputs, coarse] = known
        return known

    def __repr__(self) -> str:
        low, high = self._survey.peclet
        needs = self._memory("sweeps", 1, True) / 1e6
        return (
            f"Propagator({self.equation!r}, {self.grid!r}, cell Peclet {low:.2g} ... {high:.2g}; "
            f"{needs:.3g} MB for one output time by sweeps)"
        )

    def _forget(self, what: str) -> None:
        self.__dict__.pop(what, None)

    @cached_property
    def _wide(self) -> Propagator:
        """The same on cells twice as wide, to tell the grid's error."""
        return Propagator(on_coarser(self.equation, self.grid), self.grid.coarser(), threads=self.threads)

    @cached_property
    def _generator(self) -> Generator:
        from fpsim.generator import build_generator

        return build_generator(self.equation, self.grid)

    @cached_property
    def _approximate(self) -> Callable[..., RationalPropagation]:
        from fpsim.generator.propagation.rational import TOLERANCES, birth_death_chain, propagate_chain

        chain, (least, most) = birth_death_chain(self._generator), TOLERANCES
        return lambda p, times, tolerance: propagate_chain(chain, p, times, tolerance=min(max(tolerance, least), most))

    @cached_property
    def _stepper(self) -> Stepper:
        stepper = Stepper((self.equation,), (self.grid,), False, self._team)
        if self._survey.known is not None:
            stepper.know(self._survey.known)
            self.__dict__["_survey"] = replace(self._survey, known=None)  # what is kept is the stepper's now
        return stepper

    def _run(self, chosen: str, start: Density, asked: Request, path: Path | None = None) -> tuple[Run, Path]:
        """Evolve, by sweeps with the steps of another evolution if there was one; also the steps that this took."""
        if chosen == "generator":
            return by_generator(self._generator, start, asked.times, self.threads), Path([], [])
        if chosen == "rational":
            return by_rational(self._approximate, start, asked), Path([], [])
        if chosen == "fipy":
            return by_fipy(self.equation, start, asked.times, asked.tolerance), Path([], [])
        with self._team:
            if path is not None:
                return repeat(self._stepper, (start,), asked.times, path), path
            known = self._survey
            return by_sweeps(self._stepper, (start,), asked, longest=known.longest, walls=known.walls)

    def _chosen(self, asked: Request) -> tuple[str, bool]:
        """The method, and whether it is up to the grid's error.

        The generator where cells resolve everything (jumps over several of them would not) and it takes no more memory
        than it may, in the cheaper of its ways; else sweeps. Where those would take very many steps, for a long time or
        at a wall, the generator has a try, for a long time whatever memory it takes.
        """
        known, size, single = self._survey, self.grid.size, self.grid.ndim == 1 and not self.grid.periodic(0)
        if asked.method == "rational" and not single:
            raise DomainError(f"method 'rational' on {self.grid!r}: a single axis that is not periodic is accepted")
        if asked.method != "auto":
            return asked.method, False
        work, resolved = known.jumps * asked.end * size, known.peclet[1] <= RESOLVED and known.held.reach == 1
        long, pressed = known.steep * asked.end > LONG, known.walls.pressed and not known.in_parts
        if not resolved and not ((long or pressed) and all(n >= 8 for n in self.grid.shape)):
            return "sweeps", False
        cheap = work <= CHEAP and affordable(self._memory("generator", 1, False), self.grid)
        if cheap or (not single and (long or size <= SMALL)):
            return "generator", not resolved
        return "rational" if single else "sweeps", single and not resolved
