"""Two processes whose couplings flow in closed form: what measured beta functions are held against.

Ornstein-Uhlenbeck ``dW = -lambda (W - w*) dt + sqrt(2 D) dB`` stays Gaussian; with ``phi = W - w*``, ``g = m^2 / Z^2``,
``h = D / (lambda Z^2)`` and the clock ``lambda t``: ``gamma = h - 1``, ``beta_g = -2 g h``, ``beta_h = 2 h (1 - h)``.

Geometric Brownian motion ``dW = a W dt + sqrt(2 D) W dB``, which a linear auto-encoder follows far below its valley,
stays lognormal; with ``g = Var ln W`` and the clock ``t``: ``gamma = a + D``, ``beta_g = 2 D``, no fixed point. Its
exponents ``d ln E W^n / dt = n (a - D) + n^2 D`` are not linear in ``n``, so that pure scaling fails.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.equation import FokkerPlanck

__all__ = ["GeometricBrownianMotion", "OrnsteinUhlenbeck"]

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
