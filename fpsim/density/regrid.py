"""Conservative regridding: a density carried to another grid without losing mass or sign.

Axis by axis, the mass of a new cell is the difference of a primitive of the old cell averages at its two edges. The
primitive is a polynomial of degree seven over seven cells, held inside each cell between zero and the cell's mass and
never decreasing: so mass is exact, values are non-negative and smooth densities keep seventh order. Mass of the old
grid beyond the ends of the new one goes into its outermost cells; nothing is dropped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.density.density import Density
from fpsim.density.grid import Grid
from fpsim.density.remap import carry
from fpsim.support.checks import real_number
from fpsim.support.errors import DomainError
from fpsim.support.memory import check_memory

__all__ = ["fitted_grid", "regrid"]

Array = NDArray[np.float64]

_TAIL = 1e-10  # mass that may lie outside what a fitted grid is built around, on either side


def regrid(density: Density, grid: Grid, *, out: Array | None = None) -> Density:
    """The same density as cell averages of another grid of the same dimension.

    Parameters
    ----------
    density : Density
    grid : Grid
        Any cell counts, and any box that shares a part with the density's; along periodic axes its own box.
    out : ndarray, shape ``grid.shape``, keyword-only, optional
        Where the values go, which then belong to the answer; for a grid of the same cell counts.

    Raises
    ------
    DomainError
        If the dimension differs, the boxes have nothing in common, a periodic axis has another box, or there is ``out``
        for other cell counts.
    MemoryLimitError
        If arrays of the grid's size do not fit into the machine.
    """
    if not isinstance(density, Density) or not isinstance(grid, Grid):
        raise DomainError(f"regrid of a {type(density).__name__} to a {type(grid).__name__}: a Density and a Grid")
    old = density.grid
    if grid.ndim != old.ndim:
        raise DomainError(f"regrid from {old.ndim} to {grid.ndim} dimensions: equal dimensions are accepted")
    for axis, (a, b, low, high) in enumerate(zip(grid.lower, grid.upper, old.lower, old.upper, strict=True)):
        if b <= low or high <= a:
            raise DomainError(
                f"regrid to [{a:g}, {b:g}] along axis {axis}: the density lives on [{low:g}, {high:g}]; a box that "
                "shares a part with it is accepted"
            )
    if out is not None:
        _check_room(out, grid, old)
    check_memory(32.0 * grid.size, f"a density on {grid.shape} cells", "take fewer")
    values = np.empty(old.shape) if out is None else out.reshape(old.shape)
    values[...] = density.values
    for axis in range(grid.ndim):
        same_box = (old.lower[axis], old.upper[axis]) == (grid.lower[axis], grid.upper[axis])
        if old.periodic(axis) and not same_box:
            raise DomainError(f"regrid changes the period of axis {axis}: the same box is accepted along it")
        if same_box and old.shape[axis] == grid.shape[axis]:
            continue
        feet = (grid.edges[axis] - old.lower[axis]) / old.spacing[axis]
        shape = (*values.shape[:axis], grid.shape[axis], *values.shape[axis + 1 :])
        target = values if shape == values.shape else np.empty(shape)
        ratio = old.spacing[axis] / grid.spacing[axis]
        carry(values, axis, feet, periodic=old.periodic(axis), ratio=ratio, out=target)
        values = target
    return Density.over(grid, values)


def _check_room(out: Array, grid: Grid, old: Grid) -> None:
    if grid.shape != old.shape:
        raise DomainError(f"out for {grid.shape} cells from {old.shape}: equal cell counts are accepted")
    if out.dtype != np.float64 or out.size != grid.size or not out.flags.c_contiguous or not out.flags.writeable:
        raise DomainError(
            f"out is of type {out.dtype} and shape {out.shape}: a writable, C-contiguous array of {grid.size} float64 "
            "is accepted"
        )


def fitted_grid(density: Density, *, margin: float = 0.25) -> Grid:
    """Grid of the same cell counts around where the density is.

    Along reflecting axes the new box holds all but 1e-10 of the mass on either side, widened by ``margin`` times that
    width (and at least one old cell); periodic and absorbing axes keep their box.

    Raises
    ------
    DomainError
        If ``density`` is none, or the margin is negative or not finite.
    """
    if not isinstance(density, Density):
        raise DomainError(f"fitted grid of a {type(density).__name__}: a Density is accepted")
    if real_number(margin, "margin") < 0.0:
        raise DomainError(f"margin is {margin}: a finite number >= 0 is accepted")
    grid = density.grid
    lower, upper = list(grid.lower), list(grid.upper)
    for axis in range(grid.ndim):
        if set(grid.boundary[axis]) != {"reflecting"}:
            continue
        low, high = support(density, axis)
        room = max(margin * (high - low), grid.spacing[axis])
        lower[axis], upper[axis] = low - room, high + room
    return grid.with_box(lower, upper)


def support(density: Density, axis: int) -> tuple[float, float]:
    """Ends of the cells of an axis between which all but 1e-10 of the mass on either side lies."""
    line = density.values.sum(axis=tuple(a for a in range(density.grid.ndim) if a != axis))
    total = line.sum()
    first = int(np.searchsorted(np.cumsum(line), _TAIL * total, side="right"))
    last = len(line) - 1 - int(np.searchsorted(np.cumsum(line[::-1]), _TAIL * total, side="right"))
    edges = density.grid.edges[axis]
    return float(edges[min(first, last)]), float(edges[max(first, last) + 1])
