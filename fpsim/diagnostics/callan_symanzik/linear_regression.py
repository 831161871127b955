"""Linear regression under SGD in closed form: the exact case of the cutoff equation.

Samples ``x ~ N(0, C)``, fresh at every step, targets ``y = w* . x + noise``. With ``delta = w - w*`` and a
deterministic addition ``E = (eta_0 / 4) C^2`` to the mini-batch Hessian (the improved loss of a coarse learning rate
``eta_0``; zero for plain SGD), one step of learning rate ``eta`` and batch ``B`` maps

    E delta        ->  (1 - eta A) E delta,                          A = C + E
    M = E delta delta^T  ->  (1 - eta A) M (1 - eta A) + (eta^2 / B) [ C M C + C tr(C M) + noise^2 C ].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsim.diagnostics.callan_symanzik.cutoff import CutoffScaling, scaling_of
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import exact

__all__ = ["LinearRegression"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearRegression:
    """Gaussian linear regression.

    Attributes
    ----------
    covariance : ndarray, shape (p, p)
        ``C``, the Hessian of the loss.
    noise : float
        Standard deviation of the targets' noise.
    """

    covariance: Array
    noise: float = 0.0

    def equation(self, learning_rate: float, batch_size: float) -> FokkerPlanck:
        """Order-one Fokker-Planck equation of ``delta`` in one coordinate.

        ``b = -c delta``, ``D = (eta / 2B) (2 c^2 delta^2 + noise^2 c)``.

        Raises
        ------
        DomainError
            If there is more than one coordinate.
        """
        if np.size(self.covariance) != 1:
            raise DomainError(f"covariance has shape {np.shape(self.covariance)}: one coordinate is accepted here")
        c, half = float(np.ravel(self.covariance)[0]), 0.5 * learning_rate / batch_size
        return FokkerPlanck(
            drift=lambda d: -c * d, diffusion=lambda d: half * (2.0 * c * c * d * d + self.noise**2 * c)
        )

    def moments(
        self, mean: Array, second: Array, *, time: float, learning_rate: float, batch_size: float, improved: float = 0.0
    ) -> tuple[Array, Array]:
        """``E delta`` (p,) and ``E delta delta^T`` (p, p) after a time, exactly.

        Parameters
        ----------
        mean, second : ndarray
            The same at time zero.
        improved : float
            Coarse learning rate ``eta_0`` of the improved loss ``L + (eta_0 / 8) |grad L|^2``.

        Raises
        ------
        DomainError
            If the time is no multiple of the learning rate.
        """
        steps = round(time / learning_rate)
        if not np.isclose(steps * learning_rate, time, rtol=1e-9):
            raise DomainError(f"time {time} at learning rate {learning_rate}: a whole number of steps is accepted")
        c = np.atleast_2d(np.asarray(self.covariance, float))
        keep = np.eye(len(c)) - learning_rate * (c + 0.25 * improved * c @ c)
        m1, m2 = np.asarray(mean, float), np.asarray(second, float)
        for _ in range(steps):
            kick = c @ m2 @ c + c * (np.trace(c @ m2) + self.noise**2)
            m1, m2 = keep @ m1, keep @ m2 @ keep + learning_rate**2 / batch_size * kick
        return m1, m2

    def scaling(
        self, mean: Array, second: Array, *, time: float, learning_rates: Sequence[float], batch_size: float
    ) -> CutoffScaling:
        """Exact differences on both lines; observables are ``E delta_1`` and ``E delta_1^2``."""

        def at(rate: float, batch: float, improved: float = 0.0) -> Array:
            m1, m2 = self.moments(mean, second, time=time, learning_rate=rate, batch_size=batch, improved=improved)
            return np.array([m1[0], m2[0, 0]])

        rows = [
            (at(eta, batch_size) - at(eta / 2, batch_size / 2), at(eta, batch_size) - at(eta / 2, batch_size / 2, eta))
            for eta in learning_rates
        ]
        naive, improved = (exact(np.array([row[line] for row in rows])) for line in (0, 1))
        return scaling_of(learning_rates, naive, improved)
