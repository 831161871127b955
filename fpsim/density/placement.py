"""Mass of a density outside its box, and points moved to the centre of their cell: warned of, or refused.

A share above ``WORTH_WARNING`` beyond the walls is a warning, one above ``MOST`` an error, both with the share and the
wall. A density much narrower than a cell is put at the cell's centre, and a warning says where, if that moves it.
Limits: shares are those of each axis alone; periodic axes have no outside.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.support.errors import DomainError, ValidityWarning

__all__ = ["check_inside", "check_place"]

Array = NDArray[np.float64]

WORTH_WARNING = 1e-3
"""Share of the mass outside the box that is worth a warning."""

MOST = 0.5
"""Share of the mass outside the box above which a density is refused."""

ROUNDING = 1e-6
"""A density centred on a wall, half of which lies outside, passes."""

NARROW = 0.5
"""Standard deviation, in cells, below which a mean on the grid depends on where in its cell the density lies."""

MOVED = 0.01
"""Cells that a density may be moved without a word."""


def check_inside(grid: Grid, beyond: Array, what: str, *, becomes: str, level: int = 2) -> None:
    """Check that a density lies inside its box.

    Parameters
    ----------
    grid : Grid
    beyond : ndarray, shape (ndim, 2)
        Share of the mass beyond the lower and the upper wall of every axis.
    what : str
        Name of what is put on the grid.
    becomes : str, keyword-only
        What becomes of the mass outside.
    level : int, keyword-only
        Frames between the warning and the public function.

    Raises
    ------
    DomainError
        If more than half of it lies outside.
    """
    outside = 1.0 - float(np.prod(np.maximum(1.0 - beyond.sum(axis=1), 0.0)))
    if not outside > WORTH_WARNING:
        return
    axis, side = divmod(int(beyond.argmax()), 2)
    end, value = (("lower", grid.lower[axis]), ("upper", grid.upper[axis]))[side]
    text = f"{what}: {outside:.3g} of the mass lies outside the box, most of it beyond {grid.names[axis]} = {value:g}, "
    text += f"the {end} wall"
    if outside > MOST + ROUNDING:
        raise DomainError(f"{text}: a box that holds at least half of it is accepted")
    warnings.warn(f"{text}, and is {becomes}: a larger box holds it", ValidityWarning, stacklevel=level + 2)


def check_place(grid: Grid, mean: Array, std: Array, values: Array, what: str, *, level: int = 2) -> None:
    """Warn where a density narrower than a cell is put at another place.

    Parameters
    ----------
    grid : Grid
    mean, std : ndarray, shape (ndim,)
        Of the density that was asked for.
    values : ndarray, shape ``grid.shape``
        What it became, in any unit.
    """
    found, total = [], values.sum()
    for axis, centers in enumerate(grid.centers):
        if std[axis] >= NARROW * grid.spacing[axis] or not total > 0.0:
            continue
        line = values.sum(axis=tuple(a for a in range(grid.ndim) if a != axis))
        place = float(line @ centers / total)
        if abs(place - mean[axis]) > MOVED * grid.spacing[axis]:
            found.append(f"{grid.names[axis]} = {place:.6g} for {mean[axis]:.6g} (cells {grid.spacing[axis]:.3g} wide)")
    if found:
        text = f"{what} is narrower than a cell and is put at its centre: {', '.join(found)}"
        warnings.warn(f"{text}; more cells, or an edge moved by half a cell, keep it", ValidityWarning, level + 2)
