"""Parts of a grid: smaller grids of the same cells, for what is too large to be looked at all at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid

__all__ = ["Where", "boxes", "cells_of_box", "place_in", "shape_with"]

Where = tuple[slice, ...]

BOXES = {1: 16, 2: 64, 3: 144, 4: 256}
"""About how many boxes a grid of so many axes is cut into: coefficients on one are small beside the grid."""

LEAST = 4096
"""Cells of a box, if the grid has as many: fewer take as long to be asked for."""


def cells_of_box(shape: tuple[int, ...]) -> int:
    """About how many cells a part of a grid of that shape has."""
    return max(prod(shape) // BOXES[len(shape)], LEAST)


def boxes(grid: Grid, *, uncut: tuple[int, ...] = ()) -> Iterator[tuple[Where, Grid]]:
    """Boxes that make up a grid, and where they are; at least two cells along every axis.

    Axes that are ``uncut`` go from wall to wall, and keep them; the sides of the others are walls of no meaning.
    """
    target, rest, cuts = cells_of_box(grid.shape), grid.size, []
    for axis, n in enumerate(grid.shape):
        pieces = 1 if axis in uncut else max(min(-(-rest // target), n // 2), 1)
        rest = -(-rest // pieces)
        cuts.append([(k * n // pieces, (k + 1) * n // pieces) for k in range(pieces)])
    sides = tuple(grid.boundary[a] if a in uncut else (Boundary.REFLECTING,) * 2 for a in range(grid.ndim))
    for ends in product(*cuts):
        where = tuple(slice(i, j) for i, j in ends)
        yield where, grid.part(where, sides)


def shape_with(before: tuple[int, ...], part: tuple[int, ...], full: tuple[int, ...]) -> tuple[int, ...]:
    """Broadcast shape of values on a grid, from what it was before a part was looked at and the shape there."""
    return tuple(n if m > 1 or k > 1 else 1 for m, k, n in zip(part, before, full, strict=True))


def place_in(where: Where, shape: tuple[int, ...], *, faces_of: int = -1) -> Where:
    """Where a part is in values of that broadcast shape, which may be on the faces of an axis."""
    return tuple(
        slice(0, 1) if n == 1 else slice(s.start, s.stop + (a == faces_of))
        for a, (s, n) in enumerate(zip(where, shape, strict=True))
    )
