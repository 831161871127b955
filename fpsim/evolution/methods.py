"""The ways to evolve: by sweeps with step control, by the generator in two ways, by FiPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid, regrid
from fpsim.equation import FokkerPlanck
from fpsim.evolution.control import Controller
from fpsim.evolution.evolution import Run
from fpsim.evolution.follow import Follower
from fpsim.evolution.request import Request
from fpsim.evolution.stepper import Stepper
from fpsim.evolution.survey import Walls
from fpsim.support.checks import check_left
from fpsim.support.errors import DomainError

if TYPE_CHECKING:  # linear algebra that sweeps do without
    from collections.abc import Callable

    from fpsim.generator.generator import Generator
    from fpsim.generator.propagation.rational import RationalPropagation

__all__ = ["Path", "by_fipy", "by_generator", "by_rational", "by_sweeps", "repeat"]

Array = NDArray[np.float64]

TAIL = 1e-14
"""Relative error in time of the generator."""


class Path(NamedTuple):
    """How an evolution went.

    Attributes
    ----------
    steps : list of (t, h, count)
        Steps that were taken: from when, how long, how many.
    moves : list of (k, grids)
        Grids that it moved to before step ``k``.
    """

    steps: list[tuple[float, float, int]]
    moves: list[tuple[int, tuple[Grid, ...]]]


def by_sweeps(
    stepper: Stepper, starts: tuple[Density, ...], asked: Request, *, longest: float, walls: Walls
) -> tuple[Run, Path]:
    """Evolve within the tolerance, by steps no longer than ``longest``; also the steps that this took.

    ``walls`` says how drift meets the walls.
    """
    state, coupled, when = tuple(d.values.flatten() for d in starts), stepper.coupled, asked.times
    follower = Follower() if asked.follow else None
    control = Controller(stepper, state, asked.tolerance, asked.end, follower, asked.progress, longest, walls)
    densities, errors, absorbed = [], [], []
    for t in when.tolist():
        control.run_to(t)
        if t == asked.end:
            control.close()  # before the last answer is made: one array less at the peak
        for u in state:
            check_left(u, t)
        now = tuple(Density(g, u.reshape(g.shape)) for g, u in zip(stepper.grids, state, strict=True))
        densities.append(now if coupled else now[0])
        errors.append(min(control.stated, 2.0))  # no two densities are further apart
        absorbed.append(control.absorbed if coupled else control.absorbed[0])
    said = []
    if control.stated > 1.5 * asked.tolerance:
        reason = "the grid's own error hides it: more cells" if control.floor else "steps were refined too late"
        if control.early > control.error:
            reason = "drift carries the density into an absorbing wall: method='generator' takes no steps"
        if walls.pressed:
            reason = "drift presses on a reflecting wall, where sweeps are of first order: method='generator' is not"
        said.append(f"time error {control.stated:.2g} exceeds the tolerance {asked.tolerance:g}: {reason}")
    if follower is not None and follower.missed:
        axes = ", ".join(sorted({stepper.grids[k].names[axis] for k, axis in follower.missed}))
        said.append(f"the box does not grow with the density along {axes}: more cells are needed to resolve it there")
    said += _added(stepper.added)
    account = np.array(errors), np.array(absorbed), control.taken, control.rejected
    return Run(when, tuple(densities), *account, "sweeps", tuple(said)), Path(control.path, control.moves)


def repeat(stepper: Stepper, starts: tuple[Density, ...], when: Array, path: Path) -> Run:
    """The steps of an earlier evolution, on cells twice as wide: what differs is the grid's doing alone."""
    state = tuple(d.values.flatten() for d in starts)
    densities, k, moves = [], 0, list(path.moves)

    def move() -> None:
        while moves and moves[0][0] <= k:
            grids = tuple(g.coarser() for g in moves.pop(0)[1])
            for u, g, there in zip(state, stepper.grids, grids, strict=True):
                u[:] = regrid(Density.over(g, u), there).values.ravel()
            stepper.move(grids)

    for t in when:
        while k < len(path.steps) and path.steps[k][0] < t:
            move()
            stepper.advance(state, *path.steps[k])
            k += 1
        move()
        now = tuple(
            Density(g, u.reshape(g.shape)) if u.any() else d
            for g, u, d in zip(stepper.grids, state, starts, strict=True)
        )
        densities.append(now if stepper.coupled else now[0])
    none = np.zeros(len(when))
    return Run(when, tuple(densities), none, none, sum(p[2] for p in path.steps), 0, "sweeps")


def by_generator(generator: Generator, start: Density, when: Array, threads: int | None) -> Run:
    """Uniformization: exact in time."""
    from fpsim.generator.propagation.propagate import propagate_masses
    from fpsim.generator.propagation.states import densities_of

    found = propagate_masses(generator, generator.masses(start), when.tolist(), tolerance=TAIL, threads=threads)
    densities = densities_of(generator, found.states, when)
    said = tuple(_added(generator.added))
    return Run(when, densities, np.full(len(when), TAIL), found.absorbed, 0, 0, "generator", said)


def by_rational(approximate: Callable[..., RationalPropagation], start: Density, asked: Request) -> Run:
    """Rational approximation along a single axis, within the tolerance."""
    grid, when = start.grid, asked.times
    # a density is as good as a mass: the equation is linear, and cells are equal
    found = approximate(start.values, when, asked.tolerance)
    try:
        densities = tuple([Density.over(grid, state) for state in found.states])
    except DomainError:
        for t, state in zip(when.tolist(), found.states, strict=True):
            check_left(state, t)
        raise
    absorbed, error = found.absorbed * grid.cell_volume, float(found.error[-1])
    said: tuple[str, ...] = ()
    if error > 1.5 * asked.tolerance:
        reason = "rounding, or undershoots that were filled"
        said = (f"time error {error:.2g} exceeds the tolerance {asked.tolerance:g}: {reason}",)
    if absorbed[-1] > 0.0 and densities[-1].mass < error * start.mass:
        left = f"t={asked.end:g}: mass {densities[-1].mass:.2g} is left, less than its error"
        said = (*said, f"{left}: a smaller tolerance, or method='generator', tells it from none")
    return Run(when, densities, found.error, absorbed, found.solves, 0, "rational", said)


def by_fipy(equation: FokkerPlanck, start: Density, when: Array, tolerance: float) -> Run:
    """FiPy, as an independent reference."""
    from fpsim.validation.fipy import evolve_fipy

    densities, error, steps, said = evolve_fipy(equation, start, when, tolerance=tolerance)
    return Run(when, densities, error / start.mass, np.zeros(len(when)), steps, 0, "fipy", said)


def _added(amount: float) -> list[str]:
    if amount == 0.0:
        return []
    return [f"an isotropic diffusion of up to {amount:.3g} was added: the tensor is too anisotropic for the grid"]
