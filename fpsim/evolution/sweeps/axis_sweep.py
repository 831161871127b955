"""Drift and diffusion along one axis whose coefficients depend on that axis alone.

Every line along the axis then obeys the same one-dimensional equation, whatever its neighbours do. A programme of
operations (all halves and steps of a splitting) runs on a tile of lines between one load and one store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.density.remap import REACH, Feet, fill_ghosts, reconstruction_weights, remap_tile
from fpsim.density.tiles import LANES, load_tile, store_tile
from fpsim.evolution.sweeps.characteristics import trace_feet
from fpsim.evolution.sweeps.compact_diffusion import FACTORS, Ends, diffuse_tile, eliminate_tile, factors_of
from fpsim.evolution.sweeps.lines import lines_along
from fpsim.evolution.sweeps.sweep import MassBalance
from fpsim.support.compilation import njit
from fpsim.support.threads import Team

__all__ = ["AxisSweep"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Small = NDArray[np.int32]

DIFFUSE, REMAP = 0, 1
"""Operations of a programme; each comes with the number of its table."""

KEPT = 4
"""Tables that a sweep keeps: fixed coefficients meet the same few steps again and again."""


class Tables(NamedTuple):
    """Tables of the operations of a programme, by number.

    ``cells`` and ``weights`` of remaps, shapes (KEPT, n + 1) and (KEPT, 7, n + 1); ``rate`` of jumps, shape (n,);
    ``steps`` and ``factors`` of diffusion, shapes (KEPT,) and (KEPT, FACTORS, n).
    """

    cells: Integers
    weights: Array
    rate: Array
    steps: Array
    factors: Array


def _room_for(n: int, lines: int) -> int:
    """Numbers of scratch that ``_sweep_lines`` needs for lines of ``n`` cells."""
    return (2 * (n + 2 * REACH) + (n + 4) + 4) * min(lines, LANES) + (FACTORS + 1) * n


@njit(cache=True, nogil=True, error_model="numpy")
def _sweep_lines(
    u: Array,
    starts: Small,
    stride: int,
    periodic: bool,
    ends: Ends,
    programme: Integers,
    tables: Tables,
    begin: int,
    end: int,
    work: Array,
    balance: Array,
) -> None:
    """Run a programme (rows: operation, table) on the lines ``begin ... end`` of the flat array ``u`` in place.

    ``work`` has the size of ``_room_for``; ``balance`` receives per line what left through its ends and what the
    remaps' clamp moved.
    """
    n = ends.last + 1
    tall = n + 2 * REACH
    for first in range(begin, end, LANES):
        lanes = min(LANES, end - first)
        size = (2 * tall + n + 8) * lanes
        rows = work[:size].reshape((2 * tall + n + 8, lanes))
        room = work[size : size + (FACTORS + 1) * n].reshape((FACTORS + 1, n, 1))
        v, w, rest, few = rows[:tall], rows[tall : 2 * tall], rows[2 * tall : -4], rows[-4:]
        few[:2] = 0.0
        lines = starts[first : first + lanes]
        load_tile(u, lines, stride, v[REACH : REACH + n])
        for step in range(len(programme)):
            table = programme[step, 1]
            if programme[step, 0] == REMAP:
                feet = Feet(tables.cells[table], tables.weights[table])
                fill_ghosts(v, n, periodic, False)
                if lanes == 1:  # compiled without loops over lines
                    remap_tile(1, v, w, periodic, feet, rest, few[0], few[1])
                else:
                    remap_tile(lanes, v, w, periodic, feet, rest, few[0], few[1])
                v, w = w, v
                continue
            factors = factors_of(tables.factors[table])
            x, y = v[REACH : REACH + n], w[REACH : REACH + n]
            if diffuse_tile(x, y, tables.rate, tables.steps[table], ends, factors, room, few[2:], few[0]):
                v, w = w, v
        store_tile(u, lines, stride, v[REACH : REACH + n], 1.0)
        balance[:, first : first + lanes] = few[:2]


@njit(cache=True, nogil=True, error_model="numpy")
def _remap_tables(drift: Array, dt: float, periodic: bool, ends: Ends, foot: Array, tables: Tables, table: int) -> None:
    n = len(drift) - 1
    trace_feet(drift, dt, n, periodic, ends.low > 0.0, ends.high > 0.0, foot)
    reconstruction_weights(foot, n, periodic, Feet(tables.cells[table], tables.weights[table]))


@njit(cache=True, nogil=True, error_model="numpy")
def _diffusion_tables(dt: float, ends: Ends, tables: Tables, table: int) -> None:
    n = len(tables.rate)
    tables.steps[table] = dt
    factors = factors_of(tables.factors[table].reshape((FACTORS, n, 1)))
    eliminate_tile(tables.rate.reshape((n, 1)), dt, 0.5, ends, factors)


@njit(cache=True)
def _largest(values: Array) -> float:
    largest = 0.0
    for value in values:
        largest = max(largest, abs(value))
    return largest


class _Shelf:
    """Places for the tables of the last few steps used."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget = forget  # what knows the old places
        self._place: dict[float, int] = {}
        self._free = list(range(KEPT))
        self._last = np.nan

    def find(self, dt: float) -> tuple[int, bool]:
        """Number of the table of a step, and whether it has yet to be filled and kept.

        The one that has been there longest makes room, but not the last one asked for: the same programme needs it.
        """
        found, last, self._last = self._place.get(dt), self._last, dt
        if found is not None:
            return found, False
        if not self._free:
            self._forget()
            first, second = islice(self._place, 2)
            self._free.append(self._place.pop(second if first == last else first))
        return self._free[-1], True

    def keep(self, dt: float) -> None:
        """Note that the table is there: filling it may have been interrupted."""
        self._place[dt] = self._free.pop()


@dataclass(eq=False)
class AxisSweep:
    """See :class:`fpsim.evolution.sweeps.sweep.Sweep`; both coefficients by Strang's splitting.

    Attributes
    ----------
    drift : ndarray, shape (n + 1,), or None
        On the faces, in cells per unit time.
    rate : ndarray, shape (n,), or None
        Of jumps in each direction (1 / time).
    """

    grid: Grid
    axis: int
    drift: Array | None = None
    rate: Array | None = None
    speed: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        grid, axis = self.grid, self.axis
        n, self._periodic = grid.shape[axis], grid.periodic(axis)
        low, high = (2.0 * (side is Boundary.ABSORBING) for side in grid.boundary[axis])
        self._lines = lines_along(grid, tuple(int(a == axis) for a in range(grid.ndim)))
        self._ends = Ends(self._periodic and n > 2, n - 1, low, high)
        faces = cells = 0
        if self.drift is not None:
            faces, self.speed = len(self.drift), _largest(self.drift)
        if self.rate is not None:
            cells, self.speed = len(self.rate), max(self.speed, 2.0 * _largest(self.rate))
        self._programmes: dict[tuple[float, int, int], Integers] = {}
        self._remaps, self._diffusions = _Shelf(self._programmes.clear), _Shelf(self._programmes.clear)
        self._tables = Tables(
            np.empty((KEPT, faces), np.int64),
            np.empty((KEPT, 2 * REACH + 1, faces)),
            np.empty(0) if self.rate is None else self.rate,
            np.empty(KEPT),
            np.empty((KEPT, FACTORS, cells)),
        )
        self._foot = np.empty(faces)

    def _remap(self, dt: float) -> tuple[int, int]:
        """The operation of carrying over ``dt``."""
        table, new = self._remaps.find(dt)
        if new:
            assert self.drift is not None
            _remap_tables(self.drift, dt, self._periodic, self._ends, self._foot, self._tables, table)
            self._remaps.keep(dt)
        return REMAP, table

    def _diffuse(self, dt: float) -> tuple[int, int]:
        """The operation of spreading over ``dt``."""
        table, new = self._diffusions.find(dt)
        if new:
            # on a ring of two cells both neighbours are the same one
            twice = 2.0 if self._periodic and not self._ends.closed else 1.0
            _diffusion_tables(twice * dt, self._ends, self._tables, table)
            self._diffusions.keep(dt)
        return DIFFUSE, table

    def _programme(self, dt: float, steps: int, pieces: int) -> Integers:
        """Operations of some steps and their tables, which are made if they are not there."""
        drift = [] if self.drift is None else [self._remap(dt / pieces)] * pieces
        if self.rate is None:
            operations = drift * steps
        elif self.drift is None:
            operations = [self._diffuse(dt)] * steps
        else:
            whole, half = [self._diffuse(dt)] if steps > 1 else [], [self._diffuse(0.5 * dt)]
            operations = half + (drift + whole) * (steps - 1) + drift + half
        self._programmes[dt, steps, pieces] = programme = np.array(operations)
        return programme

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> MassBalance:
        """See :class:`fpsim.evolution.sweeps.sweep.Sweep`."""
        programme = self._programmes.get((dt, steps, pieces))
        if programme is None:
            programme = self._programme(dt, steps, pieces)
        count, room = self._lines.count, (_room_for(self.grid.shape[self.axis], self._lines.count),)
        call: Any = (self._lines.starts, self._lines.stride, self._periodic, self._ends, programme, self._tables)
        balance = team.shared((2, count))

        def work(part: int, begin: int, end: int) -> None:
            _sweep_lines(u, *call, begin, end, team.scratch(part, room), balance)

        team.run(work, count, u.size * len(programme))
        return MassBalance.of(balance)
