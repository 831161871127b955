"""Linear systems with M-matrices of generators, by the solver that fits their size.

- ``"elimination"``, up to :data:`BANDED_WORK` operations (some 300^2 or 30^3 cells): without subtractions, to relative
  accuracy in every entry (:mod:`fpsim.generator.linear_algebra.elimination`).
- ``"lu"``, larger, but of a planar kind (two axes): a sparse LU factorisation, with the usual normwise accuracy.
- ``"iterative"``, larger in three and four dimensions: BiCGSTAB, then GMRES, preconditioned by an incomplete
factorisation, which an
  M-matrix always has; to a relative residual of 1e-12, or of rounding.

``"auto"`` takes the first of them whose condition is met. Limits: the last two lose as many digits as the longest
passage time has in units of the shortest jump; the estimate is ``accuracy``. If the iteration stalls a
``ToleranceError`` gives the residual.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, diags_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import LinearOperator, bicgstab, gmres, spilu, splu

from fpsim.generator.linear_algebra.elimination import Elimination, eliminate, inverse_order, null_vector_of_band
from fpsim.support.errors import DomainError, ToleranceError
from fpsim.support.memory import check_memory

__all__ = ["BANDED_WORK", "PLANAR", "MMatrix", "Solver", "m_matrix", "null_vector"]

Array = NDArray[np.float64]

Solver = Literal["auto", "elimination", "lu", "iterative"]

BANDED_WORK = 1.2e10
"""Largest ``size * width^2`` that is eliminated in banded form; some seconds."""

PLANAR = 4.0
"""Largest ``width^2 / size`` for which a complete sparse factorisation stays sparse."""

_RESIDUAL = 1e-12
_SYMMETRIC = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}


class MMatrix(Protocol):
    """A factorised M-matrix."""

    @property
    def method(self) -> str:
        """What was done, in words."""

    @property
    def accuracy(self) -> float:
        """Estimated relative error of a solution."""

    def errors(self, solution: Array) -> Array:
        """Estimated absolute error of every entry of a solution."""

    def solve(self, right: Array) -> Array:
        """``x`` of ``M x = right``."""

    def solve_transposed(self, right: Array) -> Array:
        """``y`` of ``M^T y = right``."""


@dataclass(frozen=True, eq=False)
class _SparseLU:
    factors: Any
    largest: float  # diagonal entry of the matrix
    method: str = "sparse LU factorisation"

    @cached_property
    def accuracy(self) -> float:
        return float(np.finfo(float).eps) * _condition(self, self.largest, self.factors.shape[0])

    def errors(self, solution: Array) -> Array:
        return np.full(len(solution), self.accuracy * float(np.abs(solution).max()))

    def solve(self, right: Array) -> Array:
        return np.asarray(self.factors.solve(right))

    def solve_transposed(self, right: Array) -> Array:
        return np.asarray(self.factors.solve(right, trans="T"))


@dataclass(frozen=True, eq=False)
class _Iterative:
    matrix: csr_array
    factors: Any
    largest: float
    method: str = "BiCGSTAB with an incomplete factorisation"

    @cached_property
    def accuracy(self) -> float:
        return _RESIDUAL * _condition(self, self.largest, self.factors.shape[0])

    def errors(self, solution: Array) -> Array:
        return np.full(len(solution), self.accuracy * float(np.abs(solution).max()))

    def solve(self, right: Array) -> Array:
        return _iterate(self.matrix, right, self.factors.solve)

    def solve_transposed(self, right: Array) -> Array:
        return _iterate(csr_array(self.matrix.T), right, lambda b: self.factors.solve(b, trans="T"))


def _condition(matrix: MMatrix, largest: float, size: int) -> float:
    """Condition number in the maximum norm, which an M-matrix attains on ones."""
    return 2.0 * largest * float(np.abs(matrix.solve(np.ones(size))).max())


def _iterate(matrix: csr_array, right: Array, preconditioner: Any) -> Array:
    size = len(right)
    operator = LinearOperator((size, size), matvec=preconditioner, dtype=float)
    scale = float(np.linalg.norm(right))
    x, residual = np.zeros(size), np.inf
    for method, options in ((bicgstab, {"maxiter": 400}), (gmres, {"maxiter": 10, "restart": 60})):
        x, _ = method(matrix, right, x0=x, M=operator, rtol=0.1 * _RESIDUAL, **options)
        residual = float(np.linalg.norm(right - matrix @ x))
        rounding = 1e-14 * float(matrix.diagonal().max() * np.linalg.norm(x))
        if residual <= max(_RESIDUAL * scale, rounding):
            return np.asarray(x)
        if not np.isfinite(residual):
            x = np.zeros(size)
    raise ToleranceError(
        f"the iteration on {size} cells stopped at a relative residual of {residual / scale:.1e}, {_RESIDUAL:.0e} is "
        "needed: fewer cells would allow a direct method"
    )


def m_matrix(jumps: csr_array, killing: Array, *, solver: Solver = "auto") -> MMatrix:
    """Factorise ``diag(killing + jumps 1) - jumps``.

    Parameters
    ----------
    jumps : sparse array, shape (n, n)
        Rates >= 0, no diagonal.
    killing : ndarray, shape (n,)
        Rates >= 0; every cell has to reach one that is killed.
    solver : {"auto", "elimination", "lu", "iterative"}, keyword-only

    Raises
    ------
    MemoryLimitError
        If the factors would not fit into memory.
    ToleranceError
        If rates span too many orders of magnitude, or an iteration stalls.
    """
    order, width = _ordering(jumps)
    chosen = _chosen(solver, len(killing), width)
    if chosen == "elimination":
        elimination: Elimination = eliminate(jumps, killing, order, width)
        return elimination
    return _sparse(jumps, killing, planar=chosen == "lu")


def _chosen(solver: Solver, size: int, width: int) -> Solver:
    """The solver, by number of cells and half bandwidth alone if it is ``"auto"``."""
    if solver not in get_args(Solver):
        raise DomainError(f"solver is {solver!r}: one of {', '.join(map(repr, get_args(Solver)))} is accepted")
    if solver != "auto":
        return solver
    if size * float(width) ** 2 <= BANDED_WORK:
        return "elimination"
    return "lu" if width**2 <= PLANAR * size else "iterative"


def _sparse(jumps: csr_array, killing: Array, *, planar: bool) -> MMatrix:
    size = len(killing)
    total = np.asarray(jumps.sum(axis=1)).ravel() + killing
    matrix = csc_array(diags_array(total) - jumps)
    check_memory(size * (320.0 * np.log2(size) if planar else 1600.0), f"a factorisation of {size} cells")
    largest = float(total.max())
    if planar:
        return _SparseLU(splu(matrix, **_SYMMETRIC), largest)
    return _Iterative(csr_array(matrix), spilu(matrix, drop_tol=1e-2, fill_factor=3, **_SYMMETRIC), largest)


def null_vector(jumps: csr_array, *, solver: Solver = "auto") -> Array:
    """Positive ``y``, summing to one, with ``Q^T y = 0`` for irreducible jump rates.

    Not by elimination: mass that is removed at one likely cell and put back there stays as it is, so ``y`` is the
    response of the killed generator to a source where it is killed.
    """
    order, width = _ordering(jumps)
    size = jumps.shape[0]
    chosen = _chosen(solver, size, width)
    if chosen == "elimination":
        return null_vector_of_band(jumps, order, width)
    total = np.asarray(jumps.sum(axis=1)).ravel()
    forward = csr_array(jumps.T)
    y = np.full(size, 1.0 / size)
    for _ in range(200):  # towards a likely cell
        y += (forward @ y - total * y) / total.max()
    for _ in range(2):
        likely = int(np.argmax(y))
        source = np.zeros(size)
        source[likely] = total[likely]
        y = np.maximum(_sparse(jumps, source, planar=chosen == "lu").solve_transposed(source), 0.0)
        y /= y.sum()
        if y[likely] > 1e-3 * y.max():
            break
    return np.asarray(y)


def _ordering(jumps: csr_array) -> tuple[NDArray[Any], int]:
    """Order of the cells and half bandwidth in it: reverse Cuthill-McKee, or the given order where that is as good."""
    pattern = csr_array(jumps + jumps.T)
    order = np.asarray(reverse_cuthill_mckee(pattern, symmetric_mode=True), np.int64)
    natural = np.arange(len(order))
    width, plain = _width(pattern, order), _width(pattern, natural)
    return (natural, plain) if plain <= width else (order, width)


def _width(pattern: csr_array, order: NDArray[Any]) -> int:
    place = inverse_order(order)
    coo = pattern.tocoo()
    return int(np.abs(place[coo.row] - place[coo.col]).max(initial=0))
