"""Coefficients on the grid, their Peclet numbers, rates and time scales.

Diffusion comes as jumps along lattice offsets (:mod:`fpsim.lattice`): those along the axes of a diagonal tensor, or the
decomposition of a full one. Arrays keep length one along axes on which they do not depend. What is evaluated is held;
limits: it takes the memory that :mod:`fpsim.evolution.memory_estimate` states.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Grid
from fpsim.density.boundary import Boundary
from fpsim.equation import (
    Calculus,
    DiffusionField,
    FokkerPlanck,
    diffusion_on_cells,
    drift_on_faces,
    phi_on_cells,
    potential_on_cells,
)
from fpsim.equation.degenerate_walls import INFINITE_DRIFT, degenerate_walls, text_of_degenerate_wall
from fpsim.equation.discontinuities import has_jumps
from fpsim.lattice import lattice_diffusion, tangential_rates

__all__ = ["Coefficients", "GridScales", "Jumps", "Walls", "evaluate_coefficients", "survey"]

Array = NDArray[np.float64]

FILLED = 1 / 64
"""Square of the share of a box that diffusion may cover within a step."""

COMPACT_END = 2.0 / 6.0**0.5
"""Share of the rates along walls that compact sweeps need.

The form of ``-d2 (I + c d2)^-1``, c = 1/12, has ``c / (1 - c + c z) = 1/2 - 1/sqrt(6)`` times the squared step at an
end already, z the root of ``c + (1 - 2 c) z + c z^2`` within the unit circle; 1/2 is what is missing (see
:mod:`fpsim.lattice.tensor_walls`).
"""


class Jumps(NamedTuple):
    """Jumps along one lattice offset at rate ``values * scale`` in each direction (1 / time)."""

    offset: tuple[int, ...]
    values: Array
    scale: float


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Coefficients of an equation on a grid at a time.

    Attributes
    ----------
    drift : tuple of ndarray
        Per axis, on its faces.
    jumps : tuple of Jumps
        Diffusion: every offset with a rate anywhere.
    along_walls : tuple of Jumps
        Jumps in the cells next to reflecting walls that stand for those of a constant full tensor that would cross them
        (see :mod:`fpsim.lattice.tensor_walls`).
    added : float
        Largest isotropic diffusion added to keep offsets within reach.
    """

    drift: tuple[Array, ...]
    jumps: tuple[Jumps, ...]
    along_walls: tuple[Jumps, ...]
    added: float


class Walls(NamedTuple):
    """Walls at which a splitting errs.

    ``pressed``: drift points at a reflecting one somewhere; ``outflow``: at an absorbing one; ``crossed``: jumps of a
    full tensor would cross a reflecting one.
    """

    pressed: bool = False
    outflow: bool = False
    crossed: bool = False

    @property
    def meets(self) -> bool:
        """Whether there is any."""
        return self.pressed or self.outflow or self.crossed

    @classmethod
    def of(cls, several: Iterable[Walls]) -> Walls:
        """What holds for any of them."""
        return cls(*map(any, zip(cls(), *several, strict=True)))


@dataclass(frozen=True)
class GridScales:
    """Scales of an equation on a grid.

    Attributes
    ----------
    peclet : (float, float)
        Smallest and largest cell Peclet number ``|b_i| h_i / D_ii`` (infinite where D vanishes).
    leaving : float
        Largest rate at which a cell is left in the generator, about (1 / time).
    steepness : float
        Largest slope of a drift along its own axis: relaxation takes about ``1 / steepness``.
    filling : float
        Rate at which diffusion fills the box, ``max_i D_ii / L_i^2``; zero without drift.
    reach : int
        Cells that the longest jump goes along an axis.
    walls : Walls
    rough : bool
        Whether the diffusion is of first order at reflecting walls: jumps across them go over several cells along the
        normal, or at rates that depend on the place.
    irregular : bool
        Whether the grid's error may be of another order than that of the scheme: tensors that turn from place to place
        or had isotropic diffusion added, coefficients that jump, walls at which the diffusion vanishes.
    jumping : bool
        Whether a coefficient jumps: where in a cell it does is not seen, and the grid's error of first order.
    underivable : bool
        Whether one jumps whose derivative is part of the drift: potential, phi, or diffusion that is not meant as Ito.
    wall_order : float
        Order that the grid's error has at most where mass is at a wall: the smallest outflow index of one at which the
        diffusion vanishes or the drift is infinite (:mod:`fpsim.equation.degenerate_walls`).
    singular : bool
        Whether an infinite drift presses on one of them.
    cautions : tuple of str
        Those walls that spoil it, in words.
    """

    peclet: tuple[float, float]
    leaving: float
    steepness: float
    filling: float
    reach: int
    walls: Walls
    rough: bool
    irregular: bool = False
    jumping: bool = False
    underivable: bool = False
    wall_order: float = np.inf
    singular: bool = False
    cautions: tuple[str, ...] = ()

    @property
    def longest_step(self) -> float:
        """Longest step of a splitting whose error step doubling can tell.

        Drift first gathers all that it can within a step, diffusion then spreads it: where that fills the box, the
        answer is the same for half the step, and as wrong.
        """
        return FILLED / self.filling if self.filling > 0.0 else np.inf

    @classmethod
    def of(cls, several: Sequence[GridScales]) -> GridScales:
        """Scales of a coupled system: the extremes of its equations."""
        return cls(
            peclet=(min(s.peclet[0] for s in several), max(s.peclet[1] for s in several)),
            leaving=max(s.leaving for s in several),
            steepness=max(s.steepness for s in several),
            filling=max(s.filling for s in several),
            reach=max(s.reach for s in several),
            walls=Walls.of(s.walls for s in several),
            rough=any(s.rough for s in several),
            irregular=any(s.irregular for s in several),
            jumping=any(s.jumping for s in several),
            underivable=any(s.underivable for s in several),
            wall_order=min(s.wall_order for s in several),
            singular=any(s.singular for s in several),
            cautions=tuple(text for s in several for text in s.cautions),
        )


def evaluate_coefficients(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> Coefficients:
    """Evaluate and check the coefficients of an equation at a time.

    Raises
    ------
    DomainError
        If a coefficient is not accepted (which, and where).
    """
    return _coefficients(_tensor(equation, grid, t, p), grid, _drift(equation, grid, t, p))


def survey(equation: FokkerPlanck, grid: Grid, *, p: Any = None) -> tuple[Coefficients, GridScales]:
    """Coefficients of an equation at time 0, and their scales.

    Raises
    ------
    DomainError
        If a coefficient is not accepted (which, and where).
    """
    tensor, drift = _tensor(equation, grid, 0.0, p), _drift(equation, grid, 0.0, p)
    found = _coefficients(tensor, grid, drift)
    scalars = potential_on_cells(equation, grid, p=p), phi_on_cells(equation, grid, p=p)
    derived = [values for values in scalars if values is not None]
    if equation.calculus is not Calculus.ITO:
        derived += [entry for row in tensor.entries for entry in row if entry is not None]
    underivable = any(has_jumps(values, axis) for values in derived for axis in range(grid.ndim))
    return found, _scales(tensor, grid, found, underivable=underivable)


def _drift(equation: FokkerPlanck, grid: Grid, t: float, p: Any) -> tuple[Array, ...]:
    return tuple(drift_on_faces(equation, grid, axis, t=t, p=p) for axis in range(grid.ndim))


def _tensor(equation: FokkerPlanck, grid: Grid, t: float, p: Any) -> DiffusionField:
    field = diffusion_on_cells(equation, grid, t=t, p=p)
    if equation.mean_field:  # an entry may be the density itself, which will change
        given = [d.values for d in (p if isinstance(p, tuple) else (p,)) if d is not None]
        rows = [[e if e is None or not _shares(e, given) else e.copy() for e in row] for row in field.entries]
        field = DiffusionField(tuple(map(tuple, rows)))
    return field


def _shares(entry: Array, given: Sequence[Array]) -> bool:
    return any(np.may_share_memory(entry, values) for values in given)


def _coefficients(tensor: DiffusionField, grid: Grid, drift: tuple[Array, ...]) -> Coefficients:
    if tensor.diagonal:
        units = [tuple(int(a == axis) for a in range(grid.ndim)) for axis in range(grid.ndim)]
        jumps = [Jumps(e, tensor.axis(a), 1.0 / grid.spacing[a] ** 2) for a, e in enumerate(units)]
        walls, added = [], 0.0
    else:
        found = lattice_diffusion(tensor, grid)
        offsets = [tuple(int(v) for v in e) for e in found.offsets]
        jumps, added = [Jumps(e, r, 1.0) for e, r in zip(offsets, found.rates, strict=True)], found.added_max
        rates = dict(zip(offsets, found.rates, strict=True))
        constant = all(rate.size == 1 for rate in found.rates)  # for others up to twice as many arrays, and no order
        walls = [Jumps(e, r, COMPACT_END) for e, r in tangential_rates(grid, rates).items()] if constant else []
    return Coefficients(drift, _present(jumps), _present(walls), added)


def _present(jumps: Iterable[Jumps]) -> tuple[Jumps, ...]:
    """Those with a rate anywhere."""
    return tuple([jump for jump in jumps if jump.values.any()])


def _scales(tensor: DiffusionField, grid: Grid, found: Coefficients, *, underivable: bool) -> GridScales:
    low, high, steepness, filling, leaving, drifts = np.inf, 0.0, 0.0, 0.0, 0.0, False
    for axis, b in enumerate(found.drift):
        h, diffusion = grid.spacing[axis], tensor.axis(axis)
        drift = np.abs(b) * h
        fastest, widest = float(drift.max()), float(diffusion.max())
        leaving += (2.0 * widest + fastest) / h**2
        filling = max(filling, widest / (grid.upper[axis] - grid.lower[axis]) ** 2)
        drifts = drifts or fastest > 0.0
        if b.shape[axis] > 1:
            steepness = max(steepness, float(np.abs(np.diff(b, axis=axis)).max()) / h)
        if drift.shape[axis] > 1 and diffusion.shape[axis] > 1:
            drift = drift[(slice(None),) * axis + (slice(0, -1),)]
        if diffusion.size == 1 and widest > 0.0:
            low, high = min(low, float(drift.min()) / widest), max(high, fastest / widest)
            continue
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.abs(np.where(drift == 0.0, 0.0, drift / diffusion))  # D may be -0.0
        low, high = min(low, float(ratio.min())), max(high, float(ratio.max()))
    reach = max((abs(v) for jump in found.jumps for v in jump.offset), default=1)
    crossing = _crossing(found, grid)
    walls = Walls.of(_walls(b, grid, axis) for axis, b in enumerate(found.drift))._replace(crossed=bool(crossing))
    spoilt = degenerate_walls(grid, tensor, found.drift)
    entries = [entry for row in tensor.entries for entry in row if entry is not None]
    jumping = underivable or any(has_jumps(v, axis) for v in (*found.drift, *entries) for axis in range(grid.ndim))
    return GridScales(
        peclet=(low, high),
        leaving=leaving,
        steepness=steepness,
        filling=filling if drifts else 0.0,
        reach=reach,
        walls=walls,
        rough=any(steps > 1 or jump.values.size > 1 for jump, steps in crossing),
        irregular=bool(spoilt) or found.added > 0.0 or jumping or (not tensor.diagonal and not tensor.constant),
        jumping=jumping,
        underivable=underivable,
        wall_order=min((wall.outflow_index for wall in spoilt), default=np.inf),
        singular=any(wall.outflow_index < 1.0 and wall.cause == INFINITE_DRIFT for wall in spoilt),
        cautions=tuple(filter(None, (text_of_degenerate_wall(grid, wall) for wall in spoilt))),
    )


def _walls(b: Array, grid: Grid, axis: int) -> Walls:
    """Directions of a drift at the walls of an axis."""
    found = []
    for side in (0, -1):
        kind = grid.boundary[axis][side]
        if kind is not Boundary.PERIODIC:
            outwards = b.take(side, axis) * (1.0 if side else -1.0)
            out, absorbing = bool(outwards.max() > 0.0), kind is Boundary.ABSORBING
            found.append(Walls(out and not absorbing, out and absorbing))
    return Walls.of(found)


def _crossing(found: Coefficients, grid: Grid) -> list[tuple[Jumps, int]]:
    """Jumps of a full tensor that reflecting walls forbid, with the cells that they go along the normal."""
    normals = [axis for axis in range(grid.ndim) if Boundary.REFLECTING in grid.boundary[axis]]
    coupled = [jump for jump in found.jumps if sum(map(abs, jump.offset)) > 1]
    return [(jump, abs(jump.offset[axis])) for jump in coupled for axis in normals if jump.offset[axis]]
