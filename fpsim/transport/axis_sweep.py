"""Drift and diffusion along one axis whose coefficients depend on that axis alone, as a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.lattice.lines import LineSet, lines_along
from fpsim.parallel import Team
from fpsim.transport.axis_lines import DIFFUSE, REMAP, room_for, sweep_lines
from fpsim.transport.diffuse_group import FACTORS, eliminate
from fpsim.transport.sweep import unused
from fpsim.transport.trace import REACH, reconstruction_weights, trace_feet

__all__ = ["AxisSweep"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

KEPT = 4
"""Steps whose tables a sweep keeps: fixed coefficients meet the same few again and again."""


@njit(cache=True, nogil=True, error_model="numpy")
def _remap_tables(
    drift: Array, dt: float, periodic: bool, low: bool, high: bool, foot: Array, cell: Integers, weight: Array
) -> None:
    n = len(drift) - 1
    trace_feet(drift, dt, n, periodic, low, high, foot)
    reconstruction_weights(foot, n, periodic, cell, weight)


@njit(cache=True, nogil=True, error_model="numpy")
def _diffusion_tables(rate: Array, dt: float, closed: bool, low: float, high: float, r: Array, factor: Array) -> None:
    """Of a step (row 1) and of half a step (row 0)."""
    for row in range(2):
        for k in range(len(rate)):
            r[row, k] = rate[k] * (0.5 * dt if row == 0 else dt)
        eliminate(r[row], closed, low, high, factor[row])


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
    def _known(self) -> dict[tuple[float, int], tuple[Integers, Array, Array, Array]]:
        return {}

    def _tables(self, dt: float, pieces: int) -> tuple[Integers, Array, Array, Array]:
        """Tables of a step of which the drift is made in equal pieces, kept for the last few used."""
        found = self._known.get((dt, pieces))
        if found is None:
            n, (periodic, low, high) = self.grid.shape[self.axis], self._sides
            faces, cells = (0 if self.drift is None else n + 1), (0 if self.rate is None else n)
            cell, weight = np.empty((1, faces), np.int64), np.empty((1, 2 * REACH + 1, faces))
            r, factor = np.empty((2, cells)), np.empty((2, FACTORS, cells))
            if self.drift is not None:
                _remap_tables(
                    self.drift, dt / pieces, periodic, low > 0.0, high > 0.0, np.empty(faces), cell[0], weight[0]
                )
            if self.rate is not None:
                # on a ring of two cells both neighbours are the same one
                twice = 2.0 if periodic and n == 2 else 1.0
                _diffusion_tables(self.rate, twice * dt, periodic and n > 2, low, high, r, factor)
            if len(self._known) >= KEPT:
                self._known.clear()
            found = self._known[dt, pieces] = cell, weight, r, factor
        return found

    def _programme(self, steps: int, pieces: int) -> Integers:
        if self.drift is None:
            return np.tile([DIFFUSE, 1], (steps, 1))
        drift = [[REMAP, 0]] * pieces
        if self.rate is None:
            return np.array(drift * steps)
        between = [*drift, [DIFFUSE, 1]]
        return np.array([[DIFFUSE, 0], *(between * (steps - 1)), *drift, [DIFFUSE, 0]])

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> float:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        lines, (periodic, low, high) = self.lines, self._sides
        n, programme, tables = self.grid.shape[self.axis], self._programme(steps, pieces), self._tables(dt, pieces)
        leaks = low > 0.0 or high > 0.0
        lost = np.empty(lines.count) if leaks else unused(lines.count)

        def work(part: int, begin: int, end: int) -> None:
            sweep_lines(
                u, lines.starts, lines.stride, n, periodic, low, high, programme, *tables, begin, end,
                team.scratch(part, (room_for(n, lines.count),)), lost,
            )  # fmt: skip

        team.run(work, lines.count, u.size * len(programme))
        return float(np.sum(lost)) if leaks else 0.0
