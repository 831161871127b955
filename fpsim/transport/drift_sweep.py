"""Drift along one axis, ``d_t p = -d_i (b_i p)``, as a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.lattice.lines import LineSet, lines_along
from fpsim.parallel import Team
from fpsim.transport.limit import LANES
from fpsim.transport.remap import remap_lines, remap_shared
from fpsim.transport.sweep import KEPT, table_of, unused
from fpsim.transport.trace import REACH, reconstruction_weights, trace_feet

__all__ = ["DriftSweep"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class DriftSweep:
    """See :class:`fpsim.transport.sweep.Sweep` and, for the scheme, :mod:`fpsim.transport.remap`.

    Attributes
    ----------
    drift : ndarray
        ``b_i`` on the faces of the axis, of minimal broadcast shape.
    """

    grid: Grid
    axis: int
    drift: Array

    @cached_property
    def lines(self) -> LineSet:
        """Lines along the axis."""
        return lines_along(self.grid, tuple(int(a == self.axis) for a in range(self.grid.ndim)))

    @cached_property
    def shared(self) -> Array | None:
        """Drift on the faces in cells per unit time if all lines have the same, else ``None``."""
        if self.drift.size != self.drift.shape[self.axis]:
            return None
        n, h = self.grid.shape[self.axis], self.grid.spacing[self.axis]
        return np.broadcast_to(self.drift.ravel() / h, (n + 1,)).copy()

    @cached_property
    def flat(self) -> Array:
        """The drift as a contiguous flat array."""
        return np.ascontiguousarray(self.drift).ravel()

    @cached_property
    def absorbs(self) -> tuple[bool, bool]:
        """Whether the lower and the upper wall absorb."""
        low, high = self.grid.boundary[self.axis]
        return low is Boundary.ABSORBING, high is Boundary.ABSORBING

    @cached_property
    def speed(self) -> float:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        return float(max(self.drift.max(), -self.drift.min())) / self.grid.spacing[self.axis]

    @cached_property
    def _known(self) -> dict[float, tuple[Integers, Array]]:
        return {}

    def _feet(self, dt: float) -> tuple[Integers, Array]:
        """Cells and weights of the feet of a common drift, kept for the last few steps used."""
        found = self._known.get(dt)
        if found is None:
            assert self.shared is not None
            n, periodic = self.grid.shape[self.axis], self.grid.periodic(self.axis)
            foot, cell, weight = np.empty(n + 1), np.empty(n + 1, np.int64), np.empty((2 * REACH + 1, n + 1))
            trace_feet(self.shared, dt, n, periodic, *self.absorbs, foot)
            reconstruction_weights(foot, n, periodic, cell, weight)
            if len(self._known) >= KEPT:
                self._known.clear()
            found = self._known[dt] = cell, weight
        return found

    def apply(self, u: Array, dt: float, team: Team) -> float:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        n, periodic, lines = self.grid.shape[self.axis], self.grid.periodic(self.axis), self.lines
        low, high = self.absorbs
        lost = np.zeros(lines.count) if low or high else unused(lines.count)
        if self.shared is not None:
            cell, weight = self._feet(dt)

            def work(part: int, begin: int, end: int) -> None:
                room = team.scratch(part, (n + 2 * REACH, LANES))
                remap_shared(u, lines.starts, lines.stride, n, periodic, cell, weight, begin, end, room, lost)
        else:
            starts, stride = table_of(lines, self.drift.shape)
            step = 1.0 / self.grid.spacing[self.axis]

            def work(part: int, begin: int, end: int) -> None:
                room, cells = team.scratch(part, (10, n + 7)), np.empty(n + 1, np.int64)
                remap_lines(
                    u, lines.starts, lines.stride, n, periodic, low, high, self.flat, starts, stride, step, dt,
                    begin, end, room, cells, lost,
                )  # fmt: skip

        team.run(work, lines.count, u.size)
        return float(np.sum(lost)) if low or high else 0.0
