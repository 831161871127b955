"""The same problem in cells twice as wide: what differs tells the grid's error.

Coefficients given as grid arrays are taken between their cells, linearly: second order in the cell width, positive
semidefinite where they were. They belong to one grid, so a box that moves cannot have them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Grid
from fpsim.density.numbers import fits
from fpsim.equation import FokkerPlanck

__all__ = ["on_coarser", "sampled"]

NAMES = ("drift", "diffusion", "potential", "phi")


def sampled(equation: FokkerPlanck, grid: Grid) -> list[str]:
    """Names of the coefficients that are given as arrays on the grid."""
    return [name for name in NAMES if _on_grid(getattr(equation, name), grid)]


def on_coarser(equation: FokkerPlanck, grid: Grid) -> FokkerPlanck:
    """An equation on a grid as ``grid.coarser()`` takes it: itself, unless a coefficient is a grid array."""
    if not sampled(equation, grid):
        return equation
    coefficients = {name: _between(getattr(equation, name), grid, grid.coarser()) for name in NAMES}
    return FokkerPlanck(**coefficients, calculus=equation.calculus)


def _on_grid(raw: Any, grid: Grid) -> bool:
    """Whether a coefficient has a value per cell along some axis: its last axes are then those of the grid."""
    if raw is None or callable(raw):
        return False
    if isinstance(raw, (list, tuple)):
        return any(_on_grid(part, grid) for part in raw)
    last = np.shape(raw)[-grid.ndim :]
    return any(n > 1 for n in last) and fits(last, grid.shape)


def _between(raw: Any, grid: Grid, coarse: Grid) -> Any:
    """A coefficient at the centres of other cells of the same box."""
    if not _on_grid(raw, grid):
        return raw
    if isinstance(raw, (list, tuple)):
        return [_between(part, grid, coarse) for part in raw]
    values: NDArray[np.float64] = np.asarray(raw, float)
    for axis, (n, m) in enumerate(zip(grid.shape, coarse.shape, strict=True), start=values.ndim - grid.ndim):
        if values.shape[axis] == n:
            place = (np.arange(m) + 0.5) * (n / m) - 0.5
            low = place.astype(int)
            share = (place - low).reshape((-1, *(1,) * (values.ndim - 1 - axis)))
            values = (1.0 - share) * values.take(low, axis) + share * values.take(low + 1, axis)
    return values
