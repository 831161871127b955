"""Sets of cells: from predicates, masks and indices, and which cells can reach which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from fpsim.density import Grid
from fpsim.generator.generator import Generator
from fpsim.support.errors import DomainError

__all__ = ["Target", "cells_of", "closed_classes", "name_of", "rates_into", "reaching", "restrict"]

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
            raise DomainError(f"{name} mask has shape {raw.shape}: what broadcasts to {grid.shape}") from None
    elif np.issubdtype(raw.dtype, np.integer) and not callable(target):
        mask = _of_indices(grid, raw, name)
    else:
        raise DomainError(f"{name} is of type {raw.dtype}: a predicate, a boolean mask or integer indices are accepted")
    if not mask.any() or mask.all():
        held = "no cell" if not mask.any() else "every cell"
        raise DomainError(f"{name} holds {held} of {grid!r}: some cells, not all, are accepted")
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


def restrict(jumps: csr_array, cells: NDArray[Any]) -> csr_array:
    """Jump rates among some cells (a mask or flat indices)."""
    return csr_array(jumps[cells][:, cells])


def closed_classes(jumps: csr_array, outflow: Array) -> tuple[NDArray[Any], list[int]]:
    """Communicating class of every cell, and the classes that nothing leaves."""
    count, label = connected_components(jumps, directed=True, connection="strong")
    coo = jumps.tocoo()
    leaving = label[coo.row] != label[coo.col]
    opened = np.zeros(count, bool)
    opened[label[coo.row[leaving]]] = True
    opened[label[outflow > 0.0]] = True
    return label, [int(c) for c in np.flatnonzero(~opened)]


def reaching(jumps: csr_array, goal: Mask) -> Mask:
    """Cells from which a goal can be reached by jumps (the goal's own cells included)."""
    backward = csr_array(jumps.T)
    ends = np.flatnonzero(goal)
    graph = csr_array(  # one more node, from which an edge leads to every cell of the goal
        (
            np.append(backward.data, np.ones(len(ends))),
            np.append(backward.indices, ends),
            np.append(backward.indptr, backward.nnz + len(ends)),
        ),
        shape=(len(goal) + 1, len(goal) + 1),
    )
    found = np.zeros(len(goal) + 1, bool)
    found[breadth_first_order(graph, len(goal), return_predecessors=False)] = True
    return found[:-1]


def name_of(grid: Grid, mask: Mask) -> str:
    """Where the first cell of a mask lies, for messages."""
    index = np.unravel_index(int(np.flatnonzero(mask)[0]), grid.shape)
    return f"cell {tuple(int(i) for i in index)} ({int(mask.sum())} such cells)"
