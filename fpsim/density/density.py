"""A probability density on a grid: values per unit volume, cell averages.

What holds: ``values >= 0`` and finite, checked once at construction; arrays are read-only; ``mass`` is
``sum(values) * cell_volume`` and is never changed behind the caller's back. Limits: moments are sums over cell centres;
``covariance`` subtracts the cell's own variance ``h^2 / 12`` (Sheppard's correction), which makes it exact to fourth
order for a smooth density and meaningless for one narrower than a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.density.points import place_points
from fpsim.support.checks import answer, real_array, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable
from fpsim.support.memory import check_memory
from fpsim.support.random_streams import RNG, numpy_generator

__all__ = ["Density"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Density(Immutable):
    """Density ``p(x)`` of unit 1 / (product of the coordinates' units).

    Parameters
    ----------
    grid : Grid
    values : ndarray, shape ``grid.shape``
        Cell averages of the density.

    Raises
    ------
    DomainError
        If the shape is wrong, a value is negative or not finite (with its index), or the mass is zero or infinite.
    """

    grid: Grid
    values: Array

    def __post_init__(self) -> None:
        if not isinstance(self.grid, Grid):
            raise DomainError(f"grid is a {type(self.grid).__name__}: a Grid is accepted")
        self._take(np.array(real_array(self.values, "density"), order="C"))

    def _take(self, values: Array) -> None:
        if values.shape != self.grid.shape:
            raise DomainError(f"density has shape {values.shape}: the grid's shape {self.grid.shape} is accepted")
        lowest, highest = np.minimum.reduce(values, axis=None), np.maximum.reduce(values, axis=None)
        if not (lowest >= 0.0 and highest <= self.grid.safe_value):  # either is nan where a value is
            _refuse(values, self.grid)
        if highest == 0.0:
            raise DomainError("density is zero everywhere: a positive mass is accepted")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @classmethod
    def over(cls, grid: Grid, values: Array) -> Density:
        """A density whose values are those of an array, not a copy: it is one for as long as nothing changes them."""
        out = object.__new__(cls)
        object.__setattr__(out, "grid", grid)
        out._take(values.reshape(grid.shape).view())
        return out

    @property
    def mass(self) -> float:
        """Integral of the density."""
        return self._total * self.grid.cell_volume

    @property
    def mean(self) -> Array:
        """Mean of each coordinate, shape (ndim,)."""
        return self._mean.copy()

    @property
    def covariance(self) -> Array:
        """Covariance matrix of the coordinates, shape (ndim, ndim), with Sheppard's correction."""
        return self._covariance.copy()

    # coefficients that depend on the density ask for these again and again

    @cached_property
    def _total(self) -> float:
        return float(self.values.sum())

    @cached_property
    def _mean(self) -> Array:
        centers = enumerate(self.grid.centers)
        return np.array([float(self._line(axis) @ places) / self._total for axis, places in centers])

    @cached_property
    def _covariance(self) -> Array:
        ndim, mean, total = self.grid.ndim, self._mean, self._total
        delta = [centers - m for centers, m in zip(self.grid.centers, mean, strict=True)]
        out = np.empty((ndim, ndim))
        for i in range(ndim):
            variance = self._line(i) @ delta[i] ** 2 / total - self.grid.spacing[i] ** 2 / 12.0
            out[i, i] = max(variance, 0.0)
            for j in range(i):
                others = tuple(a for a in range(ndim) if a not in (i, j))
                plane = self.values.sum(axis=others) if others else self.values
                out[i, j] = out[j, i] = delta[j] @ plane @ delta[i] / total
        return out

    @property
    def std(self) -> Array:
        """Standard deviation of each coordinate, shape (ndim,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def entropy(self) -> float:
        """Differential entropy ``-int p ln p dx`` of the normalised density (nats)."""
        p = self.values[self.values > 0.0] / self.mass
        return float(-np.sum(p * np.log(p)) * self.grid.cell_volume)

    def expectation(self, observable: object) -> float:
        """``int f p dx / int p dx`` for a callable of the coordinates (midpoint rule)."""
        raw = answer(observable, self.grid.mesh(), "observable") if callable(observable) else observable
        f = real_array(raw, "observable")
        try:
            values = np.broadcast_to(f, self.grid.shape)
        except ValueError:
            raise DomainError(f"observable has shape {f.shape}: what broadcasts to {self.grid.shape}") from None
        if not np.isfinite(values).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
            raise DomainError(f"observable is {values[where]} at cell {where}: finite values are accepted")
        return float(np.sum(values * self.values) / self.values.sum())

    def marginal(self, *axes: int | str) -> Density:
        """Marginal density of axes, given by number or by name; in the order of the grid.

        Raises
        ------
        DomainError
            If no axis is given, or one that the grid does not have.
        """
        grid = self.grid
        numbers = dict(zip(grid.names, range(grid.ndim), strict=True))
        found = [numbers.get(a) if isinstance(a, str) else a for a in axes]
        if not axes or not all(isinstance(a, (int, np.integer)) and -grid.ndim <= a < grid.ndim for a in found):
            raise DomainError(
                f"marginal of axes {axes}: at least one of 0 to {grid.ndim - 1}, or of the names "
                f"{', '.join(grid.names)}, is accepted"
            )
        keep = sorted({int(a) % grid.ndim for a in found if a is not None})
        drop = tuple(a for a in range(grid.ndim) if a not in keep)
        part = Grid(
            tuple(grid.lower[a] for a in keep),
            tuple(grid.upper[a] for a in keep),
            tuple(grid.shape[a] for a in keep),
            tuple(grid.boundary[a] for a in keep),
            tuple(grid.names[a] for a in keep),
        )
        return Density(part, self.values.sum(axis=drop) * float(np.prod([grid.spacing[a] for a in drop])))

    def sample(self, size: int, *, rng: RNG = None) -> Array:
        """Independent samples, shape (size, ndim), by the local slope inside each cell (:func:`place_points`).

        Raises
        ------
        DomainError
            If ``size`` is not a whole number >= 0, or ``rng`` is none.
        MemoryLimitError
            If so many samples do not fit into the machine.
        """
        size = whole_number(size, "size", least=0)
        gen = numpy_generator(rng)
        check_memory(8.0 * size * (2 * self.grid.ndim + 8), f"{size} samples", "take fewer")
        return place_points(self.grid, self.values, gen.random(size), gen.random((size, self.grid.ndim)))

    def at(self, points: Sequence[Sequence[float]] | Array) -> Array:
        """Density at ``points`` (M, ndim), linear between cell centres, zero outside the box; never negative."""
        from scipy.ndimage import map_coordinates

        x = np.atleast_2d(real_array(points, "points"))
        if x.ndim != 2 or x.shape[-1] != self.grid.ndim:
            raise DomainError(f"points have shape {np.shape(points)}: (M, {self.grid.ndim}) is accepted")
        if not np.isfinite(x).all():
            raise DomainError(
                f"point {int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])} is not finite: finite places"
            )
        index = (x - np.array(self.grid.lower)) / np.array(self.grid.spacing) - 0.5
        for axis in range(self.grid.ndim):
            if not self.grid.periodic(axis):
                index[:, axis] = np.clip(index[:, axis], 0, self.grid.shape[axis] - 1)
        mode = "grid-wrap" if any(map(self.grid.periodic, range(self.grid.ndim))) else "nearest"
        values = map_coordinates(self.values, index.T, order=1, mode=mode)
        return np.where(self.grid.contains(x), np.maximum(values, 0.0), 0.0)

    def edge_mass(self) -> float:
        """Mass in the outermost cells of all axes that are not periodic: a density about to leave its grid."""
        return self._edge_mass

    @cached_property
    def _edge_mass(self) -> float:
        lines = [self._line(axis) for axis in range(self.grid.ndim) if not self.grid.periodic(axis)]
        return sum(float(line[0] + line[-1]) for line in lines) * self.grid.cell_volume

    def _line(self, axis: int) -> Array:
        return self.values.sum(axis=tuple(a for a in range(self.grid.ndim) if a != axis))

    def __repr__(self) -> str:
        mean = ", ".join(f"{m:.4g}" for m in self.mean)
        std = ", ".join(f"{s:.4g}" for s in self.std)
        return f"Density(mass={self.mass:.12g}, mean=({mean}), std=({std}), {self.grid!r})"


def _refuse(values: Array, grid: Grid) -> None:
    """Say which value is not accepted; return if none is and the mass is finite after all."""
    bad = ~(np.isfinite(values) & (values >= 0.0))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DomainError(
            f"density is {values[where]} at cell {where} ({int(bad.sum())} such cells): finite values >= 0 are accepted"
        )
    with np.errstate(over="ignore"):
        mass = values.sum() * grid.cell_volume
    if not np.isfinite(mass):
        raise DomainError(f"density has values up to {values.max()}, of infinite mass: a finite mass is accepted")
