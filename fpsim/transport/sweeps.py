"""The sweeps of an equation on a grid: one per axis for the drift, one per lattice offset for the diffusion.

Every sweep solves its own one-dimensional equation for a time step, conserves mass and keeps densities non-negative;
so does any composition. Sweeps that commute are grouped, because a group needs no symmetrising:

- drifts ``b_i``, ``b_j`` commute where ``b_i`` does not depend on ``x_j`` nor ``b_j`` on ``x_i``;
- jumps along axes commute where each rate depends on its own coordinate at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.equation import FokkerPlanck, diffusion_on_cells, drift_on_faces
from fpsim.lattice.lines import LineSet, lines_along, strides_of
from fpsim.lattice.selling import lattice_diffusion
from fpsim.parallel import Team
from fpsim.transport.diffuse import diffuse_lines
from fpsim.transport.diffuse_shared import FACTORS, diffuse_shared, eliminate
from fpsim.transport.limit import LANES
from fpsim.transport.remap import remap_lines, remap_shared
from fpsim.transport.trace import REACH, reconstruction_weights, trace_feet

__all__ = ["Block", "DiffusionSweep", "DriftSweep", "Sweep", "sweep_blocks"]

Array = NDArray[np.float64]


class Sweep(Protocol):
    """One one-dimensional equation, solved on all lines of the grid."""

    @property
    def grid(self) -> Grid:
        """Grid it was made for."""
        ...

    def apply(self, u: Array, dt: float, team: Team) -> float:
        """Advance the flat array ``u`` in place by ``dt``; what was absorbed, in the unit of ``sum(u)``."""
        ...


Block = tuple[Sweep, ...]
"""Sweeps that commute with each other."""


@lru_cache(maxsize=256)
def _table(lines: LineSet, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], int]:
    """Where a coefficient of that (broadcast) shape begins on each line, and its step along lines."""
    strides = strides_of(shape)
    return lines.coordinates @ strides, int(np.array(lines.offset) @ strides)


@dataclass(frozen=True, eq=False)
class DriftSweep:
    """``d_t p = -d_i (b_i p)`` along one axis.

    Attributes
    ----------
    drift : ndarray
        ``b_i`` on the faces of the axis, of minimal broadcast shape.
    """

    grid: Grid
    axis: int
    drift: Array

    def apply(self, u: Array, dt: float, team: Team) -> float:
        """See :class:`Sweep`."""
        grid, axis = self.grid, self.axis
        n, periodic = grid.shape[axis], grid.periodic(axis)
        lines = lines_along(grid, tuple(int(a == axis) for a in range(grid.ndim)))
        low, high = (side is Boundary.ABSORBING for side in grid.boundary[axis])
        flat, lost, step = self.drift.ravel(), np.zeros(lines.count if low or high else 0), 1.0 / grid.spacing[axis]
        lost = lost if lost.size else _unused(lines.count)
        if flat.size <= n + 1 and flat.size == self.drift.shape[axis]:
            foot, cell, weight = np.empty(n + 1), np.empty(n + 1, np.int64), np.empty((7, n + 1))
            trace_feet(np.broadcast_to(flat * step, (n + 1,)).copy(), dt, n, periodic, low, high, foot)
            reconstruction_weights(foot, n, periodic, cell, weight)

            def work(part: int, begin: int, end: int) -> None:
                room = team.scratch(part, (n + 2 * REACH, LANES))
                remap_shared(u, lines.starts, lines.stride, n, periodic, cell, weight, begin, end, room, lost)
        else:
            starts, stride = _table(lines, self.drift.shape)

            def work(part: int, begin: int, end: int) -> None:
                room, cells = team.scratch(part, (10, n + 7)), np.empty(n + 1, np.int64)
                remap_lines(
                    u, lines.starts, lines.stride, n, periodic, low, high, flat, starts, stride, step, dt, begin, end,
                    room, cells, lost,
                )  # fmt: skip

        team.run(work, lines.count, u.size)
        return float(np.sum(lost)) if low or high else 0.0


@lru_cache(maxsize=8)
def _unused(count: int) -> Array:
    """Where kernels put absorbed mass that the boundary makes zero."""
    return np.zeros(count)


@dataclass(frozen=True, eq=False)
class DiffusionSweep:
    """Jumps by ``+-offset`` at rate ``rate`` per direction.

    Attributes
    ----------
    rate : ndarray
        Of minimal broadcast shape.
    """

    grid: Grid
    offset: tuple[int, ...]
    rate: Array

    def apply(self, u: Array, dt: float, team: Team) -> float:
        """See :class:`Sweep`."""
        lines = lines_along(self.grid, self.offset)
        if lines.longest == 1 and not (lines.low_exit.any() or lines.high_exit.any()):
            return 0.0
        if lines.closed and lines.longest == 2:  # both neighbours are the same cell
            dt *= 2.0
        leaks = bool(lines.low_exit.any() or lines.high_exit.any())
        lost = np.zeros(lines.count) if leaks else _unused(lines.count)
        if self.shared:
            self._shared(u, dt, team, lines, lost)
        else:
            team.run(lambda part, i, j: self._lines(u, dt, team, lines, lost, part, i, j), lines.count, u.size)
        return float(np.sum(lost)) if leaks else 0.0

    @property
    def shared(self) -> bool:
        """Whether all lines are alike: jumps along an axis, at a rate that depends on it at most."""
        along = np.array(self.offset) != 0
        return sum(map(abs, self.offset)) == 1 and bool((np.array(self.rate.shape)[~along] == 1).all())

    def _shared(self, u: Array, dt: float, team: Team, lines: LineSet, lost: Array) -> None:
        n, closed = lines.longest, lines.closed and lines.longest > 2
        low, high = float(lines.low_exit[0]), float(lines.high_exit[0])
        factor, failed = np.empty((FACTORS, n)), np.empty(lines.count, bool)
        r = np.broadcast_to(dt * self.rate.ravel(), (n,)).copy()
        eliminate(r, closed, low, high, factor)

        def work(part: int, begin: int, end: int) -> None:
            room = team.scratch(part, (2, n, LANES))
            diffuse_shared(
                u, lines.starts, lines.stride, n, closed, low, high, r, factor, begin, end, room, lost, failed
            )  # fmt: skip
            if failed[begin:end].any():
                for first in range(begin, end, LANES):
                    if failed[first]:
                        self._lines(u, dt, team, lines, lost, part, first, min(first + LANES, end))

        team.run(work, lines.count, u.size)

    def _lines(
        self, u: Array, dt: float, team: Team, lines: LineSet, lost: Array, part: int, begin: int, end: int
    ) -> None:
        rate = np.ascontiguousarray(np.broadcast_to(self.rate, self.grid.shape)) if lines.order.size else self.rate
        starts, stride = _table(lines, rate.shape)
        diffuse_lines(
            u, lines.starts, lines.lengths, lines.stride, lines.order, lines.closed and lines.longest > 2,
            lines.low_exit, lines.high_exit, rate.ravel(), starts, stride, dt, begin, end,
            team.scratch(part, (7, lines.longest, LANES)), lost,
        )  # fmt: skip


def sweep_blocks(
    equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None
) -> tuple[tuple[Block, ...], float]:
    """Blocks of commuting sweeps of an equation, and the largest isotropic diffusion that had to be added.

    Diffusion comes first: a symmetric composition then passes through the drift, which costs more, once.
    """
    tensor = lattice_diffusion(diffusion_on_cells(equation, grid, t=t, p=p), grid)
    jumps = [
        DiffusionSweep(grid, tuple(int(v) for v in offset), rate)
        for offset, rate in zip(tensor.offsets, tensor.rates, strict=True)
        if rate.any()
    ]
    drifts = [drift_on_faces(equation, grid, axis, t=t, p=p) for axis in range(grid.ndim)]
    flows = [DriftSweep(grid, axis, b) for axis, b in enumerate(drifts) if b.any()]
    apart = all(
        drifts[i].shape[j] == 1 for i in range(grid.ndim) for j in range(grid.ndim) if i != j and drifts[i].any()
    )
    return (*_grouped(jumps, _own_coordinate(jumps)), *_grouped(flows, apart)), tensor.added_max


def _own_coordinate(jumps: list[DiffusionSweep]) -> bool:
    """Whether every jump is along an axis and its rate depends on that axis at most."""
    return all(
        sum(map(abs, jump.offset)) == 1
        and all(n == 1 for n, e in zip(jump.rate.shape, jump.offset, strict=True) if e == 0)
        for jump in jumps
    )


def _grouped(sweeps: list[Any], commute: bool) -> tuple[Block, ...]:
    if not sweeps:
        return ()
    return (tuple(sweeps),) if commute else tuple((s,) for s in sweeps)
