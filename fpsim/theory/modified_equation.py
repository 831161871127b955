"""Stochastic modified equations: the diffusion whose weak solutions follow SGD, to order one or two.

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
semidefinite. With a temperature it is no better than ``sme2``. Derivatives of ``g`` and ``S`` that a landscape does
not know are fourth-order differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.theory.weight_coordinates import Array

__all__ = ["Landscape", "ModifiedEquation", "Order", "clipped", "jacobian", "modified_equation"]

Order = Literal["sme1", "sme2", "sme2c"]
ORDERS = ("sme1", "sme2", "sme2c")
STEP = 5e-3
"""Step of the differences: exact to rounding for the polynomials of linear networks."""


class Landscape(Protocol):
    """What a modified equation needs to know of a training problem with ``n`` weights."""

    def gradient(self, w: Array) -> Array:
        """``g`` (..., n) at weights (..., n)."""

    def covariance(self, w: Array) -> Array:
        """Mini-batch covariance ``S`` (..., n, n)."""


@dataclass(frozen=True)
class ModifiedEquation:
    """Drift and diffusion of one order; see the module's docstring.

    Attributes
    ----------
    landscape : Landscape
        Gradient and noise.
    learning_rate : float
        ``eta``.
    order : {"sme1", "sme2", "sme2c"}
        Which terms are kept.
    temperature : float
        ``T``.
    """

    landscape: Landscape
    learning_rate: float
    order: Order = "sme1"
    temperature: float = 0.0

    def drift(self, w: ArrayLike) -> Array:
        """``b`` (..., n) at weights (..., n)."""
        x, eta = np.asarray(w, dtype=np.float64), self.learning_rate
        g = self.landscape.gradient(x)
        if self.order == "sme1":
            return -g
        gradient = self.landscape.gradient
        h = jacobian(gradient, x)
        hg = _apply(h, g)
        b = -g - 0.5 * eta * hg
        if self.temperature:
            b = b + 0.5 * eta * self.temperature * _contracted(gradient, x, np.eye(x.shape[-1]))
        if self.order == "sme2c":
            noise = _contracted(gradient, x, self.landscape.covariance(x))
            b = b + eta**2 * (0.25 * noise - _apply(h, hg) / 3.0 - _second(gradient, x, g) / 12.0)
        return b

    def diffusion(self, w: ArrayLike) -> Array:
        """``D`` (..., n, n) at weights (..., n)."""
        x, eta = np.asarray(w, dtype=np.float64), self.learning_rate
        s = self.landscape.covariance(x)
        d = 0.5 * eta * s + self.temperature * np.eye(x.shape[-1])
        if self.order == "sme1" or (self.order == "sme2" and not self.temperature):
            return d
        h = jacobian(self.landscape.gradient, x)
        d = d + eta * self.temperature * h
        if self.order == "sme2":
            return clipped(d)
        hs = h @ s
        transport = _first(self.landscape.covariance, x, self.landscape.gradient(x))
        return clipped(d + 0.25 * eta**2 * (hs + np.swapaxes(hs, -1, -2) + transport))

    def fokker_planck(self) -> FokkerPlanck:
        """The equation of the density, with the weights as coordinates."""

        def points(x: tuple[Array, ...]) -> Array:
            return np.stack(np.broadcast_arrays(*x), axis=-1)

        def drift(*x: Array) -> tuple[Array, ...]:
            return tuple(np.moveaxis(self.drift(points(x)), -1, 0))

        def diffusion(*x: Array) -> list[list[Array]]:
            d = self.diffusion(points(x))
            return [[d[..., i, j] for j in range(len(x))] for i in range(len(x))]

        return FokkerPlanck(drift=drift, diffusion=diffusion)


def modified_equation(
    landscape: Landscape, learning_rate: float, *, order: Order = "sme1", temperature: float = 0.0
) -> ModifiedEquation:
    """Modified equation of a training problem.

    Parameters
    ----------
    landscape : Landscape
        Gradient and mini-batch covariance; :func:`fpsim.theory.landscape_of` makes one of an experiment.
    learning_rate : float
        ``eta > 0``.
    order : {"sme1", "sme2", "sme2c"}
        See the module's docstring.
    temperature : float
        ``T >= 0`` of injected noise.

    Raises
    ------
    DomainError
        If a number or the order is not accepted.
    """
    if order not in ORDERS:
        raise DomainError(f"order {order!r}: accepted are {', '.join(ORDERS)}")
    if not 0.0 < learning_rate < np.inf or not 0.0 <= temperature < np.inf:
        raise DomainError(
            f"learning_rate = {learning_rate}, temperature = {temperature}: a positive and a nonnegative number "
            "are accepted"
        )
    return ModifiedEquation(landscape, learning_rate, order, temperature)


def clipped(matrices: Array) -> Array:
    """Symmetric matrices (..., n, n) with their negative eigenvalues set to zero."""
    values, vectors = np.linalg.eigh(matrices)
    if (values >= 0.0).all():
        return matrices
    return np.einsum("...ik,...k,...jk->...ij", vectors, np.maximum(values, 0.0), vectors)


def _apply(matrix: Array, vector: Array) -> Array:
    return np.einsum("...ij,...j->...i", matrix, vector)


def _first(function: Callable[[Array], Array], x: Array, v: Array) -> Array:
    """Derivative of ``function`` at ``x`` along ``v``."""
    length, unit = _split(v)
    near = function(x + STEP * unit) - function(x - STEP * unit)
    far = function(x + 2 * STEP * unit) - function(x - 2 * STEP * unit)
    slope = (8.0 * near - far) / (12.0 * STEP)
    return _scaled(slope, length)


def _second(function: Callable[[Array], Array], x: Array, v: Array) -> Array:
    """Second derivative of ``function`` at ``x`` along ``v``, twice."""
    length, unit = _split(v)
    near = function(x + STEP * unit) + function(x - STEP * unit)
    far = function(x + 2 * STEP * unit) + function(x - 2 * STEP * unit)
    curvature = (16.0 * near - far - 30.0 * function(x)) / (12.0 * STEP**2)
    return _scaled(curvature, length**2)


def _split(v: Array) -> tuple[Array, Array]:
    length = np.linalg.norm(v, axis=-1)
    return length, v / np.maximum(length, 1e-300)[..., None]


def _scaled(values: Array, length: Array) -> Array:
    return values * length.reshape(*length.shape, *(1,) * (values.ndim - length.ndim))


def jacobian(function: Callable[[Array], Array], x: Array) -> Array:
    """``J_ij = d_j f_i`` (..., n, n) of a vector field."""
    n = x.shape[-1]
    points = np.repeat(x[..., None, :], n, axis=-2)
    return np.swapaxes(_first(function, points, np.broadcast_to(np.eye(n), points.shape)), -1, -2)


def _contracted(function: Callable[[Array], Array], x: Array, s: Array) -> Array:
    """``(S : grad grad) function``, by second derivatives along the axes of ``S``."""
    n = x.shape[-1]
    values, vectors = np.linalg.eigh(np.broadcast_to(s, (*x.shape, n)))
    points = np.repeat(x[..., None, :], n, axis=-2)
    curvature = _second(function, points, np.swapaxes(vectors, -1, -2))
    return np.einsum("...m,...mi->...i", values, curvature)
