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
from fpsim.density.numbers import real_number
from fpsim.errors import DomainError
from fpsim.memory import check_memory

__all__ = ["fitted_grid", "regrid"]

Array = NDArray[np.float64]

_REACH = 3
_TAIL = 1e-10  # mass that may lie outside what a fitted grid is built around, on either side


def regrid(density: Density, grid: Grid) -> Density:
    """The same density as cell averages of another grid of the same dimension.

    Parameters
    ----------
    density : Density
    grid : Grid
        Any cell counts, and any box that shares a part with the density's; along periodic axes its own box.

    Raises
    ------
    DomainError
        If the dimension differs, the boxes have nothing in common, or a periodic axis has another box.
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
    check_memory(32.0 * grid.size, f"a density on {grid.shape} cells", "take fewer")
    values = density.values
    for axis in range(grid.ndim):
        same_box = (old.lower[axis], old.upper[axis]) == (grid.lower[axis], grid.upper[axis])
        if old.periodic(axis) and not same_box:
            raise DomainError(f"regrid changes the period of axis {axis}: the same box is accepted along it")
        if not same_box or old.shape[axis] != grid.shape[axis]:
            feet = (grid.edges[axis] - old.lower[axis]) / old.spacing[axis]
            lines = np.moveaxis(values, axis, 0)
            moved = _remap(lines, feet, periodic=old.periodic(axis))
            values = np.moveaxis(moved, 0, axis) * (old.spacing[axis] / grid.spacing[axis])
    return Density(grid, values)


def _weights(xi: Array) -> Array:
    """Weights (feet, 7) of the cells around feet for the mass left of ``xi`` in their cell (Lagrange's primitive)."""
    nodes = np.arange(-_REACH, _REACH + 2)
    factors = (xi[:, None, None] - nodes) / np.where(np.eye(len(nodes), dtype=bool), 1.0, nodes[:, None] - nodes)
    lagrange = np.where(np.eye(len(nodes), dtype=bool), 1.0, factors).prod(axis=2)
    beyond = np.cumsum(lagrange[:, :0:-1], axis=1)[:, ::-1]
    return np.where(nodes[:-1] < 0, beyond - 1.0, beyond)


def _remap(u: Array, feet: Array, *, periodic: bool) -> Array:
    """Mass between consecutive feet (in cells of the first axis of ``u``); beyond the ends all goes to the last."""
    n = len(u)
    feet = np.clip(feet, 0.0, n)
    feet[0], feet[-1] = 0.0, n
    out = np.empty((len(feet) - 1, *u.shape[1:]))
    cells = np.minimum(feet.astype(int), n - 1)
    weights = _weights(feet - cells)
    held, previous = np.zeros(u.shape[1:]), 0
    for f, i in enumerate(cells):
        mass = np.zeros(u.shape[1:])
        for weight, j in zip(weights[f], range(i - _REACH, i + _REACH + 1), strict=True):
            if weight != 0.0:
                mass += weight * u[j % n if periodic else min(max(j, 0), n - 1)]
        mass = np.clip(mass, held if i == previous else 0.0, u[i])
        if f > 0:
            out[f - 1] = mass - held if i == previous else mass + (u[previous] - held) + u[previous + 1 : i].sum(axis=0)
        held, previous = mass, i
    return out


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
