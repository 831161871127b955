"""Drift and diffusion of a linear bottleneck at many weights at once: closed forms, in vector lanes.

With ``A = W2 W1 - I``, ``P = W2^T A`` the per-sample gradient is linear in the products ``x_i x_l`` of the data,

    grad_1 l = P x x^T,    grad_2 l = A x (W1 x)^T,

so its mean needs ``C = E x x^T`` alone, and its covariance is ``Sigma = (G F)(G F)^T`` with ``G`` linear in ``P, A,
W1`` and ``F`` a constant root of the covariance ``Q_ij,kl`` of the products, of rank ``m <= d (d + 1) / 2``: a factor
instead of ``d^4`` sums. Exact for any data (:mod:`fpsim.theory.bottleneck`). Points are the vector dimension: every
innermost loop runs over ``LANES`` of them and none mixes with another.

Limits: two trained matrices, linear units, orders ``sme1`` and ``sme2`` (:mod:`fpsim.theory.modified_equation`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError
from fpsim.theory.weight_coordinates import Array

__all__ = ["LinearData", "OrderFactors", "fill", "linear_data"]

LANES = 32
"""Points in a block: enough to fill vector registers, few enough for its rows to stay in the first-level cache."""
GROUP = 3
"""Columns of the root that are summed at once; their number is filled up with zeros to a multiple."""


class LinearData(NamedTuple):
    """What a linear network sees of its data."""

    k: int
    """Width of the bottleneck."""
    second: Array
    """``C``, shape (d, d)."""
    root: Array
    """``F`` with ``Q_ij,kl = sum_r F_ijr F_klr``, shape (d, d, m)."""


class OrderFactors(NamedTuple):
    """Numbers that turn gradient ``g``, Hessian ``H`` and noise into one order of the modified equation.

    ``b = -mobility g - second (H g - temperature lap g)``, ``D = noise Sigma + label G + thermal + hessian H`` with the
    Gauss-Newton matrix ``G = E[J^T J]``; weight decay is part of ``g`` and ``H``.
    """

    mobility: float
    second: float
    temperature: float
    noise: float
    label: float
    thermal: float
    hessian: float
    decay: float


def linear_data(k: int, second: Array, products: NDArray[np.float64]) -> LinearData:
    """Moments ``C`` (d, d) and ``Q`` (d, d, d, d) of the data, as the kernel wants them.

    Raises
    ------
    DomainError
        If ``Q`` is no covariance of products.
    """
    d = len(second)
    values, vectors = np.linalg.eigh(products.reshape(d * d, d * d))
    if values[0] < -1e-9 * max(values[-1], 1e-300):
        raise DomainError(f"covariance of products has the eigenvalue {values[0]:.3g}: nonnegative ones are accepted")
    kept = values > 1e-13 * values[-1]
    columns = (vectors[:, kept] * np.sqrt(values[kept])).reshape(d, d, -1)
    columns = 0.5 * (columns + columns.swapaxes(0, 1))
    fill_up = np.zeros((d, d, -columns.shape[2] % GROUP))
    return LinearData(k, np.ascontiguousarray(second), np.ascontiguousarray(np.concatenate([columns, fill_up], axis=2)))


@njit(cache=True, nogil=True, error_model="numpy")
def fill(data, factors, x, drift, diffusion):  # type: ignore[no-untyped-def]
    """Drift (n, P) and packed lower triangle of the diffusion (n (n + 1) / 2, P) at weights ``x`` (n, P)."""
    d, k, m = data.second.shape[0], data.k, data.root.shape[2]
    n, points = x.shape
    w = np.empty((n, LANES))
    residual, weighted, change = np.empty((d * d, LANES)), np.empty((d * d, LANES)), np.empty((d * d, LANES))
    pulled, hidden = np.empty((k * d, LANES)), np.empty((k * d, LANES))
    g, hg, columns = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((n * m, LANES))
    slopes, tensor = np.empty((d * m, LANES)), np.empty((n * (n + 1) // 2, LANES))
    for begin in range(0, points, LANES):
        count = min(LANES, points - begin)
        for i in range(n):
            for v in range(count):
                w[i, v] = x[i, begin + v]
            for v in range(count, LANES):
                w[i, v] = x[i, begin]
        _residual(d, k, w, residual)
        _times_moment(d, d, data.second, residual, weighted)
        _gradient(d, k, w, weighted, g)
        if factors.decay != 0.0:
            for i in range(n):
                for v in range(LANES):
                    g[i, v] += factors.decay * w[i, v]
        for i in range(n):
            for v in range(LANES):
                hg[i, v] = -factors.mobility * g[i, v]
        if factors.second != 0.0:
            _second_order(data, factors, w, weighted, g, change, residual, hg, slopes)
            _residual(d, k, w, residual)
        for i in range(n):
            for v in range(count):
                drift[i, begin + v] = hg[i, v]
        for j in range(k):
            for i in range(d):
                for v in range(LANES):
                    pulled[j * d + i, v] = 0.0
                for a in range(d):
                    for v in range(LANES):
                        pulled[j * d + i, v] += w[k * d + a * k + j, v] * residual[a * d + i, v]
        _noise_columns(d, k, m, data.root, w, residual, pulled, slopes, columns)
        _outer(n, m, factors.noise, columns, tensor)
        if factors.label != 0.0 or factors.hessian != 0.0:
            _curvature(d, k, data.second, factors, w, weighted, hidden, tensor)
        row = 0
        for i in range(n):
            row += i
            diagonal = factors.thermal + factors.hessian * factors.decay
            for v in range(LANES):
                tensor[row + i, v] += diagonal
        for row in range(tensor.shape[0]):
            for v in range(count):
                diffusion[row, begin + v] = tensor[row, v]


@njit(cache=True, nogil=True, error_model="numpy")
def _residual(d, k, w, out):  # type: ignore[no-untyped-def]
    """``A = W2 W1 - I``."""
    for a in range(d):
        for i in range(d):
            for v in range(LANES):
                out[a * d + i, v] = -1.0 if a == i else 0.0
            for j in range(k):
                for v in range(LANES):
                    out[a * d + i, v] += w[k * d + a * k + j, v] * w[j * d + i, v]


@njit(cache=True, nogil=True, error_model="numpy")
def _times_moment(rows, d, second, a, out):  # type: ignore[no-untyped-def]
    """``A C`` of a matrix with so many rows."""
    for r in range(rows):
        for b in range(d):
            for v in range(LANES):
                out[r * d + b, v] = a[r * d, v] * second[0, b]
            for i in range(1, d):
                if second[i, b] != 0.0:
                    for v in range(LANES):
                        out[r * d + b, v] += a[r * d + i, v] * second[i, b]


@njit(cache=True, nogil=True, error_model="numpy")
def _gradient(d, k, w, weighted, g):  # type: ignore[no-untyped-def]
    """``g1 = W2^T (A C)``, ``g2 = (A C) W1^T``."""
    for r in range(g.shape[0]):
        for v in range(LANES):
            g[r, v] = 0.0
    _add_gradient(d, k, w, weighted, 1.0, g)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_gradient(d, k, w, weighted, factor, out):  # type: ignore[no-untyped-def]
    """Add ``factor (W2^T M, M W1^T)``, ``M`` (d, d)."""
    for a in range(d):
        for j in range(k):
            two = k * d + a * k + j
            for b in range(d):
                one = j * d + b
                for v in range(LANES):
                    scaled = factor * weighted[a * d + b, v]
                    out[one, v] += w[two, v] * scaled
                    out[two, v] += w[one, v] * scaled


@njit(cache=True, nogil=True, error_model="numpy")
def _second_order(data, factors, w, weighted, g, change, scratch, out, _rest):  # type: ignore[no-untyped-def]
    """Add ``-second (H g - temperature lap g)``.

    ``H g = (g2^T A C + W2^T M, M W1^T + A C g1^T) + decay g`` with ``M = (g2 W1 + W2 g1) C``;
    ``lap g = (2 d W1 C, 2 tr(C) W2)``.
    """
    d, k = data.second.shape[0], data.k
    n, s = w.shape[0], -factors.second
    for a in range(d):
        for i in range(d):
            for v in range(LANES):
                scratch[a * d + i, v] = 0.0
            for j in range(k):
                one, two = j * d + i, k * d + a * k + j
                for v in range(LANES):
                    scratch[a * d + i, v] += g[two, v] * w[one, v] + w[two, v] * g[one, v]
    _times_moment(d, d, data.second, scratch, change)
    _add_gradient(d, k, w, change, s, out)
    _add_gradient(d, k, g, weighted, s, out)
    if factors.decay != 0.0:
        for i in range(n):
            for v in range(LANES):
                out[i, v] += s * factors.decay * g[i, v]
    if factors.temperature != 0.0:
        trace = 0.0
        for i in range(d):
            trace += data.second[i, i]
        for j in range(k):
            for b in range(d):
                for i in range(d):
                    c = -2.0 * d * s * factors.temperature * data.second[i, b]
                    if c != 0.0:
                        for v in range(LANES):
                            out[j * d + b, v] += c * w[j * d + i, v]
        for i in range(k * d, n):
            for v in range(LANES):
                out[i, v] += -2.0 * trace * s * factors.temperature * w[i, v]


@njit(cache=True, nogil=True, error_model="numpy")
def _noise_columns(d, k, m, root, w, residual, pulled, slopes, columns):  # type: ignore[no-untyped-def]
    """``G F``: rows (j, b) ``sum_i P_ji F_ib.``; rows (a, j) ``sum_il A_ai W1_jl F_il.``."""
    for j in range(k):
        for b in range(d):
            for r in range(m):
                row = (j * d + b) * m + r
                for v in range(LANES):
                    columns[row, v] = pulled[j * d, v] * root[0, b, r]
                for i in range(1, d):
                    f = root[i, b, r]
                    for v in range(LANES):
                        columns[row, v] += pulled[j * d + i, v] * f
        for i in range(d):
            for r in range(m):
                for v in range(LANES):
                    slopes[i * m + r, v] = w[j * d, v] * root[i, 0, r]
                for b in range(1, d):
                    f = root[i, b, r]
                    for v in range(LANES):
                        slopes[i * m + r, v] += w[j * d + b, v] * f
        for a in range(d):
            for r in range(m):
                row = (k * d + a * k + j) * m + r
                for v in range(LANES):
                    columns[row, v] = residual[a * d, v] * slopes[r, v]
                for i in range(1, d):
                    for v in range(LANES):
                        columns[row, v] += residual[a * d + i, v] * slopes[i * m + r, v]


@njit(cache=True, nogil=True, error_model="numpy")
def _outer(n, m, factor, columns, tensor):  # type: ignore[no-untyped-def]
    """``factor R R^T`` of rows of ``m`` columns, lower triangle."""
    row = 0
    for i in range(n):
        for j in range(i + 1):
            for v in range(LANES):
                tensor[row, v] = 0.0
            for r in range(0, m, GROUP):
                p, q = i * m + r, j * m + r
                for v in range(LANES):
                    tensor[row, v] += factor * (
                        columns[p, v] * columns[q, v]
                        + columns[p + 1, v] * columns[q + 1, v]
                        + columns[p + 2, v] * columns[q + 2, v]
                    )
            row += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _curvature(d, k, second, factors, w, weighted, hidden, tensor):  # type: ignore[no-untyped-def]
    """Add ``label G + hessian H`` without weight decay; ``H = G + R``, ``R_(jb),(aj) = (A C)_ab``.

    ``G11 = (W2^T W2)_jl C_bc``, ``G22 = delta_ac (W1 C W1^T)_jl``, ``G21_(al),(jb) = W2_aj (W1 C)_lb``.
    """
    both = factors.label + factors.hessian
    _times_moment(k, d, second, w, hidden)  # W1 C
    for j in range(k):
        for b in range(d):
            i = j * d + b
            for other in range(j + 1):
                for c in range(d if other < j else b + 1):
                    row = i * (i + 1) // 2 + other * d + c
                    f = both * second[b, c]
                    for a in range(d):
                        for v in range(LANES):
                            tensor[row, v] += f * w[k * d + a * k + j, v] * w[k * d + a * k + other, v]
    for a in range(d):
        for j in range(k):
            i = k * d + a * k + j
            for other in range(j + 1):
                row = i * (i + 1) // 2 + k * d + a * k + other
                for b in range(d):
                    for v in range(LANES):
                        tensor[row, v] += both * hidden[j * d + b, v] * w[other * d + b, v]
            for other in range(k):
                for b in range(d):
                    row = i * (i + 1) // 2 + other * d + b
                    for v in range(LANES):
                        tensor[row, v] += both * w[k * d + a * k + other, v] * hidden[j * d + b, v]
            for b in range(d):
                row = i * (i + 1) // 2 + j * d + b
                for v in range(LANES):
                    tensor[row, v] += factors.hessian * weighted[a * d + b, v]
