"""The one call that evolves densities in time.

    d_t p = -d_i(b_i p) + d_i d_j(D_ij p)

``method="sweeps"`` (see :mod:`fpsim.evolution.stepper`) is made for small noise: high order, positive, conservative,
without a step restriction. ``"generator"`` propagates with the Scharfetter-Gummel generator by uniformization: second
order in the cell width, exact in time and in the tails, for equations with fixed coefficients. ``"rational"`` does the
same along a single axis within the tolerance, for any duration. ``"fipy"`` is an
independent reference. ``"auto"`` takes the generator where every cell Peclet number is below 1/4, no jump is longer
than a cell and it is cheap in time and memory, where it is not, on a single axis, the rational approximation, else the
sweeps. After more than a thousand relaxation times of the steepest drift the sweeps' errors, which add up, are too
many: the generator is taken then, and where drift presses on a reflecting wall if its grid error allows.

Limits of the sweeps: the tolerance is one of L1; far below the peak ln p converges with it, but later (at 1e-3, to 0.2
at a millionth of the peak; at 1e-4, to 0.02). Where drift presses on a reflecting wall the order in time is one. Drifts
that depend on each other's coordinates are of second order in time, like every positive splitting. A change of
coefficients that is shorter than the steps may be stepped over: output times just before and after it prevent that.
Coefficients that six arrays of the grid's size (or 64 MB) have no room for are evaluated again for every sweep, which
takes longer (:mod:`fpsim.evolution.held` says which cannot be). The generator, if asked for or after a very long time,
takes more (:mod:`fpsim.evolution.needs`). Jumps of coefficients in time are found and stepped up to; many of them
within one step may hide each other. Where drift carries a density into an absorbing wall, steps are short (their error
goes with the root of the step until they resolve the layer at the wall). Errors are estimates, not bounds.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import ArrayLike

from fpsim.density import Boundary, Density, regrid
from fpsim.equation import FokkerPlanck
from fpsim.evolution.evolution import Evolution
from fpsim.evolution.grid_arrays import on_coarser, sampled
from fpsim.evolution.methods import by_sweeps, repeat
from fpsim.evolution.needs import memory_estimate
from fpsim.evolution.propagator import Propagator
from fpsim.evolution.request import Method, Progress, Request, finished
from fpsim.evolution.stepper import Stepper
from fpsim.evolution.survey import Walls, survey
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.support.memory import check_memory
from fpsim.support.threads import Team

__all__ = ["evolve"]

log = logging.getLogger(__name__)


def evolve(
    equation: FokkerPlanck | Sequence[FokkerPlanck],
    start: Density | Sequence[Density],
    times: ArrayLike,
    *,
    tolerance: float = 1e-3,
    method: Method = "auto",
    follow: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    estimate_grid_error: bool = True,
) -> Evolution:
    """Evolve a density, or the densities of a coupled system, to given times.

    Parameters
    ----------
    equation : FokkerPlanck, or sequence of FokkerPlanck
        A sequence is a coupled system: coefficients with a parameter ``p`` get the tuple of its densities.
    start : Density, or sequence of Density
        At time 0. Its grid is the grid of the computation.
    times : array_like
        Increasing output times >= 0.
    tolerance : float, keyword-only
        Accepted time error: L1 distance, relative to the mass, over the whole evolution.
    method : {"auto", "sweeps", "generator", "rational", "fipy"}, keyword-only
    follow : bool, keyword-only
        Whether the box may move with the density along axes with reflecting walls. About 30 cells along such an axis
        are needed for it to grow as well.
    threads : int, keyword-only
        Threads to use; all by default. The result does not depend on it.
    progress : callable, keyword-only
        Called with the share of the time that is done.
    estimate_grid_error : bool, keyword-only
        Whether the same evolution is repeated on cells twice as wide, to estimate the grid's error.

    Raises
    ------
    DomainError
        If times, tolerance, coefficients or densities are not accepted (which, and where).
    MemoryLimitError
        If the computation would not fit into the machine's memory.
    ToleranceError
        If the tolerance would need an absurd number of steps.

    Examples
    --------
    >>> from fpsim.density import Grid, gaussian
    >>> ou = FokkerPlanck(drift=lambda x: -x, diffusion=0.01)
    >>> result = evolve(ou, gaussian(Grid.box((-2, 2, 128)), 1.0, 0.04), [1.0])
    >>> bool(abs(result.final.mean[0] - np.exp(-1.0)) < 1e-4)
    True
    """
    equations, starts, coupled = _system(equation, start)
    asked = Request(times, tolerance, method, progress, estimate_grid_error, threads, follow)  # type: ignore[arg-type]
    if not coupled and not follow and equations[0].autonomous:
        result = Propagator(equations[0], starts[0].grid, threads=threads).answer(starts[0], asked, last=True)
    else:
        result = _changing(equations, starts, coupled, asked)
    for text in result.warnings:
        warnings.warn(text, ValidityWarning, stacklevel=2)
    return result


def _system(equation: Any, start: Any) -> tuple[tuple[FokkerPlanck, ...], tuple[Density, ...], bool]:
    if isinstance(equation, FokkerPlanck):
        if not isinstance(start, Density):
            raise DomainError(f"start is a {type(start).__name__}: a Density is accepted")
        return (equation,), (start,), False
    equations, starts = _several(equation, "equation", FokkerPlanck), _several(start, "start", Density)
    if len(equations) != len(starts) or not equations:
        raise DomainError(f"{len(equations)} equations and {len(starts)} densities: equal numbers >= 1 are accepted")
    return equations, starts, True


def _several(given: Any, what: str, kind: type) -> tuple[Any, ...]:
    parts = tuple(given) if isinstance(given, Iterable) else (given,)
    for part in parts:
        if not isinstance(part, kind):
            accepted = f"a {kind.__name__}, or for a coupled system a sequence of them, is accepted"
            raise DomainError(f"a {type(part).__name__} as {what}: {accepted}")
    return parts


def _changing(
    equations: tuple[FokkerPlanck, ...], starts: tuple[Density, ...], coupled: bool, asked: Request
) -> Evolution:
    """By sweeps whose coefficients, or whose grid, may change on the way."""
    if asked.method not in ("auto", "sweeps"):
        raise DomainError(
            f"method {asked.method!r} with a coupled, time- or density-dependent equation or a moving grid: "
            "'sweeps' is accepted for those"
        )
    grids, outputs, wide = tuple(d.grid for d in starts), len(asked.times), None
    fixed = [name for e, g in zip(equations, grids, strict=True) for name in sampled(e, g)]
    if asked.follow and fixed:
        raise DomainError(
            f"{fixed[0]} is a grid array and the grid would move: with follow=True a callable is accepted"
        )
    p = (starts if coupled else starts[0]) if any(e.mean_field for e in equations) else None
    found = [survey(e, g, p=p) for e, g in zip(equations, grids, strict=True)]
    low, high, held = min(f.peclet[0] for f in found), max(f.peclet[1] for f in found), tuple(f.held for f in found)
    walls = Walls.of(f.walls for f in found)
    if asked.follow:  # walls that move away
        walls = walls._replace(pressed=False)
    if any(Boundary.ABSORBING in sides for g in grids for sides in g.boundary):  # drift may turn to such a wall later
        walls = walls._replace(outflow=True, still=True)
    walk: Any = {"longest": min(f.longest for f in found), "walls": walls}
    del found  # coefficients are evaluated again at every step
    memory = memory_estimate("sweeps", equations, grids, held, outputs, coarse=asked.estimate_grid_error)
    what = (
        f"an evolution on {sum(g.size for g in grids)} cells with {outputs} output time{'s' * (outputs > 1)} by sweeps"
    )
    check_memory(memory, what, "fewer cells or fewer output times need less")
    log.info("evolve %s to t=%g by sweeps, cell Peclet %.3g ... %.3g", grids, asked.end, low, high)
    with Team(asked.threads) as team:
        result, path = by_sweeps(Stepper(equations, grids, coupled, team), starts, asked, **walk)
        if asked.estimate_grid_error and all(n >= 8 for g in grids for n in g.shape):
            begin = tuple(regrid(d, d.grid.coarser()) for d in starts)
            wider = tuple(on_coarser(e, g) for e, g in zip(equations, grids, strict=True))
            stepper = Stepper(wider, tuple(d.grid for d in begin), coupled, team)
            wide = repeat(stepper, begin, asked.times, path)
    return finished(result, starts, wide, (low, high), memory, follow=asked.follow, at_walls=walls.meets)
