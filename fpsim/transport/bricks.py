"""Coefficients of large grids, evaluated brick by brick.

A grid whose coefficients would fill more memory than they may (``HOLD``) is cut into bricks: small grids of the same
cells. :func:`late_blocks` goes through all of them once to learn which sweeps there are; a :class:`LateSweep` then
evaluates its coefficient when it is applied, into room that all sweeps share. Tables are kept as long as ``HOLD``
lasts, and those that are small anyway. Of a tensor with correlations, the basis of every cell is kept (see
:mod:`fpsim.lattice.bases`), because finding it takes longer than many sweeps.

Limits: coefficients given as arrays, or that depend on the density, are evaluated whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation import FokkerPlanck, diffusion_on_cells, drift_on_faces
from fpsim.equation.diffusion import DiffusionField
from fpsim.equation.evaluation import call
from fpsim.lattice.bases import BasisTable, LatticeBases, lattice_bases
from fpsim.lattice.lines import line_bytes, wraps
from fpsim.parallel import Team
from fpsim.transport.diffusion_sweep import DiffusionSweep
from fpsim.transport.drift_sweep import DriftSweep
from fpsim.transport.sweep import Account, Block, Sweep
from fpsim.transport.sweeps import Sampled, sample

__all__ = ["HOLD", "LateSweep", "bricks", "held_bytes", "late_blocks", "room_size", "too_large"]

Array = NDArray[np.float64]
Offset = tuple[int, ...]

HOLD = 64e6
"""Bytes of coefficients that an evolution keeps. Beyond, they are evaluated again for every sweep."""

BRICKS = 128
"""About how many bricks a grid is cut into: what is evaluated at once is small beside an array of the grid's size."""

LATE = 1.3
"""Arrays of the grid's size that late sweeps need: room for one table, and what a brick needs."""

OFFSETS = {2: 6, 3: 14, 4: 48}
"""Offsets that a correlated tensor meets which varies with place, about: more than one place needs."""

INDEX = 0.25
"""Arrays of the grid's size that the basis of every cell takes, if there are at most 65 536 of them."""

PROBES = 2048
"""Cells where a tensor is decomposed to learn which offsets it meets."""

SMALL = 1 / 16
"""Share of the grid's size below which a table is kept in any case."""


def held_bytes(known: Sampled, grid: Grid, *, late: bool = False) -> float:
    """Bytes of the tables that are kept, from coefficients on the grid or on a part of it."""

    def whole(shape: tuple[int, ...]) -> float:
        return 8.0 * prod(n if m > 1 else 1 for m, n in zip(shape, grid.shape, strict=True))

    held = sum(whole(b.shape) for b in known.drift)
    entries = [e for row in known.diffusion.entries for e in row if e is not None]
    if known.diffusion.diagonal:
        held += sum(whole(e.shape) for e in entries)
        return LATE * 8.0 * grid.size + min(held, HOLD) if late else held
    shape = np.broadcast_shapes(*(e.shape for e in entries))  # that of every offset
    lines = [line_bytes(grid, o) + _spread_bytes(grid, o, whole(shape)) for o in _met(known.diffusion, grid)]
    count = max(len(lines), OFFSETS[grid.ndim]) if prod(shape) > 1 else len(lines)
    held += count * (whole(shape) + sum(lines) / max(len(lines), 1))
    return (LATE + INDEX) * 8.0 * grid.size + max(lines, default=0.0) + min(held, HOLD) if late else held


def _met(field: DiffusionField, grid: Grid) -> list[Offset]:
    """Offsets of a tensor, from some of its cells."""
    shape = np.broadcast_shapes(*(e.shape for row in field.entries for e in row if e is not None))
    across = PROBES ** (1 / max(sum(n > 1 for n in shape), 1))
    some = tuple(slice(None, None, max(int(n / across), 1)) for n in shape)
    cells = (tuple(None if e is None else np.broadcast_to(e, shape)[some] for e in row) for row in field.entries)
    return [use.offset for use in lattice_bases(DiffusionField(tuple(cells)), grid).used()]


def too_large(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0) -> bool:
    """Whether coefficients would take more than ``HOLD`` and can be evaluated in parts instead."""
    if 8.0 * grid.size * (grid.ndim + OFFSETS.get(grid.ndim, 1)) <= HOLD or not _may_be_cut(equation):
        return False
    return held_bytes(sample(equation, next(bricks(grid))[1], t=t), grid) > HOLD


def _may_be_cut(equation: FokkerPlanck) -> bool:
    """Whether the coefficients can be evaluated on a part of the grid."""
    fixed = not callable(equation.diffusion) and _numbers(equation.diffusion) > 16
    given = any(c is not None and not callable(c) for c in (equation.drift, equation.potential, equation.phi))
    return not (equation.mean_field or given or fixed)


def _numbers(raw: Any) -> int:
    """How many numbers a coefficient is given by; rows may have entries of different shapes."""
    return sum(map(_numbers, raw)) if isinstance(raw, (list, tuple)) else np.size(raw)


def bricks(grid: Grid) -> Iterator[tuple[tuple[slice, ...], Grid]]:
    """Parts of a grid and where they are; at least two cells along every axis."""
    target, cuts = max(grid.size // BRICKS, 512), []
    rest = grid.size
    for n in grid.shape:
        pieces = max(min(-(-rest // target), n // 2), 1)
        rest = -(-rest // pieces)
        cuts.append([(k * n // pieces, (k + 1) * n // pieces) for k in range(pieces)])
    for ends in product(*cuts):
        lower = tuple(a + h * i for a, h, (i, _) in zip(grid.lower, grid.spacing, ends, strict=True))
        upper = tuple(a + h * j for a, h, (_, j) in zip(grid.lower, grid.spacing, ends, strict=True))
        yield tuple(slice(i, j) for i, j in ends), Grid(lower, upper, tuple(j - i for i, j in ends))


@dataclass(frozen=True, eq=False)
class LateSweep:
    """A sweep whose coefficient is evaluated when it is applied; see :class:`fpsim.transport.sweep.Sweep`."""

    grid: Grid
    speed: float
    make: Callable[[], Sweep]

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        return self.make().apply(u, dt, team, steps=steps, pieces=pieces)


def late_blocks(
    equation: FokkerPlanck, grid: Grid, room: Callable[[], Array], *, t: float = 0.0
) -> tuple[tuple[Block, ...], float]:
    """Blocks of sweeps (none assumed to commute), and the largest isotropic diffusion that had to be added.

    ``room()`` is flat and has ``room_size(grid)`` numbers; it is asked for where a table is not kept.
    """
    shapes: dict[Offset, tuple[int, ...]] = {}
    highest: dict[Offset, float] = {}
    drifts: list[tuple[tuple[int, ...], float]] = [((1,) * grid.ndim, 0.0)] * grid.ndim
    tables: dict[tuple[int, ...], BasisTable] = {}
    known: list[LatticeBases] = []
    for _, brick in bricks(grid):
        known.append(lattice_bases(diffusion_on_cells(equation, brick, t=t), brick, tables=tables))
        for offset, part, most in known[-1].used():
            shapes[offset] = _union(shapes.get(offset), part, grid.shape)
            highest[offset] = max(highest.get(offset, 0.0), most)
        for axis, (shape, most) in enumerate(drifts):
            b = drift_on_faces(equation, brick, axis, t=t)
            faces = tuple(n + (a == axis) for a, n in enumerate(grid.shape))
            drifts[axis] = _union(shape, b.shape, faces), max(most, float(np.abs(b).max()))

    def rate(offset: Offset, k: int, brick: Grid, out: Array) -> None:
        if known[k].uses(offset):
            out[...] = known[k].rate(_entries(equation, brick, known[k], t), offset)

    def speed(axis: int, k: int, brick: Grid, out: Array) -> None:  # noqa: ARG001
        out[...] = drift_on_faces(equation, brick, axis, t=t)

    out: list[Sweep] = []
    left = HOLD
    for offset, most in sorted(highest.items(), reverse=True):
        shape = shapes[offset]
        table = partial(_gathered, partial(rate, offset), grid, shape)
        more = line_bytes(grid, offset) + _spread_bytes(grid, offset, 8.0 * prod(shape))
        keep, keep_lines, left = _kept(8.0 * prod(shape), more, grid, left)
        jumps = partial(DiffusionSweep, grid, offset, keep=keep_lines)
        out.append(_sweep(grid, 2.0 * most, jumps, table, room, keep, keep_lines))
    for axis, (shape, most) in enumerate(drifts):
        if most > 0.0:
            table = partial(_gathered, partial(speed, axis), grid, shape, faces_of=axis)
            keep, _, left = _kept(8.0 * prod(shape), 0.0, grid, left)
            out.append(
                _sweep(grid, most / grid.spacing[axis], partial(DriftSweep, grid, axis), table, room, keep, True)
            )
    return tuple((sweep,) for sweep in out), max(bases.added_max for bases in known)


def room_size(grid: Grid) -> int:
    """Numbers that the largest table needs: the drift on the faces of the axis with the fewest cells."""
    return max(grid.size // n * (n + 1) for n in grid.shape)


def _kept(table: float, lines: float, grid: Grid, left: float) -> tuple[bool, bool, float]:
    """Whether a table and its lines are kept when ``left`` bytes may be, and how many may be after them."""
    if table + lines <= left:
        return True, True, left - table - lines
    small = SMALL * 8.0 * grid.size
    return table <= small, lines <= small, left


def _sweep(
    grid: Grid,
    speed: float,
    make: Callable[[Array], Sweep],
    table: Callable[[Array | None], Array],
    room: Callable[[], Array],
    keep_table: bool,
    keep_lines: bool,
) -> Sweep:
    """A sweep with everything kept, or one that is made when it is applied."""
    if not keep_table:
        return LateSweep(grid, speed, lambda: make(table(room())))
    values = table(None)
    return make(values) if keep_lines else LateSweep(grid, speed, lambda: make(values))


def _entries(equation: FokkerPlanck, brick: Grid, bases: LatticeBases, t: float) -> Any:
    """Entries of a tensor that has been found to be in order already: its checks take longer than all else."""
    if not bases.correlated:
        return diffusion_on_cells(equation, brick, t=t).entries
    return call(equation.diffusion, brick.mesh(), t, None) if callable(equation.diffusion) else equation.diffusion


def _spread_bytes(grid: Grid, offset: Offset, table: float) -> float:
    """Bytes of a coefficient that is made as large as the grid because lines wrap."""
    return 8.0 * grid.size if wraps(grid, offset) and 8.0 < table < 8.0 * grid.size else 0.0


def _union(shape: tuple[int, ...] | None, part: tuple[int, ...], full: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a table of which one brick has shape ``part``."""
    before = shape or (1,) * len(full)
    return tuple(n if m > 1 or k > 1 else 1 for m, k, n in zip(part, before, full, strict=True))


def _gathered(
    fill: Callable[[int, Grid, Array], None],
    grid: Grid,
    shape: tuple[int, ...],
    room: Array | None,
    *,
    faces_of: int = -1,
) -> Array:
    """A table put together from its bricks, in ``room`` if there is any; zero in those that are left alone."""
    out = (np.empty(prod(shape)) if room is None else room[: prod(shape)]).reshape(shape)
    out.fill(0.0)
    for k, (where, brick) in enumerate(bricks(grid)):
        fill(k, brick, out[_place(where, shape, faces_of)])
    return out


def _place(where: tuple[slice, ...], shape: tuple[int, ...], faces_of: int = -1) -> tuple[slice, ...]:
    """Where a brick is in a table of that shape."""
    return tuple(
        slice(0, 1) if n == 1 else slice(s.start, s.stop + (a == faces_of))
        for a, (s, n) in enumerate(zip(where, shape, strict=True))
    )
