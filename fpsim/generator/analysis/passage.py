"""First passage: mean times, their variance, committors and splitting probabilities.

With ``M = -Q`` among the cells outside the target and the absorbing walls:

- mean time ``T`` to the target: ``M T = 1``;
- variance ``v``: ``M v = sum_j Q_ij (T_j - T_i)^2 + k_i T_i^2``, ``k_i`` the rate into the target (no difference of two
  moments);
- probability ``q`` to reach target ``B`` first: ``M q = `` rate into ``B``.

All are solved without subtractions (:mod:`fpsim.generator.linear_algebra.elimination`), so long times keep their
digits. Errors given are those of the linear algebra; :func:`fpsim.generator.with_grid_error` gives that of the grid. A
target is a union of cells and its border runs along their faces; the border of a predicate is moved there, by up to
half a cell.

Reference: Gardiner, Stochastic Methods (2009), sections 5.5 and 6.6; Metzner, Schuette & Vanden-Eijnden, Multiscale
Model. Simul. 7, 1192 (2009).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fpsim.generator.analysis.targets import Target, cells_of, name_of, rates_into
from fpsim.generator.generator import Generator, require_generator
from fpsim.generator.linear_algebra.communication import reaching, restrict
from fpsim.generator.linear_algebra.m_matrix import MMatrix, Solver, m_matrix
from fpsim.generator.results import without_grid_error
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = [
    "committor",
    "exit_probability",
    "mean_first_passage_time",
    "passage_time_variance",
    "splitting_probability",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def _killed(generator: Generator, target: Mask, solver: Solver) -> tuple[Mask, csr_array, Array, MMatrix]:
    """Cells outside the target, jumps among them, their rates into the target and walls, and the factorised ``M``."""
    inside = ~target
    if not inside.any():
        raise DomainError("the targets hold every cell: some cells outside are accepted")
    jumps = restrict(generator.jumps, inside)
    into = rates_into(generator, inside, target)
    killing = into + generator.outflow[inside]
    stuck = np.zeros(generator.grid.size, bool)
    stuck[inside] = ~reaching(jumps, killing > 0.0)
    if stuck.any():
        raise DomainError(
            f"the target cannot be reached from {name_of(generator.grid, stuck)}: a target that every cell can reach "
            "is accepted"
        )
    return inside, jumps, killing, m_matrix(jumps, killing, solver=solver)


def _mask(generator: Generator, target: Target | None) -> Mask:
    if target is not None:
        return cells_of(generator.grid, target)
    if not generator.absorbing:
        raise DomainError(
            "target is None and no wall absorbs: a target, or a generator with absorbing walls, is accepted"
        )
    return np.zeros(generator.grid.size, bool)


def _result(generator: Generator, inside: Mask, x: Array, matrix: MMatrix, elsewhere: Array | float = 0.0) -> Result:
    value, error = np.zeros(generator.grid.size), np.zeros(generator.grid.size)
    value[~inside] = elsewhere
    value[inside], error[inside] = x, matrix.errors(x)
    shape = generator.grid.shape
    return without_grid_error(value.reshape(shape), error.reshape(shape), matrix.method)


@require_generator
def mean_first_passage_time(generator: Generator, target: Target | None = None, *, solver: Solver = "auto") -> Result:
    """Mean time to reach a target from every cell, shape ``grid.shape``; zero on the target.

    Parameters
    ----------
    generator : Generator
    target : predicate, mask or indices, optional
        See :func:`fpsim.generator.analysis.targets.cells_of`. Absorbing walls end a path as well; ``None``, the
        default, stands for them alone.
    solver : {"auto", "elimination", "lu", "iterative"}, keyword-only
        See :mod:`fpsim.generator.linear_algebra.m_matrix`.

    Raises
    ------
    DomainError
        If the target is empty, holds every cell, or cannot be reached from some cell (which is named).
    """
    inside, _, killing, matrix = _killed(generator, _mask(generator, target), solver)
    return _result(generator, inside, matrix.solve(np.ones(len(killing))), matrix)


@require_generator
def passage_time_variance(generator: Generator, target: Target | None = None, *, solver: Solver = "auto") -> Result:
    """Variance of the first-passage time from every cell, shape ``grid.shape``.

    Parameters and errors are those of :func:`mean_first_passage_time`.
    """
    inside, jumps, killing, matrix = _killed(generator, _mask(generator, target), solver)
    mean = matrix.solve(np.ones(len(killing)))
    coo = jumps.tocoo()
    spread = np.bincount(coo.row, coo.data * (mean[coo.col] - mean[coo.row]) ** 2, len(mean))
    return _result(generator, inside, matrix.solve(spread + killing * mean**2), matrix)


@require_generator
def splitting_probability(generator: Generator, targets: Sequence[Target], *, solver: Solver = "auto") -> Result:
    """Probability to reach each of several disjoint targets before the others and before absorbing walls.

    Returns
    -------
    Result
        ``value`` has shape ``(len(targets), *grid.shape)``; on the targets themselves it is one or zero. Without
        absorbing walls the probabilities sum to one.

    Raises
    ------
    DomainError
        If targets overlap, or some cell reaches none of them.
    """
    if not len(targets):
        raise DomainError("there are no targets: at least one is accepted")
    masks = [cells_of(generator.grid, target, f"target {i}") for i, target in enumerate(targets)]
    union = np.logical_or.reduce(masks)
    overlap = np.sum(masks, axis=0) > 1
    if overlap.any():
        raise DomainError(f"targets overlap at {name_of(generator.grid, overlap)}: disjoint targets are accepted")
    inside, _, _, matrix = _killed(generator, union, solver)
    parts = []
    for mask in masks:
        first = matrix.solve(rates_into(generator, inside, mask))
        parts.append(_result(generator, inside, first, matrix, mask[union].astype(float)))
    value, error = np.stack([part.value for part in parts]), np.stack([part.error for part in parts])
    return without_grid_error(value, error, matrix.method)


@require_generator
def committor(generator: Generator, source: Target, target: Target, *, solver: Solver = "auto") -> Result:
    """Forward committor: probability to reach ``target`` before ``source``, shape ``grid.shape``.

    Zero on the source, one on the target. Paths absorbed by a wall count as not having reached the target.

    Raises
    ------
    DomainError
        If the sets overlap, or some cell reaches neither.
    """
    both = splitting_probability(generator, (source, target), solver=solver)
    return Result(np.asarray(both.value)[1], np.asarray(both.error)[1], both.method)


@require_generator
def exit_probability(generator: Generator, *, solver: Solver = "auto") -> Result:
    """Probability to leave through each absorbing wall, shape ``(walls, *grid.shape)``; they sum to one.

    ``details["walls"]`` names them as ``(axis, side)``, side 0 lower and 1 upper.

    Raises
    ------
    DomainError
        If no wall absorbs, or some cell reaches none.
    """
    inside, _, _, matrix = _killed(generator, _mask(generator, None), solver)
    walls = list(generator.absorption)
    parts = [_result(generator, inside, matrix.solve(generator.absorption[w]), matrix) for w in walls]
    value, error = np.stack([part.value for part in parts]), np.stack([part.error for part in parts])
    return without_grid_error(value, error, matrix.method, {"walls": walls})
