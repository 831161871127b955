"""Coefficients of an equation sampled on a grid, checked, in Ito form.

Promises: every answer is finite and of the right shape, or the error names the coefficient and the place; an entry
keeps length one along axes on which it does not depend. Derivatives that the calculus conversion or a potential needs
are fourth-order central differences of callables (step ``h / 16``) and second-order ones of grid arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.boundary import Boundary
from fpsim.density.grid import Grid
from fpsim.equation.calculus import Calculus
from fpsim.equation.conversion import correction_at, ito_correction
from fpsim.equation.evaluation import (
    Mesh,
    call,
    checked,
    components,
    diffusion_at,
    diffusion_on_cells,
    scalar_on_cells,
    shape_of,
    slope_on_cells,
    to_faces,
)
from fpsim.equation.fokker_planck import Coefficient, FokkerPlanck
from fpsim.equation.slopes import downhill
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError

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


def potential_on_cells(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> Array | None:
    """Potential at cell centres (minimal broadcast shape), or ``None`` when the equation has none."""
    return scalar_on_cells(equation.potential, "potential", grid, t, p)


def phi_on_cells(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> Array | None:
    """``phi`` at cell centres (minimal broadcast shape), or ``None`` when the equation has none."""
    return scalar_on_cells(equation.phi, "phi", grid, t, p)


def _collapsed(slope: Array) -> Array:
    """A slope without the axes along which it varies by no more than the rounding of its differences.

    The potential of independent coordinates has the full shape, its slopes do not: sweeps are several times faster
    where they can tell.
    """
    noise = 1e-10 * _largest(slope)
    for axis, n in enumerate(slope.shape):
        end = (n - 1) * prod(slope.shape[axis + 1 :])
        # most slopes that vary differ already between these two places: only others are looked at whole
        if n > 1 and abs(slope.item(end) - slope.item(0)) <= noise:
            first = slope.take([0], axis)
            if _largest(slope - first) <= noise:
                slope = first
    return slope


def _largest(a: Array) -> float:
    return float(max(a.max(), -a.min()))


def _force(
    scalar: Coefficient, what: str, grid: Grid, along: int, x: Mesh, t: float, p: Any, faces_of: int | None
) -> Array:
    """Minus the derivative of a scalar along an axis, at cell centres or on the faces of an axis."""
    if callable(scalar):
        return _collapsed(downhill(scalar, what, x, along, grid.spacing[along], t, p))
    v = np.broadcast_to(checked(scalar, what, grid.shape), grid.shape)
    cells = -slope_on_cells(v, grid, along)
    return cells if faces_of is None else to_faces(cells, faces_of, periodic=grid.periodic(faces_of))


def _phi_drift(equation: FokkerPlanck, grid: Grid, axis: int, x: Mesh, t: float, p: Any, faces: bool) -> Array:
    """``-(D grad phi)`` along an axis."""
    on_grid = not callable(equation.diffusion)
    field = diffusion_on_cells(equation, grid, t=t, p=p) if on_grid else diffusion_at(equation, x, t=t, p=p)
    total: Array = np.zeros((1,) * grid.ndim)
    for along, entry in enumerate(field.entries[axis]):
        if entry is None:
            continue
        if on_grid and faces and entry.size > 1:
            entry = to_faces(entry, axis, periodic=grid.periodic(axis))
        total = total + entry * _force(equation.phi, "phi", grid, along, x, t, p, axis if faces else None)
    return total


def _drift(equation: FokkerPlanck, grid: Grid, axis: int, x: Mesh, t: float, p: Any, faces: bool) -> Array:
    total: Any = 0.0  # what is added to it is an array of its own, and no zero keeps a sign
    drift = equation.drift
    if callable(drift):
        total += checked(components(call(drift, x, t, p), grid.ndim)[axis], f"drift component {axis}", shape_of(x), x)
    elif drift is not None:
        given = components(drift, grid.ndim)[axis]
        cells = checked(given, f"drift component {axis}", grid.shape)
        total += to_faces(cells, axis, periodic=grid.periodic(axis)) if faces else cells
    if equation.potential is not None:
        total = total + _force(equation.potential, "potential", grid, axis, x, t, p, axis if faces else None)
    if equation.phi is not None:
        total = total + _phi_drift(equation, grid, axis, x, t, p, faces)
    if equation.calculus is not Calculus.ITO:
        total = total + ito_correction(equation, grid, axis, x, t, p, faces)
    return total if isinstance(total, np.ndarray) else np.full((1,) * grid.ndim, total)


def drift_on_faces(equation: FokkerPlanck, grid: Grid, axis: int, *, t: float = 0.0, p: Any = None) -> Array:
    """Ito drift along ``axis`` on the faces of that axis; minimal broadcast shape.

    A reflecting wall carries no current, so that its value is not needed: where callables have none there (drift
    ``1 / r`` or potential ``-log r`` at ``r = 0``), that of the next face stands in.

    Raises
    ------
    DomainError
        If a coefficient has the wrong number of components, a wrong shape, or is not finite (with the place).
    """
    x = grid.mesh(faces_of=axis)
    try:
        return _drift(equation, grid, axis, x, t, p, True)
    except DomainError as refusal:
        for sides in ((0,), (1,), (0, 1)):
            if all(grid.boundary[axis][side] is Boundary.REFLECTING for side in sides):
                with suppress(DomainError):
                    return _drift(equation, grid, axis, _moved_inwards(x, axis, sides), t, p, True)
        raise refusal


def _moved_inwards(x: Mesh, axis: int, sides: tuple[int, ...]) -> Mesh:
    """A mesh of faces, with those at the walls moved to the next ones."""
    faces = np.moveaxis(x[axis].copy(), axis, 0)
    for side in sides:
        faces[-side] = faces[-2 if side else 1]
    return (*x[:axis], np.moveaxis(faces, 0, axis), *x[axis + 1 :])


def drift_on_cells(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> tuple[Array, ...]:
    """Ito drift at cell centres, one array of minimal broadcast shape per axis."""
    return tuple(_drift(equation, grid, axis, grid.mesh(), t, p, False) for axis in range(grid.ndim))


def drift_at(
    equation: FokkerPlanck, x: Mesh, *, spacing: tuple[float, ...], t: float = 0.0, p: Any = None
) -> tuple[Array, ...]:
    """Ito drift at any places ``x`` (one array per coordinate, broadcasting together), one array per axis.

    ``spacing`` is the length per axis over which coefficients are smooth: derivatives that a potential needs are
    differences over a sixteenth of it, those of the calculus over a small part of it. Coefficients given as numbers are
    constants; grid arrays are not accepted here.

    Raises
    ------
    DomainError
        If a coefficient is a grid array, has a wrong shape, or is not finite (with the place).
    """
    shape, ndim = shape_of(x), len(x)
    given = _drift_components(equation.drift, x, t, p)
    potential, phi = _slanted(equation.potential, "potential"), _slanted(equation.phi, "phi")
    field = None if phi is None else diffusion_at(equation, x, t=t, p=p)
    out = []
    for axis in range(ndim):
        total = checked(given[axis], f"drift component {axis}", shape)
        if potential is not None:
            total = total + downhill(potential, "potential", x, axis, spacing[axis], t, p)
        if field is not None and phi is not None:
            for along, entry in enumerate(field.entries[axis]):
                if entry is not None:
                    total = total + entry * downhill(phi, "phi", x, along, spacing[along], t, p)
        out.append(total)
    if equation.calculus is not Calculus.ITO and callable(equation.diffusion):
        out = [b + more for b, more in zip(out, correction_at(equation, x, spacing, t, p), strict=True)]
    return tuple(out)


def _drift_components(drift: Coefficient, x: Mesh, t: float, p: Any) -> list[Any]:
    """What a drift gives at places that are no grid, one entry per axis; numbers are constants."""
    if drift is None:
        return [0.0] * len(x)
    if callable(drift):
        return components(call(drift, x, t, p), len(x))
    if isinstance(drift, np.ndarray) and drift.ndim:
        raise _grid_array("drift")
    return [_number(entry, "drift") for entry in components(drift, len(x))]


def _slanted(scalar: Coefficient, what: str) -> Callable[..., Any] | None:
    """A callable scalar; ``None`` where there is none or one number, which has no slope."""
    if scalar is None or callable(scalar):
        return scalar
    checked(_number(scalar, what), what, ())
    return None


def _number(raw: Any, what: str) -> Array:
    array = real_array(raw, what)
    if array.ndim:
        raise _grid_array(what)
    return array


def _grid_array(what: str) -> DomainError:
    return DomainError(f"{what} is a grid array: numbers or a callable are accepted where places are not a grid")
