"""Frozen-partner closure: the other matrix stays where it is.

Assumption: the partner does not move and has no width. Exact for a partner that is not trained; otherwise valid
only while its displacement is small, error O(displacement). For the linear network the drift is linear and ``D``
quadratic in the matrix, so that its moments are closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fpsim.closures.ensemble_statistics import partner_statistics
from fpsim.closures.marginal_equation import Matrix, Partner, bottleneck_with, marginal_equation, other
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["frozen"]


def frozen(experiment: Experiment, matrix: Matrix, *, partner: ArrayLike) -> FokkerPlanck:
    """Equation of one matrix with the other one fixed.

    Parameters
    ----------
    experiment : Experiment
        Bottleneck network and its training.
    matrix : {"W1", "W2"}
        Whose equation.
    partner : array_like
        The other matrix, of its shape.

    Raises
    ------
    DomainError
        If the partner has the wrong shape or is not finite.
    """
    landscape = bottleneck_with(experiment, matrix)
    shape = experiment.network.shapes[other(matrix)]
    fixed = np.asarray(partner, dtype=np.float64)
    if fixed.shape != shape or not np.isfinite(fixed).all():
        raise DomainError(f"partner of {matrix} has shape {fixed.shape}: a finite {shape} matrix is accepted")
    first, second = partner_statistics(landscape, matrix, fixed)(fixed[None])

    def first_at(_x: Coordinates, _t: float, _p: Any) -> Array:
        return first[..., 0]

    def second_at(_x: Coordinates, _t: float, _p: Any) -> Array:
        return second[..., 0]

    return marginal_equation(landscape, matrix, Partner(first_at, second_at))
