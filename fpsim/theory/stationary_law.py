"""Stationary law of the linear network with d = k = 1 on its balanced leaf, and the threshold where it ends.

On ``q = 0`` (where ``R = 2 |w|``) with noise ``s^2 = theta (kappa (w - 1)^2 + s0)``, and
``mu = c / (theta (kappa + s0))``,

    p(w) ~ w^{mu - 3/2} (kappa (w - 1)^2 + s0)^{-1 - mu/2} exp(-mu sqrt(s0 / kappa) arctan((w - 1) sqrt(kappa / s0))),

``w > 0``. It can be normalised at ``w = 0`` only for ``mu > 1/2``: beyond ``theta* = 2 c / (kappa + s0)`` noise
wins and every replica collapses to ``w = 0``. The tail is ``w^{-7/2}`` for any ``kappa > 0``. Here
``theta = eta c_B`` and, when batches are drawn with replacement, ``s0 = c label_noise^2``. The same structure as in
Ziyin, Li & Ueda (2023), arXiv:2308.06671.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq
from scipy.special import roots_genlaguerre

from fpsim.support.errors import DomainError
from fpsim.theory.weight_coordinates import Array

__all__ = [
    "BalancedLaw",
    "collapse_rate",
    "collapse_threshold",
    "discrete_collapse_rate",
    "discrete_collapse_threshold",
]

NODES = 120
"""Gauss-Hermite nodes of the discrete rate."""
GAUSS = 20
"""Gauss-Legendre nodes of a panel."""
FARTHEST = 80.0
"""``ln w`` where averages end: there ``w^2 p(w) dw`` has fallen by ``exp(-40)``."""


def collapse_threshold(c: float, kappa: float, s0: float) -> float:
    """``theta* = 2 c / (kappa + s0)``, the largest ``theta = eta c_B`` with a stationary density."""
    return 2.0 * c / (kappa + s0)


def collapse_rate(c: float, kappa: float, s0: float, theta: float) -> float:
    """``d ln w / dt = 2 c - theta (kappa + s0)`` near ``w = 0``: negative beyond the threshold."""
    return 2.0 * c - theta * (kappa + s0)


def discrete_collapse_rate(learning_rate: float, batch_size: int, *, variance: float, label_noise: float) -> float:
    """The same for the steps of SGD themselves, on fresh normal data: ``(2 / eta) E ln |1 + eta g|``.

    Near ``w = 0`` on the balanced leaf a step multiplies both weights by ``1 + eta g`` with ``g = mean(x^2 + x e)``,
    which is ``variance * s / B + label_noise * sqrt(variance * s) * normal / B`` with ``s`` chi-square of ``B`` degrees
    of freedom. Gauss rules of both; accurate while ``eta g`` stays away from -1, hence for learning rates far below
    ``1 / label_noise``.

    Parameters
    ----------
    learning_rate : float
        ``eta``.
    batch_size : int
        ``B``.
    variance : float
        Variance of the inputs, ``c``.
    label_noise : float
        Standard deviation of the label noise.
    """
    normal, weight = np.polynomial.hermite_e.hermegauss(NODES)
    s, share = roots_genlaguerre(NODES // 2, 0.5 * batch_size - 1.0)
    x2 = 2.0 * s[:, None] * variance / batch_size
    g = x2 + label_noise * np.sqrt(x2 / batch_size) * normal
    mean = np.sum(share[:, None] * weight * np.log(np.abs(1.0 + learning_rate * g))) / (share.sum() * weight.sum())
    return float(2.0 * mean / learning_rate)


def discrete_collapse_threshold(batch_size: int, *, variance: float, label_noise: float) -> float:
    """Learning rate at which steps of SGD neither leave ``w = 0`` nor are attracted by it.

    A root of :func:`discrete_collapse_rate`, whose arguments these are; ``nan`` where it does not lie between 0.3 and
    1.5 times the threshold of the Fokker-Planck equation.
    """
    limit = collapse_threshold(variance, 2.0 * variance**2, variance * label_noise**2) * batch_size
    ends = 0.3 * limit, 1.5 * limit

    def rate(learning_rate: float) -> float:
        return discrete_collapse_rate(learning_rate, batch_size, variance=variance, label_noise=label_noise)

    return float(brentq(rate, *ends)) if rate(ends[0]) > 0.0 > rate(ends[1]) else float("nan")


@dataclass(frozen=True)
class BalancedLaw:
    """Stationary law of ``w = W2 W1`` on the balanced leaf.

    Attributes
    ----------
    c, kappa, s0, theta : float
        See the module's docstring.

    Raises
    ------
    DomainError
        If a constant is not positive, or ``theta`` is at or beyond the threshold (the law collapses to ``w = 0``).
    """

    c: float
    kappa: float
    s0: float
    theta: float

    def __post_init__(self) -> None:
        if not min(self.c, self.kappa, self.s0, self.theta) > 0.0:
            raise DomainError(f"{self}: positive constants are accepted (s0 = 0 makes w = 1 absorbing)")
        limit = collapse_threshold(self.c, self.kappa, self.s0)
        if self.theta >= limit:
            raise DomainError(f"theta = {self.theta:.6g}: below the collapse threshold {limit:.6g} is accepted")

    def log_density(self, w: ArrayLike) -> Array:
        """Logarithm of the density, up to a constant; ``w > 0``."""
        return self._log_density(np.log(np.asarray(w, dtype=np.float64)))

    def _log_density(self, x: Array) -> Array:
        """The same at ``x = ln w``, which may lie far below the smallest number."""
        mu, r = self.c / (self.theta * (self.kappa + self.s0)), np.exp(x) - 1.0
        ratio = np.sqrt(self.s0 / self.kappa)
        noise = self.kappa * r**2 + self.s0
        return (mu - 1.5) * x - (1.0 + 0.5 * mu) * np.log(noise) - mu * ratio * np.arctan(r / ratio)

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """``ln w`` and the distribution function there (trapezoidal rule on a fine grid of ``ln w``)."""
        mu = self.c / (self.theta * (self.kappa + self.s0))
        low = min(-40.0 / (mu - 0.5), -5.0)  # the density of ln w falls like w^(mu - 1/2)
        x = np.concatenate([np.linspace(low, -4.0, 4000)[:-1], np.linspace(-4.0, 16.0, 40001)])
        logarithm = self._log_density(x) + x
        density = np.exp(logarithm - logarithm.max())
        mass = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(x))])
        return x, mass / mass[-1]

    def cdf(self, w: ArrayLike) -> Array:
        """Distribution function."""
        x, mass = self._table
        return np.asarray(PchipInterpolator(x, mass)(np.clip(np.log(w), x[0], x[-1])))

    def quantile(self, level: ArrayLike) -> Array:
        """Quantiles of ``w``."""
        x, mass = self._table
        keep = np.concatenate([[True], np.diff(mass) > 0.0])
        return np.exp(np.interp(np.asarray(level, dtype=np.float64), mass[keep], x[keep]))

    def density(self, w: ArrayLike) -> Array:
        """The normalised density at ``w > 0``."""
        x, _ = self._table
        logarithm = self._log_density(x) + x
        scale = logarithm.max()
        total = np.trapezoid(np.exp(logarithm - scale), x)
        return np.asarray(np.exp(self.log_density(w) - scale) / total)

    def averaged(self, edges: ArrayLike) -> Array:
        """Averages of the density over bins, for histograms."""
        e = np.asarray(edges, dtype=np.float64)
        return np.diff(self.cdf(np.maximum(e, 1e-300))) / np.diff(e)

    def quantile_error(self, level: ArrayLike, samples: int) -> Array:
        """Standard error ``sqrt(p (1 - p) / n) / density`` of the quantiles of many independent samples."""
        p = np.asarray(level, dtype=np.float64)
        return np.sqrt(p * (1.0 - p) / samples) / self.density(self.quantile(p))

    @property
    def mean_square(self) -> float:
        """``E (w - 1)^2``, which sets the decay of the balance (:attr:`balance_rate`)."""
        return self._expectation(lambda w: (w - 1.0) ** 2)

    @property
    def balance_rate(self) -> float:
        """``-E d ln|q| / dt = theta (kappa E (w - 1)^2 + s0)``: how fast replicas come to the leaf ``q = 0``."""
        return self.theta * (self.kappa * self.mean_square + self.s0)

    @property
    def mean(self) -> float:
        """``E w``."""
        return self._expectation(lambda w: w)

    def _expectation(self, function: Callable[[Array], Array]) -> float:
        """Average of a function that grows no faster than ``w^2``, by Gauss-Legendre rules on panels of ``ln w``.

        The panels resolve the maximum and reach so far that the tail ``w^(-7/2)``, from which ``w^2`` takes two powers
        and the volume ``dw = w dx`` one more, has fallen to rounding.
        """
        x, _ = self._table
        logarithm = self._log_density(x) + x
        top = int(np.clip(np.argmax(logarithm), 1, x.size - 2))
        bend = -np.diff(logarithm[top - 1 : top + 2], 2)[0] / np.diff(x)[top] ** 2
        width = min(1.0, 1.0 / np.sqrt(max(bend, 1.0)))
        edges = np.unique(
            np.concatenate(
                [
                    np.linspace(x[0], -4.0, 81),
                    np.linspace(-4.0, 8.0, 241),
                    np.linspace(8.0, FARTHEST, 73),
                    x[top] + width * np.linspace(-40.0, 40.0, 81),
                ]
            )
        )
        node, weight = np.polynomial.legendre.leggauss(GAUSS)
        half = 0.5 * np.diff(edges)
        at = edges[:-1, None] + half[:, None] * (1.0 + node)
        mass = half[:, None] * weight * np.exp(self._log_density(at) + at - logarithm.max())
        return float(np.sum(mass * function(np.exp(at))) / mass.sum())
