"""Coefficients of an equation sampled on a grid, checked, in Ito form.

Promises: every answer is finite and of the right shape, or the error names the coefficient and the place; an entry
keeps length one along axes on which it does not depend. Derivatives that the calculus conversion or a potential needs
are fourth-order central differences of callables (step ``h / 16``) and second-order ones of grid arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation.calculus import Calculus
from fpsim.equation.diffusion import DiffusionField, diffusion_field
from fpsim.equation.fokker_planck import Coefficient, FokkerPlanck, depends_on
from fpsim.errors import DomainError

__all__ = [
    "diffusion_at",
    "diffusion_on_cells",
    "drift_at",
    "drift_on_cells",
    "drift_on_faces",
    "potential_on_cells",
]

Array = NDArray[np.float64]
Mesh = tuple[Array, ...]


def _call(coefficient: Callable[..., Any], x: Mesh, t: float, p: Any) -> Any:
    extra = {name: value for name, value in (("t", t), ("p", p)) if depends_on(coefficient, name)}
    with np.errstate(all="ignore"):  # what comes out is checked and reported with its place
        return coefficient(*x, **extra)


def _checked(raw: Any, what: str, shape: tuple[int, ...]) -> Array:
    array = np.asarray(raw, float)
    array = array.reshape((1,) * len(shape)) if array.ndim == 0 else array
    try:
        fits = array.ndim == len(shape) and np.broadcast_shapes(array.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise DomainError(f"{what} has shape {array.shape}: what broadcasts to {shape} is accepted")
    if not np.isfinite(array).all():
        where = tuple(int(v) for v in np.argwhere(~np.isfinite(array))[0])
        raise DomainError(f"{what} is {array[where]} at {where}: finite values are accepted")
    return array


def _components(raw: Any, ndim: int) -> list[Any]:
    if ndim == 1 and not isinstance(raw, (list, tuple)):
        array = np.asarray(raw, float)
        return [array[0] if array.ndim == 2 and len(array) == 1 else array]
    count = len(raw) if hasattr(raw, "__len__") and getattr(raw, "ndim", 1) > 0 else 1
    if count != ndim or (ndim > 1 and not isinstance(raw, (list, tuple)) and raw.ndim != ndim + 1):
        raise DomainError(f"drift has {count} components: one array for each of {ndim} axes is accepted")
    return list(raw)


def _shape(x: Mesh) -> tuple[int, ...]:
    return np.broadcast_shapes(*(xi.shape for xi in x))


def _to_faces(cells: Array, axis: int, *, periodic: bool) -> Array:
    """Mean of neighbouring cell values on every face of an axis; linear extrapolation to the walls."""
    if cells.shape[axis] == 1:
        return cells
    c = np.moveaxis(cells, axis, 0)
    inner = 0.5 * (c[1:] + c[:-1])
    ends = (0.5 * (c[0] + c[-1]),) * 2 if periodic else (1.5 * c[0] - 0.5 * c[1], 1.5 * c[-1] - 0.5 * c[-2])
    return np.moveaxis(np.concatenate([ends[0][None], inner, ends[1][None]]), 0, axis)


def _derivative(function: Callable[[Mesh], Array], x: Mesh, axis: int, h: float) -> Array:
    """Fourth-order central difference of a callable along an axis."""
    d = h / 16.0

    def shifted(k: int) -> Array:
        return function(tuple(xi + k * d if i == axis else xi for i, xi in enumerate(x)))

    return (8.0 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12.0 * d)


def diffusion_at(equation: FokkerPlanck, x: Mesh, *, t: float = 0.0, p: Any = None) -> DiffusionField:
    """Diffusion tensor at open-mesh coordinates ``x``; a diffusion given as grid array is not accepted here."""
    raw = _call(equation.diffusion, x, t, p) if callable(equation.diffusion) else equation.diffusion
    return diffusion_field(raw, len(x), _shape(x))


def diffusion_on_cells(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> DiffusionField:
    """Diffusion tensor at cell centres.

    Raises
    ------
    DomainError
        See :func:`fpsim.equation.diffusion.diffusion_field`.
    """
    return diffusion_at(equation, grid.mesh(), t=t, p=p)


def potential_on_cells(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> Array | None:
    """Potential at cell centres (minimal broadcast shape), or ``None`` when the equation has none."""
    if equation.potential is None:
        return None
    raw = _call(equation.potential, grid.mesh(), t, p) if callable(equation.potential) else equation.potential
    return _checked(raw, "potential", grid.shape)


def _potential_slope(equation: FokkerPlanck, x: Mesh, axis: int, h: float, t: float, p: Any) -> Array:
    potential, shape = equation.potential, _shape(x)
    return -_derivative(lambda y: _checked(_call(potential, y, t, p), "potential", shape), x, axis, h)


def _collapsed(slope: Array) -> Array:
    """A slope without the axes along which it varies by no more than the rounding of its differences.

    The potential of independent coordinates has the full shape, its slopes do not: sweeps are several times faster
    where they can tell.
    """
    noise = 1e-10 * float(np.abs(slope).max())
    for axis, n in enumerate(slope.shape):
        if n > 1:
            first = slope.take([0], axis)
            if float(np.abs(slope - first).max()) <= noise:
                slope = first
    return slope


def _potential_drift(equation: FokkerPlanck, grid: Grid, axis: int, x: Mesh, t: float, p: Any, faces: bool) -> Array:
    h = grid.spacing[axis]
    potential: Coefficient = equation.potential
    if callable(potential):
        return _collapsed(_potential_slope(equation, x, axis, h, t, p))
    v = np.broadcast_to(_checked(potential, "potential", grid.shape), grid.shape)
    if grid.periodic(axis):
        wrapped = np.concatenate([v.take([-2, -1], axis), v, v.take([0, 1], axis)], axis)
        cells = -np.gradient(wrapped, h, axis=axis).take(range(2, v.shape[axis] + 2), axis)
    else:
        cells = -np.gradient(v, h, axis=axis)
    return _to_faces(cells, axis, periodic=grid.periodic(axis)) if faces else cells


def _symmetric_root(field: DiffusionField, shape: tuple[int, ...]) -> Array:
    values, vectors = np.linalg.eigh(field.matrices(shape))
    root = np.sqrt(2.0 * np.maximum(values, 0.0))
    return np.einsum("...ik,...k,...jk->...ij", vectors, root, vectors)


def _ito_correction(equation: FokkerPlanck, grid: Grid, axis: int, x: Mesh, t: float, p: Any, faces: bool) -> Any:
    """What the declared calculus adds to the drift along an axis (see :mod:`fpsim.equation.calculus`)."""
    if equation.calculus is Calculus.ITO:
        return 0.0
    if not callable(equation.diffusion):
        field = diffusion_on_cells(equation, grid, t=t, p=p)
        if field.constant:
            return 0.0
        cells = _correction_of_arrays(equation.calculus, field, grid, axis)
        return _to_faces(cells, axis, periodic=grid.periodic(axis)) if faces else cells
    return _correction_of_callable(equation, x, axis, grid.spacing, t, p)


def _correction_of_callable(
    equation: FokkerPlanck, x: Mesh, axis: int, spacing: tuple[float, ...], t: float, p: Any
) -> Array:
    shape = _shape(x)

    def tensor(y: Mesh) -> Array:
        field = diffusion_at(equation, y, t=t, p=p)
        if equation.calculus is Calculus.KLIMONTOVICH:
            return field.matrices(shape)
        return _symmetric_root(field, shape)

    here = tensor(x) if equation.calculus is Calculus.STRATONOVICH else None
    total = np.zeros(shape)
    for other in range(len(x)):
        slope = _derivative(tensor, x, other, spacing[other])
        if here is None:
            total += slope[..., axis, other]
        else:
            total += 0.5 * np.einsum("...k,...k->...", slope[..., axis, :], here[..., other, :])
    return total


def _correction_of_arrays(calculus: Calculus, field: DiffusionField, grid: Grid, axis: int) -> Array:
    if calculus is Calculus.KLIMONTOVICH:
        d = field.matrices(grid.shape)
        return np.asarray(sum(np.gradient(d[..., axis, j], grid.spacing[j], axis=j) for j in range(grid.ndim)))
    s = _symmetric_root(field, grid.shape)
    total = np.zeros(grid.shape)
    for other in range(grid.ndim):
        slope = np.gradient(s[..., axis, :], grid.spacing[other], axis=other)
        total += 0.5 * np.einsum("...k,...k->...", slope, s[..., other, :])
    return total


def _drift(equation: FokkerPlanck, grid: Grid, axis: int, x: Mesh, t: float, p: Any, faces: bool) -> Array:
    shape = _shape(x)
    total: Array = np.zeros((1,) * grid.ndim)
    drift = equation.drift
    if callable(drift):
        total = total + _checked(_components(_call(drift, x, t, p), grid.ndim)[axis], f"drift component {axis}", shape)
    elif drift is not None:
        given = _components(drift, grid.ndim)[axis]
        cells = _checked(given, f"drift component {axis}", grid.shape)
        total = total + (_to_faces(cells, axis, periodic=grid.periodic(axis)) if faces else cells)
    if equation.potential is not None:
        total = total + _potential_drift(equation, grid, axis, x, t, p, faces)
    return total + _ito_correction(equation, grid, axis, x, t, p, faces)


def drift_on_faces(equation: FokkerPlanck, grid: Grid, axis: int, *, t: float = 0.0, p: Any = None) -> Array:
    """Ito drift along ``axis`` on the faces of that axis; minimal broadcast shape.

    Raises
    ------
    DomainError
        If a coefficient has the wrong number of components, a wrong shape, or is not finite (with the place).
    """
    return _drift(equation, grid, axis, grid.mesh(faces_of=axis), t, p, True)


def drift_on_cells(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> tuple[Array, ...]:
    """Ito drift at cell centres, one array of minimal broadcast shape per axis."""
    return tuple(_drift(equation, grid, axis, grid.mesh(), t, p, False) for axis in range(grid.ndim))


def drift_at(
    equation: FokkerPlanck, x: Mesh, *, spacing: tuple[float, ...], t: float = 0.0, p: Any = None
) -> tuple[Array, ...]:
    """Ito drift at any places ``x`` (one array per coordinate, broadcasting together), one array per axis.

    ``spacing`` is the length per axis over which coefficients are smooth: derivatives that a potential or the calculus
    need are differences over a sixteenth of it. Coefficients given as grid arrays are not accepted here.

    Raises
    ------
    DomainError
        If a coefficient is a grid array, has a wrong shape, or is not finite (with the place).
    """
    for name in ("drift", "potential"):
        value = getattr(equation, name)
        if value is not None and not callable(value):
            raise DomainError(f"{name} is a grid array: a callable is accepted where places are not a grid")
    shape, ndim = _shape(x), len(x)
    given = [0.0] * ndim if equation.drift is None else _components(_call(equation.drift, x, t, p), ndim)
    out = []
    for axis in range(ndim):
        total = _checked(given[axis], f"drift component {axis}", shape)
        if equation.potential is not None:
            total = total + _potential_slope(equation, x, axis, spacing[axis], t, p)
        if equation.calculus is not Calculus.ITO and callable(equation.diffusion):
            total = total + _correction_of_callable(equation, x, axis, spacing, t, p)
        out.append(total)
    return tuple(out)
