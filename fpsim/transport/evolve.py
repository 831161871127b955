"""The one call that evolves densities in time.

    d_t p = -d_i(b_i p) + d_i d_j(D_ij p)

``method="sweeps"`` (see :mod:`fpsim.transport.stepper`) is made for small noise: high order, positive, conservative,
without a step restriction. ``"generator"`` propagates with the Scharfetter-Gummel generator by uniformization: second
order in the cell width, exact in time, for equations with fixed coefficients. ``"fipy"`` is an independent reference.
``"auto"`` takes the generator where every cell Peclet number is below 1/4 and it is cheap, else the sweeps.

Limits of the sweeps: the tolerance is one of L1; far below the peak ln p converges with it, but later (at 1e-3, to 0.2
at a millionth of the peak; at 1e-4, to 0.02). Where drift presses on a reflecting wall the order in time is one. Drifts
that depend on each other's coordinates are of second order in time, like every positive splitting. Coefficients beyond
``bricks.HOLD`` bytes are evaluated again for every sweep instead of kept, which takes longer.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density, regrid
from fpsim.equation import FokkerPlanck
from fpsim.errors import DomainError, ValidityWarning
from fpsim.memory import check_memory
from fpsim.parallel import Team
from fpsim.transport.bricks import bricks, held_bytes, too_large
from fpsim.transport.control import Controller
from fpsim.transport.evolution import Evolution
from fpsim.transport.follow import Follower
from fpsim.transport.inspect import cautions, jump_rate, memory_estimate, peclet_range
from fpsim.transport.stepper import Stepper
from fpsim.transport.sweeps import Sampled, sample

__all__ = ["evolve"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Method = Literal["auto", "sweeps", "generator", "fipy"]
Progress = Callable[[float], None]

RESOLVED = 0.25
"""Cell Peclet number up to which the generator's numerical diffusion (Pe^2 / 12 of the true one) is negligible."""

CHEAP = 1e8
"""Products of cells and jumps up to which uniformization takes less than about a second."""

SMALL = 512
"""Cells up to which the generator's transition matrix is squared instead."""

TAIL = 1e-14
"""Relative error in time of the generator."""

GRID_ORDER = 2  # of the difference between cells h and 2 h: what is guaranteed, not what is usual


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
    method : {"auto", "sweeps", "generator", "fipy"}, keyword-only
    follow : bool, keyword-only
        Whether the box may move with the density along axes with reflecting walls.
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
    when = _times(times)
    if not 0.0 < tolerance < 1.0:
        raise DomainError(f"tolerance is {tolerance}: a number between 0 and 1 is accepted")
    p = (starts if coupled else starts[0]) if any(e.mean_field for e in equations) else None
    grids = tuple(d.grid for d in starts)
    known: tuple[Sampled | None, ...] = tuple(
        None if too_large(e, g) else sample(e, g, p=p) for e, g in zip(equations, grids, strict=True)
    )
    pairs = list(zip(equations, grids, known, strict=True))
    parts = [((sample(e, b), b) for _, b in bricks(g)) if k is None else ((k, g),) for e, g, k in pairs]
    ranges = [peclet_range(part) for part in parts]
    held = sum(held_bytes(k or sample(e, next(bricks(g))[1]), g, late=k is None) for e, g, k in pairs)
    peclet = min(r[0] for r in ranges), max(r[1] for r in ranges)
    chosen = _chosen(method, equations, starts, coupled, peclet[1], known, when[-1], follow)
    memory = memory_estimate(equations, grids, held, len(when), coarse=estimate_grid_error)
    what = f"an evolution on {sum(g.size for g in grids)} cells with {len(when)} output times"
    check_memory(memory, what, "fewer cells or fewer output times need less")
    log.info("evolve %s to t=%g by %s, cell Peclet %.3g ... %.3g", grids, when[-1], chosen, *peclet)

    path: list[tuple[float, float, int]] = []

    def run(begin: tuple[Density, ...], report: Progress | None) -> Evolution:
        nonlocal known
        if chosen == "generator":
            return _by_generator(equations[0], begin[0], when, threads)
        if chosen == "fipy":
            from fpsim.reference.fipy import evolve_fipy

            return _by_fipy(*evolve_fipy(equations[0], begin[0], when, tolerance=tolerance), when)
        with Team(threads) as team:
            if path and not follow:
                return _again(equations, begin, coupled, when, path, team)
            stepper = Stepper(equations, tuple(d.grid for d in begin), coupled, team)
            if begin is starts and stepper.autonomous:
                stepper.know(known)
            known, pairs[:] = (), []  # what is kept is the stepper's now
            return _by_sweeps(stepper, begin, when, tolerance, follow, report, path)

    result = run(starts, progress)
    grid_error = np.full(len(when), np.nan)
    if estimate_grid_error and all(n >= 8 for g in grids for n in g.shape):
        wide = tuple(regrid(d, d.grid.with_shape([n // 2 for n in d.grid.shape])) for d in starts)
        grid_error = _difference(result, run(wide, None)) / (2**GRID_ORDER - 1)
    said = list(result.warnings) + _cautions(result, starts)
    for text in said:
        warnings.warn(text, ValidityWarning, stacklevel=2)
    return replace(result, grid_error=grid_error, warnings=tuple(said), peclet=peclet, memory=memory)


def _system(equation: Any, start: Any) -> tuple[tuple[FokkerPlanck, ...], tuple[Density, ...], bool]:
    if isinstance(equation, FokkerPlanck):
        if not isinstance(start, Density):
            raise DomainError(f"start is a {type(start).__name__}: a Density is accepted")
        return (equation,), (start,), False
    equations, starts = tuple(equation), tuple(start)
    if len(equations) != len(starts) or not equations:
        raise DomainError(f"{len(equations)} equations and {len(starts)} densities: equal numbers >= 1 are accepted")
    return equations, starts, True


def _times(times: ArrayLike) -> Array:
    when = np.atleast_1d(np.asarray(times, float))
    if when.ndim != 1 or when.size == 0:
        raise DomainError(f"times have shape {when.shape}: a number or a non-empty sequence is accepted")
    for k, value in enumerate(when):
        if not (np.isfinite(value) and value >= 0.0 and (k == 0 or value > when[k - 1])):
            raise DomainError(f"times[{k}] is {value:g}: finite, increasing times >= 0 are accepted")
    return when


def _chosen(
    method: Method,
    equations: tuple[FokkerPlanck, ...],
    starts: tuple[Density, ...],
    coupled: bool,
    peclet: float,
    known: tuple[Sampled | None, ...],
    end: float,
    follow: bool,
) -> str:
    if method not in ("auto", "sweeps", "generator", "fipy"):
        raise DomainError(f"method {method!r}: accepted are auto, sweeps, generator, fipy")
    fixed = not coupled and equations[0].autonomous and not follow
    if method in ("generator", "fipy") and not fixed:
        raise DomainError(
            f"method {method!r} with a coupled, time- or density-dependent equation or a moving grid: "
            "'sweeps' is accepted for those"
        )
    if method != "auto":
        return method
    if not fixed or peclet > RESOLVED:
        return "sweeps"
    grid = starts[0].grid
    cheap = grid.size <= SMALL or (known[0] is not None and jump_rate(known[0], grid) * end * grid.size <= CHEAP)
    return "generator" if cheap else "sweeps"


def _by_sweeps(
    stepper: Stepper,
    starts: tuple[Density, ...],
    when: Array,
    tolerance: float,
    follow: bool,
    progress: Progress | None,
    path: list[tuple[float, float, int]],
) -> Evolution:
    state, coupled = tuple(np.array(d.values).ravel() for d in starts), stepper.coupled
    if follow:
        stepper.move(Follower().refit(stepper.grids, state))
    control = Controller(stepper, state, tolerance, when[-1], Follower() if follow else None, progress)
    densities, errors, absorbed = [], [], []
    for t in when:
        control.run_to(float(t))
        if t == when[-1]:
            control.close()  # before the last answer is made: one array less at the peak
        for u in state:
            if not u.any():
                raise DomainError(f"nothing is left at t={t:g}: all mass has been absorbed; earlier times are accepted")
        now = tuple(Density(g, u.reshape(g.shape)) for g, u in zip(stepper.grids, state, strict=True))
        densities.append(now if coupled else now[0])
        errors.append(min(control.error, 2.0))  # no two densities are further apart
        absorbed.append(control.absorbed.copy() if coupled else float(control.absorbed[0]))
    path[:] = control.path
    said = []
    if control.error > 1.5 * tolerance:
        reason = "the grid's own error hides it: more cells" if control.floor else "steps were refined too late"
        said.append(f"time error {control.error:.2g} exceeds the tolerance {tolerance:g}: {reason}")
    said += _added(stepper.added)
    return Evolution(
        when,
        tuple(densities),
        np.array(errors),
        np.full(len(when), np.nan),
        np.array(absorbed),
        control.taken,
        control.rejected,
        "sweeps",
        tuple(said),
    )


def _again(
    equations: tuple[FokkerPlanck, ...],
    starts: tuple[Density, ...],
    coupled: bool,
    when: Array,
    path: list[tuple[float, float, int]],
    team: Team,
) -> Evolution:
    """The steps of an earlier evolution, on other grids: what differs is the grid's doing alone."""
    state = tuple(np.array(d.values).ravel() for d in starts)
    stepper = Stepper(equations, tuple(d.grid for d in starts), coupled, team)
    densities, k = [], 0
    for t in when:
        while k < len(path) and path[k][0] < t:
            stepper.advance(state, *path[k])
            k += 1
        now = tuple(
            Density(g, u.reshape(g.shape)) if u.any() else d
            for g, u, d in zip(stepper.grids, state, starts, strict=True)
        )
        densities.append(now if coupled else now[0])
    none = np.zeros(len(when))
    return Evolution(when, tuple(densities), none, none, none, sum(p[2] for p in path), 0, "sweeps")


def _by_fipy(densities: tuple[Density, ...], error: Array, steps: int, said: tuple[str, ...], when: Array) -> Evolution:
    none = np.full(len(when), np.nan)
    return Evolution(when, densities, error, none, np.zeros(len(when)), steps, 0, "fipy", said)


def _by_generator(equation: FokkerPlanck, start: Density, when: Array, threads: int | None) -> Evolution:
    from fpsim.generator import build_generator
    from fpsim.generator.uniformization import evolve as uniformize

    generator = build_generator(equation, start.grid)
    found = uniformize(generator, generator.masses(start), when.tolist(), tail=TAIL, threads=threads)
    densities = tuple(generator.density(state) for state in found.states)
    none, said = np.full(len(when), np.nan), tuple(_added(generator.added))
    return Evolution(when, densities, np.full(len(when), TAIL), none, found.absorbed, 0, 0, "generator", said)


def _added(amount: float) -> list[str]:
    if amount == 0.0:
        return []
    return [f"an isotropic diffusion of up to {amount:.3g} was added: the tensor is too anisotropic for the grid"]


def _difference(fine: Evolution, wide: Evolution) -> Array:
    """L1 distance per time between two evolutions, on the cells of the second; the worst equation's."""
    out = []
    for a, b in zip(fine.densities, wide.densities, strict=True):
        pairs = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
        out.append(max(float(np.abs(regrid(x, y.grid).values - y.values).sum()) * y.grid.cell_volume for x, y in pairs))
    return np.array(out)


def _cautions(result: Evolution, starts: tuple[Density, ...]) -> list[str]:
    """What the densities themselves call for, each reason once, with the time at which it first holds."""
    found: dict[str, str] = {}
    for t, now in zip(result.times, result.densities, strict=True):
        for density, start in zip(now if isinstance(now, tuple) else (now,), starts, strict=True):
            for text in cautions(density, start.edge_mass()):
                found.setdefault(text.split(" along ")[-1].split(":")[0][:16], f"t={t:g}: {text}")
    return list(found.values())
