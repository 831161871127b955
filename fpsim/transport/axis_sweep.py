"""Drift and diffusion along one axis whose coefficients depend on that axis alone, as a sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.lattice.lines import LineSet, lines_along
from fpsim.parallel import Team
from fpsim.transport.axis_lines import DIFFUSE, REMAP, room_for, sweep_lines
from fpsim.transport.diffuse_group import FACTORS, eliminate
from fpsim.transport.sweep import Account
from fpsim.transport.trace import REACH, reconstruction_weights, trace_feet

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


class _Shelf:
    """Places for the tables of the last few steps used."""

    def __init__(self, tables: tuple[Any, ...], forget: Callable[[], None]) -> None:
        self.tables = tables
        self._forget = forget  # what knows the old places
        self._place: dict[float, int] = {}

    def place(self, dt: float, fill: Callable[[float, int], None]) -> int:
        """Number of the table of a step, made if it is not there."""
        found = self._place.get(dt)
        if found is None:
            found = len(self._place)
            if found == KEPT:  # the one that has been there longest makes room
                found = self._place.pop(next(iter(self._place)))
                self._forget()
            self._place[dt] = found
            fill(dt, found)
        return found


@dataclass(frozen=True, eq=False)
class AxisSweep:
    """See :class:`fpsim.transport.sweep.Sweep`; with both coefficients, steps of Strang's splitting between them.

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

    @cached_property
    def lines(self) -> LineSet:
        """Lines along the axis."""
        return lines_along(self.grid, tuple(int(a == self.axis) for a in range(self.grid.ndim)))

    @cached_property
    def speed(self) -> float:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        carried = 0.0 if self.drift is None else float(max(self.drift.max(), -self.drift.min()))
        return max(carried, 0.0 if self.rate is None else 2.0 * float(self.rate.max()))

    @cached_property
    def _sides(self) -> tuple[bool, float, float]:
        """Whether the axis is periodic, and the relative rates of leaving at its ends."""
        low, high = (2.0 * (side is Boundary.ABSORBING) for side in self.grid.boundary[self.axis])
        return self.grid.periodic(self.axis), low, high

    @cached_property
    def _remaps(self) -> _Shelf:
        faces = 0 if self.drift is None else len(self.drift)
        tables = np.empty((KEPT, faces), np.int64), np.empty((KEPT, 2 * REACH + 1, faces))
        return _Shelf(tables, self._programmes.clear)

    @cached_property
    def _diffusions(self) -> _Shelf:
        cells = 0 if self.rate is None else len(self.rate)
        return _Shelf((np.empty((KEPT, cells)), np.empty((KEPT, FACTORS, cells))), self._programmes.clear)

    def _remap(self, dt: float, place: int) -> None:
        assert self.drift is not None
        (periodic, low, high), (cell, weight) = self._sides, self._remaps.tables
        foot = np.empty(len(self.drift))
        _remap_tables(self.drift, dt, periodic, low > 0.0, high > 0.0, foot, cell[place], weight[place])

    def _diffuse(self, dt: float, place: int) -> None:
        assert self.rate is not None
        (periodic, low, high), (r, factor), n = self._sides, self._diffusions.tables, len(self.rate)
        # on a ring of two cells both neighbours are the same one
        twice = 2.0 if periodic and n == 2 else 1.0
        _diffusion_tables(self.rate, twice * dt, periodic and n > 2, low, high, r[place], factor[place])

    @cached_property
    def _programmes(self) -> dict[tuple[float, int, int], Integers]:
        return {}

    def _programme(self, dt: float, steps: int, pieces: int) -> Integers:
        """Operations of some steps and their tables, which are made if they are not there."""
        known = self._programmes.get((dt, steps, pieces))
        if known is not None:
            return known
        drift = whole = half = []
        if self.drift is not None:
            drift = [(REMAP, self._remaps.place(dt / pieces, self._remap))] * pieces
        if self.rate is not None:
            if self.drift is None or steps > 1:
                whole = [(DIFFUSE, self._diffusions.place(dt, self._diffuse))]
            if self.drift is not None:
                half = [(DIFFUSE, self._diffusions.place(0.5 * dt, self._diffuse))]
        operations = half + (drift + whole) * (steps - 1) + drift + half if half else (drift + whole) * steps
        self._programmes[dt, steps, pieces] = programme = np.array(operations)
        return programme

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        lines, (periodic, low, high) = self.lines, self._sides
        n, programme = self.grid.shape[self.axis], self._programme(dt, steps, pieces)
        (cells, weights), (rates, factors) = self._remaps.tables, self._diffusions.tables
        lost = team.shared((2, lines.count))

        def work(part: int, begin: int, end: int) -> None:
            room = team.scratch(part, (room_for(n, lines.count),))
            sweep_lines(
                u, lines.starts, lines.stride, n, periodic, low, high, programme, cells, weights, rates,
                factors, begin, end, room, lost[0], lost[1],
            )  # fmt: skip

        team.run(work, lines.count, u.size * len(programme))
        return Account.of(lost)
