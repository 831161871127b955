"""Linear network with d = k = 1 in the coordinates in which its diffusion tensor is diagonal.

With ``u = W1``, ``v = W2``: ``w = u v`` and ``q = u^2 - v^2`` are harmonic and orthogonal, ``|grad w|^2 = R``,
``|grad q|^2 = 4 R``, ``R = u^2 + v^2 = sqrt(q^2 + 4 w^2)``. The mini-batch covariance has rank one along ``grad
w``, for any distribution of the data, so that (Ito), with ``c = E x^2``, ``kappa = Var x^2``, ``r = w - 1``,

    dw = (-c r R + w s^2 - 2 lambda w) dt + sqrt(R^2 s^2 + 2 T R) dB,
    dq = -(s^2 + 2 lambda) q dt + sqrt(8 T R) dB',        s^2 = eta (c_B kappa r^2 + (label_noise^2 / B) c).

``q`` decays slowly or not at all (the balance law, Ziyin, Li & Ueda 2023, arXiv:2308.06671). The pairs (u, v) and
(-u, -v) share one (w, q). Without label noise, temperature and weight decay the valley ``w = 1`` absorbs: the density
becomes singular and no grid follows it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.theory.scales import Scales, scales_of
from fpsim.theory.weight_coordinates import Array

if TYPE_CHECKING:
    from fpsim.density import Density
    from fpsim.experiment import Experiment

Coefficients = Callable[[Array, Array, float], tuple[Array, Array]]

__all__ = ["ScalarNetwork", "from_valley", "scalar_network", "to_valley", "valley_density", "weight_moments"]


@dataclass(frozen=True)
class ScalarNetwork:
    """Constants of the equation in (w, q).

    Attributes
    ----------
    c, kappa : float
        ``E x^2`` and ``Var x^2`` of the data.
    scales : Scales
        Learning rate, batch factor, label noise, weight decay, temperature.
    """

    c: float
    kappa: float
    scales: Scales

    def noise(self, w: Array, t: float = 0.0) -> Array:
        """``s^2`` at ``w``, the squared noise strength per unit time."""
        strength = self.scales.batch_factor * self.kappa * (w - 1.0) ** 2 + self.scales.label_variance * self.c
        return 2.0 * self.scales.noise(t) * strength

    def drift(self, w: Array, q: Array, t: float = 0.0, *, order: str = "sme1") -> tuple[Array, Array]:
        """Ito drift of ``w`` and ``q``."""
        size, s2, r = radius(w, q), self.noise(w, t), w - 1.0
        m, decay = self.scales.mobility, 2.0 * self.scales.weight_decay
        dw = m * (-self.c * r * size - decay * w) + w * s2
        dq = -m * decay * q - s2 * q
        if order == "sme2":  # -grad (eta / 4) |grad L|^2
            eta, lam = 2.0 * self.scales.noise(t), self.scales.weight_decay
            inverse = 1.0 / np.maximum(size, 1e-300)
            slope_w = self.c**2 * r * (2.0 * size + 4.0 * r * w * inverse)
            slope_w = slope_w + 4.0 * self.c * lam * (2.0 * w - 1.0) + 4.0 * lam**2 * w * inverse
            slope_q = (self.c**2 * r**2 + lam**2) * q * inverse
            dw, dq = dw - 0.25 * eta * size * slope_w, dq - eta * size * slope_q
        return dw, dq

    def diffusion(self, w: Array, q: Array, t: float = 0.0) -> tuple[Array, Array]:
        """``D_ww`` and ``D_qq``; the mixed entry vanishes."""
        size, thermal = radius(w, q), self.scales.thermal
        return 0.5 * size**2 * self.noise(w, t) + thermal * size, 4.0 * thermal * size

    def equation(self, *, order: str = "sme1") -> FokkerPlanck:
        """Fokker-Planck equation of ``P(w, q)``.

        Raises
        ------
        DomainError
            For an order other than ``sme1`` and ``sme2``, or ``sme2`` with momentum or temperature.
        """
        if order not in ("sme1", "sme2") or (order == "sme2" and (self.scales.thermal or self.scales.mobility != 1.0)):
            raise DomainError(f"order {order!r}: sme1, or sme2 without temperature and momentum, is accepted")
        return _equation(lambda w, q, t: self.drift(w, q, t, order=order), self.diffusion, self.scales)

    def log_equation(self) -> FokkerPlanck:
        """Fokker-Planck equation of ``x = ln w`` on the balanced leaf ``q = 0``, for positive ``w``."""
        balanced = np.zeros(1)

        def drift(x: Array) -> Array:
            w = np.exp(x)
            return self.drift(w, balanced)[0] / w - self.diffusion(w, balanced)[0] / w**2

        return FokkerPlanck(drift=drift, diffusion=lambda x: self.diffusion(np.exp(x), balanced)[0] / np.exp(2 * x))


def scalar_network(experiment: Experiment) -> ScalarNetwork:
    """Constants of an experiment with d = k = 1, linear activation and both weights trained.

    Raises
    ------
    DomainError
        For any other network.

    Warns
    -----
    ValidityWarning
        If the noise vanishes on the valley ``w = 1``.
    """
    network = experiment.network
    if network.widths != (1, 1, 1) or network.activations != ("linear", "linear") or len(network.trained) != 2:
        raise DomainError(
            f"(w, q) coordinates: widths {network.widths}, {network.activations}, {', '.join(network.trained)} "
            "trained; the linear network 1-1-1 with both weights trained is accepted"
        )
    scales = scales_of(experiment)
    if not (scales.label_variance or scales.temperature or scales.weight_decay):
        warnings.warn(
            "no label noise, temperature or weight decay: w = 1 absorbs, the density becomes singular there and no "
            "grid follows it for long",
            ValidityWarning,
            stacklevel=2,
        )
    c = float(experiment.data.second_moment[0, 0])
    return ScalarNetwork(c, float(experiment.data.product_covariance[0, 0, 0, 0]), scales)


def radius(w: Array, q: Array) -> Array:
    """``R = u^2 + v^2 = sqrt(q^2 + 4 w^2)``."""
    return np.sqrt(np.asarray(q) ** 2 + 4.0 * np.asarray(w) ** 2)


def to_valley(u: ArrayLike, v: ArrayLike) -> tuple[Array, Array]:
    """``(w, q) = (u v, u^2 - v^2)``."""
    a, b = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    return a * b, a * a - b * b


def from_valley(w: ArrayLike, q: ArrayLike) -> tuple[Array, Array]:
    """The one of the two (u, v) whose larger component is positive; the other one is (-u, -v)."""
    a, b = np.broadcast_arrays(np.asarray(w, dtype=np.float64), np.asarray(q, dtype=np.float64))
    large = np.sqrt(0.5 * (radius(a, b) + np.abs(b)))
    small = np.divide(a, large, out=np.zeros_like(large), where=large > 0.0)
    return np.where(b >= 0.0, large, small), np.where(b >= 0.0, small, large)


def valley_density(density: Any, w: ArrayLike, q: ArrayLike) -> Array:
    """``P(w, q)`` of a density ``p(u, v)`` given as a callable: ``(p(u, v) + p(-u, -v)) / (2 R)``.

    Raises
    ------
    DomainError
        At ``w = q = 0``, where the coordinates are singular.
    """
    size = radius(np.asarray(w), np.asarray(q))
    if np.any(size == 0.0):
        raise DomainError("w = q = 0: the density in (w, q) is singular there; choose cells that avoid it")
    u, v = from_valley(w, q)
    return (density(u, v) + density(-u, -v)) / (2.0 * size)


def weight_moments(density: Density) -> tuple[Array, Array]:
    """Mean and covariance of (u, v) of a density ``P(w, q)``, on the sheet where the larger one is positive."""
    u, v = from_valley(*np.meshgrid(*density.grid.centers, indexing="ij"))
    mass = density.values / density.values.sum()
    mean = np.array([np.sum(mass * u), np.sum(mass * v)])
    centred = np.stack([u - mean[0], v - mean[1]])
    return mean, np.einsum("aij,bij,ij->ab", centred, centred, mass)


def _equation(drift: Coefficients, diffusion: Coefficients, scales: Scales) -> FokkerPlanck:
    if scales.scheduled:
        return FokkerPlanck(
            drift=lambda w, q, t: drift(w, q, t), diffusion=lambda w, q, t: diffusion(w, q, t), jumps=scales.jumps
        )
    return FokkerPlanck(drift=lambda w, q: drift(w, q, 0.0), diffusion=lambda w, q: diffusion(w, q, 0.0))


def frozen_leaves(network: ScalarNetwork) -> FokkerPlanck:
    """The (w, q) equation with ``q`` standing still: one equation in ``w`` on every leaf."""

    def drift(w: Array, q: Array, t: float) -> tuple[Array, Array]:
        return network.drift(w, q, t)[0], np.zeros((1, 1))

    def diffusion(w: Array, q: Array, t: float) -> tuple[Array, Array]:
        return network.diffusion(w, q, t)[0], np.zeros((1, 1))

    return _equation(drift, diffusion, network.scales)
