"""Drift along one axis that depends on other coordinates too, ``d_t p = -d_i (b_i p)``, as a sweep."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.evolution.remap import remap_lines
from fpsim.evolution.sweep import Account, Part, table_of
from fpsim.evolution.trace import REACH
from fpsim.lattice.lines import find_lines, lines_along
from fpsim.support.threads import Team

__all__ = ["DriftSweep", "table_bytes"]

Array = NDArray[np.float64]

TABLES = 4e6
"""Bytes up to which the weights of every face may be kept; the last step mostly is the next one too."""

WEIGHTS = 2 * REACH + 2  # numbers a face


@dataclass(eq=False)
class DriftSweep:
    """See :class:`fpsim.evolution.sweep.Sweep` and, for the scheme, :mod:`fpsim.evolution.remap`.

    Attributes
    ----------
    drift : ndarray
        ``b_i`` on the faces of the axis, of minimal broadcast shape.
    keep : bool
        Whether to keep the weights of the last step, if they are not too many.
    part : Part, optional
        Where the grid is in a larger one, whose array is swept. It is not cut along the axis.
    """

    grid: Grid
    axis: int
    drift: Array
    keep: bool = False
    part: Part | None = None
    speed: float = field(init=False)

    def __post_init__(self) -> None:
        grid, axis = self.grid, self.axis
        self.speed = float(max(self.drift.max(), -self.drift.min())) / grid.spacing[axis]
        unit, n = tuple(int(a == axis) for a in range(grid.ndim)), grid.shape[axis]
        lines = (lines_along if self.part is None else find_lines)(grid, unit)
        low, high = (side is Boundary.ABSORBING for side in grid.boundary[axis])
        drift = *table_of(lines, self.drift, keep=self.part is None)[:3], 1.0 / grid.spacing[axis]
        self._lines = lines = lines if self.part is None else lines.within(*self.part)
        self._call = (lines.starts, lines.stride, n, grid.periodic(axis), low, high, *drift)
        self._size = lines.count if self.keep and table_bytes(grid, axis) else 0
        self._step = np.nan  # that of the tables
        self._tables = np.empty((self._size, n + 1), np.int64), np.empty((self._size, WEIGHTS - 1, n + 1))

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:
        """See :class:`fpsim.evolution.sweep.Sweep`."""
        count, n = self._lines.count, self._call[2]
        lost, piece = team.shared((2, count)), dt / pieces
        known, (cells, weights) = piece == self._step, self._tables
        self._step = piece if known else np.nan  # until all is there: the work may be interrupted

        def work(part: int, begin: int, end: int) -> None:
            room = team.scratch(part, (WEIGHTS + 3, n + 7))
            own = (cells, weights) if self._size else (np.empty((1, n + 1), np.int64), _table(room[4:], n))
            remap_lines(u, *self._call, piece, begin, end, room[:4], *own, known, lost[0], lost[1])

        absorbed = clipped = 0.0
        for _ in range(steps * pieces):
            team.run(work, count, u.size)
            out, known = Account.of(lost), self._size > 0
            absorbed, clipped = absorbed + out.absorbed, clipped + out.clipped
        self._step = piece if self._size else np.nan
        return Account(absorbed, clipped)


def table_bytes(grid: Grid, axis: int) -> float:
    """Bytes of the weights that a sweep along an axis keeps."""
    size = 8.0 * WEIGHTS * grid.size / grid.shape[axis] * (grid.shape[axis] + 1)
    return size if size <= TABLES else 0.0


def _table(room: Array, n: int) -> Array:
    """Room for the weights of one line."""
    return room.ravel()[: (WEIGHTS - 1) * (n + 1)].reshape((1, WEIGHTS - 1, n + 1))
