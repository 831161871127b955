"""Evolution of densities in time, in one call.

    d_t p = -d_i(b_i p) + d_i d_j(D_ij p)

``method="sweeps"`` (:mod:`fpsim.evolution.sweeps`) is made for small noise: high order, positive, conservative,
without a step restriction. ``"generator"`` propagates with the Scharfetter-Gummel generator by uniformization: second
order in the cell width, exact in time and in the tails, for equations with fixed coefficients. ``"rational"`` does the
same along a single axis within the tolerance, for any duration (:mod:`fpsim.generator.propagation.rational`).
``"auto"`` takes what suits: :mod:`fpsim.evolution.method_choice` has the table, and a result its reason.

Limits of the sweeps: the tolerance is one of L1; far below the peak ln p converges with it, but later (at 1e-3, to 0.2
at a millionth of the peak; at 1e-4, to 0.02). Where drift presses on a reflecting wall the order in time is one. Drifts
that depend on each other's coordinates are of second order in time, like every positive splitting. A change of
coefficients that is shorter than the steps may be stepped over: output times just before and after it prevent that.
Coefficients that jump in time are stepped up to where the equation names the times (``FokkerPlanck(jumps=...)``); else
jumps are searched for, and many of them within one step may hide each other. Where drift carries a density into an
absorbing wall, their error goes about as the step. Errors are estimates, not bounds; close to an unstable state of an
equation that depends on its density they grow by themselves, which is told.

Memory: coefficients are held in their own broadcast shape. What would take more than the budget
(:mod:`fpsim.support.memory`) is refused before it is allocated; the budget never changes the method.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, overload

from numpy.typing import ArrayLike

from fpsim.density import Density, GaussianMixture
from fpsim.equation import FokkerPlanck
from fpsim.evolution.arguments import Arguments, Method, Progress
from fpsim.evolution.moment_closure import MixtureEvolution, SampledStart, evolve_mixture
from fpsim.evolution.result import Evolution
from fpsim.evolution.solver import Solver
from fpsim.support.errors import DomainError, ValidityWarning

__all__ = ["evolve"]


@overload
def evolve(
    equation: FokkerPlanck,
    start: GaussianMixture | SampledStart,
    times: ArrayLike,
    *,
    tolerance: float = ...,
    threads: int | None = ...,
    memory: float | str | None = ...,
    progress: Progress | None = ...,
) -> MixtureEvolution: ...


@overload
def evolve(
    equation: FokkerPlanck | Sequence[FokkerPlanck],
    start: Density | Sequence[Density],
    times: ArrayLike,
    *,
    tolerance: float = ...,
    method: Method = ...,
    follow: bool = ...,
    threads: int | None = ...,
    memory: float | str | None = ...,
    progress: Progress | None = ...,
    estimate_grid_error: bool = ...,
) -> Evolution: ...


def evolve(
    equation: FokkerPlanck | Sequence[FokkerPlanck],
    start: Density | Sequence[Density] | GaussianMixture | SampledStart,
    times: ArrayLike,
    *,
    tolerance: float = 1e-3,
    method: Method = "auto",
    follow: bool = False,
    threads: int | None = None,
    memory: float | str | None = None,
    progress: Progress | None = None,
    estimate_grid_error: bool = True,
) -> Evolution | MixtureEvolution:
    """Evolve a density, or the densities of a coupled system, to given times.

    Parameters
    ----------
    equation : FokkerPlanck, or sequence of FokkerPlanck
        A sequence is a coupled system: coefficients with a parameter ``p`` get the tuple of its densities.
    start : Density, sequence of Density, GaussianMixture, or SampledStart
        At time 0. The grid of a density is the grid of the computation. A mixture, in any number of dimensions, goes
        to :func:`fpsim.evolution.evolve_mixture` with the tolerance, threads, memory and progress given here (random
        numbers of the key 0), which has more options.
    times : array_like
        Increasing output times >= 0.
    tolerance : float, keyword-only
        Accepted time error: L1 distance, relative to the mass, over the whole evolution. Of a mixture: total variation
        of every two-dimensional marginal, at all times.
    method : {"auto", "sweeps", "generator", "rational"}, keyword-only
    follow : bool, keyword-only
        Whether the box may move with the density along axes with reflecting walls. About 30 cells along such an axis
        are needed for it to grow as well.
    threads : int, keyword-only
        Threads to use; all by default. The result does not depend on it.
    memory : float or str, keyword-only
        Budget in bytes (or ``"2 GB"``): what would take more is refused.
    progress : callable, keyword-only
        Called with the share of the time that is done.
    estimate_grid_error : bool, keyword-only
        Whether the same evolution is repeated on cells twice as wide, to estimate the grid's error.
        Where ``method="auto"`` takes the generator it is, in any case: that error decides whether it stands.

    Raises
    ------
    DomainError
        If times, tolerance, coefficients or densities are not accepted (which, and where).
    MemoryLimitError
        If the computation would not fit into the memory budget.
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
    if isinstance(start, GaussianMixture | SampledStart):
        if not isinstance(equation, FokkerPlanck):
            raise DomainError("several equations with a mixture: a single FokkerPlanck is accepted")
        if method != "auto" or follow:
            raise DomainError(f"method {method!r}, follow={follow} with a mixture: 'auto' and False are accepted")
        return evolve_mixture(
            equation, start, times, tolerance=tolerance, rng=0, threads=threads, memory=memory, progress=progress
        )
    equations, starts, coupled = _system(equation, start)
    asked = Arguments(times, tolerance, method, progress, estimate_grid_error, follow)  # type: ignore[arg-type]
    grids = tuple(d.grid for d in starts)
    result = Solver(equations, grids, coupled=coupled, threads=threads, memory=memory).evolve(starts, asked)
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
