"""Quasi-stationary density: the law of survivors after a long time, and the rate at which they are lost.

Perron pair of the killed generator: ``Q^T m = -rate m`` with ``m > 0``. Found by inverse iteration on a matrix that
is never subtracted from (:mod:`fpsim.generator.linear_algebra.elimination`), so that rates of 1e-30 come out as well as
rates of 1.

Reference: Collet, Martinez & San Martin, Quasi-Stationary Distributions (2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from fpsim.density import Density
from fpsim.generator.analysis.targets import Target, cells_of, rates_into
from fpsim.generator.generator import Generator, require_generator
from fpsim.generator.linear_algebra.communication import closed_classes, reaching, restrict
from fpsim.generator.linear_algebra.m_matrix import Solver, m_matrix
from fpsim.generator.results import without_grid_error
from fpsim.support.errors import DomainError, ToleranceError
from fpsim.uncertainty.result import Result

__all__ = ["QuasiStationary", "quasi_stationary"]


@dataclass(frozen=True, eq=False)
class QuasiStationary:
    """Quasi-stationary density (mass one, zero on the target) and the rate at which survivors are lost (1 / time)."""

    density: Density
    rate: Result


@require_generator
def quasi_stationary(generator: Generator, target: Target | None = None, *, solver: Solver = "auto") -> QuasiStationary:
    """Quasi-stationary density of a generator killed on a target, at absorbing walls, or both.

    Parameters
    ----------
    generator : Generator
    target : predicate, mask or indices, optional
        ``None``: only the absorbing walls kill.
    solver : {"auto", "elimination", "lu", "iterative"}, keyword-only
        See :mod:`fpsim.generator.linear_algebra.m_matrix`.

    Raises
    ------
    DomainError
        If nothing kills, or the cells outside the target do not all communicate (the density would depend on the
        start).
    ToleranceError
        If the iteration does not converge.
    """
    grid = generator.grid
    if target is None and not generator.absorbing:
        raise DomainError(
            "target is None and no wall absorbs: a target, or a generator with absorbing walls, is accepted"
        )
    inside = np.ones(grid.size, bool) if target is None else ~cells_of(grid, target)
    jumps = restrict(generator.jumps, inside)
    killing = generator.outflow[inside]
    if target is not None:
        killing = killing + rates_into(generator, inside, ~inside)
    label, _ = closed_classes(jumps, killing)
    if label.max() > 0 or not reaching(jumps, killing > 0.0).all():
        raise DomainError(
            f"the cells outside the target form {int(label.max()) + 1} sets that do not communicate both ways: one set "
            "from which the target can be reached is accepted"
        )
    matrix = m_matrix(jumps, killing, solver=solver)
    size = len(killing)
    if size > 3:
        operator = LinearOperator((size, size), matvec=matrix.solve_transposed, dtype=float)
        start = matrix.solve_transposed(np.full(size, 1.0 / size))
        try:
            _, vectors = eigs(operator, k=1, which="LM", v0=start, tol=1e-12)
        except ArpackNoConvergence as stalled:
            raise ToleranceError(
                "Arnoldi iteration did not find the slowest decay: two rates may coincide"
            ) from stalled
        m = np.abs(vectors[:, 0].real)
    else:
        m = np.ones(size)
    growth, change = 1.0, np.inf
    for _ in range(8 if size > 3 else 400):
        m /= m.sum()
        following = matrix.solve_transposed(m)
        growth = float(following.sum())
        change = float(np.abs(following / growth - m).sum())
        m = following
    masses = np.zeros(grid.size)
    masses[inside] = m / m.sum()
    error = (change + matrix.accuracy) / growth
    rate = without_grid_error(1.0 / growth, error, f"inverse iteration, {matrix.method}", {"last change": change})
    return QuasiStationary(generator.density(masses), rate)
