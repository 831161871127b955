"""Methods of evolution: sweeps with step control, the generator by uniformization, a rational approximation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, regrid
from fpsim.evolution.arguments import Arguments
from fpsim.evolution.coefficients import GridScales
from fpsim.evolution.result import MethodResult
from fpsim.evolution.stepping.moving_grid import MovingGrid
from fpsim.evolution.stepping.step_control import StepControl
from fpsim.evolution.stepping.time_stepping import Path, TimeStepping
from fpsim.evolution.sweeps.splitting import Splitting
from fpsim.support.checks import check_left
from fpsim.support.errors import DomainError

if TYPE_CHECKING:  # linear algebra that sweeps do without
    from fpsim.generator.generator import Generator
    from fpsim.generator.propagation.rational import BirthDeathChain

__all__ = ["by_generator", "by_rational", "by_sweeps", "by_the_same_steps"]

Array = NDArray[np.float64]

TAIL = 1e-14
"""Relative error in time of the generator."""


def by_sweeps(
    splitting: Splitting, starts: tuple[Density, ...], asked: Arguments, scales: GridScales
) -> tuple[MethodResult, Path]:
    """Evolve within the tolerance; also the steps that this took."""
    state, coupled, when, walls = (
        tuple(d.values.flatten() for d in starts),
        splitting.coupled,
        asked.times,
        scales.walls,
    )
    moving = MovingGrid() if asked.follow else None
    control = StepControl(
        asked.tolerance,
        asked.end,
        scales.longest_step,
        fixed=splitting.autonomous,
        searching=splitting.searches_jumps,
        pressed=walls.pressed,
    )
    stepping = TimeStepping(splitting, state, control, walls, moving, asked.progress)
    densities, errors, absorbed = [], [], []
    for t in when.tolist():
        stepping.run_to(t)
        if t == asked.end:
            stepping.close()  # before the last answer is made: one array less at the peak
        for u in state:
            check_left(u, t)
        now = tuple(Density(g, u.reshape(g.shape)) for g, u in zip(splitting.grids, state, strict=True))
        densities.append(now if coupled else now[0])
        errors.append(min(control.error, 2.0))  # no two densities are further apart
        absorbed.append(stepping.absorbed if coupled else stepping.absorbed[0])
    notes = []
    if max(errors) > 1.5 * asked.tolerance:
        reason = "the grid's own error hides it: more cells" if control.floor else "steps were refined too late"
        if control.lost > 0.5 * control.error:
            reason = "drift carries the density into an absorbing wall: method='generator' takes no steps"
        if walls.pressed:
            reason = "drift presses on a reflecting wall, where sweeps are of first order: method='generator' is not"
        if control.unstable:
            reason = "errors grow by themselves, as close to an unstable state"
        notes.append(f"time error {max(errors):.2g} exceeds the tolerance {asked.tolerance:g}: {reason}")
    if moving is not None and moving.missed:
        axes = ", ".join(sorted({splitting.grids[k].names[axis] for k, axis in moving.missed}))
        notes.append(f"the box does not grow with the density along {axes}: more cells are needed to resolve it there")
    notes += _added(splitting.added)
    counts = np.array(errors), np.array(absorbed), stepping.taken, stepping.rejected
    return MethodResult(when, tuple(densities), *counts, "sweeps", tuple(notes)), stepping.path


def by_the_same_steps(splitting: Splitting, starts: tuple[Density, ...], when: Array, path: Path) -> MethodResult:
    """Take the steps of an earlier evolution on cells twice as wide: what differs is the grid's doing alone."""
    state = tuple(d.values.flatten() for d in starts)
    densities, k, moves = [], 0, list(path.moves)

    def move() -> None:
        while moves and moves[0][0] <= k:
            grids = tuple(g.coarser() for g in moves.pop(0)[1])
            for u, g, there in zip(state, splitting.grids, grids, strict=True):
                u[:] = regrid(Density.over(g, u), there).values.ravel()
            splitting.move(grids)

    for t in when:
        while k < len(path.steps) and path.steps[k][0] < t:
            move()
            splitting.advance(state, *path.steps[k])
            k += 1
        move()
        now = tuple(
            Density(g, u.reshape(g.shape)) if u.any() else d
            for g, u, d in zip(splitting.grids, state, starts, strict=True)
        )
        densities.append(now if splitting.coupled else now[0])
    none = np.zeros(len(when))
    return MethodResult(when, tuple(densities), none, none, sum(p[2] for p in path.steps), 0, "sweeps")


def by_generator(generator: Generator, start: Density, when: Array, threads: int | None) -> MethodResult:
    """Uniformization: exact in time."""
    from fpsim.generator.propagation.propagate import propagate_masses
    from fpsim.generator.propagation.states import densities_of

    found = propagate_masses(generator, generator.masses(start), when.tolist(), tolerance=TAIL, threads=threads)
    densities = densities_of(generator, found.states, when)
    notes = tuple(_added(generator.added))
    return MethodResult(when, densities, np.full(len(when), TAIL), found.absorbed, 0, 0, "generator", notes)


def by_rational(chain: BirthDeathChain, start: Density, asked: Arguments) -> MethodResult:
    """Rational approximation along a single axis, within the tolerance."""
    from fpsim.generator.propagation.rational import TOLERANCES, propagate_chain

    grid, when, (least, most) = start.grid, asked.times, TOLERANCES
    # a density is as good as a mass: the equation is linear, and cells are equal
    found = propagate_chain(chain, start.values, when, tolerance=min(max(asked.tolerance, least), most))
    try:
        densities = tuple([Density.over(grid, state) for state in found.states])
    except DomainError:
        for t, state in zip(when.tolist(), found.states, strict=True):
            check_left(state, t)
        raise
    absorbed, error = found.absorbed * grid.cell_volume, float(found.error[-1])
    notes: tuple[str, ...] = ()
    if error > 1.5 * asked.tolerance:
        reason = "rounding, or undershoots that were filled"
        notes = (f"time error {error:.2g} exceeds the tolerance {asked.tolerance:g}: {reason}",)
    if absorbed[-1] > 0.0 and densities[-1].mass < error * start.mass:
        left = f"t={asked.end:g}: mass {densities[-1].mass:.2g} is left, less than its error"
        notes = (*notes, f"{left}: a smaller tolerance, or method='generator', tells it from none")
    return MethodResult(when, densities, found.error, absorbed, found.solves, 0, "rational", notes)


def _added(amount: float) -> list[str]:
    if amount == 0.0:
        return []
    return [f"an isotropic diffusion of up to {amount:.3g} was added: the tensor is too anisotropic for the grid"]
