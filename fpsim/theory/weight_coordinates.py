"""Coordinates of weights: a tuple of arrays that broadcast together, one per entry of a matrix in C order.

Coefficients of a density come as an open mesh, weights of an ensemble as columns; both are such tuples.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "Coordinates", "columns", "entries", "remembered"]

Array: TypeAlias = NDArray[np.float64]
Coordinates: TypeAlias = tuple[Array, ...]
T = TypeVar("T")


def columns(matrices: ArrayLike) -> Coordinates:
    """Entries of matrices (..., rows, columns) as one array (...) each."""
    flat = np.asarray(matrices, dtype=np.float64)
    flat = flat.reshape(*flat.shape[:-2], -1)
    return tuple(flat[..., i] for i in range(flat.shape[-1]))


def entries(mesh: Coordinates, rows: int, cols: int) -> list[list[Array]]:
    """The mesh as a matrix of arrays."""
    return [[mesh[i * cols + j] for j in range(cols)] for i in range(rows)]


def remembered(function: Callable[[Coordinates], T], size: int = 6) -> Callable[[Coordinates], T]:
    """``function`` of a mesh that keeps its last few answers: a solver asks for the same meshes at every step."""
    answers: OrderedDict[Any, T] = OrderedDict()

    def lookup(mesh: Coordinates) -> T:
        key = tuple((x.shape, x.tobytes()) for x in mesh)
        if key not in answers:
            answers[key] = function(mesh)
            if len(answers) > size:
                answers.popitem(last=False)
        answers.move_to_end(key)
        return answers[key]

    return lookup
