"""Calling coefficients and checking what they answer; averages to faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation.diffusion import DiffusionField, diffusion_field
from fpsim.equation.fokker_planck import Coefficient, FokkerPlanck, parameters_of
from fpsim.support.checks import all_finite, explain_failure, fits, real_array
from fpsim.support.errors import DomainError

__all__ = [
    "Mesh",
    "call",
    "checked",
    "components",
    "diffusion_at",
    "diffusion_on_cells",
    "open_shape",
    "scalar_on_cells",
    "shape_of",
    "slope_on_cells",
    "to_faces",
]

Array = NDArray[np.float64]
Mesh = tuple[Array, ...]


def call(coefficient: Callable[..., Any], x: Mesh, t: float, p: Any) -> Any:
    """What a callable coefficient answers; ``DomainError`` if it does not take the coordinates, as arrays."""
    names = parameters_of(coefficient)
    extra = {name: value for name, value in (("t", t), ("p", p)) if name in names}
    try:
        with np.errstate(all="ignore"):  # what comes out is checked and reported with its place
            return coefficient(*x, **extra)
    except (TypeError, ValueError) as error:
        explain_failure(error, coefficient, x, extra, "coefficient")
        raise


def checked(raw: Any, what: str, shape: tuple[int, ...], x: Mesh | None = None) -> Array:
    """A coefficient as a finite array that broadcasts to ``shape``; ``DomainError`` naming it and the place.

    ``x``: the coordinates of the places, if they are to be named.
    """
    array = real_array(raw, what)
    array = array.reshape((1,) * len(shape)) if array.ndim == 0 else array
    if not fits(array.shape, shape):
        raise DomainError(f"{what} has shape {array.shape}: what broadcasts to {shape} is accepted")
    if not all_finite(array):
        where = tuple(int(v) for v in np.argwhere(~np.isfinite(array))[0])
        at = "" if x is None else f", coordinates {_coordinates(x, where)}"
        raise DomainError(
            f"{what} is {array[where]} at {where}{at}: finite values are accepted; only on reflecting walls, which "
            "carry no current, may drift and potential do without"
        )
    return array


def _coordinates(x: Mesh, where: tuple[int, ...]) -> str:
    """Coordinates of an index of what broadcasts to the mesh."""
    places = [xi[tuple(min(k, n - 1) for k, n in zip(where, xi.shape, strict=True))] for xi in x]
    return f"({', '.join(f'{place:.6g}' for place in places)})"


def components(raw: Any, ndim: int) -> list[Any]:
    """One entry per axis of a drift in any accepted form."""
    if ndim == 1 and not isinstance(raw, (list, tuple)):
        array = real_array(raw, "drift")
        return [array[0] if array.ndim == 2 and len(array) == 1 else array]
    if not isinstance(raw, (list, tuple)):
        raw = real_array(raw, "drift")
        if raw.ndim and raw.ndim != ndim + 1:
            raise DomainError(
                f"drift is one array of shape {raw.shape}: one number or array for each of {ndim} axes is accepted, "
                "as a tuple"
            )
    count = len(raw) if isinstance(raw, (list, tuple)) or raw.ndim else 1
    if count != ndim:
        raise DomainError(f"drift has {count} components: one array for each of {ndim} axes is accepted")
    return list(raw)


def shape_of(x: Mesh) -> tuple[int, ...]:
    """Shape of the places of an open mesh."""
    shape = open_shape(x)
    return np.broadcast_shapes(*(xi.shape for xi in x)) if shape is None else shape


def open_shape(x: Mesh) -> tuple[int, ...] | None:
    """Shape of a mesh whose coordinates vary along their own axis at most; ``None`` for other places."""
    ndim = len(x)
    for i, xi in enumerate(x):
        if xi.ndim != ndim or xi.size != xi.shape[i]:
            return None
    return tuple([xi.size for xi in x])


def to_faces(cells: Array, axis: int, *, periodic: bool) -> Array:
    """Mean of neighbouring cell values on every face of an axis; linear extrapolation to the walls."""
    if cells.shape[axis] == 1:
        return cells
    c = np.moveaxis(cells, axis, 0)
    inner = 0.5 * (c[1:] + c[:-1])
    ends = (0.5 * (c[0] + c[-1]),) * 2 if periodic else (1.5 * c[0] - 0.5 * c[1], 1.5 * c[-1] - 0.5 * c[-2])
    return np.moveaxis(np.concatenate([ends[0][None], inner, ends[1][None]]), 0, axis)


def slope_on_cells(values: Array, grid: Grid, axis: int) -> Array:
    """Derivative of cell values along an axis: differences of second order, around a ring and at walls too."""
    h, n = grid.spacing[axis], grid.shape[axis]
    if grid.periodic(axis):
        before, after = (values.take(np.arange(n) + k, axis, mode="wrap") for k in (-1, 1))
        return (after - before) / (2.0 * h)
    return np.asarray(np.gradient(values, h, axis=axis, edge_order=2 if n > 2 else 1))


def diffusion_at(equation: FokkerPlanck, x: Mesh, *, t: float = 0.0, p: Any = None) -> DiffusionField:
    """Diffusion tensor at open-mesh coordinates ``x``; a diffusion given as grid array is not accepted here."""
    raw = call(equation.diffusion, x, t, p) if callable(equation.diffusion) else equation.diffusion
    return diffusion_field(raw, len(x), shape_of(x))


def diffusion_on_cells(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> DiffusionField:
    """Diffusion tensor at cell centres.

    Raises
    ------
    DomainError
        See :func:`fpsim.equation.diffusion.diffusion_field`.
    """
    if callable(equation.diffusion):
        return diffusion_at(equation, grid.mesh(), t=t, p=p)
    return diffusion_field(equation.diffusion, grid.ndim, grid.shape)


def scalar_on_cells(scalar: Coefficient, what: str, grid: Grid, t: float, p: Any) -> Array | None:
    """A scalar coefficient at cell centres (minimal broadcast shape), or ``None``."""
    if scalar is None:
        return None
    x = grid.mesh()
    return checked(call(scalar, x, t, p) if callable(scalar) else scalar, what, grid.shape, x)
