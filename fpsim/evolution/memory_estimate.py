"""Memory of an evolution by method: stated with its answer, and checked before anything is allocated.

Coefficients take what they take: every rate and every drift is held in its own broadcast shape. Before they are
evaluated their shapes are learnt from a few places, if it matters.

Limits: estimates from counts of arrays. That of the generator is up to twice too large where a tensor varies with
place, and leaves out up to 58 MB of transition matrices, on grids of up to 1900 cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import prod

import numpy as np

from fpsim.density import Boundary, Grid
from fpsim.equation import FokkerPlanck
from fpsim.equation.grid_arrays import grid_array_names
from fpsim.equation.sampling import diffusion_at, drift_at
from fpsim.evolution.coefficients import Coefficients
from fpsim.evolution.sweeps.drift_sweep import table_bytes
from fpsim.evolution.sweeps.lines import line_bytes
from fpsim.lattice import lattice_diffusion
from fpsim.support.errors import DomainError
from fpsim.support.memory import check_memory

__all__ = ["check_coefficients", "coefficient_bytes", "evolution_needs", "generator_numbers", "memory_estimate"]

STATES = 4.0
"""Arrays of the grid's size: the state, its companion in longer steps, a copy of each; answers replace the copies."""

PREDICTED = 1.0
"""The density half a step ahead, which coefficients that depend on it are given."""

CHANGING = 2.0
"""Coefficients that change: the entries of the tensor are there beside the rates made of them."""

MARGIN = 0.5
"""Masks and sums while an answer is checked that is not the last."""

PER_CELL_OF_A_LINE = 4 * (9 + 7) + 20
"""Numbers in the tables and scratch of sweeps along an axis."""

EVALUATED = 3.0
"""Arrays per entry of a tensor that varies with place, while it is evaluated and checked."""

OFFSETS = {1: 1, 2: 6, 3: 14, 4: 48}
"""Offsets that a correlated tensor meets which varies with place, about."""

PLACES = 512
"""Places at which shapes of coefficients are looked at, about."""

GENERATOR = 8.0
"""Arrays of states and sums of uniformization, beside its rates."""

JUMPS = 7.0, 5.0
"""Arrays per offset that rates of jumps take in the generator: with what is made on the way to a few, and of many."""

SEAMS = 20.0
"""The same for every offset, by the share of cells at the ends of periodic axes."""

EIGENVECTORS = 3.0
"""Matrices in every cell, on the way to the generator's rates of a tensor that varies with place."""

RATIONAL = 20.0
"""Arrays of a rational approximation, its rates included."""

ANOTHER = 1.6
"""Arrays that one more answer of these two takes."""


def memory_estimate(
    method: str, equations: Sequence[FokkerPlanck], grids: Sequence[Grid], held: float, outputs: int, *, coarse: bool
) -> int:
    """Bytes that an evolution holds at once, beside its start.

    ``held``: bytes of coefficients (:func:`coefficient_bytes`) by sweeps, numbers of rates by the generator.
    ``coarse``: whether it is repeated on cells twice as wide. Methods other than sweeps take a single equation.
    """
    if method == "sweeps":
        return int(_sweeps(equations, grids, held, outputs, coarse))
    grid = grids[0]
    walls = sum(side is Boundary.ABSORBING for pair in grid.boundary for side in pair)
    answers = ANOTHER * (outputs - 1) + coarse
    if method == "generator":
        return int(8.0 * (grid.size * (GENERATOR + 1.25 * walls + answers) + held))
    return int(8.0 * grid.size * (answers + RATIONAL + walls))


def evolution_needs(
    method: str,
    equations: Sequence[FokkerPlanck],
    grids: Sequence[Grid],
    held: float,
    outputs: int,
    *,
    coarse: bool,
    budget: float,
) -> int:
    """Bytes that an evolution takes (:func:`memory_estimate`), refused if they are more than the budget.

    Raises
    ------
    MemoryLimitError
        With the bytes, the budget, and the cells per axis that would fit.
    """
    needed = memory_estimate(method, equations, grids, held, outputs, coarse=coarse)
    if needed <= budget:
        return needed
    what = f"an evolution on {_cells(grids)} cells with {outputs} output time{'s' * (outputs > 1)} by {method}"
    check_memory(needed, what, _advice(grids[0].shape, needed, budget), budget=budget)
    return needed


def _sweeps(equations: Sequence[FokkerPlanck], grids: Sequence[Grid], held: float, outputs: int, coarse: bool) -> float:
    arrays = STATES + PREDICTED * any(e.mean_field for e in equations) + (outputs - 1 + MARGIN if outputs > 1 else 0.0)
    fine, wide = sum(8.0 * g.size for g in grids), sum(8.0 * g.size / 2**g.ndim for g in grids)
    held += sum(8.0 * PER_CELL_OF_A_LINE * sum(g.shape) for g in grids)
    return max(fine * arrays + held, (fine * outputs + wide * (arrays + 1)) if coarse else 0.0)


def coefficient_bytes(known: Coefficients, equation: FokkerPlanck, grid: Grid) -> float:
    """Bytes of coefficients that have been evaluated, with the lines that jumps go along and tables of sweeps."""
    drift, varies = sum(8.0 * b.size for b in known.drift), any(j.values.size > 1 for j in known.jumps)
    jumps = sum(
        8.0 * j.values.size + line_bytes(grid, j.offset) * _coupled(j.offset)
        for j in (*known.jumps, *known.along_walls)
    )
    if varies and any(_coupled(j.offset) for j in known.jumps):  # while they are made, states are not yet there
        jumps += 8.0 * grid.size * (EVALUATED * grid.ndim**2 - STATES)
    if not equation.autonomous:
        return CHANGING * (drift + jumps)
    return drift + jumps + sum(table_bytes(grid, axis) for axis, b in enumerate(known.drift) if b.size > b.shape[axis])


def generator_numbers(known: Coefficients, grid: Grid) -> float:
    """Numbers that the rates of jumps of the generator take."""
    few, many = (each + SEAMS * sum(1 / m for i, m in enumerate(grid.shape) if grid.periodic(i)) for each in JUMPS)
    if not any(_coupled(j.offset) for j in known.jumps):
        return few * grid.ndim * grid.size
    if all(j.values.size == 1 for j in known.jumps):
        return few * len(known.jumps) * grid.size
    count = max(len(known.jumps), OFFSETS[grid.ndim])
    return (many * count + EIGENVECTORS * grid.ndim**2) * grid.size


def check_coefficients(
    equations: Sequence[FokkerPlanck], grids: Sequence[Grid], *, budget: float, moving: bool = False
) -> None:
    """Refuse coefficients that will not fit, before they are evaluated.

    Raises
    ------
    MemoryLimitError
        With the bytes, the budget, and the cells per axis that would fit.
    """
    total = 0.0
    for equation, grid in zip(equations, grids, strict=True):
        most = grid.ndim + EVALUATED * grid.ndim**2 + OFFSETS[grid.ndim]  # arrays, were each of the grid's size
        if 8.0 * grid.size * most * CHANGING > budget:
            most = _arrays(equation, grid)
        total += 8.0 * grid.size * most * (1.0 if equation.autonomous and not moving else CHANGING)
    shape = grids[0].shape
    check_memory(total, f"an evolution on {_cells(grids)} cells", _advice(shape, total, budget), budget=budget)


def _cells(grids: Sequence[Grid]) -> str:
    return " + ".join("x".join(map(str, g.shape)) for g in grids)


def _advice(shape: tuple[int, ...], needed: float, budget: float) -> str:
    """Cells per axis that would fit."""
    share = (budget / needed) ** (1 / len(shape)) if needed > budget else 1.0
    return f"about {'x'.join(str(max(int(0.97 * share * n), 1)) for n in shape)} cells fit"


def _coupled(offset: tuple[int, ...]) -> bool:
    return sum(map(abs, offset)) > 1


def _arrays(equation: FokkerPlanck, grid: Grid) -> float:
    """Arrays of the grid's size that coefficients and states take, from shapes at a few places."""
    whole = grid.ndim + EVALUATED * grid.ndim**2 + OFFSETS[grid.ndim]
    if equation.mean_field or grid_array_names(equation, grid):
        return whole
    few = max(round(PLACES ** (1 / grid.ndim)), 2)
    index = [np.linspace(0, n - 1, min(few, n)).round().astype(int) for n in grid.shape]
    places = [c[i] for c, i in zip(grid.centers, index, strict=True)]
    mesh = tuple(x.reshape([-1 if a == b else 1 for b in range(grid.ndim)]) for a, x in enumerate(places))
    with suppress(DomainError, ValueError, TypeError, IndexError):  # evaluated whole they raise with the right place
        field = diffusion_at(equation, mesh)
        drift = drift_at(equation, mesh, spacing=grid.spacing)
        entries = [e.shape for row in field.entries for e in row if e is not None]
        shapes = [b.shape for b in drift] + entries
        if not field.diagonal:
            shapes += [rate.shape for rate in lattice_diffusion(field, grid).rates]
        checks = 0.0 if field.diagonal or field.constant else EVALUATED * grid.ndim**2 - STATES
        return STATES + checks + sum(_share(s, mesh_shape=tuple(map(len, places)), shape=grid.shape) for s in shapes)
    return whole


def _share(part: tuple[int, ...], *, mesh_shape: tuple[int, ...], shape: tuple[int, ...]) -> float:
    """Size on the grid of what has a broadcast shape at some places, relative to the grid's."""
    return prod((n if m > 1 or k == 1 else 1) / n for m, k, n in zip(part, mesh_shape, shape, strict=True))
