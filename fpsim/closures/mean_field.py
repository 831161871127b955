"""Mean-field closure: independent matrices, ``p = p1 p2`` (McKean-Vlasov).

Assumption: no correlation between ``W1`` and ``W2``. The statistics of the partner are averages over its own
density, so that the two equations are coupled and are evolved together, in the order (W1, W2). Means are right to
O(width^2); variances are wrong by a factor of order one as soon as the matrices have relaxed onto the valley ``W2
W1 = const`` (several times too narrow), and a start symmetric under W -> -W contracts to a spurious point:
factorised curvature is positive where the true valley is flat. Exact only while the partner is untrained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fpsim.closures.marginal_equation import Matrix, Partner, bottleneck_with, marginal_equation
from fpsim.density import Density
from fpsim.equation import FokkerPlanck
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["mean_field"]


def mean_field(experiment: Experiment, matrix: Matrix) -> FokkerPlanck:
    """Equation of one matrix of the mean-field pair; its coefficients depend on ``p = (p1, p2)``.

    Parameters
    ----------
    experiment : Experiment
        Bottleneck network and its training.
    matrix : {"W1", "W2"}
        Whose equation.

    Returns
    -------
    FokkerPlanck
        One of a coupled pair: evolve ``(mean_field(e, "W1"), mean_field(e, "W2"))`` from ``(p1, p2)``.
    """
    landscape = bottleneck_with(experiment, matrix)
    first, second = landscape.statistics_of_partner(matrix)
    partner = 1 if matrix == "W1" else 0  # place in p

    def first_at(_x: Coordinates, _t: float, p: Any) -> Array:
        return _expectation(first(p[partner].grid.mesh()), p[partner])

    def second_at(_x: Coordinates, _t: float, p: Any) -> Array:
        return _expectation(second(p[partner].grid.mesh()), p[partner])

    return marginal_equation(landscape, matrix, Partner(first_at, second_at, of_density=True))


def _expectation(values: Array, density: Density) -> Array:
    """Averages over a density of functions (..., mesh) -> (...).

    Cell averages are turned into centre values first (``p - h^2 p'' / 24``), which makes the sum fourth order; plain
    sums would add ``h^2 / 12`` to every variance.
    """
    grid = density.grid
    p = density.values
    mass = p * grid.cell_volume
    for axis in range(grid.ndim):
        mass = mass - grid.cell_volume / 24.0 * _second_difference(p, axis, grid.periodic(axis))
    full = np.broadcast_to(values, (*values.shape[: values.ndim - grid.ndim], *grid.shape))
    return np.tensordot(full, mass, axes=grid.ndim) / mass.sum()


def _second_difference(p: Array, axis: int, periodic: bool) -> Array:
    padded = np.pad(p, [(1, 1) if a == axis else (0, 0) for a in range(p.ndim)], mode="wrap" if periodic else "edge")
    return np.diff(padded, n=2, axis=axis)
