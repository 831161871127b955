"""Drift and diffusion along one axis whose coefficients depend on that axis alone, as a sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.evolution.axis_lines import DIFFUSE, REMAP, room_for, sweep_lines
from fpsim.evolution.diffuse_group import FACTORS, eliminate
from fpsim.evolution.sweep import Account
from fpsim.evolution.trace import REACH, reconstruction_weights, trace_feet
from fpsim.lattice.lines import lines_along
from fpsim.support.compilation import njit
from fpsim.support.threads import Team

__all__ = ["AxisSweep"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

KEPT = 4
"""Tables that a sweep keeps: fixed coefficients meet the same few steps again and again."""


@njit(cache=True, nogil=True, error_model="numpy")
def _remap_tables(
    drift: Array, dt: float, periodic: bool, low: bool, high: bool, foot: Array, cell: Integers, weight: Array
) -> None:
    n = len(drift) - 1
    trace_feet(drift, dt, n, periodic, low, high, foot)
    reconstruction_weights(foot, n, periodic, cell, weight)


@njit(cache=True, nogil=True, error_model="numpy")
def _diffusion_tables(rate: Array, dt: float, closed: bool, low: float, high: float, r: Array, factor: Array) -> None:
    for k in range(len(rate)):
        r[k] = rate[k] * dt
    eliminate(r, closed, low, high, 0.5, factor)


@njit(cache=True)
def _largest(values: Array) -> float:
    largest = 0.0
    for value in values:
        largest = max(largest, abs(value))
    return largest


class _Shelf:
    """Places for the tables of the last few steps used."""

    def __init__(self, forget: Callable[[], None], *tables: Any) -> None:
        self.tables = tables
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
    """See :class:`fpsim.evolution.sweep.Sweep`; with both coefficients, steps of Strang's splitting between them.

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
        low, high = (2.0 * (side is Boundary.ABSORBING) for side in grid.boundary[axis])
        self._lines = lines_along(grid, tuple(int(a == axis) for a in range(grid.ndim)))
        self._sides = grid.periodic(axis), low, high  # and the relative rates of leaving at the ends
        faces = cells = 0
        if self.drift is not None:
            faces, self.speed = len(self.drift), _largest(self.drift)
        if self.rate is not None:
            cells, self.speed = len(self.rate), max(self.speed, 2.0 * _largest(self.rate))
        self._programmes: dict[tuple[float, int, int], Integers] = {}
        forget = self._programmes.clear
        self._remaps = _Shelf(forget, np.empty((KEPT, faces), np.int64), np.empty((KEPT, 2 * REACH + 1, faces)))
        self._diffusions = _Shelf(forget, np.empty((KEPT, cells)), np.empty((KEPT, FACTORS, cells)))
        self._foot = np.empty(faces)

    def _remap(self, dt: float) -> tuple[int, int]:
        """The operation of carrying over ``dt``."""
        assert self.drift is not None
        place, new = self._remaps.find(dt)
        if new:
            (periodic, low, high), (cell, weight) = self._sides, self._remaps.tables
            _remap_tables(self.drift, dt, periodic, low > 0.0, high > 0.0, self._foot, cell[place], weight[place])
            self._remaps.keep(dt)
        return REMAP, place

    def _diffuse(self, dt: float) -> tuple[int, int]:
        """The operation of spreading over ``dt``."""
        assert self.rate is not None
        place, new = self._diffusions.find(dt)
        if new:
            (periodic, low, high), (r, factor), n = self._sides, self._diffusions.tables, self.grid.shape[self.axis]
            # on a ring of two cells both neighbours are the same one
            twice = 2.0 if periodic and n == 2 else 1.0
            _diffusion_tables(self.rate, twice * dt, periodic and n > 2, low, high, r[place], factor[place])
            self._diffusions.keep(dt)
        return DIFFUSE, place

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

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:
        """See :class:`fpsim.evolution.sweep.Sweep`."""
        programme = self._programmes.get((dt, steps, pieces))
        if programme is None:
            programme = self._programme(dt, steps, pieces)
        lines, (periodic, low, high), n = self._lines, self._sides, self.grid.shape[self.axis]
        (cells, weights), (rates, factors) = self._remaps.tables, self._diffusions.tables
        count = lines.count
        lost = team.shared((2, count))

        def work(part: int, begin: int, end: int) -> None:
            sweep_lines(
                u, lines.starts, lines.stride, n, periodic, low, high, programme, cells, weights, rates,
                factors, begin, end, team.scratch(part, (room_for(n, count),)), lost[0], lost[1],
            )  # fmt: skip

        team.run(work, count, u.size * len(programme))
        return Account.of(lost)
