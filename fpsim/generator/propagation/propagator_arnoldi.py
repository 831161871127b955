"""Arnoldi iteration on the propagator ``exp(tau Q)``: modes of slowest decay, also those that oscillate fast.

An eigenvalue ``lambda`` of ``Q`` is ``exp(tau lambda)`` there, of modulus ``exp(tau Re lambda)`` whatever its imaginary
part, so the iteration meets the slowest decay first. Eigenvalues are Rayleigh quotients with ``Q`` itself, so that no
oscillation is lost. Modes much slower than ``1 / tau`` crowd at one and come out to about ``1e-15 / tau`` only.

Limits: a Krylov space of one start vector; the work is ``tau L`` terms per product (see
:mod:`fpsim.generator.propagation.poisson_series`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from fpsim.generator.generator import Generator
from fpsim.generator.propagation.poisson_series import poisson_series, poisson_windows
from fpsim.support.errors import ToleranceError
from fpsim.support.random_streams import numpy_generator
from fpsim.support.threads import Team

__all__ = ["slowest_decay"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


def slowest_decay(generator: Generator, count: int, tau: float, *, densities: bool) -> tuple[Complex, Complex]:
    """The ``count`` eigenvalues of largest real part, and vectors ``(size, count)``: of ``Q``, or of ``Q^T``.

    Raises
    ------
    ToleranceError
        If the iteration does not converge.
    """
    size = generator.grid.size
    stencil = generator.forward_stencil if densities else generator.backward_stencil
    windows = poisson_windows(np.array([generator.fastest * tau]), 1e-16)
    with Team() as team:

        def product(x: Array) -> Array:
            return poisson_series(stencil, np.ravel(x), windows, team=team)[0][0]

        operator = LinearOperator((size, size), matvec=product, dtype=float)
        start = numpy_generator(1).random(size)
        try:
            theta, vectors = eigs(operator, k=count, which="LM", v0=start, ncv=min(size, 3 * count + 10), tol=0)
        except ArpackNoConvergence as stalled:
            raise ToleranceError(
                f"Arnoldi iteration on the propagator found {len(stalled.eigenvalues)} of {count} modes"
            ) from stalled
    matrix = generator.matrix.T if densities else generator.matrix
    values = np.sum(vectors.conj() * (matrix @ vectors), axis=0) / np.sum(np.abs(vectors) ** 2, axis=0)
    order = np.argsort(-np.abs(theta), kind="stable")
    return values[order], vectors[:, order]
