"""The stationary density of a generator.

Found by the elimination of Grassmann, Taksar and Heyman (see :mod:`fpsim.generator.linear_algebra.elimination`): every
cell's density to full relative precision, also the weights of wells that exchange probability once in 1e30 time units.
On grids too large for it the methods of :mod:`fpsim.generator.linear_algebra.m_matrix` take over.

Limits: exists only without absorption, and is unique only if there is one closed class of cells; both are checked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density
from fpsim.generator.analysis.grid_error import on_one_grid
from fpsim.generator.analysis.targets import closed_classes, restrict
from fpsim.generator.generator import Generator, of_generator
from fpsim.generator.linear_algebra.m_matrix import null_vector
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["stationarity_residual", "stationary_density"]

Array = NDArray[np.float64]


@of_generator
def stationary_density(generator: Generator) -> Density:
    """Density with ``Q^T m = 0`` and mass one.

    Cells that are left for ever hold exactly zero. How well it is stationary: :func:`stationarity_residual`; how far
    the grid is from the continuum: :func:`fpsim.generator.with_grid_error` of a moment.

    Raises
    ------
    DomainError
        If the generator absorbs (ask for :func:`fpsim.generator.analysis.quasi_stationary`), or more than one set of
        cells is closed, so that the answer depends on the start.
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
    masses[cells] = null_vector(restrict(generator.jumps, cells)) if len(cells) > 1 else 1.0
    return generator.density(masses)


@of_generator
def stationarity_residual(generator: Generator, density: Density) -> Result:
    """``sum |Q^T m|`` over ``sum |q_a m_a|``: the share of the jumps that is not balanced; zero if stationary."""
    masses = generator.masses(density)
    rates = generator.exit_rates
    turnover = float(rates @ masses)
    unbalanced = float(np.abs(generator.jumps.T @ masses - rates * masses).sum())
    value = unbalanced / turnover if turnover > 0.0 else 0.0
    return on_one_grid(value, 8.0 * float(np.finfo(float).eps), "residual of the forward equation")
