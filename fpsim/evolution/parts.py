"""Coefficients of an equation on parts of a grid: boxes, lists of cells, or a few places all over it.

Places that errors name are those of the part; the error says where it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation import DiffusionField, FokkerPlanck, diffusion_on_cells, drift_on_faces
from fpsim.equation.diffusion import diffusion_field
from fpsim.equation.evaluation import Mesh, call, components, shape_of
from fpsim.equation.sampling import drift_at
from fpsim.evolution.grid_arrays import at_places, on_part, sampled
from fpsim.evolution.sweeps import Sampled
from fpsim.lattice.boxes import Where
from fpsim.support.errors import DomainError

__all__ = ["Parts"]

Array = NDArray[np.float64]
Cells = NDArray[np.int32]

PLACES = 2048
"""Places at which :meth:`Parts.thinned` looks, about."""

ROUNDING = 1e-9
"""Of differences that make a slope."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Coefficients at a time, given a density."""

    equation: FokkerPlanck
    grid: Grid
    t: float
    p: Any

    def drift(self, where: Where, box: Grid, axis: int) -> Array:
        """Drift along an axis on the faces of a box, which should not be cut along it."""
        with _located(where):
            return drift_on_faces(on_part(self.equation, self.grid, where), box, axis, t=self.t, p=self.p)

    def diffusion(self, where: Where, box: Grid) -> DiffusionField:
        """Tensor in the cells of a box."""
        with _located(where):
            return diffusion_on_cells(on_part(self.equation, self.grid, where), box, t=self.t, p=self.p)

    def both(self, where: Where, box: Grid) -> Sampled:
        """Tensor and drift, whose arrays are less accurate at faces where the box is cut."""
        drift = tuple(self.drift(where, box, axis) for axis in range(box.ndim))
        return Sampled(self.diffusion(where, box), drift)

    def entries(self, where: Where, box: Grid) -> Any:
        """Entries of a tensor that has been found to be in order already: its checks take longer than all else."""
        return self._tensor(on_part(self.equation, self.grid, where).diffusion, box.mesh())

    def entries_at(self, cells: Cells) -> Any:
        """The same at cells given by their flat indices."""
        index = np.unravel_index(cells, self.grid.shape)
        raw = self.equation.diffusion
        if callable(raw):
            return self._tensor(raw, tuple(c[i] for c, i in zip(self.grid.centers, index, strict=True)))
        return [[None if e is None else np.broadcast_to(e, self.grid.shape)[index] for e in row] for row in raw]

    def thinned(self) -> Sampled | None:
        """Coefficients at a few places all over the grid, of minimal broadcast shape; ``None`` if they refuse.

        No axis has as many places as cells: answers that belong to the whole grid do not fit. Where axes are coupled,
        a list of places must be answered like an open mesh.
        """
        grid, index = self.grid, self._few()
        x = tuple(
            c[i].reshape((-1, *(1,) * (grid.ndim - 1 - a)))[(None,) * a]
            for a, (c, i) in enumerate(zip(grid.centers, index, strict=True))
        )
        there = at_places(self.equation, grid, index)
        given = sampled(self.equation, grid)
        plain = {name: None if name in given else getattr(there, name) for name in ("drift", "potential", "phi")}
        try:
            field = diffusion_field(self._tensor(there.diffusion, x), grid.ndim, shape_of(x))
            if not field.diagonal and not self._lists(field, index):
                return None
            functions = FokkerPlanck(**plain, diffusion=there.diffusion, calculus=there.calculus)
            drift = list(drift_at(functions, x, spacing=grid.spacing, t=self.t, p=self.p))
            if "drift" in given:
                drift = [
                    b + np.asarray(a, float) for b, a in zip(drift, components(there.drift, grid.ndim), strict=True)
                ]
            if "potential" in given:  # its slopes depend on no more than it does itself
                drift = [b + np.asarray(there.potential, float) for b in drift]
        except Exception:  # noqa: BLE001 - evaluated whole they succeed, or raise with the right place
            return None
        return Sampled(field, tuple(_shortened(b) for b in drift))

    def _tensor(self, raw: Any, x: Mesh) -> Any:
        return call(raw, x, self.t, self.p) if callable(raw) else raw

    def _few(self) -> list[NDArray[np.int64]]:
        """Cells along every axis, ends included; more than there are where there are few."""
        many = max(round(PLACES ** (1 / self.grid.ndim)), 2)
        return [np.linspace(0, n - 1, many if many < n else n + 1).round().astype(int) for n in self.grid.shape]

    def _lists(self, field: DiffusionField, index: list[NDArray[np.int64]]) -> bool:
        """Whether the tensor at a list of places is what it is on a mesh."""
        rng = np.random.default_rng(0)
        few = [rng.integers(0, len(i), 7) for i in index]
        cells = np.ravel_multi_index([i[k] for i, k in zip(index, few, strict=True)], self.grid.shape)
        found, shape = self.entries_at(cells.astype(np.int32)), tuple(map(len, index))
        for i, row in enumerate(field.entries):
            for j, entry in enumerate(row):
                if entry is not None:
                    expected = np.broadcast_to(entry, shape)[tuple(few)]
                    noise = 1e-12 * float(np.abs(entry).max())
                    if not np.allclose(np.broadcast_to(found[i][j], 7), expected, rtol=1e-9, atol=noise):
                        return False
        return True


def _shortened(b: Array) -> Array:
    """Without the axes along which it does not vary."""
    noise = ROUNDING * float(np.abs(b).max())
    for axis, n in enumerate(b.shape):
        first = b.take([0], axis)
        if n > 1 and float(np.abs(b - first).max()) <= noise:
            b = first
    return b


@contextmanager
def _located(where: Where) -> Iterator[None]:
    try:
        yield
    except DomainError as error:
        begin = tuple(s.start for s in where)
        raise DomainError(f"{error} (places are relative to cell {begin}: a part of the grid was looked at)") from None
