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
from math import inf, prod, ulp
from sys import float_info
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary, Sides, boundaries_of
from fpsim.support.checks import real_array, whole_number
from fpsim.support.errors import DomainError

__all__ = ["Grid"]

Array = NDArray[np.float64]

_NARROWEST = 64
"""Units in the last place of an axis's ends that a cell must be wide: edges are then equal to a hundredth of a cell."""


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
        If ends are not finite and increasing, cells are too few or too narrow for float64, or lengths disagree.

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
        ends = [real_array(side, "end of an axis") for side in (self.lower, self.upper)]
        cells, names = _tuple_of(self.shape), _tuple_of(self.names)
        if cells is None or any(side.ndim != 1 for side in ends):
            raise DomainError(
                f"grid from {self.lower!r} to {self.upper!r} of {self.shape!r} cells: one entry per axis in each is "
                "accepted, as in Grid((0,), (1,), (10,)) or Grid.box((0, 1, 10))"
            )
        lower, upper = (tuple(float(v) for v in side) for side in ends)
        shape = tuple(whole_number(n, f"number of cells of axis {axis}", least=2) for axis, n in enumerate(cells))
        ndim = len(shape)
        if not 1 <= ndim <= 4 or len(lower) != ndim or len(upper) != ndim:
            raise DomainError(
                f"grid with {len(lower)} lower ends, {len(upper)} upper ends and {ndim} cell counts: "
                "accepted are equal numbers from 1 to 4"
            )
        for axis, (a, b) in enumerate(zip(lower, upper, strict=True)):
            if not (np.isfinite(a) and np.isfinite(b) and a < b):
                raise DomainError(f"axis {axis} goes from {a} to {b}: finite, increasing ends are accepted")
            width = (b - a) / shape[axis]
            if not _NARROWEST * ulp(max(abs(a), abs(b))) <= width < inf:
                raise DomainError(
                    f"axis {axis} from {a} to {b} in {shape[axis]} cells has cells of width {width:.3g}, which its "
                    "ends cannot represent: fewer cells, or an origin nearer to the box, are accepted"
                )
        names = tuple(f"x{i}" for i in range(ndim)) if names == () else names
        if names is None or not all(map(_is_name, names)) or not len(names) == len(set(names)) == ndim:
            raise DomainError(f"names {self.names!r}: {ndim} different names (strings, none empty) are accepted")
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
        triples = [_tuple_of(axis) for axis in axes]
        if not axes or any(triple is None or len(triple) != 3 for triple in triples):
            raise DomainError(
                f"box of {axes}: one (lower, upper, cells) per axis is accepted, for 1 to 4 axes, as in "
                "Grid.box((0, 1, 10)) or Grid.box((0, 1, 10), (-2, 2, 40))"
            )
        lower, upper, shape = zip(*triples, strict=True)
        return cls(lower, upper, shape, boundary, names)  # type: ignore[arg-type]

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
    def safe_value(self) -> float:
        """A density whose values are no larger has a finite mass."""
        return float_info.max / self.size / max(self.cell_volume, 1.0)

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

    def part(self, where: tuple[slice, ...], boundary: tuple[Sides, ...]) -> Grid:
        """Some of the cells: a box of its own, whose coordinates are those of the grid to the last digit."""
        edges, centers = (
            tuple(x[s.start : s.stop + more] for x, s in zip(along, where, strict=True))
            for along, more in ((self.edges, 1), (self.centers, 0))
        )
        lower, upper = (tuple(float(x[end]) for x in edges) for end in (0, -1))
        box = Grid(lower, upper, tuple(s.stop - s.start for s in where), boundary, self.names)
        box.__dict__.update(edges=edges, centers=centers, spacing=self.spacing)
        return box

    def with_shape(self, shape: Sequence[int]) -> Grid:
        """The same box with other cell counts."""
        return Grid(self.lower, self.upper, tuple(shape), self.boundary, self.names)

    def coarser(self) -> Grid:
        """The same box in cells twice as wide."""
        return self.with_shape([n // 2 for n in self.shape])

    def with_box(self, lower: Sequence[float], upper: Sequence[float]) -> Grid:
        """The same cell counts on another box."""
        return Grid(tuple(lower), tuple(upper), self.shape, self.boundary, self.names)

    def __repr__(self) -> str:
        axes = []
        for name, a, b, n, (low, up) in zip(self.names, self.lower, self.upper, self.shape, self.boundary, strict=True):
            kind = str(low) if low is up else f"{low}|{up}"
            axes.append(f"{name}: [{a:g}, {b:g}] / {n} {kind}")
        return f"Grid({'; '.join(axes)}; {self.size} cells, {8e-6 * self.size:.3g} MB per array)"


def _tuple_of(entries: Any) -> tuple[Any, ...] | None:
    """The entries of a sequence; ``None`` of what is none."""
    try:
        return tuple(entries)
    except TypeError:
        return None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name != ""
