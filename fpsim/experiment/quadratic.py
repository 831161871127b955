"""An experiment whose loss is exactly quadratic and whose noise does not depend on the weight.

Regression as an auto-encoder: with ``W1 = (1, 0)`` frozen, the second entry ``b`` of ``W2`` has the loss
``(b x_1 - x_2)^2 / 2``. All samples have the same ``x_1 = sqrt(curvature)``, so that every sample's curvature is the
same and its gradient is ``curvature * b - x_1 x_2``: additive noise, for which the variances of SGD are known in closed
form (`fpsim.theory.epoch_variance`, `fpsim.theory.momentum_variance`). The minimum is at ``b = 0``; the first entry of
``W2`` starts at its own minimum, where it has no noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from fpsim.datasets import from_array
from fpsim.experiment.experiment import Experiment
from fpsim.experiment.start import Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.checks import real_number, whole_number
from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from fpsim.experiment.settings import SGD

__all__ = ["quadratic_experiment"]


def quadratic_experiment(
    sgd: SGD, *, curvature: float, noise: float = 1.0, samples: int = 64, start: float = 0.0
) -> Experiment:
    """A quadratic loss with additive noise.

    Parameters
    ----------
    sgd : SGD
        How it is trained.
    curvature : float
        ``lambda`` of the mean loss ``lambda b^2 / 2`` (up to a constant); the same for every sample.
    noise : float
        Standard deviation of the per-sample gradient (1/N), whose values are normal quantiles.
    samples : int
        ``N``, size of the training set.
    start : float
        Value of ``b = W2[1, 0]`` at step 0.

    Raises
    ------
    DomainError
        If the curvature or the noise is not positive, or there are fewer than two samples.
    """
    real_number(curvature, "curvature"), real_number(noise, "noise"), real_number(start, "start")
    whole_number(samples, "samples", least=2)
    if not (0.0 < curvature < np.inf and 0.0 < noise < np.inf and samples >= 2):
        raise DomainError(
            f"curvature = {curvature}, noise = {noise}, samples = {samples}: positive numbers and at least two samples "
            "are accepted"
        )
    x1 = curvature**0.5
    quantiles = ndtri((np.arange(samples) + 0.5) / samples)
    quantiles -= quantiles[::-1].copy()  # antisymmetric to the last bit: the mean is zero
    x2 = quantiles * noise / (x1 * np.sqrt(np.mean(quantiles**2)))
    return Experiment(
        from_array(np.stack([np.full(samples, x1), x2], axis=1), name="quadratic loss"),
        BottleneckAutoEncoder(2, 1, "linear", {"W1": np.array([[1.0, 0.0]])}),
        sgd,
        Start.point({"W2": [[1.0], [start]]}),
    )
