"""Coefficients of large grids, evaluated when a sweep needs them and for a part of its lines at a time.

:func:`late_blocks` looks at the grid box by box to learn which sweeps there are and which tables are small enough to be
kept. A :class:`LateSweep` makes the others for some lines, sweeps those, and goes on: lines along an axis come in
boxes that go from wall to wall along it, lines along other offsets in the order in which they are found. Of a tensor
with correlations the basis of every cell is kept (see :mod:`fpsim.lattice.bases`), because finding it takes longer than
many sweeps.

Limits: coefficients that depend on the density are asked for many parts of the grid, each time with the same density:
what they need of it (a mean, an interaction) should be kept by them. See also :mod:`fpsim.evolution.held`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation import FokkerPlanck
from fpsim.evolution import held
from fpsim.evolution.diffusion_sweep import DiffusionSweep, jump_sweep
from fpsim.evolution.drift_sweep import DriftSweep
from fpsim.evolution.parts import ROUNDING, Parts
from fpsim.evolution.sweep import Account, Block, Part, Sweep, Table, table_of
from fpsim.lattice.bases import BasisTable, LatticeBases, Use, joined, lattice_bases
from fpsim.lattice.boxes import Where, boxes, cells_of_box, place_in, shape_with
from fpsim.lattice.line_set import LineSet
from fpsim.lattice.lines import portions_of_lines
from fpsim.lattice.selling import coupled_axes
from fpsim.support.threads import Team

__all__ = ["LateSweep", "late_blocks"]

Array = NDArray[np.float64]
Offset = tuple[int, ...]
Shape = tuple[int, ...]

SMALL = 1 / 64
"""Share of the grid's size below which a table is kept in any case."""


@dataclass(frozen=True, eq=False)
class LateSweep:
    """A sweep that is made for some lines at a time when it is applied; see :class:`fpsim.evolution.sweep.Sweep`."""

    speed: float
    parts: Callable[[], Iterator[Sweep]]

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:
        """See :class:`fpsim.evolution.sweep.Sweep`."""
        absorbed = clipped = 0.0
        for part in self.parts():
            more, moved = part.apply(u, dt, team, steps=steps, pieces=pieces)
            absorbed, clipped = absorbed + more, clipped + moved
        return Account(absorbed, clipped)


def late_blocks(
    equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None
) -> tuple[tuple[Block, ...], float]:
    """Blocks of sweeps (none assumed to commute), and the largest isotropic diffusion that had to be added.

    They hold the density ``p`` that coefficients are given.
    """
    known = Parts(equation, grid, t, p)
    bases = _bases(known)
    working = held.working_bytes(grid, correlated=bases.correlated)
    room = _Room(held.allowance(equation, grid) - working, SMALL * 8.0 * grid.size)
    jumps = [_jump_sweep(known, bases, use, room) for use in sorted(bases.used(), reverse=True)]
    flows = [_drift_sweep(known, axis, room) for axis in range(grid.ndim)]
    return tuple((sweep,) for sweep in (*jumps, *flows) if sweep.speed > 0.0), bases.added_max


@dataclass
class _Room:
    """Bytes left for tables that are kept, and a size up to which any is."""

    left: float
    small: float

    def takes(self, size: float) -> bool:
        stays = size <= max(self.left, self.small)
        self.left -= stays * size
        return stays


def _bases(known: Parts) -> LatticeBases:
    """Which offsets the tensor uses, everywhere; axes that are coupled anywhere are taken together everywhere."""
    tables: dict[Shape, BasisTable] = {}
    groups: list[Shape] = []
    while True:
        parts: list[tuple[Where, LatticeBases]] = []
        for where, box in boxes(known.grid):
            field = known.diffusion(where, box)
            before, groups = groups, coupled_axes(field, groups)
            if parts and groups != before:
                break
            parts.append((where, lattice_bases(field, box, tables=tables, groups=groups)))
        else:
            return joined(parts, known.grid.shape)


def _outline(known: Parts, axis: int) -> tuple[Shape, float]:
    """Broadcast shape of the drift along an axis on its faces, and its largest value.

    Slopes come without the axes along which they do not vary in a box: other boxes may have other values.
    """
    grid, most = known.grid, 0.0
    faces, shape = tuple(n + (a == axis) for a, n in enumerate(grid.shape)), (1,) * grid.ndim
    met: dict[Any, tuple[Array, list[Where]]] = {}
    for where, box in boxes(grid, uncut=(axis,)):
        b = known.drift(where, box, axis)
        shape, most = shape_with(shape, b.shape, faces), max(most, float(b.max()), -float(b.min()))
        if 1 in b.shape:
            key = tuple(0 if n == 1 else s.start + 1 for n, s in zip(b.shape, where, strict=True))
            first, places = met.setdefault(key, (b, []))
            places.append(where)
            if float(np.abs(first - b).max()) > ROUNDING * most:
                shape = tuple(full if n == 1 else m for n, m, full in zip(b.shape, shape, faces, strict=True))
    return (shape if _agree(met.values(), shape, axis, ROUNDING * most) else faces), most


def _agree(met: Iterable[tuple[Array, list[Where]]], shape: Shape, axis: int, noise: float) -> bool:
    """Whether boxes that share a place in values of a broadcast shape have the same value there."""
    if 1 not in shape:
        return True
    table = np.full(shape, np.nan)
    for b, places in met:
        for where in places:
            at = place_in(where, shape, faces_of=axis)
            if bool((np.abs(table[at] - b) > noise).any()):
                return False
            table[at] = b
    return True


def _drift_sweep(known: Parts, axis: int, room: _Room) -> Sweep:
    grid = known.grid
    shape, most = _outline(known, axis)
    if not room.takes(8.0 * prod(shape)):
        return LateSweep(most / grid.spacing[axis], partial(_flow, known, axis))
    table = np.empty(shape)
    for where, box in boxes(grid, uncut=(axis,)):
        table[place_in(where, shape, faces_of=axis)] = known.drift(where, box, axis)
    return DriftSweep(grid, axis, table)


def _flow(known: Parts, axis: int) -> Iterator[Sweep]:
    """Sweeps of the drift along an axis, box by box."""
    for where, box in boxes(known.grid, uncut=(axis,)):
        yield DriftSweep(box, axis, known.drift(where, box, axis), part=_part(known.grid, where))


def _rates(known: Parts, bases: LatticeBases, offset: Offset, where: Where, box: Grid) -> Array:
    """Rates of the jumps along an offset in a box."""
    coupled = bases.couples(offset)
    entries = known.entries(where, box) if coupled else known.diffusion(where, box).entries
    return bases.at(lambda names: names[place_in(where, names.shape)]).rate(entries, offset)


def _jump_sweep(known: Parts, bases: LatticeBases, use: Use, room: _Room) -> Sweep:
    grid, table = known.grid, 8.0 * prod(use.shape)
    with_lines = room.takes(table + held.line_and_spread_bytes(grid, use.offset, table))
    if not with_lines and not room.takes(table):
        return LateSweep(2.0 * use.highest, partial(_jumps, known, bases, use.offset))
    rates = np.zeros(use.shape)
    for where, box in boxes(grid):
        rates[place_in(where, use.shape)] = _rates(known, bases, use.offset, where, box)
    if with_lines:
        return jump_sweep(grid, use.offset, rates)
    return LateSweep(2.0 * use.highest, partial(_jumps_from, rates, grid, use.offset))


def _jumps(known: Parts, bases: LatticeBases, offset: Offset) -> Iterator[Sweep]:
    """Sweeps of the jumps along an offset, for some lines at a time."""
    grid = known.grid
    if not bases.couples(offset):
        for where, box in boxes(grid, uncut=(offset.index(1),)):
            rate = _rates(known, bases, offset, where, box)
            yield jump_sweep(box, offset, rate, keep=False, part=_part(grid, where))
        return
    for lines in portions_of_lines(grid, offset, cells_of_box(grid.shape)):
        cells = lines.cells()
        used = bases.at(partial(_chosen, cells, grid.shape)).where(offset)
        if used.any():
            there, rates = cells[used], np.zeros(cells.size)
            chosen = bases.at(partial(_chosen, there, grid.shape))
            rates[used] = chosen.rate(known.entries_at(there), offset)
            yield DiffusionSweep(lines, _listed(lines, rates))


def _jumps_from(rates: Array, grid: Grid, offset: Offset) -> Iterator[Sweep]:
    """The same with rates that are kept."""
    for lines in portions_of_lines(grid, offset, cells_of_box(grid.shape)):
        if rates.size == 1:
            yield DiffusionSweep(lines, table_of(lines, rates, keep=False))
        else:
            yield DiffusionSweep(lines, _listed(lines, _chosen(lines.cells(), grid.shape, rates)))


def _part(grid: Grid, where: Where) -> Part:
    return Part(grid.shape, tuple(s.start for s in where))


def _chosen(cells: NDArray[np.int32], shape: Shape, names: NDArray[Any]) -> NDArray[Any]:
    """Values at cells, given on a grid of that shape or broadcasting to it."""
    if names.shape == shape:
        return names.ravel()[cells]
    return np.broadcast_to(names, shape)[np.unravel_index(cells, shape)]


def _listed(lines: LineSet, values: Array) -> Table:
    """Values in the cells of lines, one line after the other, as a table."""
    starts = np.zeros(lines.count, np.int32)
    np.cumsum(lines.lengths[:-1], out=starts[1:])
    return Table(values, starts, 1, lines.order[:0])
