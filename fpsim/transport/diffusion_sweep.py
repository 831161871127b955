"""Diffusion along one lattice offset, ``d_t p = (d^2 / d e^2)(lambda p)`` as jumps, as a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.lattice.lines import LineSet, find_lines, lines_along
from fpsim.parallel import Team
from fpsim.transport.diffuse import diffuse_lines
from fpsim.transport.limit import LANES
from fpsim.transport.sweep import Account, table_of

__all__ = ["DiffusionSweep"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
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

    @cached_property
    def lines(self) -> LineSet:
        """Lines along the offset."""
        return (lines_along if self.keep else find_lines)(self.grid, self.offset)

    @cached_property
    def leaks(self) -> bool:
        """Whether a line ends at an absorbing wall."""
        return bool(self.lines.low_exit.any() or self.lines.high_exit.any())

    @cached_property
    def flat(self) -> Array:
        """The coefficient as a contiguous flat array, of full size only where lines wrap."""
        full = np.broadcast_to(self.coefficient, self.grid.shape) if self.lines.order.size else self.coefficient
        return np.ascontiguousarray(full).ravel()

    @cached_property
    def speed(self) -> float:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        return 2.0 * self.scale * float(self.coefficient.max())

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:  # noqa: ARG002
        """See :class:`fpsim.transport.sweep.Sweep`."""
        lines, absorbed = self.lines, 0.0
        if lines.longest == 1 and not self.leaks:
            return Account()
        # on a ring of two cells both neighbours are the same one
        step = self.scale * dt * (2.0 if lines.closed and lines.longest == 2 else 1.0)
        lost = team.shared((lines.count,))
        shape = self.grid.shape if lines.order.size else self.coefficient.shape
        full = (lines.starts, lines.stride) if shape == self.grid.shape else None
        starts, stride = full or (table_of(lines, shape) if self.keep else lines.starts_in(shape))

        def work(part: int, begin: int, end: int) -> None:
            diffuse_lines(
                u, lines.starts, lines.lengths, lines.stride, lines.order, lines.closed and lines.longest > 2,
                lines.low_exit, lines.high_exit, self.flat, starts, stride, step, begin, end,
                team.scratch(part, (7 * lines.longest * min(LANES, lines.count),)), lost,
            )  # fmt: skip

        for _ in range(steps):
            team.run(work, lines.count, u.size)
            absorbed += float(np.sum(lost)) if self.leaks else 0.0
        return Account(absorbed)
