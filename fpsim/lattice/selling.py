"""Diffusion tensors as sums of jumps along grid directions, with rates that are never negative.

On a grid of spacings ``h`` a tensor is written as

    D_ij / (h_i h_j) = sum_k  lambda_k  e_k[i] e_k[j],        lambda_k >= 0,  e_k integer offsets,

so that jumps ``x -> x +- e_k`` at rate ``lambda_k`` each have covariance ``2 D t`` exactly. The offsets are found by
the linear programme ``max sum_k lambda_k``: its vertices are Voronoi's perfect forms, so that in two and three
dimensions the answer is Selling's decomposition (3 and 6 offsets) and in four Voronoi's first reduction (10). Two and
three coupled axes take Selling's own reduction (:mod:`fpsim.lattice.obtuse_superbase`); what that leaves, and four, the
dual simplex method (:mod:`fpsim.lattice.dual_simplex`), each place starting from its predecessor's basis.

Limits: offsets reach at most ``reach`` cells along an axis. A tensor that would need longer ones (nearly singular, in
a direction that is no grid direction) gets the smallest isotropic diffusion added that makes it representable; how
much is part of the answer, never silent.

References: Selling (1874); Voronoi (1908); Conway & Sloane, Proc. R. Soc. A 436, 55 (1992); Fehrenbach & Mirebeau,
J. Math. Imaging Vis. 49, 123 (2014).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement, product
from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation.diffusion import DiffusionField
from fpsim.lattice.dual_simplex import dual_simplex
from fpsim.lattice.obtuse_superbase import reduce_planar, reduce_spatial
from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError
from fpsim.support.threads import Team

__all__ = ["REACH", "LatticeDiffusion", "Programme", "coupled_axes", "group_shape", "lattice_diffusion", "programme"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

REACH = {1: 1, 2: 5, 3: 4, 4: 2}
"""Longest offset component by number of coupled axes: exact up to condition numbers of 100, 50 and 25 in 2, 3 and 4."""

_PENALTY = 1e5  # price of the isotropic addition: above any perfect form within reach, so it is used only if needed
_CHUNK = 1 << 15


@dataclass(frozen=True, eq=False)
class LatticeDiffusion:
    """Jump rates along integer offsets that make up a diffusion tensor.

    Attributes
    ----------
    offsets : ndarray of int, shape (K, ndim)
        One of each pair ``+-e``; the first nonzero component is positive.
    rates : tuple of ndarray
        ``lambda_k >= 0``, one array per offset, of minimal broadcast shape (1 / time).
    added : ndarray
        Isotropic diffusion added per place to keep offsets within reach (the unit of D); zero where exact.
    """

    offsets: Integers
    rates: tuple[Array, ...]
    added: Array

    @property
    def added_max(self) -> float:
        """Largest isotropic addition."""
        return float(self.added.max())


def lattice_diffusion(field: DiffusionField, grid: Grid, *, reach: int | None = None) -> LatticeDiffusion:
    """Decompose a diffusion tensor on a grid.

    Axes that no off-diagonal entry couples are left alone, so that a diagonal tensor costs nothing and keeps the shape
    of its entries.

    Parameters
    ----------
    field : DiffusionField
        Entries at cell centres.
    grid : Grid
    reach : int, optional
        Longest component of an offset; ``REACH`` of the number of coupled axes by default.

    Raises
    ------
    DomainError
        If the tensor has another number of axes than the grid, or ``reach`` is less than one.
    """
    if field.ndim != grid.ndim:
        raise DomainError(f"a tensor of {field.ndim} axes on a grid of {grid.ndim}: equal numbers are accepted")
    if reach is not None and reach < 1:
        raise DomainError(f"reach is {reach}: a whole number >= 1 is accepted")
    offsets: list[tuple[int, ...]] = []
    rates: list[Array] = []
    added = np.zeros((1,) * grid.ndim)
    for axes in coupled_axes(field):
        if len(axes) == 1:
            axis = axes[0]
            rate = field.axis(axis) / grid.spacing[axis] ** 2
            if rate.any():
                offsets.append(tuple(int(a == axis) for a in range(grid.ndim)))
                rates.append(rate)
            continue
        found, extra = _decompose(field, grid, axes, reach)
        for steps, rate in found:
            step = dict(zip(axes, steps.tolist(), strict=True))
            offsets.append(tuple([step.get(a, 0) for a in range(grid.ndim)]))
            rates.append(rate)
        added = np.maximum(added, extra)
    return LatticeDiffusion(np.array(offsets, np.int64).reshape(-1, grid.ndim), tuple(rates), added)


def coupled_axes(field: DiffusionField, before: Sequence[tuple[int, ...]] = ()) -> list[tuple[int, ...]]:
    """Groups of axes connected by off-diagonal entries; those of ``before`` stay together."""
    groups = [set(group) for group in before] or [{i} for i in range(field.ndim)]
    for i in range(field.ndim):
        for j in range(i):
            if field.entries[i][j] is not None:
                a, b = (next(g for g in groups if k in g) for k in (i, j))
                if a is not b:
                    a |= b
                    groups.remove(b)
    return [tuple(sorted(g)) for g in groups]


@lru_cache(maxsize=16)
def _dictionary(ndim: int, reach: int) -> tuple[Integers, Array, Array]:
    """Primitive offsets up to sign, their columns ``e e^T`` (upper triangle), and the prices of the programme.

    The first ``ndim (ndim + 1) / 2`` are ``e_i`` and ``e_i - e_j``, the shortest vectors of the first perfect form.
    Prices are 1 but for a tiny perturbation, which breaks the ties that could make the simplex method cycle.
    """
    unit = np.eye(ndim, dtype=np.int64)
    first = [tuple(unit[i]) for i in range(ndim)]
    first += [tuple(unit[i] - unit[j]) for i in range(ndim) for j in range(i + 1, ndim)]
    rest = []
    for e in product(range(-reach, reach + 1), repeat=ndim):
        leading = next((v for v in e if v), 0)
        if leading > 0 and gcd(*e) == 1 and e not in first:
            rest.append(e)
    offsets = np.array(first + sorted(rest, key=lambda e: sum(v * v for v in e)), np.int64)
    upper = np.triu_indices(ndim)
    columns = (offsets[:, upper[0]] * offsets[:, upper[1]]).astype(float)
    prices = 1.0 - 1e-7 * np.modf(np.arange(len(offsets)) * 0.6180339887498949)[0]
    return offsets, columns, prices


@dataclass(frozen=True, eq=False)
class Programme:
    """The linear programme of a group of coupled axes: ``max cost . x, columns^T x = target, x >= 0``.

    Attributes
    ----------
    offsets : ndarray of int, shape (K, axes)
    columns : ndarray, shape (K + 1, m)
        ``e e^T`` (upper triangle) of every offset; last that of the isotropic addition, counted negative.
    cost : ndarray, shape (K + 1,)
    pairs : tuple of (int, int)
        Which entry of the tensor each of the ``m`` equations is about.
    scale : ndarray, shape (m,)
        ``h_i h_j``, by which entries are divided.
    unit : float
        Isotropic diffusion that a unit of the last variable stands for.
    inverse : ndarray, shape (m, m)
        Of the first ``m`` columns, the basis that every search starts from.
    place : ndarray of int
        Number of the offset at ``e + reach``, -1 where there is none.
    """

    offsets: Integers
    columns: Array
    cost: Array
    pairs: tuple[tuple[int, int], ...]
    scale: Array
    unit: float
    inverse: Array
    place: Integers

    def solve(self, field: DiffusionField) -> Iterator[tuple[slice, Array, Integers]]:
        """Places (a range of the flattened broadcast shape), ``x`` of each of them, and the columns it is about.

        Both arrays have one row per place and belong to the caller.
        """
        entries = [field.entries[i][j] for i, j in self.pairs]
        shape = group_shape(field, self.pairs)
        flat = [None if e is None else (e if e.shape == shape else np.broadcast_to(e, shape)).ravel() for e in entries]
        size = prod(shape)

        def solved(start: int) -> tuple[slice, Array, Integers]:
            part = slice(start, min(start + _CHUNK, size))
            target = np.zeros((part.stop - start, len(self.pairs)))
            for r, e in enumerate(flat):
                if e is not None:
                    target[:, r] = e[part] / self.scale[r]
            return part, target, self._solved(target)

        starts = range(0, size, _CHUNK)
        with Team() as team:
            for first in range(0, len(starts), team.size):
                some = starts[first : first + team.size]
                found: list[Any] = [None] * len(some)

                def solve_some(begin: int, end: int, some: range = some, found: list[Any] = found) -> None:
                    found[begin:end] = [solved(start) for start in some[begin:end]]

                team.share(solve_some, len(some))
                yield from found

    def _solved(self, target: Array) -> Integers:
        """Columns for every row of entries, which becomes a row of values."""
        chosen, reduce = np.full(target.shape, -1), {2: reduce_planar, 3: reduce_spatial}.get(self.offsets.shape[1])
        if reduce is not None:
            reduce(target, self.place, chosen)
        left = np.flatnonzero(chosen[:, 0] < 0)
        if left.size:
            rows, numbers = target[left], chosen[left]
            dual_simplex(rows, self.columns, self.cost, np.arange(len(self.pairs)), self.inverse, numbers)
            target[left], chosen[left] = rows, numbers
        return chosen


def programme(grid: Grid, axes: tuple[int, ...], reach: int | None = None) -> Programme:
    """The linear programme that decomposes the tensor of some axes of a grid; kept."""
    return _programme(axes, tuple([grid.spacing[a] for a in axes]), reach or REACH[len(axes)])


@lru_cache(maxsize=16)
def _programme(axes: tuple[int, ...], spacing: tuple[float, ...], reach: int) -> Programme:
    offsets, columns, prices = _dictionary(len(axes), reach)
    upper = list(combinations_with_replacement(range(len(axes)), 2))
    scale = np.array([spacing[i] * spacing[j] for i, j in upper])
    unit = min(spacing) ** 2
    slack = np.where([i == j for i, j in upper], -unit / scale, 0.0)
    return Programme(
        offsets,
        np.vstack([columns, slack]),
        np.append(prices, -_PENALTY),
        tuple((axes[i], axes[j]) for i, j in upper),
        scale,
        unit,
        np.linalg.inv(columns[: len(upper)].T).astype(np.float64, copy=False),
        _places(offsets, reach),
    )


def _places(offsets: Integers, reach: int) -> Integers:
    """Numbers of offsets of either sign, at ``e + reach``."""
    place = np.full((2 * reach + 1,) * offsets.shape[1], -1)
    for sign in (1, -1):
        place[tuple((sign * offsets + reach).T)] = np.arange(len(offsets))
    return place


def group_shape(field: DiffusionField, pairs: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """Broadcast shape of some entries of a tensor."""
    shapes = {e.shape for e in (field.entries[i][j] for i, j in pairs) if e is not None}
    return shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes)


def _decompose(
    field: DiffusionField, grid: Grid, axes: tuple[int, ...], reach: int | None
) -> tuple[list[tuple[Integers, Array]], Array]:
    task = programme(grid, axes, reach)
    shape = group_shape(field, task.pairs)
    weights: dict[int, Array] = {}
    added = np.zeros(prod(shape))
    for part, x, chosen in task.solve(field):
        if added.size == 1:  # a constant tensor: kernels are for many places
            single = {k: value for k, value in zip(chosen[0].tolist(), x[0].tolist(), strict=True) if value > 0.0}
            added[:] = single.pop(len(task.offsets), 0.0)
            weights = {k: np.array([value]) for k, value in single.items()}
            break
        place = np.full(len(task.columns), -1)
        used = _mark(x, chosen, place)
        values = np.zeros((used, len(x)))
        _scatter(x, chosen, place, values)
        for column in np.flatnonzero(place >= 0).tolist():
            if column not in weights:
                weights[column] = added if column == len(task.offsets) else np.zeros(added.size)
            weights[column][part] = values[place[column]]
    weights.pop(len(task.offsets), None)
    found = [(task.offsets[k], weights[k].reshape(shape)) for k in sorted(weights)]
    added *= task.unit
    return found, added.reshape(shape)


@njit(cache=True, nogil=True)
def _mark(x: Array, chosen: Integers, place: Integers) -> int:
    """Number the columns that have a value anywhere; how many they are."""
    used = 0
    for c in range(x.shape[0]):
        for r in range(x.shape[1]):
            if x[c, r] > 0.0 and place[chosen[c, r]] < 0:
                place[chosen[c, r]] = used
                used += 1
    return used


@njit(cache=True, nogil=True)
def _scatter(x: Array, chosen: Integers, place: Integers, out: Array) -> None:
    """Values by column, shape (columns in use, places)."""
    for c in range(x.shape[0]):
        for r in range(x.shape[1]):
            if x[c, r] > 0.0:
                out[place[chosen[c, r]], c] = x[c, r]
