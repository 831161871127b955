"""Pair of replicas of a scalar regression with common mini-batches, whose correlation is known exactly.

Per-sample losses ``h (w - 1)^2 / 2`` with curvatures ``h`` of mean one, batches of one sample, learning rate ``eta``.
With ``x = W - 1`` and ``y = W' - 1``, ``E[x y]`` is multiplied in every step by

    1 - 2 eta + eta^2 E[h^2]  (common batches),        (1 - eta)^2  (batches of their own),

and in the two-replica Fokker-Planck equation of order one it decays at the rates ``2 - eta Var h`` and 2. Private
noise of temperature ``T`` changes neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.random_environment.environment import two_replica_equation
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError

__all__ = ["RegressionPair"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RegressionPair:
    """A pair of replicas.

    Attributes
    ----------
    learning_rate : float
    variance : float
        ``Var h``.
    temperature : float
        Private noise ``T``.
    common : bool
        Whether both see the same batches.
    """

    learning_rate: float
    variance: float
    temperature: float = 0.0
    common: bool = True

    def __post_init__(self) -> None:
        if not (self.learning_rate > 0.0 and self.variance >= 0.0 and self.temperature >= 0.0):
            raise DomainError(
                f"{self}: a positive learning rate, and no negative variance or temperature, are accepted"
            )

    @property
    def equation(self) -> FokkerPlanck:
        """Fokker-Planck equation of the pair, coordinates ``w, v``."""
        noise, heat = self.learning_rate * self.variance, self.temperature
        one = FokkerPlanck(drift=lambda w: [1.0 - w], diffusion=lambda w: 0.5 * noise * (w - 1.0) ** 2 + heat)
        strength = noise if self.common else 0.0
        return two_replica_equation(one, lambda w, v: strength * (w - 1.0) * (v - 1.0))

    def decay(self, times: ArrayLike) -> Array:
        """``E[x y](t) / E[x y](0)`` of the equation, exact; shape of the times."""
        rate = 2.0 - (self.learning_rate * self.variance if self.common else 0.0)
        return np.asarray(np.exp(-rate * np.asarray(times, float)))

    def decay_of_sgd(self, times: ArrayLike) -> Array:
        """The same of stochastic gradient descent itself, exact, at ``t = steps * learning_rate``."""
        eta = self.learning_rate
        factor = 1.0 - 2.0 * eta + eta**2 * (1.0 + self.variance) if self.common else (1.0 - eta) ** 2
        return np.asarray(factor ** (np.asarray(times, float) / eta))
