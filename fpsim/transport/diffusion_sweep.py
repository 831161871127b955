"""Diffusion along one lattice offset, ``d_t p = (d^2 / d e^2)(lambda p)`` as jumps, as a sweep."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.lattice.lines import find_lines, lines_along
from fpsim.parallel import Team
from fpsim.transport.diffuse import diffuse_lines
from fpsim.transport.limit import LANES
from fpsim.transport.sweep import Account, table_of

__all__ = ["DiffusionSweep"]

Array = NDArray[np.float64]


@dataclass(eq=False)
class DiffusionSweep:
    """Jumps by ``+-offset``; see :mod:`fpsim.transport.diffuse` for the scheme.

    Attributes
    ----------
    coefficient : ndarray
        Of minimal broadcast shape; times ``scale`` it is the rate of jumps in each direction (1 / time).
    keep : bool
        Whether to keep the lines beyond the life of this sweep: they take long to find, and memory.
    """

    grid: Grid
    offset: tuple[int, ...]
    coefficient: Array
    scale: float = 1.0
    keep: bool = True
    speed: float = field(init=False)

    def __post_init__(self) -> None:
        self.speed = 2.0 * self.scale * float(self.coefficient.max())
        self._lines = lines = (lines_along if self.keep else find_lines)(self.grid, self.offset)
        self._leaks = bool(lines.low_exit.any() or lines.high_exit.any())  # a line ends at an absorbing wall
        # where lines wrap, a coefficient that varies is needed in full size
        whole = lines.order.size and self.coefficient.size > 1
        shape = self.grid.shape if whole else self.coefficient.shape
        flat = np.ascontiguousarray(np.broadcast_to(self.coefficient, shape)).ravel()
        if shape == self.grid.shape:
            starts, stride = lines.starts, lines.stride
        else:
            starts, stride = table_of(lines, shape) if self.keep else lines.starts_in(shape)
        self._call = (
            lines.starts, lines.lengths, lines.stride, lines.order, lines.closed and lines.longest > 2,
            lines.low_exit, lines.high_exit, flat, starts, stride,
        )  # fmt: skip
        self._room = (7 * lines.longest * min(LANES, lines.count),)

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:  # noqa: ARG002
        """See :class:`fpsim.transport.sweep.Sweep`."""
        lines, absorbed = self._lines, 0.0
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
