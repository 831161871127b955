"""Coefficients of an equation sampled on a grid, checked, in Ito form.

Promises: every answer is finite and of the right shape, or the error names the coefficient and the place; an entry
keeps length one along axes on which it does not depend. Derivatives that the calculus conversion or a potential needs
are fourth-order central differences of callables (step ``h / 16``) and second-order ones of grid arrays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.density.numbers import real_array
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
    "phi_on_cells",
    "potential_on_cells",
]

Array = NDArray[np.float64]
Mesh = tuple[Array, ...]


def _call(coefficient: Callable[..., Any], x: Mesh, t: float, p: Any) -> Any:
    extra = {name: value for name, value in (("t", t), ("p", p)) if depends_on(coefficient, name)}
    try:
        with np.errstate(all="ignore"):  # what comes out is checked and reported with its place
            return coefficient(*x, **extra)
    except TypeError:
        if _takes(coefficient, x, extra):
            raise
        name = getattr(coefficient, "__name__", "coefficient")
        raise DomainError(f"{name}{inspect.signature(coefficient)} does not take the {len(x)} coordinates") from None


def _takes(coefficient: Callable[..., Any], x: Mesh, extra: dict[str, Any]) -> bool:
    try:
        inspect.signature(coefficient).bind(*x, **extra)
    except TypeError:
        return False
    return True


def _checked(raw: Any, what: str, shape: tuple[int, ...]) -> Array:
    array = real_array(raw, what)
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
        array = real_array(raw, "drift")
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
    return _scalar_on_cells(equation.potential, "potential", grid, t, p)


def phi_on_cells(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> Array | None:
    """``phi`` at cell centres (minimal broadcast shape), or ``None`` when the equation has none."""
    return _scalar_on_cells(equation.phi, "phi", grid, t, p)


def _scalar_on_cells(scalar: Coefficient, what: str, grid: Grid, t: float, p: Any) -> Array | None:
    if scalar is None:
        return None
    return _checked(_call(scalar, grid.mesh(), t, p) if callable(scalar) else scalar, what, grid.shape)


def _slope(scalar: Callable[..., Any], what: str, x: Mesh, axis: int, h: float, t: float, p: Any) -> Array:
    """Minus the derivative of a callable scalar along an axis."""
    shape = _shape(x)
    return -_derivative(lambda y: _checked(_call(scalar, y, t, p), what, shape), x, axis, h)


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


def _force(
    scalar: Coefficient, what: str, grid: Grid, along: int, x: Mesh, t: float, p: Any, faces_of: int | None
) -> Array:
    """Minus the derivative of a scalar along an axis, at cell centres or on the faces of an axis."""
    h = grid.spacing[along]
    if callable(scalar):
        return _collapsed(_slope(scalar, what, x, along, h, t, p))
    v = np.broadcast_to(_checked(scalar, what, grid.shape), grid.shape)
    if grid.periodic(along):
        wrapped = np.concatenate([v.take([-2, -1], along), v, v.take([0, 1], along)], along)
        cells = -np.gradient(wrapped, h, axis=along).take(range(2, v.shape[along] + 2), along)
    else:
        cells = -np.gradient(v, h, axis=along)
    return cells if faces_of is None else _to_faces(cells, faces_of, periodic=grid.periodic(faces_of))


def _phi_drift(equation: FokkerPlanck, grid: Grid, axis: int, x: Mesh, t: float, p: Any, faces: bool) -> Array:
    """``-(D grad phi)`` along an axis."""
    on_grid = not callable(equation.diffusion)
    field = diffusion_on_cells(equation, grid, t=t, p=p) if on_grid else diffusion_at(equation, x, t=t, p=p)
    total: Array = np.zeros((1,) * grid.ndim)
    for along, entry in enumerate(field.entries[axis]):
        if entry is None:
            continue
        if on_grid and faces and entry.size > 1:
            entry = _to_faces(entry, axis, periodic=grid.periodic(axis))
        total = total + entry * _force(equation.phi, "phi", grid, along, x, t, p, axis if faces else None)
    return total


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
        total = total + _force(equation.potential, "potential", grid, axis, x, t, p, axis if faces else None)
    if equation.phi is not None:
        total = total + _phi_drift(equation, grid, axis, x, t, p, faces)
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
    for name in ("drift", "potential", "phi"):
        value = getattr(equation, name)
        if value is not None and not callable(value):
            raise DomainError(f"{name} is a grid array: a callable is accepted where places are not a grid")
    shape, ndim = _shape(x), len(x)
    given = [0.0] * ndim if equation.drift is None else _components(_call(equation.drift, x, t, p), ndim)
    field = None if equation.phi is None else diffusion_at(equation, x, t=t, p=p)
    out = []
    for axis in range(ndim):
        total = _checked(given[axis], f"drift component {axis}", shape)
        if equation.potential is not None:
            total = total + _slope(equation.potential, "potential", x, axis, spacing[axis], t, p)
        if field is not None:
            for along, entry in enumerate(field.entries[axis]):
                if entry is not None:
                    total = total + entry * _slope(equation.phi, "phi", x, along, spacing[along], t, p)
        if equation.calculus is not Calculus.ITO and callable(equation.diffusion):
            total = total + _correction_of_callable(equation, x, axis, spacing, t, p)
        out.append(total)
    return tuple(out)
