"""Sets of cells: predicates, masks and indices as masks, and the rates into them.

Promises: a set that is empty, that holds every cell or that lies outside the grid is refused. Limits: sets are unions
of whole cells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from fpsim.density import Grid
from fpsim.generator.generator import Generator
from fpsim.support.errors import DomainError

__all__ = ["Target", "cells_of", "name_of", "rates_into"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

Target = Callable[..., Any] | ArrayLike
"""A predicate of the coordinates, a boolean mask of the grid's shape, or indices of cells."""


def cells_of(grid: Grid, target: Target, name: str = "target") -> Mask:
    """Flat mask of a set of cells.

    Parameters
    ----------
    grid : Grid
    target : callable, boolean array, or integers
        A predicate of the coordinates (of cell centres), a mask that broadcasts to ``grid.shape``, the index of one
        cell (``ndim`` integers; in one dimension also one integer), or several, shape (M, ndim).

    Raises
    ------
    DomainError
        If the form is not accepted, an index lies outside the grid, or the set is empty or holds every cell.
    """
    raw = np.asarray(target(*grid.mesh()) if callable(target) else target)
    if raw.dtype == bool:
        try:
            mask = np.broadcast_to(raw, grid.shape).ravel().copy()
        except ValueError:
            raise DomainError(
                f"{name} mask has shape {raw.shape}: what broadcasts to {grid.shape} is accepted"
            ) from None
    elif np.issubdtype(raw.dtype, np.integer) and not callable(target):
        mask = _of_indices(grid, raw, name)
    else:
        raise DomainError(f"{name} is of type {raw.dtype}: a predicate, a boolean mask or integer indices are accepted")
    if not mask.any() or mask.all():
        number = "no cell" if not mask.any() else "every cell"
        raise DomainError(f"{name} holds {number} of {grid!r}: some cells, not all, are accepted")
    return np.asarray(mask)


def _of_indices(grid: Grid, raw: NDArray[Any], name: str) -> Mask:
    index = raw.reshape(-1, 1) if grid.ndim == 1 and raw.ndim < 2 else np.atleast_2d(raw)
    if index.ndim != 2 or index.shape[1] != grid.ndim:
        raise DomainError(f"{name} indices have shape {raw.shape}: ({grid.ndim},) or (M, {grid.ndim}) are accepted")
    if (index < 0).any() or (index >= np.array(grid.shape)).any():
        raise DomainError(f"{name} has an index outside the grid's shape {grid.shape}: 0 <= index < shape is accepted")
    mask = np.zeros(grid.shape, bool)
    mask[tuple(index.T)] = True
    return mask.ravel()


def rates_into(generator: Generator, inside: Mask, target: Mask) -> Array:
    """Rate from every cell inside to the border of a target that is a union of cells, shape (inside.sum(),).

    The border is a face, half a jump away. With rates ``k`` into and ``k'`` out of a target's cell the exponential flux
    to that face has the rate ``k + sqrt(k k')`` exactly (``2 L B(-z / 2)`` with ``k = L B(-z)``, ``k' = L B(z)``).
    """
    there = csr_array(generator.jumps[inside][:, target])
    back = csr_array(generator.jumps[target][:, inside].T)
    both = there.multiply(back).sqrt()
    return np.asarray((there + both).sum(axis=1)).ravel()


def name_of(grid: Grid, mask: Mask) -> str:
    """Where the first cell of a mask lies, for messages."""
    index = np.unravel_index(int(np.flatnonzero(mask)[0]), grid.shape)
    return f"cell {tuple(int(i) for i in index)} ({int(mask.sum())} such cells)"
