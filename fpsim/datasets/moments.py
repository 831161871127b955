"""Second and fourth moments of a sample, which are all that a linear network ever sees of its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["gaussian_product_covariance", "sample_product_covariance"]


def sample_product_covariance(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``Q[i, j, k, l] = mean(x_i x_j x_k x_l) - C_ij C_kl`` of rows ``x`` (N, d), with 1/N."""
    n, d = x.shape
    products = (x[:, :, None] * x[:, None, :]).reshape(n, d * d)
    products -= products.mean(axis=0)
    return (products.T @ products / n).reshape(d, d, d, d)


def gaussian_product_covariance(c: NDArray[np.float64]) -> NDArray[np.float64]:
    """``Q[i, j, k, l] = C_ik C_jl + C_il C_jk`` of a centred Gaussian (Isserlis 1918)."""
    return np.einsum("ik,jl->ijkl", c, c) + np.einsum("il,jk->ijkl", c, c)
