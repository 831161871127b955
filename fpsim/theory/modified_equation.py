"""Stochastic modified equations of SGD, of order one and two in the learning rate.

With ``g = grad L``, ``H = hess L``, mini-batch covariance ``S``, temperature ``T`` and one step ``W - eta ghat +
sqrt(2 eta T) normal`` the generator ``log(P) / eta`` of the one-step operator ``P`` is, in ``t = k eta``,

- ``sme1``:  ``b = -g``,  ``D = eta S / 2 + T``; weak error O(eta);
- ``sme2``:  ``b = -g - (eta/2) H g + (eta/2) T lap g``,  ``D = eta S / 2 + T (1 + eta H)``; weak error O(eta^2), the
  textbook second-order equation (Li, Tai & E 2019, J. Mach. Learn. Res. 20(40)), with the terms a
  temperature needs;
- ``sme2c``: also the O(eta^2) terms that do not vanish for Gaussian noise,
  ``b += (eta^2/4) (S : grad grad) g - eta^2 (H^2 g / 3 + (grad^3 L)[g, g] / 12)``,
  ``D += (eta^2/4) (H S + S H + (g . grad) S)``.

Near a minimum the variance is itself O(eta): there ``sme2`` is right in the mean and *worse* than ``sme1`` in the
relative width, ``sme2c`` is right in both. Limits: ``sme2c`` leaves out the third-order term ``-(eta^2/6) kappa3 :
grad^3`` of skewed mini-batch noise, which is no diffusion; its coefficients grow fast with the distance from the
minimum, so that the box of a density should end where they are still small, and its ``D`` is clipped to positive
semidefinite; with a temperature it is no better than ``sme2``. Orders beyond ``sme1`` are those of plain SGD with a
constant learning rate; at ``sme1`` momentum ``mu`` (in its overdamped limit, mobility ``m = 1 / (1 - mu)``) and
schedules are known: ``b = -m g``, ``D = m^2 eta(t) S / 2 + m T``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.theory.bottleneck.landscape import landscape_of
from fpsim.theory.landscape import (
    Landscape,
    MeshLandscape,
    contracted,
    directional_derivative,
    hessian,
    second_derivative,
)
from fpsim.theory.scales import jumps_of
from fpsim.theory.weight_coordinates import Array, Coordinates, with_arguments

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["ModifiedEquation", "Order", "modified_equation", "modified_equation_of"]

Order = Literal["sme1", "sme2", "sme2c"]
ORDERS = ("sme1", "sme2", "sme2c")


@dataclass(frozen=True, eq=False)
class ModifiedEquation:
    """Drift and diffusion of all weights, in the clock ``t = k eta`` (the sum of the learning rates).

    Attributes
    ----------
    landscape : Landscape
        Gradient and its mini-batch covariance.
    learning_rate : float or callable
        ``eta``, or ``eta(t)`` of a schedule.
    order : {"sme1", "sme2", "sme2c"}
        Which terms are kept.
    temperature : float
        ``T``, dimensionless as the loss is.
    mobility : float
        ``m = 1 / (1 - mu)``.
    """

    landscape: Landscape
    learning_rate: float | Callable[[float], float]
    order: Order = "sme1"
    temperature: float = 0.0
    mobility: float = 1.0

    def drift(self, w: ArrayLike) -> Array:
        """``b`` (..., n) at weights (..., n)."""
        x = np.asarray(w, dtype=np.float64)
        g = self.landscape.gradient(x)
        if self.order == "sme1":
            return -self.mobility * g
        eta, gradient = self._rate(0.0), self.landscape.gradient
        h = hessian(self.landscape, x)
        hg = _apply(h, g)
        b = -g - 0.5 * eta * hg
        if self.temperature:
            b = b + 0.5 * eta * self.temperature * contracted(gradient, x, np.eye(x.shape[-1]))
        if self.order == "sme2c":
            noise = contracted(gradient, x, self.landscape.covariance(x))
            b = b + eta**2 * (0.25 * noise - _apply(h, hg) / 3.0 - second_derivative(gradient, x, g) / 12.0)
        return b

    def diffusion(self, w: ArrayLike, t: float = 0.0) -> Array:
        """``D`` (..., n, n) at weights (..., n); ``t`` counts for a schedule only."""
        x = np.asarray(w, dtype=np.float64)
        s = self.landscape.covariance(x)
        d = self._noise(t) * s + self._thermal * np.eye(x.shape[-1])
        if self.order == "sme1" or (self.order == "sme2" and not self.temperature):
            return d
        eta, h = self._rate(t), hessian(self.landscape, x)
        d = d + eta * self.temperature * h
        if self.order == "sme2":
            return _clipped(d)
        hs = h @ s
        transport = directional_derivative(self.landscape.covariance, x, self.landscape.gradient(x))
        return _clipped(d + 0.25 * eta**2 * (hs + np.swapaxes(hs, -1, -2) + transport))

    def fokker_planck(self) -> FokkerPlanck:
        """The equation of the density, with the weights as coordinates."""
        landscape, scheduled = self.landscape, callable(self.learning_rate)
        jumps = jumps_of(self.learning_rate)
        if self.order != "sme1" or not isinstance(landscape, MeshLandscape):
            return FokkerPlanck(
                drift=with_arguments(lambda x, _t, _p: tuple(np.moveaxis(self.drift(_points(x)), -1, 0))),
                diffusion=with_arguments(lambda x, t, _p: _rows(self.diffusion(_points(x), t)), of_time=scheduled),
                jumps=jumps,
            )

        def drift(x: Coordinates, _t: float, _p: Any) -> tuple[Array, ...]:
            return tuple(-self.mobility * g for g in landscape.gradient_on(x))

        def diffusion(x: Coordinates, t: float, _p: Any) -> list[list[Array]]:
            return scaled_noise(landscape.covariance_on(x), self._noise(t), self._thermal)

        noise = with_arguments(diffusion, of_time=scheduled)
        return FokkerPlanck(drift=with_arguments(drift), diffusion=noise, jumps=jumps)

    def _rate(self, t: float) -> float:
        return self.learning_rate(t) if callable(self.learning_rate) else self.learning_rate

    def _noise(self, t: float) -> float:
        """Factor of ``S`` in ``D``."""
        return 0.5 * self._rate(t) * self.mobility**2

    @property
    def _thermal(self) -> float:
        """Isotropic part of ``D``."""
        return self.mobility * self.temperature


def modified_equation(
    landscape: Landscape,
    learning_rate: float | Callable[[float], float],
    *,
    order: Order = "sme1",
    temperature: float = 0.0,
    mobility: float = 1.0,
) -> ModifiedEquation:
    """Modified equation of a training problem.

    Parameters
    ----------
    landscape : Landscape
        Gradient and mini-batch covariance; :func:`fpsim.theory.landscape_of` makes one of an experiment.
    learning_rate : float or callable
        ``eta > 0``, or ``eta(t)`` of a schedule.
    order : {"sme1", "sme2", "sme2c"}
        See the module's docstring.
    temperature : float
        ``T >= 0`` of injected noise.
    mobility : float
        ``1 / (1 - mu)``, at least 1.

    Raises
    ------
    DomainError
        If a number or the order is not accepted, or the order is beyond ``sme1`` with momentum or a schedule.
    """
    if order not in ORDERS:
        raise DomainError(f"order {order!r}: accepted are {', '.join(ORDERS)}")
    rate = 1.0 if callable(learning_rate) else learning_rate
    if not 0.0 < rate < np.inf or not 0.0 <= temperature < np.inf or not 1.0 <= mobility < np.inf:
        raise DomainError(
            f"learning_rate = {learning_rate}, temperature = {temperature}, mobility = {mobility}: a positive number, "
            "a nonnegative one and one of at least 1 are accepted"
        )
    if order != "sme1" and (callable(learning_rate) or mobility != 1.0):
        raise DomainError(f"order {order!r} with momentum or a schedule; a constant learning rate is accepted")
    return ModifiedEquation(landscape, learning_rate, order, temperature, mobility)


def modified_equation_of(experiment: Experiment, *, order: Order = "sme1") -> ModifiedEquation:
    """Modified equation of all weights of an experiment, ``W1`` before ``W2``, each in C order.

    Raises
    ------
    DomainError
        If there is no landscape of the network (:func:`fpsim.theory.landscape_of`), or the order is beyond ``sme1``
        with momentum or a schedule.
    """
    landscape = landscape_of(experiment)
    scales = landscape.scales
    return modified_equation(
        landscape,
        scales.learning_rate,
        order=order,
        temperature=scales.temperature,
        mobility=scales.mobility,
    )


def scaled_noise(covariance: list[list[Array]], factor: float, thermal: float) -> list[list[Array]]:
    """Rows of ``D = factor S + thermal``, from rows of ``S``."""
    n = range(len(covariance))
    return [[factor * covariance[i][j] + (thermal if i == j else 0.0) for j in n] for i in n]


def _points(x: Coordinates) -> Array:
    return np.stack(np.broadcast_arrays(*x), axis=-1)


def _rows(d: Array) -> list[list[Array]]:
    n = range(d.shape[-1])
    return [[d[..., i, j] for j in n] for i in n]


def _apply(matrix: Array, vector: Array) -> Array:
    return np.einsum("...ij,...j->...i", matrix, vector)


def _clipped(matrices: Array) -> Array:
    """Symmetric matrices (..., n, n) with their negative eigenvalues set to zero."""
    values, vectors = np.linalg.eigh(matrices)
    if (values >= 0.0).all():
        return matrices
    return np.einsum("...ik,...k,...jk->...ij", vectors, np.maximum(values, 0.0), vectors)
