"""Propagator: many evolutions with one equation on one grid, coefficients evaluated and checked once.

A :class:`Propagator` keeps what does not depend on the start: coefficients, lattice lines, tables of the last few
steps, the generator once it has been used. On small grids an evolution then takes a fraction of the time of
:func:`fpsim.evolution.evolve`, which solves one problem and lets go. Results are the same, bit for bit.

Limits: coefficients that depend on neither time nor density, and a grid that stays. Threads that share a propagator
wait for each other.
"""

from __future__ import annotations

import warnings
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from numpy.typing import ArrayLike

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.evolution.arguments import Arguments, Method, Progress
from fpsim.evolution.result import Evolution
from fpsim.evolution.solver import Solver
from fpsim.support.errors import DomainError, ValidityWarning

__all__ = ["Propagator"]


@dataclass(frozen=True, eq=False, repr=False)
class Propagator:
    """``exp(t L)`` of a Fokker-Planck equation on a grid.

    Parameters
    ----------
    equation : FokkerPlanck
        With coefficients that depend on neither time nor density.
    grid : Grid
    threads : int, optional, keyword-only
        Threads to use; all by default. Results do not depend on it.
    memory : float or str, optional, keyword-only
        Budget in bytes (or ``"2 GB"``): what would take more is refused; see :mod:`fpsim.support.memory`.

    Raises
    ------
    DomainError
        If a coefficient is not accepted (which, and where).
    MemoryLimitError
        If its coefficients would not fit into the budget.

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
    memory: float | str | None = None
    _solver: Solver = field(init=False)

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
        solver = Solver((self.equation,), (self.grid,), threads=self.threads, memory=self.memory)
        solver.survey()
        object.__setattr__(self, "_solver", solver)

    def __reduce__(self) -> tuple[Any, ...]:
        return _propagator, (self.equation, self.grid, self.threads, self.memory)

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
        asked = Arguments(times, tolerance, method, progress, estimate_grid_error)  # type: ignore[arg-type]
        if not isinstance(start, Density) or (start.grid is not self.grid and start.grid != self.grid):
            found = f"on {start.grid!r}" if isinstance(start, Density) else f"a {type(start).__name__}"
            raise DomainError(f"start is {found}: a Density on {self.grid!r} is accepted")
        result = self._solver.evolve((start,), asked)
        for text in result.warnings:
            warnings.warn(text, ValidityWarning, stacklevel=2)
        return result

    def __repr__(self) -> str:
        low, high = self._solver.survey()[1].peclet
        return f"Propagator({self.equation!r}, {self.grid!r}, cell Peclet {low:.2g} ... {high:.2g})"


def _propagator(equation: FokkerPlanck, grid: Grid, threads: int | None, memory: float | str | None) -> Propagator:
    """For pickling, and for copies."""
    return Propagator(equation, grid, threads=threads, memory=memory)
