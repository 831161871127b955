"""Coefficients given as grid arrays: which they are, and the same equation on cells twice as wide.

Arrays are taken between their cells, linearly: second order in the cell width, positive semidefinite where they were.
Limits: they belong to one grid, so a box that moves cannot have them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation.fokker_planck import FokkerPlanck
from fpsim.support.checks import fits

__all__ = ["grid_array_names", "on_coarser"]

Array = NDArray[np.float64]

NAMES = ("drift", "diffusion", "potential", "phi")


def grid_array_names(equation: FokkerPlanck, grid: Grid) -> list[str]:
    """Names of the coefficients that are given as arrays on the grid."""
    return [name for name in NAMES if _on_grid(getattr(equation, name), grid)]


def on_coarser(equation: FokkerPlanck, grid: Grid) -> FokkerPlanck:
    """An equation on a grid as ``grid.coarser()`` takes it: itself, unless a coefficient is a grid array."""
    if not grid_array_names(equation, grid):
        return equation
    coarse = grid.coarser().shape
    coefficients = {name: _coarser(getattr(equation, name), grid, coarse) for name in NAMES}
    return FokkerPlanck(**coefficients, calculus=equation.calculus, jumps=equation.jumps)


def _coarser(raw: Any, grid: Grid, coarse: tuple[int, ...]) -> Any:
    if not _on_grid(raw, grid):
        return raw
    if isinstance(raw, (list, tuple)):
        return [_coarser(part, grid, coarse) for part in raw]
    return _between(np.asarray(raw, float), grid.shape, coarse)


def _on_grid(raw: Any, grid: Grid) -> bool:
    """Whether a coefficient has a value per cell along some axis: its last axes are then those of the grid."""
    if raw is None or callable(raw):
        return False
    if isinstance(raw, (list, tuple)):
        return any(_on_grid(part, grid) for part in raw)
    last = np.shape(raw)[-grid.ndim :]
    return any(n > 1 for n in last) and fits(last, grid.shape)


def _between(values: Array, shape: tuple[int, ...], coarse: tuple[int, ...]) -> Array:
    """Values at the centres of other cells of the same box."""
    for axis, (n, m) in enumerate(zip(shape, coarse, strict=True), start=values.ndim - len(shape)):
        if values.shape[axis] == n:
            place = (np.arange(m) + 0.5) * (n / m) - 0.5
            low = place.astype(int)
            share = (place - low).reshape((-1, *(1,) * (values.ndim - 1 - axis)))
            values = (1.0 - share) * values.take(low, axis) + share * values.take(low + 1, axis)
    return values
