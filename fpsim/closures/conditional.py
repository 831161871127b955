"""Conditional closure: statistics of the partner regressed on the matrix itself, over an ensemble.

Assumption: none but enough replicas. It is the only closure of one matrix that converges, to the exact equation of its
density, as the number of replicas grows; it borrows from the experiment what mean field leaves out, the correlation of
the matrices. Errors: statistical, O(neighbours^{-1/2}) locally; regression bias O(bandwidth^2) where the conditional
averages bend within a bandwidth; interpolation between recorded times (cubic for the drift, linear for the diffusion).
It must not be judged by the replicas it was fitted to (:func:`fpsim.closures.fit_and_judge` halves an ensemble).
Only smooth statistics are regressed, never drift or diffusion themselves (:mod:`fpsim.closures.marginal_equation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fpsim.closures.ensemble_statistics import cubic_path, linear_path, partner_statistics, recorded_times, survivors
from fpsim.closures.local_regression import interpolate, nodes_around, regress
from fpsim.closures.marginal_equation import Matrix, Partner, bottleneck_with, marginal_equation
from fpsim.equation import FokkerPlanck
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.ensemble import Ensemble
    from fpsim.experiment import Experiment

__all__ = ["conditional"]


def conditional(
    experiment: Experiment,
    matrix: Matrix,
    ensemble: Ensemble,
    *,
    neighbours: float | None = None,
    degree: Literal[0, 1, 2] = 2,
) -> FokkerPlanck:
    """Equation of one matrix with the conditional averages of an ensemble.

    Parameters
    ----------
    experiment : Experiment
        Bottleneck network and its training.
    matrix : {"W1", "W2"}
        Whose equation.
    ensemble : Ensemble
        Replicas to fit to, with weights at two or more recorded times, which should resolve the relaxation; between
        them the averages are interpolated, before the first and after the last they are held.
    neighbours : float, optional
        Replicas a local fit should see; ``max(60, 2 sqrt(R))`` by default.
    degree : {0, 1, 2}
        Degree of the local polynomials for the drift's statistic (the diffusion's is always 0: an average).

    Raises
    ------
    DomainError
        If fewer than two times or fewer than 100 surviving replicas are recorded.
    """
    landscape = bottleneck_with(experiment, matrix)
    weights = survivors(ensemble)
    own, partner = (weights["W1"], weights["W2"]) if matrix == "W1" else (weights["W2"], weights["W1"])
    times, replicas = recorded_times(ensemble), own.shape[1]
    wanted = max(60.0, 2.0 * replicas**0.5) if neighbours is None else neighbours
    x = own.reshape(len(times), replicas, -1)
    nodes = nodes_around(x)
    statistics = partner_statistics(landscape, matrix, partner)
    first, second = [], []
    for i in range(len(times)):
        y1, y2 = statistics(partner[i])
        first.append(
            regress(nodes, x[i], _flat(y1), neighbours=wanted, degree=degree).reshape(*y1.shape[:-1], *nodes.shape)
        )
        second.append(
            regress(nodes, x[i], _flat(y2), neighbours=wanted, degree=0).reshape(*y2.shape[:-1], *nodes.shape)
        )
    drift_path, noise_path = cubic_path(times, np.stack(first)), linear_path(times, np.stack(second))

    def first_at(mesh: Coordinates, t: float, _p: Any) -> Array:
        return interpolate(nodes, drift_path(t), mesh)

    def second_at(mesh: Coordinates, t: float, _p: Any) -> Array:
        return interpolate(nodes, noise_path(t), mesh)

    return marginal_equation(landscape, matrix, Partner(first_at, second_at, of_time=True))


def _flat(y: Array) -> Array:
    return y.reshape(-1, y.shape[-1]).T
