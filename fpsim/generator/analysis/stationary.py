"""Stationary density of a generator.

Found by the elimination of Grassmann, Taksar and Heyman (see :mod:`fpsim.generator.linear_algebra.elimination`): every
cell's density to full relative precision, also the weights of wells that exchange probability once in 1e30 time units.
On grids too large for it the methods of :mod:`fpsim.generator.linear_algebra.m_matrix` take over.

Limits: exists only without absorption, and is unique only if there is one closed class of cells; both are checked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator.build import build_generator
from fpsim.generator.generator import Generator, require_generator
from fpsim.generator.linear_algebra.communication import closed_classes, restrict
from fpsim.generator.linear_algebra.m_matrix import Solver, null_vector
from fpsim.generator.results import without_grid_error
from fpsim.support.checks import instance_of
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["stationarity_residual", "stationary_box", "stationary_density"]

Array = NDArray[np.float64]

_ROUGH = 64  # cells along an axis of the first of the generators that look for a box


@require_generator
def stationary_density(generator: Generator, *, solver: Solver = "auto") -> Density:
    """Density with ``Q^T m = 0`` and mass one.

    Cells that are left for ever hold exactly zero. Its residual is :func:`stationarity_residual`, the error of the grid
    :func:`fpsim.generator.with_grid_error` of a moment.

    Parameters
    ----------
    generator : Generator
    solver : {"auto", "elimination", "lu", "iterative"}, keyword-only
        See :mod:`fpsim.generator.linear_algebra.m_matrix`.

    Raises
    ------
    DomainError
        If the generator absorbs (:func:`fpsim.generator.quasi_stationary` is accepted there), or more than one set of
        cells is closed, so that the density depends on the start.
    """
    if generator.absorbing:
        raise DomainError(
            "the generator has absorbing walls, all mass leaves: a generator without absorption is accepted; the "
            "quasi-stationary density exists"
        )
    label, closed = closed_classes(generator.jumps, generator.outflow)
    if len(closed) != 1:
        raise DomainError(
            f"the generator has {len(closed)} closed sets of cells that do not exchange probability: one is accepted; "
            "add diffusion that connects them, or evolve a start density"
        )
    cells = np.flatnonzero(label == closed[0])
    masses = np.zeros(generator.grid.size)
    masses[cells] = null_vector(restrict(generator.jumps, cells), solver=solver) if len(cells) > 1 else 1.0
    return generator.density(masses)


@require_generator
def stationarity_residual(generator: Generator, density: Density) -> Result:
    """``sum |Q^T m|`` over ``sum |q_a m_a|``: the share of the jumps that is not balanced; zero if stationary."""
    masses = generator.masses(density)
    rates = generator.exit_rates
    turnover = float(rates @ masses)
    unbalanced = float(np.abs(generator.jumps.T @ masses - rates * masses).sum())
    value = unbalanced / turnover if turnover > 0.0 else 0.0
    return without_grid_error(value, 8.0 * float(np.finfo(float).eps), "residual of the forward equation")


def stationary_box(equation: FokkerPlanck, grid: Grid, *, reach: float = 5.0) -> Grid:
    """Box that the stationary density needs: what rates on its cells can resolve, however far the box of a run goes.

    Parameters
    ----------
    equation : FokkerPlanck
        Coefficients are callables or constants, so that they can be taken on every grid.
    grid : Grid
        The largest box, and the number of cells of the answer. Periodic axes keep their box.
    reach : float, keyword-only
        Standard deviations of the density on either side of its mean that the answer goes.

    Raises
    ------
    DomainError
        As those of :func:`stationary_density`.

    Notes
    -----
    Wide cells misjudge the width of a narrow density; on those of the box that they ask for the next one is better:
    three in a row, the first on at most 64 cells along each axis.
    """
    instance_of(equation, FokkerPlanck, "equation")
    instance_of(grid, Grid, "grid")
    box, shape = grid, grid.shape
    free = np.array([not grid.periodic(axis) for axis in range(grid.ndim)])
    for cells in (tuple(min(n, _ROUGH) for n in shape), shape, shape):
        rest = stationary_density(build_generator(equation, box.with_shape(cells)))
        lower = np.where(free, np.maximum(rest.mean - reach * rest.std, grid.lower), grid.lower)
        upper = np.where(free, np.minimum(rest.mean + reach * rest.std, grid.upper), grid.upper)
        box = grid.with_box(tuple(lower), tuple(upper))
    return box
