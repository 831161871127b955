"""Diffusion along one lattice offset, ``d_t p = (d^2 / d e^2)(lambda p)`` as jumps, as a sweep."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.evolution.diffuse import diffuse_lines
from fpsim.evolution.limit import LANES
from fpsim.evolution.sweep import Account, Part, Table, table_of
from fpsim.lattice.line_set import LineSet
from fpsim.lattice.lines import find_lines, lines_along
from fpsim.support.threads import Team

__all__ = ["DiffusionSweep", "jump_sweep"]

Array = NDArray[np.float64]


@dataclass(eq=False)
class DiffusionSweep:
    """Jumps by ``+-offset``; see :mod:`fpsim.evolution.diffuse` for the scheme.

    Attributes
    ----------
    lines : LineSet
        Cells that jumps go between.
    rate : Table
        Times ``scale``, the rate of jumps in each direction (1 / time).
    """

    lines: LineSet
    rate: Table
    scale: float = 1.0
    speed: float = field(init=False)

    def __post_init__(self) -> None:
        self.speed = 2.0 * self.scale * float(self.rate.values.max())
        lines = self.lines
        self._leaks = bool(lines.low_exit.any() or lines.high_exit.any())  # a line ends at an absorbing wall
        self._call = (
            lines.starts, lines.lengths, lines.stride, lines.order, lines.closed and lines.longest > 2,
            lines.low_exit, lines.high_exit, *self.rate,
        )  # fmt: skip
        self._room = (7 * lines.longest * min(LANES, lines.count),)

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:  # noqa: ARG002
        """See :class:`fpsim.evolution.sweep.Sweep`."""
        lines, absorbed = self.lines, 0.0
        if lines.longest == 1 and not self._leaks:
            return Account()
        # on a ring of two cells both neighbours are the same one
        step = self.scale * dt * (2.0 if lines.closed and lines.longest == 2 else 1.0)
        lost = team.shared((lines.count,))

        def work(part: int, begin: int, end: int) -> None:
            diffuse_lines(u, *self._call, step, begin, end, team.scratch(part, self._room), lost)

        for _ in range(steps):
            team.run(work, lines.count, u.size)
            absorbed += float(np.sum(lost)) if self._leaks else 0.0
        return Account(absorbed)


def jump_sweep(
    grid: Grid,
    offset: tuple[int, ...],
    coefficient: Array,
    *,
    scale: float = 1.0,
    keep: bool = True,
    part: Part | None = None,
) -> DiffusionSweep:
    """The sweep of jumps along an offset of a grid.

    Parameters
    ----------
    coefficient : ndarray
        Of minimal broadcast shape; times ``scale`` it is the rate of jumps in each direction (1 / time).
    keep : bool
        Whether to keep the lines beyond the life of this sweep: they take long to find, and memory.
    part : Part, optional
        Where the grid is in a larger one, whose array is swept. It is not cut along the offset.
    """
    lines = (lines_along if keep else find_lines)(grid, offset)
    if lines.order.size and coefficient.size > 1:  # where lines wrap, one that varies is needed in full size
        coefficient = np.broadcast_to(coefficient, grid.shape)
    return DiffusionSweep(
        lines if part is None else lines.within(*part), table_of(lines, coefficient, keep=keep), scale
    )
