"""The smallest auto-encoder, ``f(x) = v u x`` on normal data, drawn afresh for every batch.

Its coordinates ``w = u v`` and ``q = u^2 - v^2`` have an equation of their own (:mod:`fpsim.theory.scalar_network`)
and, with label noise, a stationary law that is known exactly (:mod:`fpsim.theory.stationary_law`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fpsim.datasets import GaussianPopulation
from fpsim.experiment.experiment import Experiment
from fpsim.experiment.start import Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.checks import real_number
from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from fpsim.experiment.settings import SGD

__all__ = ["scalar_experiment"]


def scalar_experiment(sgd: SGD, mean: ArrayLike, *, std: float = 0.0, variance: float = 1.0) -> Experiment:
    """The scalar auto-encoder on a normal population.

    Parameters
    ----------
    sgd : SGD
        How it is trained; its ``sampling`` is ``"fresh"``.
    mean : array_like
        Mean of ``(u, v) = (W1, W2)`` at step 0: two numbers, or one for both.
    std : float
        Standard deviation of either; zero starts all replicas at ``mean``.
    variance : float
        ``c``, variance of the data.

    Raises
    ------
    DomainError
        If ``mean`` has neither one nor two entries, ``std`` is negative, or an argument is of another type.
    """
    both = np.asarray(mean, dtype=np.float64)
    if both.shape not in ((), (2,)):
        raise DomainError(f"mean has shape {both.shape}: one number or two, (u, v), are accepted")
    if not real_number(std, "std") >= 0.0:
        raise DomainError(f"std = {std}: zero or a positive number is accepted")
    u, v = np.resize(both, 2)
    weights = {"W1": [[u]], "W2": [[v]]}
    start = Start.gaussian(weights, std) if std > 0.0 else Start.point(weights)
    return Experiment(GaussianPopulation(np.array([variance])), BottleneckAutoEncoder(1, 1), sgd, start)
