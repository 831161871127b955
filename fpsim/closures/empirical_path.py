"""Empirical-path closure: statistics of the partner averaged over an ensemble, at every time.

Assumption: the partner is independent of the matrix, but has its true distribution. Like mean field with the partner's
width corrected: means are right to O(width^2), variances still wrong by a factor of order one after relaxation, because
the correlation of the matrices is left out. Interpolated between recorded times, cubic for the drift and linear for the
diffusion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fpsim.closures.ensemble_statistics import cubic_path, linear_path, partner_statistics, recorded_times, survivors
from fpsim.closures.marginal_equation import Matrix, Partner, bottleneck_with, marginal_equation, other
from fpsim.equation import FokkerPlanck
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.ensemble import Ensemble
    from fpsim.experiment import Experiment

__all__ = ["empirical_path"]


def empirical_path(experiment: Experiment, matrix: Matrix, ensemble: Ensemble) -> FokkerPlanck:
    """Equation of one matrix with the partner's averages measured in an ensemble.

    Parameters
    ----------
    experiment : Experiment
        Bottleneck network and its training.
    matrix : {"W1", "W2"}
        Whose equation.
    ensemble : Ensemble
        Weights at two or more recorded times.

    Raises
    ------
    DomainError
        If fewer than two times or fewer than 100 surviving replicas are recorded.
    """
    landscape = bottleneck_with(experiment, matrix)
    times, partner = recorded_times(ensemble), survivors(ensemble)[other(matrix)]
    statistics = partner_statistics(landscape, matrix, partner)
    pairs = [statistics(w) for w in partner]
    first = cubic_path(times, np.stack([a.mean(axis=-1) for a, _ in pairs]))
    second = linear_path(times, np.stack([b.mean(axis=-1) for _, b in pairs]))

    def first_at(_x: Coordinates, t: float, _p: Any) -> Array:
        return first(t)

    def second_at(_x: Coordinates, t: float, _p: Any) -> Array:
        return second(t)

    return marginal_equation(landscape, matrix, Partner(first_at, second_at, of_time=True))
