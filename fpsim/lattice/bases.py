"""The optimal basis of every place: what is kept of a decomposition whose rates are wanted again and again.

Finding the offsets of a tensor is the long part of :mod:`fpsim.lattice.selling`. With the basis known the rates are
``lambda = B^{-1} d``, ``B`` the columns ``e e^T`` of its offsets and ``d`` the scaled entries: a few multiplications
per place. A field varies slowly, so that many places share few bases: one small integer per place names its own.

The rates are those of :func:`fpsim.lattice.selling.lattice_diffusion` to rounding, and never negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation.diffusion import DiffusionField
from fpsim.lattice.boxes import place_in, shape_with
from fpsim.lattice.selling import Programme, coupled_axes, group_shape, programme
from fpsim.support.compilation import njit

__all__ = ["BasisTable", "LatticeBases", "Use", "joined", "lattice_bases"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Names = NDArray[np.unsignedinteger[Any]]
Offset = tuple[int, ...]
Entries = Sequence[Sequence[Any]]


class BasisTable:
    """Distinct bases of a group of coupled axes; grows with every part of a grid that is looked at."""

    def __init__(self, task: Programme) -> None:
        self.task = task
        self._places = {tuple(e): k for k, e in enumerate(task.offsets.tolist())}
        self._names: dict[tuple[int, ...], int] = {}
        self._columns: Integers = np.empty((0, len(task.pairs)), np.int64)
        self._inverses: Array = np.empty((0, len(task.pairs), len(task.pairs)))

    def names(self, bases: Integers) -> Names:
        """Number of each basis (rows: sorted columns of the programme), new ones included."""
        distinct, which = np.unique(bases, axis=0, return_inverse=True) if len(bases) > 1 else (bases, np.array([0]))
        known = len(self._names)
        found = np.array([self._names.setdefault(tuple(b), len(self._names)) for b in distinct.tolist()])
        if len(self._names) > known:
            self._columns = np.array(list(self._names), np.int64)
            new = self.task.columns[self._columns[known:]].swapaxes(1, 2)
            self._inverses = np.concatenate([self._inverses, np.linalg.inv(new)])
        return found.astype(np.min_scalar_type(len(self._names) - 1))[which.ravel()]

    def column(self, offset: Offset) -> int:
        """Column of an offset of the coupled axes, or -1."""
        return self._places.get(offset, -1)

    def uses(self, column: int) -> NDArray[np.bool_]:
        """Per basis, whether a column is in it."""
        return np.asarray((self._columns == column).any(axis=1))

    def weights(self, column: int) -> Array:
        """Per basis, the row of its inverse that belongs to a column; zero where the column is not in it."""
        out = np.zeros(self._columns.shape)
        where = np.nonzero(self._columns == column)
        out[where[0]] = self._inverses[where]
        return out


class Use(NamedTuple):
    """Use of one offset: minimal broadcast shape of its rates, the largest of them (1 / time)."""

    offset: Offset
    shape: tuple[int, ...]
    highest: float


@dataclass(frozen=True, eq=False)
class _Group:
    """Name of the basis of coupled axes at every place; which columns are used, and their largest rates.

    Entries that are not ``present`` vanish everywhere.
    """

    axes: tuple[int, ...]
    table: BasisTable
    index: Names
    highest: dict[int, float]
    present: frozenset[tuple[int, int]]

    def rate(self, entries: Entries, column: int) -> Array:
        task = self.table.task
        target = np.empty((len(task.pairs), self.index.size))
        for row, (i, j), scale in zip(target, task.pairs, task.scale, strict=True):
            entry = entries[i][j] if (i, j) in self.present else 0.0
            np.divide(0.0 if entry is None else entry, scale, out=row.reshape(self.index.shape))
        out = np.empty(self.index.shape)
        _rates(self.table.weights(column), self.index.ravel(), target, out.ravel())
        return out


@dataclass(frozen=True, eq=False)
class LatticeBases:
    """Which offsets a diffusion tensor uses at every place; their rates follow from the tensor's entries.

    Attributes
    ----------
    spacing : tuple of float
        Of the grid.
    added_max : float
        Largest isotropic diffusion added to keep offsets within reach (the unit of D).
    """

    spacing: tuple[float, ...]
    added_max: float
    _alone: tuple[Use, ...]
    _groups: tuple[_Group, ...]

    @property
    def correlated(self) -> bool:
        """Whether any axes are coupled."""
        return bool(self._groups)

    def used(self) -> Iterator[Use]:
        """Every offset with a rate anywhere."""
        yield from self._alone
        for group in self._groups:
            for column, highest in group.highest.items():
                step = dict(zip(group.axes, group.table.task.offsets[column].tolist(), strict=True))
                offset = tuple(step.get(a, 0) for a in range(len(self.spacing)))
                yield Use(offset, group.index.shape, highest)

    def couples(self, offset: Offset) -> bool:
        """Whether an offset in use belongs to axes that are coupled."""
        return self._group_of(offset) is not None

    def rate(self, entries: Entries, offset: Offset) -> Array:
        """Rates of jumps along an offset in use, of its minimal broadcast shape (1 / time).

        ``entries[i][j]``, ``i <= j``, are those of the tensor that the bases were found for, at the same places
        (``None`` for zero). They are not checked again.
        """
        found = self._group_of(offset)
        if found is not None:
            return found[0].rate(entries, found[1])
        axis, ndim = offset.index(1), len(offset)
        entry = np.asarray(entries[axis][axis], float)
        return (entry if entry.ndim else entry.reshape((1,) * ndim)) / self.spacing[axis] ** 2

    def where(self, offset: Offset) -> NDArray[np.bool_]:
        """At which places an offset of coupled axes belongs to the basis; it has no rate elsewhere."""
        found = self._group_of(offset)
        assert found is not None
        group, column = found
        return group.table.uses(column)[group.index]

    def at(self, choose: Callable[[Names], Names]) -> LatticeBases:
        """The bases of some places; ``choose`` takes them from those of all, of broadcast shape."""
        return replace(self, _groups=tuple(replace(g, index=choose(g.index)) for g in self._groups))

    def _group_of(self, offset: Offset) -> tuple[_Group, int] | None:
        for group in self._groups:
            if all(a in group.axes for a, step in enumerate(offset) if step):
                column = group.table.column(tuple(offset[a] for a in group.axes))
                return (group, column) if column in group.highest else None
        return None


def lattice_bases(
    field: DiffusionField,
    grid: Grid,
    *,
    tables: dict[tuple[int, ...], BasisTable] | None = None,
    groups: Sequence[tuple[int, ...]] | None = None,
) -> LatticeBases:
    """Find the bases of a diffusion tensor given at the cell centres of a grid.

    Parts of a grid that are given the same ``tables`` share them, and add to them. ``groups`` are the axes that are
    taken together; those that entries of the field couple by default.
    """
    tables = {} if tables is None else tables
    alone, found, added = [], [], 0.0
    for axes in coupled_axes(field) if groups is None else groups:
        if len(axes) == 1:
            entry, unit = field.axis(axes[0]), tuple(int(a == axes[0]) for a in range(grid.ndim))
            if entry.any():
                alone.append(Use(unit, entry.shape, float(entry.max()) / grid.spacing[axes[0]] ** 2))
            continue
        table = tables.get(axes) or tables.setdefault(axes, BasisTable(programme(grid, axes)))
        index, most = _indexed(field, table)
        added = max(added, float(most[-1]) * table.task.unit)
        used = np.flatnonzero(most[:-1]).tolist()
        present = frozenset(pair for pair in table.task.pairs if field.entries[pair[0]][pair[1]] is not None)
        found.append(_Group(axes, table, index, {k: float(most[k]) for k in used}, present))
    return LatticeBases(grid.spacing, added, tuple(alone), tuple(found))


def joined(parts: Sequence[tuple[tuple[slice, ...], LatticeBases]], shape: tuple[int, ...]) -> LatticeBases:
    """The bases of a grid from those of its parts, which were found with the same tables and groups."""
    alone: dict[Offset, Use] = {}
    for use in (use for _, part in parts for use in part._alone):
        before = alone.get(use.offset, Use(use.offset, (1,) * len(shape), 0.0))
        whole = shape_with(before.shape, use.shape, shape)
        alone[use.offset] = Use(use.offset, whole, max(before.highest, use.highest))
    groups = []
    for k, first in enumerate(parts[0][1]._groups):
        found = [(where, part._groups[k]) for where, part in parts]
        whole, highest = (1,) * len(shape), dict.fromkeys(sorted({c for _, g in found for c in g.highest}), 0.0)
        for _, group in found:
            whole = shape_with(whole, group.index.shape, shape)
            highest |= {column: max(most, highest[column]) for column, most in group.highest.items()}
        index = np.empty(whole, np.result_type(*(g.index.dtype for _, g in found)))
        for where, group in found:
            index[place_in(where, whole)] = group.index
        present = frozenset[tuple[int, int]]().union(*(g.present for _, g in found))
        groups.append(_Group(first.axes, first.table, index, highest, present))
    added = max(part.added_max for _, part in parts)
    return LatticeBases(parts[0][1].spacing, added, tuple(alone.values()), tuple(groups))


def _indexed(field: DiffusionField, table: BasisTable) -> tuple[Names, Array]:
    """Name of the basis of every place, and the largest value of every variable."""
    most = np.zeros(len(table.task.columns))
    parts = []
    for _, x, chosen in table.task.solve(field):
        if len(chosen) == 1:
            most[chosen[0]] = np.maximum(most[chosen[0]], x[0])
            parts.append(table.names(np.sort(chosen, axis=1)))
            continue
        _raise(x, chosen, most)
        new = np.flatnonzero(np.r_[True, (chosen[1:] != chosen[:-1]).any(axis=1)])  # neighbours mostly share theirs
        parts.append(np.repeat(table.names(np.sort(chosen[new], axis=1)), np.diff(new, append=len(chosen))))
    return (parts[0] if len(parts) == 1 else np.concatenate(parts)).reshape(group_shape(field, table.task.pairs)), most


@njit(cache=True, nogil=True)
def _raise(x: Array, chosen: Integers, most: Array) -> None:
    """The largest value of every column so far."""
    for c in range(x.shape[0]):
        for r in range(x.shape[1]):
            most[chosen[c, r]] = max(most[chosen[c, r]], x[c, r])


@njit(cache=True, nogil=True)
def _rates(weights: Array, index: Names, target: Array, out: Array) -> None:
    """``out[c] = max(weights[index[c]] . target[:, c], 0)``."""
    for c in range(index.size):
        row, total = index[c], 0.0
        for k in range(target.shape[0]):
            total += weights[row, k] * target[k, c]
        out[c] = max(total, 0.0)
