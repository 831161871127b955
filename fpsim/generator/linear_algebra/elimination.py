"""Subtraction-free elimination of M-matrices.

The matrix is ``M = diag(kappa + A 1) - A`` with jump rates ``A >= 0`` and killing rates ``kappa >= 0``. Gaussian
elimination in the form of Grassmann, Taksar and Heyman keeps ``A`` and ``kappa`` instead of the diagonal: removing cell
``k`` sends ``A[i, j] += A[i, k] A[k, j] / d_k`` and ``kappa_i += A[i, k] kappa_k / d_k`` with
``d_k = kappa_k + sum_j A[k, j]``. Only positive numbers are added and multiplied, so solutions are right to relative
accuracy in every entry: escape times of 1e30 and densities of 1e-200 come out with some fourteen digits.

Limits: rates are kept in a band, so the work is ``size * width^2`` with ``width`` the half bandwidth of the order
given, about the number of cells across the grid's smaller axes.

References: Grassmann, Taksar & Heyman, Oper. Res. 33, 1107 (1985); Alfa, Xue & Ye, Math. Comp. 71, 217 (2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fpsim.support.compilation import njit
from fpsim.support.errors import ToleranceError
from fpsim.support.memory import check_memory

__all__ = ["Elimination", "eliminate", "inverse_order", "null_vector_of_band"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Elimination:
    """A factorised M-matrix: multipliers below the diagonal, censored rates above it, in the order of elimination."""

    order: NDArray[Any]
    band: Array
    pivots: Array
    method: str = "subtraction-free banded elimination"

    @property
    def accuracy(self) -> float:
        """Estimated relative error of every entry of a solution with a non-negative right-hand side."""
        return float(np.finfo(float).eps * (10.0 + len(self.pivots)))

    def errors(self, solution: Array) -> Array:
        """Estimated absolute error of every entry of a solution."""
        return np.asarray(self.accuracy * np.abs(solution))

    def solve(self, right: Array) -> Array:
        """``x`` of ``M x = right``."""
        x = np.array(right[self.order], float)
        _solve(self.band, self.pivots, x)
        return _restore(x, self.order)

    def solve_transposed(self, right: Array) -> Array:
        """``y`` of ``M^T y = right``."""
        y = np.array(right[self.order], float)
        _solve_transposed(self.band, self.pivots, y)
        return _restore(y, self.order)


def eliminate(jumps: csr_array, killing: Array, order: NDArray[Any], width: int) -> Elimination:
    """Factorise ``diag(killing + jumps 1) - jumps``, cells in the given order of half bandwidth ``width``.

    Raises
    ------
    MemoryLimitError
        If the band does not fit into memory.
    ToleranceError
        If a cell is left at no rate at all.
    """
    band, pivots = _banded(jumps, order, width), np.empty(len(killing))
    _eliminate(band, killing[order].astype(float), pivots)
    if not pivots.all():
        raise ToleranceError(
            f"{int((pivots == 0.0).sum())} cells are left at a rate below the smallest number: a less steep potential "
            "or a larger diffusion is needed"
        )
    return Elimination(order, band, pivots)


def null_vector_of_band(jumps: csr_array, order: NDArray[Any], width: int) -> Array:
    """Positive ``y``, summing to one, with ``Q^T y = 0`` for irreducible jump rates."""
    size = jumps.shape[0]
    band, pivots = _banded(jumps, order, width), np.empty(size)
    _eliminate(band, np.zeros(size), pivots)
    y, scale = np.zeros(size), np.zeros(size)
    _null_vector(band, y, scale)
    likeliest = np.argmax(np.log(np.maximum(y, 1e-300)) + scale)
    half = np.exp(0.5 * (scale - scale[likeliest]))
    y = y * half * half  # in two steps: the whole factor may be subnormal where the product is not
    return _restore(y / y.sum(), order)


def inverse_order(order: NDArray[Any]) -> NDArray[Any]:
    """Place of every cell in an order."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return place


def _restore(x: Array, order: NDArray[Any]) -> Array:
    out = np.empty_like(x)
    out[order] = x
    return out


def _banded(jumps: csr_array, order: NDArray[Any], width: int) -> Array:
    """Rates as ``band[i, j - i + width]`` in the new order."""
    size = jumps.shape[0]
    check_memory(8.0 * size * (2 * width + 1), f"an elimination of {size} cells of bandwidth {width}")
    band = np.zeros((size, 2 * width + 1))
    place = inverse_order(order)
    coo = jumps.tocoo()
    row, column = place[coo.row], place[coo.col]
    band[row, column - row + width] = coo.data
    return band


@njit(cache=True)
def _eliminate(band, killing, pivots):  # type: ignore[no-untyped-def]
    """Overwrite rates below the diagonal by multipliers, above by the censored rates; diagonal slots are unused."""
    size, width = band.shape[0], band.shape[1] // 2
    for k in range(size):
        reach = min(width, size - 1 - k)
        total = killing[k]
        for s in range(1, reach + 1):
            total += band[k, width + s]
        pivots[k] = total
        if total == 0.0:
            continue
        for r in range(1, reach + 1):
            factor = band[k + r, width - r]
            if factor == 0.0:
                continue
            factor /= total
            band[k + r, width - r] = factor
            killing[k + r] += factor * killing[k]
            for s in range(1, reach + 1):
                band[k + r, width + s - r] += factor * band[k, width + s]


@njit(cache=True)
def _solve(band, pivots, x):  # type: ignore[no-untyped-def]
    size, width = band.shape[0], band.shape[1] // 2
    for i in range(size):
        total = x[i]
        for k in range(max(i - width, 0), i):
            total += band[i, width + k - i] * x[k]
        x[i] = total
    for i in range(size - 1, -1, -1):
        total = x[i]
        for k in range(i + 1, min(i + width, size - 1) + 1):
            total += band[i, width + k - i] * x[k]
        x[i] = total / pivots[i]


@njit(cache=True)
def _solve_transposed(band, pivots, y):  # type: ignore[no-untyped-def]
    size, width = band.shape[0], band.shape[1] // 2
    for i in range(size):
        y[i] /= pivots[i]
        for k in range(i + 1, min(i + width, size - 1) + 1):
            y[k] += band[i, width + k - i] * y[i]
    for i in range(size - 1, -1, -1):
        for k in range(max(i - width, 0), i):
            y[k] += band[i, width + k - i] * y[i]


@njit(cache=True)
def _null_vector(band, y, scale):  # type: ignore[no-untyped-def]
    """Null vector ``y * exp(scale)``; numbers still in use are rescaled together before they over- or underflow."""
    size, width = band.shape[0], band.shape[1] // 2
    y[:] = 0.0
    y[size - 1] = 1.0
    current = 0.0
    for i in range(size - 1, -1, -1):
        scale[i] = current
        begin, largest = max(i - width, 0), 0.0
        for k in range(begin, i):
            y[k] += band[i, width + k - i] * y[i]
            largest = max(largest, y[k])
        if i > 0 and (largest > 1e100 or largest < 1e-100):
            for k in range(begin, i):
                y[k] /= largest
            current += np.log(largest)
