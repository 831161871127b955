"""Diffusion along one lattice offset, ``d_t p = (d^2 / d e^2)(lambda p)`` as jumps.

Limits: lines on which the rate vanishes everywhere are left out. A tensor that varies with place meets many offsets,
each in some part of the grid only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.density.tiles import LANES, TINY
from fpsim.evolution.sweeps.compact_diffusion import FACTORS, Ends, diffuse_tile, eliminate_tile, factors_of
from fpsim.evolution.sweeps.lines import Coefficient, LineSet, Places, coefficient_along, lines_along
from fpsim.evolution.sweeps.sweep import MassBalance
from fpsim.support.compilation import njit
from fpsim.support.threads import Team

__all__ = ["LatticeSweep", "lattice_sweep"]

Array = NDArray[np.float64]
Small = NDArray[np.int32]

TILES = 4 + FACTORS
"""Arrays of a tile's size that a sweep works on: twice the cells, rates, factors, and rates of a part of a step."""


class _Exits(NamedTuple):
    """Rates of leaving at the ends of lines, relative to those of a jump."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]


@njit(cache=True, nogil=True, error_model="numpy")
def _sweep_lines(
    u: Array,
    places: Places,
    closed: bool,
    exits: _Exits,
    rate: Coefficient,
    dt: float,
    begin: int,
    end: int,
    work: Array,
    lost: Array,
) -> None:
    """Sweep the lines ``begin ... end`` of the flat array ``u`` in place.

    ``work`` is flat, of size TILES * longest * LANES or less for fewer lines; ``lost`` receives per line what left
    through its ends.
    """
    ends = Ends(closed, np.empty(LANES, np.int64), np.empty(LANES), np.empty(LANES))
    few, wraps, listed = np.empty((2, LANES)), places.order.size > 0, rate.order.size > 0
    for first in range(begin, end, LANES):
        lanes, rows = min(LANES, end - first), 0
        for q in range(lanes):
            line = first + q
            ends.last[q], ends.low[q], ends.high[q] = places.lengths[line] - 1, exits.low[line], exits.high[line]
            rows, lost[line] = max(rows, places.lengths[line]), 0.0
        tiles = work[: TILES * rows * lanes].reshape((TILES, rows, lanes))
        v, w, r, highest = tiles[0], tiles[1], tiles[2], 0.0
        for k in range(rows):
            for q in range(lanes):
                line = first + q
                if k > ends.last[q]:
                    r[k, q] = 0.0
                else:
                    r[k, q] = rate.values[rate.order[line, k] if listed else rate.starts[line] + k * rate.stride]
                highest = max(highest, r[k, q])
        if highest == 0.0:
            continue
        for k in range(rows):
            for q in range(lanes):
                line = first + q
                if k > ends.last[q]:
                    v[k, q] = 0.0
                else:
                    v[k, q] = u[places.order[line, k] if wraps else places.starts[line] + k * places.stride]
        factors = factors_of(tiles[3 : 3 + FACTORS])
        eliminate_tile(r, dt, 0.5, ends, factors)
        if diffuse_tile(v, w, r, dt, ends, factors, tiles[3:], few, lost[first : first + lanes]):
            v = w
        for k in range(rows):
            for q in range(lanes):
                line = first + q
                if k <= ends.last[q]:
                    cell = places.order[line, k] if wraps else places.starts[line] + k * places.stride
                    u[cell] = v[k, q] if v[k, q] > TINY else 0.0


@dataclass(eq=False)
class LatticeSweep:
    """Jumps by ``+-offset``; see :mod:`fpsim.evolution.sweeps.compact_diffusion` for the scheme.

    Attributes
    ----------
    lines : LineSet
        Cells that jumps go between.
    rate : Coefficient
        Times ``scale``, the rate of jumps in each direction (1 / time).
    """

    lines: LineSet
    rate: Coefficient
    scale: float = 1.0
    speed: float = field(init=False)

    def __post_init__(self) -> None:
        self.speed = 2.0 * self.scale * float(self.rate.values.max())
        lines = self.lines
        self._leaks = bool(lines.low_exit.any() or lines.high_exit.any())  # a line ends at an absorbing wall
        closed, exits = lines.closed and lines.longest > 2, _Exits(lines.low_exit, lines.high_exit)
        self._call = lines.places, closed, exits, self.rate
        self._room = (TILES * lines.longest * min(LANES, lines.count),)

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> MassBalance:  # noqa: ARG002
        """See :class:`fpsim.evolution.sweeps.sweep.Sweep`."""
        lines, absorbed = self.lines, 0.0
        if lines.longest == 1 and not self._leaks:
            return MassBalance()
        # on a ring of two cells both neighbours are the same one
        step = self.scale * dt * (2.0 if lines.closed and lines.longest == 2 else 1.0)
        lost = team.shared((lines.count,))

        def work(part: int, begin: int, end: int) -> None:
            _sweep_lines(u, *self._call, step, begin, end, team.scratch(part, self._room), lost)

        for _ in range(steps):
            team.run(work, lines.count, u.size)
            absorbed += float(np.sum(lost)) if self._leaks else 0.0
        return MassBalance(absorbed)


def lattice_sweep(grid: Grid, offset: tuple[int, ...], coefficient: Array, *, scale: float = 1.0) -> LatticeSweep:
    """Sweep of the jumps along an offset of a grid.

    ``coefficient`` is of minimal broadcast shape and not zero everywhere; times ``scale`` it is the rate of jumps in
    each direction (1 / time).
    """
    lines = lines_along(grid, offset)
    if lines.order.size and coefficient.size > 1:  # where lines wrap, one that varies is needed in full size
        coefficient = np.broadcast_to(coefficient, grid.shape)
    rate = coefficient_along(lines, coefficient)
    if coefficient.size > 1 and not lines.order.size:
        used = np.zeros(lines.count, np.bool_)
        _mark_used(lines.places, rate, used)
        if not used.all():
            lines = lines.where(used)
            rate = rate._replace(starts=rate.starts[used])
    return LatticeSweep(lines, rate, scale)


@njit(cache=True, nogil=True)
def _mark_used(places: Places, rate: Coefficient, used: NDArray[np.bool_]) -> None:
    """Lines with a rate anywhere."""
    for line in range(places.starts.size):
        for k in range(places.lengths[line]):
            if rate.values[rate.starts[line] + k * rate.stride] > 0.0:
                used[line] = True
                break
