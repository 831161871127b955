"""Spectrum of a generator: its slowest eigenmodes and their relaxation times.

``Q r = lambda r`` (observables), ``Q^T l = lambda l`` (densities), slowest by decay: by the real part of ``lambda``.

- Up to 128 cells: all of them, dense.
- Else Arnoldi iteration on ``(s - Q)^-1``, applied by subtraction-free elimination with a small shift ``s > 0``, which
  finds what is close to zero, rates of 1e-12 among it. Eigenvalues are right to about ``1e-16 max(s, |lambda|^2 / s)``
  times their condition number.
- Reversible rates have real eigenvalues only, so that is all. Else a mode may oscillate fast and decay slowly, far from
  zero: a second iteration, on ``exp(tau Q)`` (:mod:`fpsim.generator.propagation.propagator_arnoldi`), which sees decay
  alone, finds those.

Errors and residuals are part of the result. Limits: both iterations start from one vector, so a mode without a share
in it (to rounding) would be missed; eigenvalues closer together than their error share their eigenspace, not their
vectors. Where the second iteration fails, a ``ValidityWarning`` states that oscillating modes may be missing.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eig
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from fpsim.generator.analysis.reversibility import is_reversible
from fpsim.generator.generator import Generator, require_generator
from fpsim.generator.linear_algebra.m_matrix import Solver, m_matrix
from fpsim.generator.propagation.propagator_arnoldi import slowest_decay
from fpsim.support.checks import whole_number
from fpsim.support.errors import DomainError, ToleranceError, ValidityWarning
from fpsim.support.immutable import Immutable, read_only
from fpsim.support.random_streams import numpy_generator

__all__ = ["Spectrum", "slowest_modes"]

Array = NDArray[np.float64]
Complex = NDArray[Any]  # complex numbers, or real ones where none is complex

_SHIFT = 1e-6  # of the largest exit rate
_SMALL = 128  # cells up to which the dense solver is used
_TERMS = 1e5  # of the Poisson series for one propagation; minutes on 1e5 cells
_RESIDUAL = 1e-9  # of the largest exit rate: beyond it a mode is doubtful


@dataclass(frozen=True, eq=False)
class Spectrum(Immutable):
    """Slowest modes, ordered by decay rate.

    Attributes
    ----------
    eigenvalues : ndarray, shape (count,)
        ``lambda`` (1 / time), real parts <= 0; complex only if some are. Without absorption the first is zero.
    errors : ndarray, shape (count,)
        Estimated absolute errors of the linear algebra (of the grid: :func:`fpsim.generator.with_grid_error`).
    observables : ndarray, shape (count, *grid.shape)
        Right eigenvectors, largest modulus one.
    densities : ndarray, shape (count, *grid.shape)
        Left eigenvectors as densities, ``sum(densities[i] * observables[j]) * cell_volume = (i == j)``.
    residuals : ndarray, shape (count,)
        ``|Q r - lambda r| / |r|`` of the observables (1 / time).
    """

    eigenvalues: Complex
    errors: Array
    observables: Complex
    densities: Complex
    residuals: Array

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, read_only(np.asarray(getattr(self, field.name))))

    @property
    def relaxation_times(self) -> Array:
        """``-1 / Re lambda``; infinite for the stationary mode."""
        decay = -np.real(self.eigenvalues)
        with np.errstate(divide="ignore"):
            return np.where(decay > self.errors, 1.0 / np.maximum(decay, 1e-300), np.inf)

    def __repr__(self) -> str:
        return f"Spectrum(eigenvalues={np.array2string(self.eigenvalues, precision=5)})"


@require_generator
def slowest_modes(generator: Generator, count: int = 6, *, solver: Solver = "auto") -> Spectrum:
    """The ``count`` eigenvalues of ``Q`` of slowest decay, with both eigenvectors.

    Of a pair of complex conjugates the second may fall off the end.

    Parameters
    ----------
    generator : Generator
    count : int
        Between 1 and the number of cells.
    solver : {"auto", "elimination", "lu", "iterative"}, keyword-only
        Of the shifted systems; see :mod:`fpsim.generator.linear_algebra.m_matrix`.

    Raises
    ------
    DomainError
        If ``count`` is not between 1 and the number of cells.
    ToleranceError
        If the iteration does not converge.
    """
    size = generator.grid.size
    if whole_number(count, "count", least=1) > size:
        raise DomainError(f"count is {count}: 1 to {size} are accepted")
    if size <= _SMALL or count + 4 >= size - 1:
        values, left, right = eig(generator.matrix.toarray(), left=True, right=True)
        left = left.conj()
        slack = np.full(len(values), float(np.abs(values).max()))
    else:
        values, left, right, slack = _near_zero(generator, count + 4, solver)
        if not is_reversible(generator):
            values, left, right, slack = _with_oscillating(generator, count, values, left, right, slack)
    order = np.argsort(-values.real, kind="stable")[:count]
    return _spectrum(generator, values[order], left[:, order], right[:, order], slack[order])


def _near_zero(generator: Generator, count: int, solver: Solver) -> tuple[Complex, Complex, Complex, Array]:
    """Eigenvalues of small modulus, left and right vectors, and errors but for the condition number, over 1e-15."""
    size = generator.grid.size
    shift = _SHIFT * generator.fastest
    matrix = m_matrix(generator.jumps, generator.outflow + shift, solver=solver)
    start = numpy_generator(0).random(size)
    wanted = min(count, size - 2)
    found: list[tuple[Complex, Complex]] = []
    for solve in (matrix.solve, matrix.solve_transposed):
        operator = LinearOperator((size, size), matvec=solve, dtype=float)
        try:
            theta, vectors = eigs(operator, k=wanted, which="LM", v0=start, ncv=min(size, 3 * wanted + 10), tol=0)
        except ArpackNoConvergence as stalled:
            raise ToleranceError(
                f"Arnoldi iteration found {len(stalled.eigenvalues)} of {wanted} modes: fewer are accepted"
            ) from stalled
        values = shift - 1.0 / theta
        order = np.lexsort((values.imag, np.round(values.real / shift, 6), -np.abs(theta)))
        found.append((values[order], vectors[:, order]))
    (values, right), (mirror, left) = found
    slack: Array = np.maximum(shift, np.abs(values) ** 2 / shift)
    return values, _paired(values, mirror, left), right, slack


def _with_oscillating(
    generator: Generator, count: int, values: Complex, left: Complex, right: Complex, slack: Array
) -> tuple[Complex, Complex, Complex, Array]:
    """The same with modes added that decay as slowly but are far from zero."""
    rate = generator.fastest
    slowest = np.sort(-values.real)
    tau = min(2.0 / max(float(slowest[-1]), 1e-300), _TERMS / rate)
    try:
        found, vectors = slowest_decay(generator, count + 4, tau, densities=False)
        new = _unknown(found, vectors, values, right, scale=1.0 / tau)
        new = new[-found.real[new] <= slowest[count - 1] * (1.0 + 1e-9)]
        if not new.size:
            return values, left, right, slack
        mirror, others = slowest_decay(generator, count + 4, tau, densities=True)
    except ToleranceError as stalled:
        warnings.warn(f"modes that oscillate fast may be missing: {stalled}", ValidityWarning, stacklevel=3)
        return values, left, right, slack
    error = 10.0 * np.exp(np.minimum(-tau * found.real[new], 30.0)) / tau + rate
    return (
        np.append(values, found[new]),
        np.hstack([left, _paired(found[new], mirror, others)]),
        np.hstack([right, vectors[:, new]]),
        np.append(slack, error),
    )


def _unknown(found: Complex, vectors: Complex, values: Complex, right: Complex, *, scale: float) -> NDArray[np.intp]:
    """Which eigenvalues are not among the known, and whose vectors are not combinations of theirs."""
    new = []
    for k, value in enumerate(found):
        close = np.abs(values - value) < 1e-5 * (scale + abs(value))
        basis, vector = right[:, close], vectors[:, k] / np.linalg.norm(vectors[:, k])
        if close.any():
            vector = vector - basis @ np.linalg.lstsq(basis, vector)[0]
        if np.linalg.norm(vector) > 1e-3:
            new.append(k)
    return np.array(new, np.intp)


def _paired(values: Complex, mirror: Complex, left: Complex) -> Complex:
    """Left vectors in the order of the right ones."""
    free = list(range(len(mirror)))
    chosen = []
    for value in values:
        nearest = min(free, key=lambda i: abs(mirror[i] - value))
        free.remove(nearest)
        chosen.append(nearest)
    return left[:, chosen]


def _spectrum(generator: Generator, values: Complex, left: Complex, right: Complex, slack: Array) -> Spectrum:
    grid, matrix = generator.grid, generator.matrix
    right = right / right[np.abs(right).argmax(axis=0), np.arange(right.shape[1])]
    for cluster in _clusters(values, slack):
        gram = left[:, cluster].T @ right[:, cluster]
        left[:, cluster] = left[:, cluster] @ np.linalg.inv(gram).T
    length = np.linalg.norm(right, axis=0)
    errors = 1e-15 * np.linalg.norm(left, axis=0) * length * slack
    residuals = np.linalg.norm(matrix @ right - values * right, axis=0) / length
    worst = float(residuals.max())
    if worst > _RESIDUAL * generator.fastest:
        warnings.warn(
            f"a mode has a residual of {worst:.1e}: its eigenvalue may be wrong", ValidityWarning, stacklevel=3
        )
    observables = right.T.reshape(-1, *grid.shape)
    densities = left.T.reshape(-1, *grid.shape) / grid.cell_volume
    if (np.abs(values.imag) > errors).any():
        return Spectrum(values, errors, observables, densities, residuals)
    return Spectrum(values.real, errors, observables.real, densities.real, residuals)


def _clusters(values: Complex, slack: Array) -> list[list[int]]:
    """Groups of eigenvalues that agree to eight digits."""
    groups: list[list[int]] = []
    for i, value in enumerate(values):
        close = [g for g in groups if abs(values[g[0]] - value) < 1e-8 * (min(slack[i], slack[g[0]]) + abs(value))]
        if close:
            close[0].append(i)
        else:
            groups.append([i])
    return groups
