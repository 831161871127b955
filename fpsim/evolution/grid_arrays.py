"""Equations whose coefficients are grid arrays, on other cells: twice as wide, or a part of the grid's.

On cells twice as wide what differs tells the grid's error. Arrays are taken between their cells, linearly: second order
in the cell width, positive semidefinite where they were. They belong to one grid, so a box that moves cannot have them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck
from fpsim.support.checks import fits

__all__ = ["at_places", "on_coarser", "on_part", "sampled"]

Array = NDArray[np.float64]

NAMES = ("drift", "diffusion", "potential", "phi")


def sampled(equation: FokkerPlanck, grid: Grid) -> list[str]:
    """Names of the coefficients that are given as arrays on the grid."""
    return [name for name in NAMES if _on_grid(getattr(equation, name), grid)]


def on_coarser(equation: FokkerPlanck, grid: Grid) -> FokkerPlanck:
    """An equation on a grid as ``grid.coarser()`` takes it: itself, unless a coefficient is a grid array."""
    coarse = grid.coarser().shape
    return _elsewhere(equation, grid, lambda values: _between(values, grid.shape, coarse))


def on_part(equation: FokkerPlanck, grid: Grid, where: tuple[slice, ...]) -> FokkerPlanck:
    """An equation on a grid as a part of the grid takes it."""

    def cut(values: Array) -> Array:
        shape = values.shape[-grid.ndim :]
        index: tuple[Any, ...] = tuple(s if n > 1 else slice(None) for s, n in zip(where, shape, strict=True))
        return values[(..., *index)]

    return _elsewhere(equation, grid, cut)


def at_places(equation: FokkerPlanck, grid: Grid, index: Sequence[NDArray[np.int64]]) -> FokkerPlanck:
    """An equation on a grid as the mesh of some of its cells along every axis takes it."""

    def cut(values: Array) -> Array:
        for axis, cells in enumerate(index, start=values.ndim - grid.ndim):
            values = values.take(cells, axis) if values.shape[axis] > 1 else values
        return values

    return _elsewhere(equation, grid, cut)


def _elsewhere(equation: FokkerPlanck, grid: Grid, change: Callable[[Array], Array]) -> FokkerPlanck:
    """An equation with its grid arrays changed."""
    if not sampled(equation, grid):
        return equation
    coefficients = {name: _changed(getattr(equation, name), grid, change) for name in NAMES}
    return FokkerPlanck(**coefficients, calculus=equation.calculus)


def _changed(raw: Any, grid: Grid, change: Callable[[Array], Array]) -> Any:
    if not _on_grid(raw, grid):
        return raw
    if isinstance(raw, (list, tuple)):
        return [_changed(part, grid, change) for part in raw]
    return change(np.asarray(raw, float))


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
