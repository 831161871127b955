"""The slowest eigenmodes of a generator and their relaxation times.

``Q r = lambda r`` (observables), ``Q^T l = lambda l`` (densities), found by Arnoldi iteration on ``(s - Q)^-1``, which
is applied by subtraction-free elimination with a small shift ``s > 0``. Eigenvalues are right to about
``1e-16 max(s, |lambda|^2 / s)`` times their condition number; the estimate is part of the answer.

Limits: slow modes only; eigenvalues closer together than their error share their eigenspace, not their vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eig
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from fpsim.errors import DomainError, ToleranceError
from fpsim.generator.generator import Generator
from fpsim.generator.m_matrix import m_matrix

__all__ = ["Spectrum", "slowest_modes"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128] | Array

_SHIFT = 1e-6  # of the largest exit rate
_SMALL = 128  # cells up to which the dense solver is used


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Slowest modes, ordered by decay rate.

    Attributes
    ----------
    eigenvalues : ndarray, shape (count,)
        ``lambda`` (1 / time), real parts <= 0; complex only if some are. Without absorption the first is zero.
    errors : ndarray, shape (count,)
        Estimated absolute errors of the linear algebra (not of the grid).
    observables : ndarray, shape (count, *grid.shape)
        Right eigenvectors, largest modulus one.
    densities : ndarray, shape (count, *grid.shape)
        Left eigenvectors as densities, ``sum(densities[i] * observables[j]) * cell_volume = (i == j)``.
    """

    eigenvalues: Complex
    errors: Array
    observables: Complex
    densities: Complex

    @property
    def relaxation_times(self) -> Array:
        """``-1 / Re lambda``; infinite for the stationary mode."""
        decay = -np.real(self.eigenvalues)
        with np.errstate(divide="ignore"):
            return np.where(decay > self.errors, 1.0 / np.maximum(decay, 1e-300), np.inf)

    def __repr__(self) -> str:
        return f"Spectrum(eigenvalues={np.array2string(self.eigenvalues, precision=5)})"


def slowest_modes(generator: Generator, count: int = 6) -> Spectrum:
    """The ``count`` eigenvalues of ``Q`` closest to zero, with both eigenvectors.

    Raises
    ------
    DomainError
        If ``count`` is not between 1 and the number of cells.
    ToleranceError
        If the iteration does not converge.
    """
    size = generator.grid.size
    if not 1 <= count <= size:
        raise DomainError(f"count is {count}: 1 to {size} are accepted")
    if size <= _SMALL or count + 4 >= size - 1:
        values, left, right = eig(generator.matrix.toarray(), left=True, right=True)
        left = left.conj()
        shift = float(np.abs(values).max())
        order = np.argsort(-values.real)[:count]
        return _spectrum(generator, values[order], left[:, order], right[:, order], shift)
    shift = _SHIFT * float(generator.exit_rates.max())
    matrix = m_matrix(generator.jumps, generator.outflow + shift)
    start = np.random.default_rng(0).random(size)
    asked = min(count + 4, size - 2)
    found = []
    for solve in (matrix.solve, matrix.solve_transposed):
        operator = LinearOperator((size, size), matvec=solve, dtype=float)
        try:
            theta, vectors = eigs(operator, k=asked, which="LM", v0=start, ncv=min(size, 3 * asked + 10), tol=0)
        except ArpackNoConvergence as stalled:
            raise ToleranceError(
                f"Arnoldi iteration found {len(stalled.eigenvalues)} of {asked} modes: ask for fewer"
            ) from stalled
        values = shift - 1.0 / theta
        order = np.lexsort((values.imag, np.round(values.real / shift, 6), -np.abs(theta)))
        found.append((values[order], vectors[:, order]))
    (values, right), (mirror, left) = found
    left = _paired(values[:count], mirror, left)
    order = np.argsort(-values[:count].real, kind="stable")
    return _spectrum(generator, values[order], left[:, order], right[:, order], shift)


def _paired(values: Complex, mirror: Complex, left: Complex) -> Complex:
    """Left vectors in the order of the right ones."""
    free = list(range(len(mirror)))
    chosen = []
    for value in values:
        nearest = min(free, key=lambda i: abs(mirror[i] - value))
        free.remove(nearest)
        chosen.append(nearest)
    return left[:, chosen]


def _spectrum(generator: Generator, values: Complex, left: Complex, right: Complex, shift: float) -> Spectrum:
    grid = generator.grid
    right = right / right[np.abs(right).argmax(axis=0), np.arange(right.shape[1])]
    for cluster in _clusters(values, shift):
        gram = left[:, cluster].T @ right[:, cluster]
        left[:, cluster] = left[:, cluster] @ np.linalg.inv(gram).T
    condition = np.linalg.norm(left, axis=0) * np.linalg.norm(right, axis=0)
    errors = 1e-15 * condition * np.maximum(shift, np.abs(values) ** 2 / shift)
    observables = right.T.reshape(-1, *grid.shape)
    densities = left.T.reshape(-1, *grid.shape) / grid.cell_volume
    if (np.abs(values.imag) > errors).any():
        return Spectrum(values, errors, observables, densities)
    return Spectrum(values.real, errors, observables.real, densities.real)


def _clusters(values: Complex, shift: float) -> list[list[int]]:
    """Groups of eigenvalues that agree to eight digits."""
    groups: list[list[int]] = []
    for i, value in enumerate(values):
        close = [g for g in groups if abs(values[g[0]] - value) < 1e-8 * (shift + abs(value))]
        if close:
            close[0].append(i)
        else:
            groups.append([i])
    return groups
