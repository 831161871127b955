"""Drift along one axis that depends on other coordinates too, ``d_t p = -d_i (b_i p)``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.density.remap import REACH, Feet, fill_ghosts, reconstruction_weights, remap_tile
from fpsim.evolution.sweeps.characteristics import trace_feet
from fpsim.evolution.sweeps.lines import Coefficient, Places, coefficient_along, lines_along
from fpsim.evolution.sweeps.sweep import MassBalance
from fpsim.support.compilation import njit
from fpsim.support.threads import Team

__all__ = ["DriftSweep", "table_bytes"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

TABLES = 4e6
"""Bytes up to which the weights of every face are kept: beyond, reading them takes longer than making them."""

WEIGHTS = 2 * REACH + 2  # numbers a face


@njit(cache=True, nogil=True, error_model="numpy")
def _sweep_lines(
    u: Array,
    n: int,
    places: Places,
    periodic: bool,
    absorbing: tuple[bool, bool],
    drift: Coefficient,
    scale: float,
    dt: float,
    begin: int,
    end: int,
    work: Array,
    feet: Feet,
    known: bool,
    balance: Array,
) -> None:
    """Remap the lines ``begin ... end`` of ``n`` cells of the flat array ``u`` in place, each with its own drift.

    ``scale`` makes it one of cells per time. ``work`` is flat, of the size of ``_room_for``; ``feet``, of shapes
    (tables, n + 1) and (tables, 7, n + 1), a table per line or one for all, are made here unless ``known``.
    """
    tall = n + 2 * REACH
    foot, speed = work[: n + 1], work[n + 1 : 2 * n + 2]
    rows = work[2 * n + 2 : 2 * n + 2 + 2 * tall + n + 4].reshape((2 * tall + n + 4, 1))
    v, w, rest = rows[:tall], rows[tall : 2 * tall], rows[2 * tall :]
    for line in range(begin, end):
        base, table = places.starts[line], line if len(feet.cell) > 1 else 0
        own = Feet(feet.cell[table], feet.weight[table])
        for k in range(n):
            v[k + REACH, 0] = u[base + k * places.stride]
        if not known:
            for f in range(n + 1):
                speed[f] = drift.values[drift.starts[line] + f * drift.stride] * scale
            trace_feet(speed, dt, n, periodic, absorbing[0], absorbing[1], foot)
            reconstruction_weights(foot, n, periodic, own)
        balance[:, line] = 0.0
        fill_ghosts(v, n, periodic, False)
        remap_tile(1, v, w, periodic, own, rest, balance[0, line : line + 1], balance[1, line : line + 1])
        for k in range(n):
            u[base + k * places.stride] = w[k + REACH, 0]


def _room_for(n: int) -> int:
    """Numbers of scratch that ``_sweep_lines`` needs for lines of ``n`` cells."""
    return 2 * (n + 1) + 2 * (n + 2 * REACH) + (n + 4)


@dataclass(eq=False)
class DriftSweep:
    """See :class:`fpsim.evolution.sweeps.sweep.Sweep` and, for the scheme, :mod:`fpsim.density.remap`.

    Attributes
    ----------
    drift : ndarray
        ``b_i`` on the faces of the axis, of minimal broadcast shape.
    keep : bool
        Whether to keep the weights of the last step, if they are not too many.
    """

    grid: Grid
    axis: int
    drift: Array
    keep: bool = False
    speed: float = field(init=False)

    def __post_init__(self) -> None:
        grid, axis = self.grid, self.axis
        scale, n = 1.0 / grid.spacing[axis], grid.shape[axis]
        self.speed = float(max(self.drift.max(), -self.drift.min())) * scale
        lines = lines_along(grid, tuple(int(a == axis) for a in range(grid.ndim)))
        low, high = (side is Boundary.ABSORBING for side in grid.boundary[axis])
        drift = coefficient_along(lines, self.drift)._replace(order=lines.order[:0])
        self._call = lines.places, grid.periodic(axis), (low, high), drift, scale
        self._lines = lines.count
        self._size = lines.count if self.keep and table_bytes(grid, axis) else 0
        self._step = np.nan  # that of the tables
        self._tables = Feet(np.empty((self._size, n + 1), np.int64), np.empty((self._size, WEIGHTS - 1, n + 1)))

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> MassBalance:
        """See :class:`fpsim.evolution.sweeps.sweep.Sweep`."""
        n, count = self.grid.shape[self.axis], self._lines
        balance, piece = team.shared((2, count)), dt / pieces
        known = piece == self._step
        self._step = piece if known else np.nan  # until all is there: the work may be interrupted

        def work(part: int, begin: int, end: int) -> None:
            room = team.scratch(part, (_room_for(n) + WEIGHTS * (n + 1),))
            own = self._tables if self._size else _one_table(room[_room_for(n) :], n)
            _sweep_lines(u, n, *self._call, piece, begin, end, room, own, known, balance)

        absorbed = limited = 0.0
        for _ in range(steps * pieces):
            team.run(work, count, u.size)
            out, known = MassBalance.of(balance), self._size > 0
            absorbed, limited = absorbed + out.absorbed, limited + out.limited
        self._step = piece if self._size else np.nan
        return MassBalance(absorbed, limited)


def table_bytes(grid: Grid, axis: int) -> float:
    """Bytes of the weights that a sweep along an axis keeps."""
    size = 8.0 * WEIGHTS * grid.size / grid.shape[axis] * (grid.shape[axis] + 1)
    return size if size <= TABLES else 0.0


def _one_table(room: Array, n: int) -> Feet:
    """The weights of one line, in scratch memory."""
    cells, weights = room[: n + 1].view(np.int64), room[n + 1 : WEIGHTS * (n + 1)]
    return Feet(cells.reshape((1, n + 1)), weights.reshape((1, WEIGHTS - 1, n + 1)))
