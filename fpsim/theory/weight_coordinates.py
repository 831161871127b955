"""Coordinates of weights: a tuple of arrays that broadcast together, one per entry of a matrix in C order.

Both an open mesh (the cells of a density) and columns (the replicas of an ensemble) are such tuples; functions of them
answer entry by entry, each entry of its own minimal shape.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "Coordinates", "Remembered", "columns", "entries", "with_arguments"]

Array: TypeAlias = NDArray[np.float64]
Coordinates: TypeAlias = tuple[Array, ...]


def columns(matrices: ArrayLike) -> Coordinates:
    """Entries of matrices (..., rows, columns) as one array (...) each."""
    flat = np.asarray(matrices, dtype=np.float64)
    flat = flat.reshape(*flat.shape[:-2], -1)
    return tuple(flat[..., i] for i in range(flat.shape[-1]))


def entries(mesh: Coordinates, rows: int, cols: int) -> list[list[Array]]:
    """The mesh as a matrix of arrays."""
    return [[mesh[i * cols + j] for j in range(cols)] for i in range(rows)]


class Remembered:
    """Function of coordinates that keeps its last few answers: a solver asks for the same meshes at every step.

    Copies and pickles carry the function, not the answers.
    """

    def __init__(self, function: Callable[[Coordinates], Any], size: int = 6) -> None:
        self.function, self.size = function, size
        self._answers: OrderedDict[Any, Any] = OrderedDict()

    def __call__(self, x: Coordinates) -> Any:
        """``function(x)``."""
        key = tuple((part.shape, part.tobytes()) for part in x)
        if key not in self._answers:
            self._answers[key] = self.function(x)
            if len(self._answers) > self.size:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        return self._answers[key]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.function, self.size)


def with_arguments(
    function: Callable[[Coordinates, float, Any], Any], *, of_time: bool = False, of_density: bool = False
) -> Callable[..., Any]:
    """Coefficient of a Fokker-Planck equation from ``function(x, t, p)``: it takes ``t`` and ``p`` only if it depends
    on them.
    """
    if of_time and of_density:
        return lambda *x, t, p: function(x, t, p)
    if of_time:
        return lambda *x, t: function(x, t, None)
    if of_density:
        return lambda *x, p: function(x, 0.0, p)
    return lambda *x: function(x, 0.0, None)
