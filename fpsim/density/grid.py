"""Uniform tensor grids of one to four dimensions.

Picture of axis ``i`` with ``n`` cells (``h = (upper - lower) / n``)::

    lower                                     upper
      |  cell 0  |  cell 1  |   ...  | cell n-1 |
    edge 0     edge 1     edge 2   edge n-1   edge n

Values live in cells (averages), currents on edges. Limits: cells are uniform along each axis; 1 <= ndim <= 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary, Sides, boundaries_of
from fpsim.density.numbers import real_array, whole_number
from fpsim.errors import DomainError

__all__ = ["Grid"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """A box cut into ``shape`` equal cells.

    Parameters
    ----------
    lower, upper : tuple of float
        Ends of each axis (the unit of the coordinate).
    shape : tuple of int
        Cells along each axis, at least 2.
    boundary : str, sequence of str, or sequence of (lower, upper) pairs
        ``"reflecting"`` (default), ``"periodic"`` or ``"absorbing"``, for all axes, per axis, or per side.
    names : tuple of str, optional
        Names of the coordinates, for files and pictures; ``x0, x1, ...`` by default.

    Raises
    ------
    DomainError
        If ends are not finite and increasing, cells are too few, or lengths disagree.

    Examples
    --------
    >>> Grid.box((-2, 2, 128), (-1, 1, 64)).spacing
    (0.03125, 0.03125)
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    shape: tuple[int, ...]
    boundary: tuple[Sides, ...] = field(default="reflecting")  # type: ignore[arg-type]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lower, upper = (
            tuple(float(v) for v in real_array(ends, "end of an axis")) for ends in (self.lower, self.upper)
        )
        shape = tuple(whole_number(n, f"number of cells of axis {axis}", least=2) for axis, n in enumerate(self.shape))
        ndim = len(shape)
        if not 1 <= ndim <= 4 or len(lower) != ndim or len(upper) != ndim:
            raise DomainError(
                f"grid with {len(lower)} lower ends, {len(upper)} upper ends and {ndim} cell counts: "
                "accepted are equal numbers from 1 to 4"
            )
        for axis, (a, b) in enumerate(zip(lower, upper, strict=True)):
            if not (np.isfinite(a) and np.isfinite(b) and a < b):
                raise DomainError(f"axis {axis} goes from {a} to {b}: finite, increasing ends are accepted")
        names = tuple(self.names) or tuple(f"x{i}" for i in range(ndim))
        if len(names) != ndim or len(set(names)) != ndim:
            raise DomainError(f"names {names}: {ndim} different names are accepted")
        for key, value in (("lower", lower), ("upper", upper), ("shape", shape), ("names", names)):
            object.__setattr__(self, key, value)
        object.__setattr__(self, "boundary", boundaries_of(self.boundary, ndim))

    @classmethod
    def box(
        cls,
        *axes: tuple[float, float, int],
        boundary: object = Boundary.REFLECTING,
        names: Sequence[str] = (),
    ) -> Grid:
        """Grid from one ``(lower, upper, cells)`` per axis."""
        if not axes or any(len(axis) != 3 for axis in axes):
            raise DomainError(f"box of {axes}: (lower, upper, cells) for each of 1 to 4 axes are accepted")
        lower, upper, shape = zip(*axes, strict=True)
        return cls(lower, upper, shape, boundary, tuple(names))  # type: ignore[arg-type]

    @cached_property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @cached_property
    def size(self) -> int:
        """Number of cells."""
        return prod(self.shape)

    @cached_property
    def spacing(self) -> tuple[float, ...]:
        """Cell width along each axis."""
        return tuple((b - a) / n for a, b, n in zip(self.lower, self.upper, self.shape, strict=True))

    @cached_property
    def cell_volume(self) -> float:
        """Volume of one cell."""
        return prod(self.spacing)

    @cached_property
    def edges(self) -> tuple[Array, ...]:
        """Edges along each axis, ``n_i + 1`` values each."""
        return tuple(
            np.linspace(a, b, n + 1, dtype=np.float64)
            for a, b, n in zip(self.lower, self.upper, self.shape, strict=True)
        )

    @cached_property
    def centers(self) -> tuple[Array, ...]:
        """Cell centres along each axis, ``n_i`` values each."""
        return tuple(
            np.asarray(a + h * (np.arange(n) + 0.5), dtype=np.float64)
            for a, h, n in zip(self.lower, self.spacing, self.shape, strict=True)
        )

    def mesh(self, *, faces_of: int | None = None) -> tuple[Array, ...]:
        """Open-mesh coordinates of the cell centres, or of the faces of one axis.

        Returns
        -------
        tuple of ndarray
            One array per coordinate, of length one along every other axis, so that they broadcast together.
        """
        centers, edges = self._open
        return tuple([(edges if i == faces_of else centers)[i].copy() for i in range(len(centers))])

    @cached_property
    def _open(self) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Centres and edges as open meshes; copies are given away: a coefficient may write into what it gets."""
        shapes = [(1,) * i + (-1,) + (1,) * (self.ndim - 1 - i) for i in range(self.ndim)]
        centers, edges = (
            tuple([x.reshape(shape) for x, shape in zip(along, shapes, strict=True)])
            for along in (self.centers, self.edges)
        )
        return centers, edges

    def periodic(self, axis: int) -> bool:
        """Whether an axis closes on itself."""
        return self.boundary[axis][0] is Boundary.PERIODIC

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which of ``points`` (M, ndim) lie in the box."""
        inside = (points >= np.array(self.lower)) & (points <= np.array(self.upper))
        return np.asarray(inside.all(axis=-1))

    def with_shape(self, shape: Sequence[int]) -> Grid:
        """The same box with other cell counts."""
        return Grid(self.lower, self.upper, tuple(shape), self.boundary, self.names)

    def with_box(self, lower: Sequence[float], upper: Sequence[float]) -> Grid:
        """The same cell counts on another box."""
        return Grid(tuple(lower), tuple(upper), self.shape, self.boundary, self.names)

    def __repr__(self) -> str:
        axes = []
        for name, a, b, n, (low, up) in zip(self.names, self.lower, self.upper, self.shape, self.boundary, strict=True):
            kind = str(low) if low is up else f"{low}|{up}"
            axes.append(f"{name}: [{a:g}, {b:g}] / {n} {kind}")
        return f"Grid({'; '.join(axes)}; {self.size} cells, {8e-6 * self.size:.3g} MB per array)"
