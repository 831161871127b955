"""Processes with closed-form flows: Ornstein-Uhlenbeck, geometric Brownian motion, linear regression under SGD.

Measured beta functions, rates and slopes are held against them; all formulas are exact.

Ornstein-Uhlenbeck ``dW = -lambda (W - w*) dt + sqrt(2 D) dB`` stays Gaussian; with ``phi = W - w*``, ``g = m^2 / Z^2``,
``h = D / (lambda Z^2)`` and the clock ``lambda t``: ``gamma = h - 1``, ``beta_g = -2 g h``, ``beta_h = 2 h (1 - h)``.

Geometric Brownian motion ``dW = a W dt + sqrt(2 D) W dB``, which a linear auto-encoder follows far below its valley,
stays lognormal; with ``g = Var ln W`` and the clock ``t``: ``gamma = a + D``, ``beta_g = 2 D``, no fixed point. Its
exponents ``d ln E W^n / dt = n (a - D) + n^2 D`` are not linear in ``n``, so that pure scaling fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density, Grid, gaussian
from fpsim.diagnostics.callan_symanzik.cutoff import CutoffScaling, scaling_of
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import exact

__all__ = ["GeometricBrownianMotion", "LinearRegression", "OrnsteinUhlenbeck"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """Linear drift, constant noise.

    Attributes
    ----------
    relaxation : float
        ``lambda``, 1 / time.
    diffusion : float
        ``D``.
    target : float
        ``w*``.
    """

    relaxation: float
    diffusion: float
    target: float = 0.0

    @property
    def noise(self) -> float:
        """``D / lambda``, the stationary variance."""
        return self.diffusion / self.relaxation

    @property
    def equation(self) -> FokkerPlanck:
        """Its Fokker-Planck equation, in ``W``."""
        return FokkerPlanck(drift=lambda w: -self.relaxation * (w - self.target), diffusion=self.diffusion)

    def moments(self, mean: float, variance: float, times: ArrayLike) -> tuple[Array, Array]:
        """Mean of ``phi`` and its variance at the times, from those at time zero."""
        s = self.relaxation * np.asarray(times, float)
        return mean * np.exp(-s), self.noise + (variance - self.noise) * np.exp(-2.0 * s)

    def couplings(self, mean: float, variance: float, times: ArrayLike) -> Array:
        """``(Z, g, h)`` at the times, shape (T, 3)."""
        m, p = self.moments(mean, variance, times)
        square = m**2 + p
        return np.stack([np.copysign(np.sqrt(square), mean), m**2 / square, self.noise / square], axis=-1)

    def rates_from(self, mean: float, variance: float, times: ArrayLike) -> Array:
        """``gamma, beta_g, beta_h`` at the times, shape (T, 3), from mean and variance of ``phi`` at time zero."""
        return self.rates(self.couplings(mean, variance, times))

    def densities(self, grid: Grid, mean: float, variance: float, times: ArrayLike) -> list[Density]:
        """Densities of ``W`` at the times, from mean and variance of ``phi`` at time zero."""
        m, v = self.moments(mean, variance, times)
        return [gaussian(grid, self.target + a, b) for a, b in zip(m, v, strict=True)]

    def rates(self, couplings: ArrayLike) -> Array:
        """``(gamma, beta_g, beta_h)`` at couplings ``(Z, g, h)``, shape (..., 3); clock ``lambda t``."""
        _, g, h = np.moveaxis(np.asarray(couplings, float), -1, 0)
        return np.stack([h - 1.0, -2.0 * g * h, 2.0 * h * (1.0 - h)], axis=-1)


@dataclass(frozen=True)
class GeometricBrownianMotion:
    """Drift and noise proportional to the weight.

    Attributes
    ----------
    growth : float
        ``a``, 1 / time.
    diffusion : float
        ``D``, 1 / time.
    """

    growth: float
    diffusion: float

    @property
    def equation(self) -> FokkerPlanck:
        """Its Fokker-Planck equation, in ``x = ln W``."""
        return FokkerPlanck(drift=lambda x: np.full_like(x, self.growth - self.diffusion), diffusion=self.diffusion)

    @property
    def rates(self) -> tuple[float, float]:
        """``gamma`` and ``beta_g``; clock ``t``."""
        return self.growth + self.diffusion, 2.0 * self.diffusion

    def pure_scaling_residual(self, order: int) -> float:
        """Tangency residual of a family without couplings: the exponents' distance from a line through the origin,
        relative to their size, over ``n = 1 .. order``.
        """
        n = np.arange(1, order + 1)
        exponents = n * (self.growth - self.diffusion) + n**2 * self.diffusion
        left = exponents - n * (n @ exponents) / (n @ n)
        return float(np.linalg.norm(left) / np.linalg.norm(exponents))


@dataclass(frozen=True, eq=False)
class LinearRegression:
    """Gaussian linear regression under SGD; its moments after any number of steps are exact.

    Samples ``x ~ N(0, C)``, fresh at every step, targets ``y = w* . x + noise``. With ``delta = w - w*`` and a
    deterministic addition ``E = (eta_0 / 4) C^2`` to the mini-batch Hessian (the improved loss of a coarse learning
    rate ``eta_0``; zero for plain SGD), one step of learning rate ``eta`` and batch ``B`` maps

        E delta              ->  (1 - eta A) E delta,    A = C + E,
        M = E delta delta^T  ->  (1 - eta A) M (1 - eta A) + (eta^2 / B) [ C M C + C tr(C M) + noise^2 C ].

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

    def stationary_second_moment(self, *, learning_rate: float, batch_size: float) -> Array:
        """Fixed point ``M`` (p, p) of a step: the covariance of the weights at rest, where the mean is zero.

        The step is affine in ``M``; its matrix is its action on every unit matrix.

        Raises
        ------
        DomainError
            If second moments grow at this learning rate.
        """
        size = len(np.atleast_2d(self.covariance))

        def step(second: Array) -> Array:
            return self.moments(
                np.zeros(size), second, time=learning_rate, learning_rate=learning_rate, batch_size=batch_size
            )[1]

        source = step(np.zeros((size, size)))
        units = np.eye(size * size).reshape(-1, size, size)
        matrix = np.stack([(step(unit) - source).ravel() for unit in units], axis=-1)
        if np.abs(np.linalg.eigvals(matrix)).max() >= 1.0:
            raise DomainError(f"learning_rate = {learning_rate:g}: second moments grow there, less is accepted")
        return np.asarray(np.linalg.solve(np.eye(size * size) - matrix, source.ravel())).reshape(size, size)

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
