"""A population to draw fresh samples from: every mini-batch is new, no sample is ever seen twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fpsim.datasets.moments import gaussian_product_covariance
from fpsim.support.checks import real_array, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NODES", "GaussianPopulation"]

NODES = 32
"""Gauss-Hermite nodes per component: training and theory of a nonlinear network integrate by the same rule."""


@dataclass(frozen=True, eq=False)
class GaussianPopulation(Immutable):
    """Centred Gaussian samples ``x ~ N(0, covariance)``.

    Attributes
    ----------
    covariance : ndarray, shape (d, d)
        Symmetric positive semidefinite, dimensionless; a number stands for d = 1, a vector for a diagonal.

    Raises
    ------
    DomainError
        If the covariance is not square, finite, symmetric and positive semidefinite.
    """

    covariance: NDArray[np.float64]

    def __post_init__(self) -> None:
        c = np.array(real_array(self.covariance, "covariance"), order="C")
        c = np.diag(np.atleast_1d(c)) if c.ndim < 2 else c
        if c.ndim != 2 or c.shape[0] != c.shape[1] or not c.size or not np.all(np.isfinite(c)):
            raise DomainError(f"covariance has shape {c.shape}; a finite square matrix is accepted")
        if not np.allclose(c, c.T, rtol=1e-12, atol=0.0):
            raise DomainError("covariance is not symmetric; a symmetric positive semidefinite matrix is accepted")
        if np.linalg.eigvalsh(c)[0] < -1e-12 * np.trace(c):
            raise DomainError("covariance has a negative eigenvalue; a positive semidefinite matrix is accepted")
        c.setflags(write=False)
        object.__setattr__(self, "covariance", c)

    @property
    def name(self) -> str:
        """What the samples are."""
        return "gaussian population"

    @property
    def dimension(self) -> int:
        """Number of coordinates d of a sample."""
        return int(self.covariance.shape[0])

    @property
    def second_moment(self) -> NDArray[np.float64]:
        """``C = E[x x^T]``, shape (d, d)."""
        return self.covariance

    @cached_property
    def product_covariance(self) -> NDArray[np.float64]:
        """``Q[i, j, k, l] = C_ik C_jl + C_il C_jk``, shape (d, d, d, d)."""
        return gaussian_product_covariance(self.covariance)

    @cached_property
    def root(self) -> NDArray[np.float64]:
        """Symmetric square root of the covariance, shape (d, d): ``x = root @ normal``."""
        values, vectors = np.linalg.eigh(self.covariance)
        return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T

    def quadrature(self, nodes: int = NODES) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Product Gauss-Hermite rule: points (nodes^d, d) and weights (nodes^d,), which add up to one.

        Exact for polynomials of degree below ``2 * nodes`` in each of the d independent directions.
        """
        axis, weight = np.polynomial.hermite_e.hermegauss(whole_number(nodes, "nodes", least=1))
        directions = (axis,) * self.dimension, (weight,) * self.dimension
        grid, product = (
            np.stack(np.meshgrid(*values, indexing="ij"), axis=-1).reshape(-1, self.dimension) for values in directions
        )
        weights = np.prod(product, axis=-1)
        return grid @ self.root, weights / weights.sum()

    def __repr__(self) -> str:
        return f"GaussianPopulation(d={self.dimension}, trace={np.trace(self.covariance):.6g})"
