"""Gradients of a bottleneck network and their covariances, from averages over the data and factors of the decoder.

All sums run over the few indices of the matrices and are elementwise in the mesh, so that an entry that does not depend
on a coordinate keeps length one there (:mod:`fpsim.theory.bottleneck.averages` has the formulas).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from fpsim.theory.weight_coordinates import Array, Coordinates, entries

__all__ = [
    "Rows",
    "cross_covariance",
    "decoder_covariance",
    "decoder_factors",
    "decoder_gradient",
    "encoder_covariance",
    "encoder_gradient",
    "factor_products",
]

Rows: TypeAlias = list[list[Array]]


def decoder_factors(w2: Coordinates, d: int, k: int) -> Array:
    """``Theta = (W2^T W2, W2^T)``, shape (k, k + d, ...)."""
    w = entries(w2, d, k)
    shape = np.broadcast_shapes(*(x.shape for x in w2))
    theta = np.empty((k, k + d, *shape))
    for j in range(k):
        for m in range(k):
            theta[j, m] = _sum([w[a][j] * w[a][m] for a in range(d)])
        for a in range(d):
            theta[j, k + a] = w[a][j]
    return theta


def factor_products(theta: Array) -> Array:
    """``Theta_jr Theta_ls``, shape (k, R, k, R, ...)."""
    return theta[:, :, None, None] * theta[None, None]


def encoder_gradient(theta: Array, encoder: Array) -> list[Array]:
    """``g1_jb = Theta_jr E[z_r phi'_j x_b]``, a list over (j, b)."""
    r, k, d = encoder.shape[:3]
    return [_sum([theta[j, i] * encoder[i, j, b] for i in range(r)]) for j in range(k) for b in range(d)]


def encoder_covariance(products: Array, features: Array) -> Rows:
    """``Sigma11_jb,lc = Theta_jr Theta_ls Cov(z_r phi'_j x_b, z_s phi'_l x_c)``."""
    r, k, d = features.shape[:3]

    def entry(j: int, b: int, m: int, c: int) -> Array:
        return _sum([products[j, i, m, s] * features[i, j, b, s, m, c] for i in range(r) for s in range(r)])

    return _symmetric([(j, b) for j in range(k) for b in range(d)], entry)


def decoder_gradient(w2: Coordinates, decoder: Array) -> list[Array]:
    """``g2_aj = V_ar E[z_r h_j]``, a list over (a, j)."""
    r, k = decoder.shape[:2]
    d = r - k
    w = entries(w2, d, k)
    return [_sum([w[a][m] * decoder[m, j] for m in range(k)]) + decoder[k + a, j] for a in range(d) for j in range(k)]


def decoder_covariance(w2: Coordinates, features: Array) -> Rows:
    """``Sigma22_aj,cl = V_ar V_cs Cov(z_r h_j, z_s h_l)``."""
    r, k = features.shape[:2]
    d = r - k
    w = entries(w2, d, k)

    def entry(a: int, j: int, c: int, m: int) -> Array:
        quadratic = [w[a][i] * w[c][s] * features[i, j, s, m] for i in range(k) for s in range(k)]
        mixed = [w[a][i] * features[i, j, k + c, m] + w[c][i] * features[k + a, j, i, m] for i in range(k)]
        return _sum(quadratic + mixed) + features[k + a, j, k + c, m]

    return _symmetric([(a, j) for a in range(d) for j in range(k)], entry)


def cross_covariance(theta: Array, w2: Coordinates, features: Array) -> Rows:
    """``Sigma12_jb,cl = Theta_jr V_cs Cov(z_r phi'_j x_b, z_s h_l)``; rows are entries of ``W1``."""
    r, k, d = features.shape[:3]
    w = entries(w2, d, k)

    def entry(j: int, b: int, c: int, m: int) -> Array:
        bilinear = [theta[j, i] * w[c][s] * features[i, j, b, s, m] for i in range(r) for s in range(k)]
        return _sum(bilinear + [theta[j, i] * features[i, j, b, k + c, m] for i in range(r)])

    return [[entry(j, b, c, m) for c in range(d) for m in range(k)] for j in range(k) for b in range(d)]


def _sum(terms: Sequence[Array]) -> Array:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _symmetric(index: list[tuple[int, int]], entry) -> Rows:  # type: ignore[no-untyped-def]
    n = len(index)
    lower = [[entry(*index[i], *index[j]) for j in range(i + 1)] for i in range(n)]
    return [[lower[max(i, j)][min(i, j)] for j in range(n)] for i in range(n)]
