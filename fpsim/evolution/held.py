"""How much memory coefficients may take, and how much they would.

An evolution by sweeps takes six arrays of the grid's size, its start included, or 64 MB if that is more; answers at
more than one time come on top. What the densities leave of it is for coefficients. Those that do not fit are evaluated
again whenever a sweep needs them (see :mod:`fpsim.evolution.late`), which takes longer.

Limits: a single axis, arrays for phi or whose calculus needs their slopes, answers that belong to the whole grid (as
``p.values`` does), and correlated tensors that are not answered at lists of places cannot be evaluated in parts. What
coefficients take is judged from about two thousand places. On very uneven grids, of six by some ten thousand cells,
what goes with the longest line is not small.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from fpsim.density.grid import Grid
from fpsim.equation import Calculus, DiffusionField, FokkerPlanck
from fpsim.evolution.grid_arrays import sampled
from fpsim.evolution.parts import PLACES, Parts
from fpsim.evolution.sweeps import Sampled
from fpsim.lattice.bases import lattice_bases
from fpsim.lattice.boxes import cells_of_box
from fpsim.lattice.lines import line_bytes, wraps

__all__ = [
    "Held",
    "allowance",
    "held_late",
    "held_whole",
    "line_and_spread_bytes",
    "scratch_bytes",
    "too_large",
    "working_bytes",
]

Offset = tuple[int, ...]

ARRAYS = 6.0
"""Arrays of the grid's size that an evolution to one time may take, with its start."""

FREE = 64e6
"""Bytes that any evolution may take."""

STATES = 3.0
"""The state and two copies for the step control; the last answer is made when these are gone."""

PREDICTED = 1.0
"""The density half a step ahead, which coefficients that depend on it are given."""

ENTRIES = 4
"""Arrays per entry of the tensor that coefficients of a part of the grid take while they are evaluated."""

BASES = 0.25
"""Arrays that the basis of every cell takes, if there are at most 65 536 of them."""

SEARCH = 0.25
"""Arrays that it takes to put the bases together, or to find lines."""

CHANGING = 2.0
"""Coefficients that change: what is made on the way to them is there beside the densities."""

OFFSETS = {1: 1, 2: 6, 3: 14, 4: 48}
"""Offsets that a correlated tensor meets which varies with place, about: more than one place needs."""

PER_CELL_OF_A_LINE = 4 * (9 + 7) + 20
"""Numbers in the tables and scratch of sweeps along an axis."""

JUMPS = 7.0, 5.0
"""Arrays per offset that rates of jumps take: with what is made on the way to a few, and of many."""

SEAMS = 20.0
"""The same for every offset, by the share of cells at the ends of periodic axes."""

EIGENVECTORS = 3.0
"""Matrices in every cell, on the way to the rates of a tensor that varies with place."""


class Held(NamedTuple):
    """Bytes that coefficients take: those of sweeps with their tables, or those of the generator as rates of jumps.

    ``reach``: cells that the longest of these jumps goes along an axis.
    """

    sweeps: float
    generator: float
    reach: int


def allowance(equation: FokkerPlanck, grid: Grid) -> float:
    """Bytes that coefficients may take."""
    array, densities = 8.0 * grid.size, 1.0 + STATES + PREDICTED * equation.mean_field
    return max(max(ARRAYS * array, FREE) - densities * array - scratch_bytes(grid), 0.0)


def too_large(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> Sampled | None:
    """If coefficients would take more than they may and can be evaluated in parts instead, what is known of them."""
    may = allowance(equation, grid)
    most = CHANGING * 8.0 * grid.size * (grid.ndim + OFFSETS[grid.ndim])
    if most <= may or not _may_be_cut(equation, grid):
        return None
    known = Parts(equation, grid, t, p).thinned()
    return known if known is not None and held_whole(known, equation, grid).sweeps > may else None


def _may_be_cut(equation: FokkerPlanck, grid: Grid) -> bool:
    """Whether the coefficients can be evaluated on a part of the grid."""
    given = sampled(equation, grid)
    slopes = equation.calculus is not Calculus.ITO or equation.phi is not None
    return grid.ndim > 1 and "phi" not in given and not ("diffusion" in given and slopes)


def held_whole(known: Sampled, equation: FokkerPlanck, grid: Grid) -> Held:
    """What coefficients take that are evaluated all at once, from those on the grid or at some places."""
    tables, arrays, reach = _tables(known, grid)
    return Held(tables * (1.0 if equation.autonomous else CHANGING), 8.0 * grid.size * arrays, reach)


def held_late(known: Sampled, equation: FokkerPlanck, grid: Grid) -> Held:
    """What coefficients take that are evaluated in parts, from those at some places."""
    working, (tables, arrays, reach) = (
        working_bytes(grid, correlated=not known.diffusion.diagonal),
        _tables(known, grid),
    )
    room = max(allowance(equation, grid) - working, 0.0)
    return Held(working + min(tables, room), 8.0 * grid.size * arrays, reach)


def _tables(known: Sampled, grid: Grid) -> tuple[float, float, int]:
    """Bytes of tables for sweeps; arrays of the grid's size that rates of jumps take; cells that these go at most."""
    field, n = known.diffusion, grid.ndim
    held = sum(_whole(b.shape, grid) for b in known.drift)
    few, many = (each + SEAMS * sum(1 / m for i, m in enumerate(grid.shape) if grid.periodic(i)) for each in JUMPS)
    entries = [e for row in field.entries for e in row if e is not None]
    if field.diagonal:
        return held + sum(_whole(e.shape, grid) for e in entries), few * n, 1
    table, met = _whole(_shape(field), grid), _met(field, grid)  # that of every offset
    lines = [line_and_spread_bytes(grid, o, table) for o in met]
    varies = prod(_shape(field)) > 1
    count = max(len(lines), OFFSETS[n]) if varies else len(lines)
    jumps = many * count + EIGENVECTORS * n**2 if varies else few * count
    reach = max((abs(v) for offset in met for v in offset), default=1)
    return held + count * (table + sum(lines) / max(len(lines), 1)) + SEARCH * 8.0 * grid.size, jumps, reach


def working_bytes(grid: Grid, *, correlated: bool) -> float:
    """Bytes that evaluation in parts takes."""
    evaluated = 8.0 * ENTRIES * grid.ndim**2 * cells_of_box(grid.shape)
    return evaluated + correlated * (BASES + SEARCH) * 8.0 * grid.size


def line_and_spread_bytes(grid: Grid, offset: Offset, table: float) -> float:
    """Bytes of lines, and of a table of so many bytes where it is made as large as the grid because they wrap."""
    spread = 8.0 * grid.size if wraps(grid, offset) and 8.0 < table < 8.0 * grid.size else 0.0
    return line_bytes(grid, offset) + spread


def scratch_bytes(grid: Grid) -> float:
    """Bytes of tables and scratch of sweeps along axes."""
    return 8.0 * PER_CELL_OF_A_LINE * sum(grid.shape)


def _whole(shape: tuple[int, ...], grid: Grid) -> float:
    """Bytes on the grid of what has a broadcast shape on a part of it."""
    return 8.0 * prod(n if m > 1 else 1 for m, n in zip(shape, grid.shape, strict=True))


def _shape(field: DiffusionField) -> tuple[int, ...]:
    return np.broadcast_shapes(*(e.shape for row in field.entries for e in row if e is not None))


def _met(field: DiffusionField, grid: Grid) -> list[Offset]:
    """Offsets of a tensor, from some of its places."""
    shape = _shape(field)
    across = PLACES ** (1 / max(sum(n > 1 for n in shape), 1))
    some = tuple(slice(None, None, max(int(n / across), 1)) for n in shape)
    cells = (tuple(None if e is None else np.broadcast_to(e, shape)[some] for e in row) for row in field.entries)
    return [use.offset for use in lattice_bases(DiffusionField(tuple(cells)), grid).used()]
