"""Grid error by Richardson extrapolation: the same analysis on cells twice as wide.

Analyses of a generator solve its jump process to rounding; how far that is from the continuum, only a second grid
shows. The scheme of Scharfetter and Gummel diffuses by ``D (w / 2) coth(w / 2)`` instead of ``D``, ``w = |b| h / D``:
of second order in the cell width for small cell Peclet numbers ``w``, of first order for large ones.

Limits: an estimate, not a bound. Both grids have to resolve the answer, and targets should end on faces of both (even
numbers of cells); what the box cuts off is not seen. A drift-dominated corner that the answer does not feel makes the
error up to three times too large.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid, regrid
from fpsim.equation import FokkerPlanck
from fpsim.generator.build import build_generator
from fpsim.generator.generator import Generator
from fpsim.generator.results import GRID_NOT_INCLUDED
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["with_grid_error"]

Array = NDArray[np.float64]

_FEWEST = 8  # cells along an axis of the coarser grid
_RESOLVED = 1.0  # cell Peclet number below which the scheme is of second order


def with_grid_error(
    analysis: Callable[[Generator], Any],
    equation: FokkerPlanck,
    grid: Grid,
    *,
    t: float = 0.0,
    p: Density | tuple[Density, ...] | None = None,
) -> Result:
    """An analysis on a grid, with the error of the grid from cells twice as wide.

    ``error = |fine - coarse| / (2^order - 1)``, plus the error that the analysis states itself.

    Parameters
    ----------
    analysis : callable of a Generator
        Answers a number, a ``Result``, or an array whose shape does not depend on the grid (a moment, a rate, values
        at given places), on either grid.
    equation : FokkerPlanck
        Coefficients are callables or constants, so that they can be taken on either grid.
    grid : Grid
        At least 16 cells along each axis.
    t, p : keyword-only
        As in :func:`fpsim.generator.build_generator`; what lives on ``grid`` is carried to the wider cells. The error
        that ``p`` has itself is not seen.

    Returns
    -------
    Result
        ``value`` is that of ``grid``, not extrapolated. ``details`` has that of the analysis, and ``coarse`` (its value
        on the wider cells), ``order`` (2 where every cell Peclet number on the wider cells is below one, else 1),
        ``peclet`` (the largest there). The error is ``nan`` where a value is infinite.

    Raises
    ------
    DomainError
        If the grid has fewer cells, or the equation or the analysis does not accept the wider ones, or answers
        something else.

    Notes
    -----
    Richardson (1911), in the form of Roache, J. Fluids Eng. 116, 405 (1994), without a safety factor.

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
    if min(grid.shape) < 2 * _FEWEST:
        raise DomainError(f"the grid has {grid.shape} cells: {2 * _FEWEST} or more along each axis are accepted")
    wide = grid.coarser()
    fine = _answer(analysis(build_generator(equation, grid, t=t, p=p)))
    try:
        generator = build_generator(equation, wide, t=t, p=_carried(p, grid, wide))
        coarse = _answer(analysis(generator))
    except DomainError as refused:
        raise DomainError(f"on cells twice as wide, {wide.shape}: {refused}") from refused
    if np.shape(fine.value) != np.shape(coarse.value):
        raise DomainError(
            f"analysis answers shape {np.shape(fine.value)}, and {np.shape(coarse.value)} on cells twice as wide: a "
            "number, or an array whose shape does not depend on the grid, is accepted; take values at given places"
        )
    peclet = generator.peclet[1]
    order = 2 if peclet < _RESOLVED else 1
    with np.errstate(invalid="ignore"):
        difference = np.abs(np.subtract(fine.value, coarse.value)) / (2**order - 1)
    why = "" if order == 2 else f", drift-dominated: cell Peclet up to {peclet:.3g}"
    text = f"difference to cells twice as wide, scheme of order {order}{why}"
    said = fine.method.removesuffix(GRID_NOT_INCLUDED).rstrip("; ")
    method = "; ".join(filter(None, (said, text)))
    details = {**fine.details, "coarse": coarse.value, "order": order, "peclet": peclet}
    return Result(fine.value, difference + fine.error, method, details)


def _answer(found: Any) -> Result:
    """What an analysis answered, as a result."""
    if isinstance(found, Result):
        return found
    value = real_array(found, "what analysis answers")
    return Result(float(value) if value.ndim == 0 else value, 0.0, "")


def _carried(p: Density | tuple[Density, ...] | None, grid: Grid, wide: Grid) -> Density | tuple[Density, ...] | None:
    """Densities that live on the grid, on the wider cells."""
    if isinstance(p, tuple):
        return tuple(regrid(one, wide) if one.grid == grid else one for one in p)
    return regrid(p, wide) if isinstance(p, Density) and p.grid == grid else p
