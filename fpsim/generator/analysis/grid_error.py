"""Grid error by Richardson extrapolation: the same analysis on two or three grids, with the order that is observed.

Analyses of a generator solve its jump process to rounding; how far that is from the continuum, only other grids show.
The scheme of Scharfetter and Gummel diffuses by ``D (w / 2) coth(w / 2)`` instead of ``D``, ``w = |b| h / D``: of
second order in the cell width for small cell Peclet numbers ``w``, of first order for large ones; of first order where
a full tensor meets a reflecting wall; of a lower one where ``D`` vanishes at a wall.

Three grids of ``n``, about ``n / 2`` and ``n / 4`` cells (64 or more cells along each axis) tell the order: with the
differences ``d`` of the first two, ``c`` of the last two and the ratio ``r`` of cell widths,

    q = ln(c / d) / ln r, between 1/4 and 2,        error = max(d, c / r^2) / (r^q - 1),

entry by entry. The second term of the maximum guards against two grids that agree by chance. Two grids (less than 32
cells) leave the order to the cell Peclet number: 2 below one, else 1. Even numbers of cells are halved to
even ones and odd ones to odd ones, so that the middle of the box is a face, or the middle of a cell, on all grids.

Where the density is singular at a wall (:mod:`fpsim.equation.degenerate_walls`, outflow index below one), orders down
to that index are believed, and the error is a quarter larger.

Where a full tensor cannot carry the drift and a part of it goes upwind (the cell Peclet number is infinite there), the
order is one at most and the larger difference counts in full: ``max(d, c) / (r^q - 1)``.

Isotropic diffusion that was added to keep the jumps of a full tensor short (:mod:`fpsim.lattice`) does not fall with
the cell width; its effect is that of adding as much once more, and is part of the error.

Limits: an estimate, not a bound. All grids have to resolve the answer, and targets should end on faces of all (numbers
of cells divisible by four); what the box cuts off is not seen.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid, regrid
from fpsim.equation import FokkerPlanck, diffusion_on_cells, drift_on_cells, drift_on_faces
from fpsim.equation.degenerate_walls import degenerate_walls
from fpsim.generator.build import build_generator
from fpsim.generator.generator import Generator
from fpsim.generator.results import GRID_NOT_INCLUDED
from fpsim.lattice import lattice_diffusion
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.uncertainty.result import Result

__all__ = ["with_grid_error"]

Array = NDArray[np.float64]
Densities = Density | tuple[Density, ...] | None

_FEWEST = 16  # cells along an axis of the grid
_THREE_GRIDS = 32  # cells along an axis from which on the third grid has enough of them
_RESOLVED = 1.0  # cell Peclet number below which the scheme is of second order
_ORDERS = (0.25, 2.0)  # between which the observed order is believed
_LOGARITHMIC = 0.1  # the same where errors fall as one over the logarithm of the cell width
_SAFETY = 1.25  # factor of errors next to walls where the density is singular


class _Level(NamedTuple):
    """The analysis on one grid."""

    grid: Grid
    result: Result
    peclet: float


def with_grid_error(
    analysis: Callable[[Generator], Any],
    equation: FokkerPlanck,
    grid: Grid,
    *,
    t: float = 0.0,
    p: Densities = None,
) -> Result:
    """An analysis on a grid, with the error of the grid from one or two grids of wider cells.

    Parameters
    ----------
    analysis : callable of a Generator
        Returns a number, a ``Result``, or an array whose shape does not depend on the grid (a moment, a rate, values
        at given places), on every grid.
    equation : FokkerPlanck
        Coefficients are callables or constants, so that they can be taken on every grid.
    grid : Grid
        At least 16 cells along each axis; the order is observed from 32 on.
    t, p : keyword-only
        As in :func:`fpsim.generator.build_generator`; what lives on ``grid`` is carried to the wider cells. The error
        that ``p`` has itself is not seen.

    Returns
    -------
    Result
        ``value`` is that of ``grid``, not extrapolated. ``error`` adds the error that the analysis states itself.
        ``details`` has that of the analysis, and ``coarse`` (its value on cells twice as wide), ``order`` (observed,
        entry by entry; on two grids 2 where every cell Peclet number is below one, else 1), ``peclet`` (the largest on
        cells twice as wide) and, if isotropic diffusion was added, ``added`` (the part of the error that is due to
        it). The error is ``nan`` where a value is infinite.

    Raises
    ------
    DomainError
        If the grid has fewer cells, or the equation or the analysis does not accept the wider ones, or returns
        something else.

    Notes
    -----
    Richardson (1911); the observed order as in Roache, J. Fluids Eng. 116, 405 (1994), and Celik et al., J. Fluids Eng.
    130, 078001 (2008), without a safety factor.

    Examples
    --------
    >>> from fpsim.generator import stationary_density
    >>> equation = FokkerPlanck(potential=lambda x: x**2 / 2, diffusion=1.0)
    >>> found = with_grid_error(lambda q: stationary_density(q).covariance, equation, Grid.box((-8, 8, 64)))
    >>> bool(abs(found.value - 1.0) < 2.0 * found.error)
    True
    """
    if not isinstance(grid, Grid):
        raise DomainError(f"grid is a {type(grid).__name__}: a Grid is accepted")
    if min(grid.shape) < _FEWEST:
        raise DomainError(f"the grid has {grid.shape} cells: {_FEWEST} or more along each axis are accepted")
    levels = [_level(analysis, equation, grid, t, p)]
    fine = levels[0].result
    for _ in range(2 if min(grid.shape) >= _THREE_GRIDS else 1):
        wide = _halved(levels[-1].grid)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ValidityWarning)  # the grid's own have been given
                levels.append(_level(analysis, equation, wide, t, _carried(p, grid, wide)))
        except DomainError as refused:
            raise DomainError(f"on wider cells, {wide.shape}: {refused}") from refused
        if np.shape(levels[-1].result.value) != np.shape(fine.value):
            raise DomainError(
                f"analysis returns shape {np.shape(fine.value)}, and {np.shape(levels[-1].result.value)} on wider "
                "cells: a number, or an array whose shape does not depend on the grid, is accepted; take values at "
                "given places"
            )
    error, order = _richardson(levels, _outflow_index(equation, grid, t, p))
    added = _effect_of_added(analysis, equation, grid, fine, t, p)
    coarse = levels[1]
    details = {**fine.details, "coarse": coarse.result.value, "order": order, "peclet": coarse.peclet}
    text = _described(levels, order)
    if added is not None:
        error, details["added"] = error + added, added
        text += ", and the effect of the isotropic diffusion that was added"
    before = fine.method.removesuffix(GRID_NOT_INCLUDED).rstrip("; ")
    return Result(fine.value, error + fine.error, "; ".join(filter(None, (before, text))), details)


def _outflow_index(equation: FokkerPlanck, grid: Grid, t: float, p: Densities) -> float:
    """Smallest outflow index of a reflecting wall; infinite without a wall that spoils the order."""
    drift = tuple(drift_on_faces(equation, grid, axis, t=t, p=p) for axis in range(grid.ndim))
    walls = degenerate_walls(grid, diffusion_on_cells(equation, grid, t=t, p=p), drift)
    return min((wall.outflow_index for wall in walls), default=np.inf)


def _richardson(levels: list[_Level], index: float) -> tuple[Any, Any]:
    """Error of the first level, and the order that it is from; ``index``: smallest outflow index of a wall."""
    values = [np.asarray(level.result.value, float) for level in levels]
    widths = [float(np.exp(np.mean(np.log(level.grid.spacing)))) for level in levels]
    first = widths[1] / widths[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        near = np.abs(values[0] - values[1])
        if len(levels) == 2:
            order: Any = 2 if levels[1].peclet < _RESOLVED else 1
            return near / (first**order - 1.0), order
        far, second = np.abs(values[1] - values[2]), widths[2] / widths[1]
        lowest, highest = _ORDERS if np.isfinite(levels[0].peclet) else (_ORDERS[0], 1.0)
        lowest = min(lowest, max(index, _LOGARITHMIC))
        observed = np.log(far / near) / np.log(second)
        observed = np.clip(np.where(near > 0.0, observed, highest), lowest, highest)
        guard = far / second**highest if np.isfinite(levels[0].peclet) else far
        error = (_SAFETY if index < 1.0 else 1.0) * np.maximum(near, guard) / (first**observed - 1.0)
    return (error, observed) if error.ndim else (float(error), float(observed))


def _described(levels: list[_Level], order: Any) -> str:
    if len(levels) == 2:
        peclet = levels[1].peclet
        why = "" if order == 2 else f", drift-dominated: cell Peclet up to {peclet:.3g}"
        return f"difference to cells twice as wide, scheme of order {order}{why}"
    low, high = float(np.nanmin(order, initial=_ORDERS[1])), float(np.nanmax(order, initial=_ORDERS[0]))
    shown = f"{low:.2g}" if high - low < 0.05 else f"{low:.2g} ... {high:.2g}"
    return f"difference to cells twice and four times as wide, observed order {shown}"


def _level(analysis: Callable[[Generator], Any], equation: FokkerPlanck, grid: Grid, t: float, p: Densities) -> _Level:
    generator = build_generator(equation, grid, t=t, p=p)
    found = analysis(generator)
    if not isinstance(found, Result):
        value = real_array(found, "what analysis returns")
        found = Result(float(value) if value.ndim == 0 else value, 0.0, "")
    return _Level(grid, found, generator.peclet[1])


def _halved(grid: Grid) -> Grid:
    """Cells about twice as wide: even numbers become even ones and odd ones odd."""
    return grid.with_shape([2 * ((n + 2) // 4) if n % 2 == 0 else 2 * (n // 4) + 1 for n in grid.shape])


def _effect_of_added(
    analysis: Callable[[Generator], Any], equation: FokkerPlanck, grid: Grid, fine: Result, t: float, p: Densities
) -> Any:
    """How far the analysis moves if the isotropic diffusion that was added is added once more; ``None`` without any."""
    field = diffusion_on_cells(equation, grid, t=t, p=p)
    if field.diagonal:
        return None
    added = lattice_diffusion(field, grid).added
    if not added.any():
        return None
    tensor = np.moveaxis(field.matrices(grid.shape), (-2, -1), (0, 1)).copy()
    for axis in range(grid.ndim):
        tensor[axis, axis] += 2.0 * added
    drift = [np.broadcast_to(b, grid.shape) for b in drift_on_cells(equation, grid, t=t, p=p)]
    more = FokkerPlanck(drift=tuple(drift), diffusion=[list(row) for row in tensor])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        moved = _level(analysis, more, grid, 0.0, None).result
    with np.errstate(invalid="ignore"):
        return np.abs(np.subtract(moved.value, fine.value))


def _carried(p: Densities, grid: Grid, wide: Grid) -> Densities:
    """Densities that live on the grid, on the wider cells."""
    if isinstance(p, tuple):
        return tuple(regrid(one, wide) if one.grid == grid else one for one in p)
    return regrid(p, wide) if isinstance(p, Density) and p.grid == grid else p
