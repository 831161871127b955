"""Loss landscape: mean gradient and gradient covariance at a batch of weights.

The one thing that theory asks of a network, its data and its mini-batches. Modified equations, the joint equation, the
Gaussian path of linear noise, momentum and stationary covariances know nothing else, so that any network joins by the
two functions of :class:`Landscape`. What is derived here (Hessians, second derivatives along a direction) is a
fourth-order difference of them, exact to rounding for polynomials of degree four.

Limits: closures of one matrix need more, the factorised gradients of a bottleneck network
(:class:`fpsim.theory.BottleneckLandscape`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from fpsim.theory.weight_coordinates import Array, Coordinates

__all__ = [
    "Landscape",
    "MeshLandscape",
    "contracted",
    "directional_derivative",
    "hessian",
    "hessian_product",
    "jacobian",
    "second_derivative",
]

STEP = 5e-3
"""Step of the differences, in the unit of the weights."""


class Landscape(Protocol):
    """Gradient and gradient noise of a training problem with ``n`` weights."""

    def gradient(self, w: Array) -> Array:
        """Mean gradient ``g = grad L`` (..., n) at weights (..., n)."""

    def covariance(self, w: Array) -> Array:
        """Covariance ``S`` (..., n, n) of the mini-batch gradient at weights (..., n)."""


@runtime_checkable
class MeshLandscape(Landscape, Protocol):
    """A landscape that also answers on an open mesh, entry by entry, each of its own minimal shape."""

    def gradient_on(self, x: Coordinates) -> list[Array]:
        """Entries of ``g``; an entry has length one along every coordinate on which it does not depend."""

    def covariance_on(self, x: Coordinates) -> list[list[Array]]:
        """Entries of ``S``, likewise."""


def hessian(landscape: Landscape, w: Array) -> Array:
    """``H = hess L`` (..., n, n) at weights (..., n), from ``4 n`` gradients a point."""
    return jacobian(landscape.gradient, w)


def hessian_product(landscape: Landscape, w: Array, v: Array) -> Array:
    """``H v`` (..., n) at weights (..., n) for vectors ``v`` (..., n), from four gradients a point."""
    return directional_derivative(landscape.gradient, w, v)


def jacobian(function: Callable[[Array], Array], x: Array) -> Array:
    """``J_ij = d_j f_i`` (..., n, n) of a vector field (..., n) -> (..., n)."""
    n = x.shape[-1]
    points = np.repeat(x[..., None, :], n, axis=-2)
    return np.swapaxes(directional_derivative(function, points, np.broadcast_to(np.eye(n), points.shape)), -1, -2)


def directional_derivative(function: Callable[[Array], Array], x: Array, v: Array) -> Array:
    """``(v . grad) f`` at points ``x`` (..., n)."""
    length, unit = _split(v)
    near = function(x + STEP * unit) - function(x - STEP * unit)
    far = function(x + 2 * STEP * unit) - function(x - 2 * STEP * unit)
    return _scaled((8.0 * near - far) / (12.0 * STEP), length)


def second_derivative(function: Callable[[Array], Array], x: Array, v: Array) -> Array:
    """``(v . grad)^2 f`` at points ``x`` (..., n)."""
    length, unit = _split(v)
    near = function(x + STEP * unit) + function(x - STEP * unit)
    far = function(x + 2 * STEP * unit) + function(x - 2 * STEP * unit)
    return _scaled((16.0 * near - far - 30.0 * function(x)) / (12.0 * STEP**2), length**2)


def contracted(function: Callable[[Array], Array], x: Array, s: Array) -> Array:
    """``(S : grad grad) f`` (..., n) of a vector field, by second derivatives along the axes of ``S`` (..., n, n)."""
    n = x.shape[-1]
    values, vectors = np.linalg.eigh(np.broadcast_to(s, (*x.shape, n)))
    points = np.repeat(x[..., None, :], n, axis=-2)
    curvature = second_derivative(function, points, np.swapaxes(vectors, -1, -2))
    return np.einsum("...m,...mi->...i", values, curvature)


def _split(v: Array) -> tuple[Array, Array]:
    length = np.linalg.norm(v, axis=-1)
    return length, v / np.maximum(length, 1e-300)[..., None]


def _scaled(values: Array, length: Array) -> Array:
    return values * length.reshape(*length.shape, *(1,) * (values.ndim - length.ndim))
