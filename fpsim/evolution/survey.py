"""What an equation asks for on a grid: its coefficients where they are kept, their size, and how fast they move things.

Coefficients that take more memory than they may are looked at box by box and not kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Grid
from fpsim.density.boundary import Boundary
from fpsim.equation import FokkerPlanck
from fpsim.evolution.drift_sweep import table_bytes
from fpsim.evolution.held import Held, held_late, held_whole, too_large
from fpsim.evolution.parts import Parts
from fpsim.evolution.sweeps import Sampled, sample
from fpsim.lattice.boxes import Where, boxes

__all__ = ["Survey", "Walls", "survey"]

Array = NDArray[np.float64]

FILLED = 1 / 64
"""Square of the share of a box that diffusion may cover within a step."""


class Walls(NamedTuple):
    """How drift meets the walls.

    ``pressed``: it points at a reflecting one somewhere; ``outflow``: at an absorbing one; ``still``: an absorbing one
    has places at which it does not point.
    """

    pressed: bool = False
    outflow: bool = False
    still: bool = False

    @property
    def meets(self) -> bool:
        """Whether drift carries a density to any wall."""
        return self.pressed or self.outflow

    @classmethod
    def of(cls, several: Iterable[Walls]) -> Walls:
        """What holds for any of them."""
        return cls(*map(any, zip(cls(), *several, strict=True)))


@dataclass(frozen=True, eq=False)
class Survey:
    """Coefficients at the start, and what is known about them.

    Attributes
    ----------
    known : Sampled or None
        The coefficients; ``None`` where they are evaluated again for every sweep.
    peclet : (float, float)
        Smallest and largest cell Peclet number ``|b_i| h_i / D_ii`` (infinite where D vanishes).
    jumps : float
        Largest rate at which a cell is left in the generator, about (1 / time).
    held : Held
        Bytes of coefficients that an evolution keeps.
    steep : float
        Largest slope of a drift along its own axis: relaxation takes about ``1 / steep``.
    fills : float
        Rate at which diffusion fills the box, ``max_i D_ii / L_i^2``; zero without drift.
    walls : Walls
    in_parts : bool
        Whether coefficients are evaluated in parts.
    """

    known: Sampled | None
    peclet: tuple[float, float]
    jumps: float
    held: Held
    steep: float
    fills: float
    walls: Walls
    in_parts: bool = False

    @property
    def longest(self) -> float:
        """Longest step of a splitting whose error step doubling can tell.

        Drift first gathers all that it can within a step, diffusion then spreads it: where that fills the box, the
        answer is the same for half the step, and as wrong.
        """
        return FILLED / self.fills if self.fills > 0.0 else np.inf


def survey(equation: FokkerPlanck, grid: Grid, *, p: Any = None) -> Survey:
    """Evaluate and check the coefficients of an equation at time 0.

    Raises
    ------
    DomainError
        If a coefficient is not accepted (which, and where).
    """
    some = too_large(equation, grid, p=p)
    if some is not None:
        parts = Parts(equation, grid, 0.0, p)
        boxed = ((where, parts.both(where, box)) for where, box in boxes(grid))
        return replace(_found(None, grid, boxed, held_late(some, equation, grid)), in_parts=True)
    known = sample(equation, grid, p=p)
    held = held_whole(known, equation, grid)
    if equation.autonomous:
        tables = sum(table_bytes(grid, axis) for axis, b in enumerate(known.drift) if b.size > b.shape[axis])
        held = held._replace(sweeps=held.sweeps + tables)
    return _found(known, grid, [(tuple(slice(0, n) for n in grid.shape), known)], held)


def _found(known: Sampled | None, grid: Grid, parts: Iterable[tuple[Where, Sampled]], held: Held) -> Survey:
    low, high, jumps, steep, fills, drifts, walls = np.inf, 0.0, 0.0, 0.0, 0.0, False, Walls()
    for where, part in parts:
        total = 0.0
        for axis, b in enumerate(part.drift):
            h, diffusion = grid.spacing[axis], part.diffusion.axis(axis)
            drift = np.abs(b) * h
            fastest, widest = float(drift.max()), float(diffusion.max())
            total += (2.0 * widest + fastest) / h**2
            fills, drifts = max(fills, widest / (grid.upper[axis] - grid.lower[axis]) ** 2), drifts or fastest > 0.0
            walls = Walls.of((walls, _walls(b, grid, axis, where[axis])))
            if b.shape[axis] > 1:
                steep = max(steep, float(np.abs(np.diff(b, axis=axis)).max()) / h)
            if drift.shape[axis] > 1 and diffusion.shape[axis] > 1:
                drift = drift[(slice(None),) * axis + (slice(0, -1),)]
            if diffusion.size == 1 and widest > 0.0:
                low, high = min(low, float(drift.min()) / widest), max(high, fastest / widest)
                continue
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                ratio = np.abs(np.where(drift == 0.0, 0.0, drift / diffusion))  # D may be -0.0
            low, high = min(low, float(ratio.min())), max(high, float(ratio.max()))
        jumps = max(jumps, total)
    return Survey(known, (low, high), jumps, held, steep, fills if drifts else 0.0, walls)


def _walls(b: Array, grid: Grid, axis: int, cells: slice) -> Walls:
    """How a drift on the faces of some cells meets the walls of an axis."""
    found = []
    for side, wall in ((0, cells.start == 0), (-1, cells.stop == grid.shape[axis])):
        kind = grid.boundary[axis][side]
        if wall and kind is not Boundary.PERIODIC:
            outwards = b.take(side, axis) * (1.0 if side else -1.0)
            out, absorbing = bool(outwards.max() > 0.0), kind is Boundary.ABSORBING
            found.append(Walls(out and not absorbing, out and absorbing, absorbing and bool(outwards.min() <= 0.0)))
    return Walls.of(found)
