"""Diffusion along one lattice offset, ``d_t p = (d^2 / d e^2)(lambda p)`` as jumps, as a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.lattice.lines import LineSet, lines_along
from fpsim.parallel import Team
from fpsim.transport.diffuse import diffuse_lines
from fpsim.transport.diffuse_shared import FACTORS, diffuse_shared, eliminate
from fpsim.transport.limit import LANES
from fpsim.transport.sweep import KEPT, table_of, unused

__all__ = ["DiffusionSweep"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DiffusionSweep:
    """Jumps by ``+-offset``; see :mod:`fpsim.transport.diffuse` for the scheme.

    Attributes
    ----------
    coefficient : ndarray
        Of minimal broadcast shape; times ``scale`` it is the rate of jumps in each direction (1 / time).
    """

    grid: Grid
    offset: tuple[int, ...]
    coefficient: Array
    scale: float = 1.0

    @cached_property
    def lines(self) -> LineSet:
        """Lines along the offset."""
        return lines_along(self.grid, self.offset)

    @cached_property
    def along_axis(self) -> bool:
        """Whether jumps are between neighbours along an axis and their rate depends on it at most."""
        others = (n for n, e in zip(self.coefficient.shape, self.offset, strict=True) if e == 0)
        return sum(map(abs, self.offset)) == 1 and all(n == 1 for n in others)

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

    def apply(self, u: Array, dt: float, team: Team) -> float:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        lines = self.lines
        if lines.longest == 1 and not self.leaks:
            return 0.0
        # on a ring of two cells both neighbours are the same one
        step = self.scale * dt * (2.0 if lines.closed and lines.longest == 2 else 1.0)
        lost = np.zeros(lines.count) if self.leaks else unused(lines.count)
        if self.along_axis:
            self._all_alike(u, step, team, lost)
        else:
            team.run(lambda part, begin, end: self._lines(u, step, team, lost, part, begin, end), lines.count, u.size)
        return float(np.sum(lost)) if self.leaks else 0.0

    @cached_property
    def _known(self) -> dict[float, tuple[Array, Array]]:
        return {}

    def _factors(self, step: float) -> tuple[Array, Array]:
        """Rates times the step and the elimination of one line, kept for the last few steps used."""
        found = self._known.get(step)
        if found is None:
            lines = self.lines
            r, factor = np.empty(lines.longest), np.empty((FACTORS, lines.longest))
            np.multiply(self.flat, step, out=r)
            closed = lines.closed and lines.longest > 2
            eliminate(r, closed, float(lines.low_exit[0]), float(lines.high_exit[0]), factor)
            if len(self._known) >= KEPT:
                self._known.clear()
            found = self._known[step] = r, factor
        return found

    def _all_alike(self, u: Array, step: float, team: Team, lost: Array) -> None:
        lines = self.lines
        n, closed = lines.longest, lines.closed and lines.longest > 2
        low, high = float(lines.low_exit[0]), float(lines.high_exit[0])
        r, factor = self._factors(step)
        failed = np.empty(lines.count, bool)

        def work(part: int, begin: int, end: int) -> None:
            room = team.scratch(part, (2, n, LANES))
            left_over = diffuse_shared(
                u, lines.starts, lines.stride, n, closed, low, high, r, factor, begin, end, room, lost, failed
            )  # fmt: skip
            if left_over:
                for first in range(begin, end, LANES):
                    if failed[first]:
                        self._lines(u, step, team, lost, part, first, min(first + LANES, end))

        team.run(work, lines.count, u.size)

    def _lines(self, u: Array, step: float, team: Team, lost: Array, part: int, begin: int, end: int) -> None:
        lines = self.lines
        starts, stride = table_of(lines, self.grid.shape if lines.order.size else self.coefficient.shape)
        diffuse_lines(
            u, lines.starts, lines.lengths, lines.stride, lines.order, lines.closed and lines.longest > 2,
            lines.low_exit, lines.high_exit, self.flat, starts, stride, step, begin, end,
            team.scratch(part, (7, lines.longest, LANES)), lost,
        )  # fmt: skip
