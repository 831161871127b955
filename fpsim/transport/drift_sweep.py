"""Drift along one axis that depends on other coordinates too, ``d_t p = -d_i (b_i p)``, as a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.lattice.lines import LineSet, lines_along
from fpsim.parallel import Team
from fpsim.transport.remap import remap_lines
from fpsim.transport.sweep import Account, table_of

__all__ = ["DriftSweep"]

Array = NDArray[np.float64]


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
    def flat(self) -> Array:
        """The drift as a contiguous flat array."""
        return np.ascontiguousarray(self.drift).ravel()

    @cached_property
    def speed(self) -> float:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        return float(max(self.drift.max(), -self.drift.min())) / self.grid.spacing[self.axis]

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        n, periodic, lines = self.grid.shape[self.axis], self.grid.periodic(self.axis), self.lines
        low, high = (side is Boundary.ABSORBING for side in self.grid.boundary[self.axis])
        lost = team.shared((2, lines.count))
        starts, stride = table_of(lines, self.drift.shape)
        scale, absorbed, clipped = 1.0 / self.grid.spacing[self.axis], 0.0, 0.0

        def work(part: int, begin: int, end: int) -> None:
            room, cells = team.scratch(part, (10, n + 7)), np.empty(n + 1, np.int64)
            remap_lines(
                u, lines.starts, lines.stride, n, periodic, low, high, self.flat, starts, stride, scale, dt / pieces,
                begin, end, room, cells, lost[0], lost[1],
            )  # fmt: skip

        for _ in range(steps * pieces):
            team.run(work, lines.count, u.size)
            out = Account.of(lost)
            absorbed, clipped = absorbed + out.absorbed, clipped + out.clipped
        return Account(absorbed, clipped)
