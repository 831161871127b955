"""Result of an evolution: densities with their errors, the method and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density

__all__ = ["Evolution", "MethodResult"]

Array = NDArray[np.float64]


class MethodResult(NamedTuple):
    """The part of :class:`Evolution` that a method knows, before the grid's error."""

    times: Array
    densities: tuple[Any, ...]
    time_error: Array
    absorbed: Array
    steps: int
    rejected: int
    method: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Evolution:
    """Densities at the requested times, with their errors and how they were computed.

    Attributes
    ----------
    times : ndarray, shape (T,)
    densities : tuple of Density, or of tuples of Density for a coupled system
    time_error : ndarray, shape (T,)
        Estimated L1 error made by the step, relative to the mass at the start: the sum of local estimates.
    grid_error : ndarray, shape (T,)
        Estimated L1 error of the grid, relative to the mass at the start, from the same evolution on cells twice as
        wide, and four times where the order is uncertain; at most 2, which is no knowledge at all; ``nan`` if not asked
        for, or with fewer than 8 cells along an axis. Far too small where no grid tells anything, as where the
        generator spreads everything itself (cell Peclet numbers far above 2 and long times).
    absorbed : ndarray, shape (T,) or (T, equations)
        Mass that left through absorbing walls.
    steps, rejected : int
        Accepted and rejected steps; by method "rational", tridiagonal systems solved; by "generator", 0.
    method : str
        "sweeps", "generator" or "rational".
    reason : str
        Why this method: the line of the table in :mod:`fpsim.evolution.method_choice` that decided.
    warnings : tuple of str
        Every reason for caution, in words.
    peclet : (float, float)
        Smallest and largest cell Peclet number ``|b_i| h_i / D_ii`` on the grid, at the start.
    memory : int
        Estimated bytes held at once, beside the start.
    budget : float
        Bytes that it might have taken.
    """

    times: Array
    densities: tuple[Any, ...]
    time_error: Array
    grid_error: Array
    absorbed: Array
    steps: int
    rejected: int
    method: str
    reason: str = ""
    warnings: tuple[str, ...] = ()
    peclet: tuple[float, float] = (0.0, 0.0)
    memory: int = 0
    budget: float = float("inf")

    @property
    def final(self) -> Any:
        """The last density (or tuple of densities)."""
        return self.densities[-1]

    @property
    def error(self) -> Array:
        """Estimated L1 error per time, relative to the mass at the start: step and grid together."""
        return self.time_error + np.nan_to_num(self.grid_error)

    def __repr__(self) -> str:
        low, high = self.peclet
        grids = self.final if isinstance(self.final, tuple) else (self.final,)
        cells = " + ".join("x".join(map(str, d.grid.shape)) for d in grids if isinstance(d, Density))
        return (
            f"Evolution({len(self.times)} times to t={self.times[-1]:g}, {cells} cells, {self.method}, "
            f"{self.steps} steps, {self.rejected} rejected, L1 error: step {self.time_error[-1]:.1g}, grid "
            f"{self.grid_error[-1]:.1g}; cell Peclet {low:.2g} ... {high:.2g}; {self.memory / 1e6:.3g} MB"
            f"{''.join('; ' + w for w in self.warnings)})"
        )
