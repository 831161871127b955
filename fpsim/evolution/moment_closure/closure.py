"""Gaussian moment closure of a Fokker-Planck equation, for many Gaussians at once.

Each Gaussian ``N(m, C)`` follows the exact equations of its first two moments, closed by its own shape:

    m' = E[b(W)],    C' = E[b (W - m)^T] + E[(W - m) b^T] + 2 E[D(W)],    W ~ N(m, C),

where ``E[b (W - m)^T] = E[grad b] C`` (Stein). Averages are taken by the cubature of degree three with the ``2 n``
points ``m +- sqrt(n) L e_i``, ``L L^T = C`` (Stroud 1971; Arasaratnam & Haykin 2009, doi:10.1109/TAC.2009.2019800):
only values of ``b`` and ``D`` are needed, no derivative. Exact for a linear drift and a quadratic diffusion; otherwise
the closure itself is of relative order ``C`` (its third cumulants are left out), which is what limits the width of a
component.

A batch of Gaussians is one array: a column each, ``n`` rows of means above ``n (n + 1) / 2`` rows of covariances
(packed lower triangle). Columns never mix.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from fpsim.equation.points import PointCoefficients
from fpsim.support.compilation import njit

__all__ = ["Rate", "columns_at_once", "moment_rate", "packed", "rows_of_state", "unpacked"]

Array = NDArray[np.float64]
Rate = Callable[[float, Array, Array], None]
"""Fill the rates (rows, M) of the moments (rows, M) at a time."""

WORDS = 2**16
"""Words that the diffusion at the cubature points of one batch may take: they stay in the second-level cache."""


def rows_of_state(n: int) -> int:
    """Rows of a batch in ``n`` dimensions."""
    return n + n * (n + 1) // 2


def columns_at_once(n: int) -> int:
    """Gaussians of one batch; part of the definition of a time-dependent step, so never tuned to the machine."""
    return max(32, WORDS // (n * n * (n + 1)) // 32 * 32)


def packed(means: Array, covariances: Array) -> Array:
    """Batch of means (N, n) and covariances (N, n, n)."""
    n = means.shape[1]
    lower = np.tril_indices(n)
    return np.ascontiguousarray(np.concatenate([means.T, covariances[:, lower[0], lower[1]].T]))


def unpacked(state: Array, n: int) -> tuple[Array, Array]:
    """Means (N, n) and covariances (N, n, n) of a batch."""
    lower = np.tril_indices(n)
    covariances = np.empty((state.shape[1], n, n))
    covariances[:, lower[0], lower[1]] = covariances[:, lower[1], lower[0]] = state[n:].T
    return np.ascontiguousarray(state[:n].T), covariances


def moment_rate(coefficients: PointCoefficients, n: int) -> Rate:
    """Rates of the moments under an equation whose coefficients are given at points."""

    def rate(t: float, state: Array, out: Array) -> None:
        count = state.shape[1]
        root = np.empty((n * (n + 1) // 2, count))
        x = np.empty((n, 2 * n * count))
        drift, diffusion = np.empty_like(x), np.empty((len(root), x.shape[1]))
        _points(n, sqrt(n), state, root, x)
        coefficients(t, x, drift, diffusion)
        _averages(n, sqrt(n), root, drift, diffusion, out)

    return rate


@njit(cache=True, nogil=True, error_model="numpy")
def _points(n, radius, state, root, x):  # type: ignore[no-untyped-def]
    """Cholesky factors (a pivot that vanishes up to rounding is zero) and cubature points."""
    count = state.shape[1]
    for j in range(n):
        for i in range(j, n):
            here, source = i * (i + 1) // 2 + j, n + i * (i + 1) // 2 + j
            for v in range(count):
                root[here, v] = state[source, v]
            for k in range(j):
                left, right = i * (i + 1) // 2 + k, j * (j + 1) // 2 + k
                for v in range(count):
                    root[here, v] -= root[left, v] * root[right, v]
        pivot = j * (j + 1) // 2 + j
        for v in range(count):
            p = root[pivot, v]
            root[pivot, v] = np.sqrt(p) if p > 1e-14 * state[n + pivot, v] else 0.0
        for i in range(j + 1, n):
            here = i * (i + 1) // 2 + j
            for v in range(count):
                p = root[pivot, v]
                root[here, v] = root[here, v] / p if p > 0.0 else 0.0
    for j in range(n):
        plus, minus = 2 * j * count, (2 * j + 1) * count
        for i in range(n):
            if i < j:
                for v in range(count):
                    x[i, plus + v] = state[i, v]
                    x[i, minus + v] = state[i, v]
            else:
                here = i * (i + 1) // 2 + j
                for v in range(count):
                    shift = radius * root[here, v]
                    x[i, plus + v] = state[i, v] + shift
                    x[i, minus + v] = state[i, v] - shift


@njit(cache=True, nogil=True, error_model="numpy")
def _averages(n, radius, root, drift, diffusion, out):  # type: ignore[no-untyped-def]
    count = out.shape[1]
    for i in range(n):
        for v in range(count):
            out[i, v] = 0.0
        for j in range(2 * n):
            for v in range(count):
                out[i, v] += drift[i, j * count + v]
        for v in range(count):
            out[i, v] /= 2 * n
    for row in range(diffusion.shape[0]):
        for v in range(count):
            out[n + row, v] = 0.0
        for j in range(2 * n):
            for v in range(count):
                out[n + row, v] += diffusion[row, j * count + v]
        for v in range(count):
            out[n + row, v] /= n
    factor = radius / (2 * n)
    for j in range(n):
        plus, minus = 2 * j * count, (2 * j + 1) * count
        for i in range(n):
            for k in range(j, n):  # E[b_i (W - m)_k], L lower
                here = k * (k + 1) // 2 + j
                row = n + (i * (i + 1) // 2 + k if k <= i else k * (k + 1) // 2 + i)
                twice = 2.0 * factor if i == k else factor
                for v in range(count):
                    out[row, v] += twice * (drift[i, plus + v] - drift[i, minus + v]) * root[here, v]
