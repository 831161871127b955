"""Linear systems with M-matrices, solved without a single subtraction.

The matrix is ``M = diag(kappa + A 1) - A`` with jump rates ``A >= 0`` and killing rates ``kappa >= 0``. Gaussian
elimination in the form of Grassmann, Taksar and Heyman keeps ``A`` and ``kappa`` instead of the diagonal: removing cell
``k`` sends ``A[i, j] += A[i, k] A[k, j] / d_k`` and ``kappa_i += A[i, k] kappa_k / d_k`` with
``d_k = kappa_k + sum_j A[k, j]``. Only positive numbers are added and multiplied, so the answers are right to relative
accuracy in every entry: escape times of 1e30 and densities of 1e-200 come out with some fourteen digits.

Limits: banded (cells are put into the order of reverse Cuthill-McKee), so the work is ``size * width^2`` with ``width``
about the number of cells across the grid's smaller axes. Beyond :data:`BANDED_WORK` (some 300^2, 30^3 cells) a sparse
LU factorisation takes over, with the usual normwise accuracy; beyond memory a ``MemoryLimitError``.

References: Grassmann, Taksar & Heyman, Oper. Res. 33, 1107 (1985); Alfa, Xue & Ye, Math. Comp. 71, 217 (2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, diags_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import splu

from fpsim.errors import ToleranceError
from fpsim.generator.generator import check_memory

__all__ = ["BANDED_WORK", "MMatrix", "m_matrix", "null_vector"]

Array = NDArray[np.float64]

BANDED_WORK = 1.2e10
"""Largest ``size * width^2`` that is eliminated in banded form; some ten seconds."""


class MMatrix(Protocol):
    """A factorised M-matrix."""

    @property
    def method(self) -> str:
        """What was done, in words."""

    @property
    def accuracy(self) -> float:
        """Estimated relative error of a solution."""

    def solve(self, right: Array) -> Array:
        """``x`` of ``M x = right``."""

    def solve_transposed(self, right: Array) -> Array:
        """``y`` of ``M^T y = right``."""


@dataclass(frozen=True, eq=False)
class _Banded:
    order: NDArray[Any]
    band: Array
    pivots: Array
    method: str = "subtraction-free banded elimination"

    @property
    def accuracy(self) -> float:
        return float(np.finfo(float).eps * (10.0 + len(self.pivots)))

    def solve(self, right: Array) -> Array:
        x = np.array(right[self.order], float)
        _solve(self.band, self.pivots, x)
        return _restore(x, self.order)

    def solve_transposed(self, right: Array) -> Array:
        y = np.array(right[self.order], float)
        _solve_transposed(self.band, self.pivots, y)
        return _restore(y, self.order)


@dataclass(frozen=True, eq=False)
class _SparseLU:
    factors: Any
    accuracy: float
    method: str = "sparse LU factorisation"

    def solve(self, right: Array) -> Array:
        return np.asarray(self.factors.solve(right))

    def solve_transposed(self, right: Array) -> Array:
        return np.asarray(self.factors.solve(right, trans="T"))


def m_matrix(jumps: csr_array, killing: Array) -> MMatrix:
    """Factorise ``diag(killing + jumps 1) - jumps``.

    Parameters
    ----------
    jumps : sparse array, shape (n, n)
        Rates >= 0; the diagonal is ignored.
    killing : ndarray, shape (n,)
        Rates >= 0; every cell has to reach one that is killed.
    """
    order, width = _ordering(jumps)
    size = len(killing)
    if size * float(width) ** 2 <= BANDED_WORK:
        band = _banded(jumps, order, width)
        pivots = np.empty(size)
        _eliminate(band, killing[order].astype(float), pivots)
        if not pivots.all():
            raise ToleranceError(
                f"{int((pivots == 0.0).sum())} cells are left at a rate below the smallest number: a less steep "
                "potential or a larger diffusion is needed"
            )
        return _Banded(order, band, pivots)
    check_memory(size * 16.0 * min(width, 20.0 * np.log2(size)), f"a factorisation of {size} cells")
    total = np.asarray(jumps.sum(axis=1)).ravel() + killing
    matrix = csc_array(diags_array(total) - jumps)
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    growth = float(np.abs(factors.solve(np.ones(size))).max() * total.max())
    return _SparseLU(factors, float(np.finfo(float).eps * growth))


def null_vector(jumps: csr_array) -> tuple[Array, str]:
    """Positive ``y`` with ``Q^T y = 0`` for irreducible jump rates, summing to one, and how it was found."""
    order, width = _ordering(jumps)
    size = jumps.shape[0]
    if size * float(width) ** 2 <= BANDED_WORK:
        band = _banded(jumps, order, width)
        pivots = np.empty(size)
        _eliminate(band, np.zeros(size), pivots)
        y, scale = np.zeros(size), np.zeros(size)
        _null_vector(band, y, scale)
        likeliest = np.argmax(np.log(np.maximum(y, 1e-300)) + scale)
        half = np.exp(0.5 * (scale - scale[likeliest]))
        y = y * half * half  # in two steps: the whole factor may be subnormal where the product is not
        return _restore(y / y.sum(), order), _Banded.method
    total = np.asarray(jumps.sum(axis=1)).ravel()
    lu = m_matrix(jumps, np.full(size, 1e-13 * float(total.max())))
    y = np.full(size, 1.0 / size)
    for _ in range(4):
        y = np.maximum(lu.solve_transposed(y), 0.0)
        y /= y.sum()
    return y, "inverse iteration with a sparse LU factorisation"


def _ordering(jumps: csr_array) -> tuple[NDArray[Any], int]:
    """Order of the cells and half bandwidth in it: reverse Cuthill-McKee, or the given order where that is as good."""
    pattern = csr_array(jumps + jumps.T)
    order = np.asarray(reverse_cuthill_mckee(pattern, symmetric_mode=True), np.int64)
    natural = np.arange(len(order))
    width, plain = _width(pattern, order), _width(pattern, natural)
    return (natural, plain) if plain <= width else (order, width)


def _width(pattern: csr_array, order: NDArray[Any]) -> int:
    place = _inverse(order)
    coo = pattern.tocoo()
    return int(np.abs(place[coo.row] - place[coo.col]).max(initial=0))


def _inverse(order: NDArray[Any]) -> NDArray[Any]:
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
    place = _inverse(order)
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
