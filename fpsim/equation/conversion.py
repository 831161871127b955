"""Conversion of a declared calculus to the drift in Ito form (see :mod:`fpsim.equation.calculus`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation.calculus import Calculus
from fpsim.equation.diffusion import DiffusionField
from fpsim.equation.evaluation import Mesh, diffusion_at, diffusion_on_cells, shape_of, slope_on_cells, to_faces
from fpsim.equation.fokker_planck import FokkerPlanck
from fpsim.equation.slopes import derivative

__all__ = ["correction_at", "ito_correction", "symmetric_root"]

Array = NDArray[np.float64]

SHORT = 1e-6
"""Differences at places that are no grid, relative to the length over which coefficients are smooth."""


def symmetric_root(field: DiffusionField, shape: tuple[int, ...]) -> Array:
    """Symmetric ``sigma`` with ``sigma sigma^T = 2 D`` at every place, shape ``(*shape, ndim, ndim)``.

    In two dimensions in closed form: ``(A + s 1) / sqrt(tr A + 2 s)`` with ``s = sqrt(det A)``.
    """
    matrices = 2.0 * field.matrices(shape)
    if field.diagonal or field.ndim == 1:
        return np.sqrt(matrices)
    if field.ndim == 2:
        a, b, c = matrices[..., 0, 0], matrices[..., 1, 1], matrices[..., 0, 1]
        s = np.sqrt(np.maximum(a * b - c * c, 0.0))
        scale = np.sqrt(a + b + 2.0 * s)
        matrices[..., 0, 0] += s
        matrices[..., 1, 1] += s
        return np.divide(
            matrices, scale[..., None, None], out=np.zeros_like(matrices), where=scale[..., None, None] > 0
        )
    values, vectors = np.linalg.eigh(matrices)
    return np.einsum("...ik,...k,...jk->...ij", vectors, np.sqrt(np.maximum(values, 0.0)), vectors)


def ito_correction(equation: FokkerPlanck, grid: Grid, axis: int, x: Mesh, t: float, p: Any, faces: bool) -> Any:
    """What the declared calculus adds to the drift along an axis (see :mod:`fpsim.equation.calculus`)."""
    if equation.calculus is Calculus.ITO:
        return 0.0
    if not callable(equation.diffusion):
        field = diffusion_on_cells(equation, grid, t=t, p=p)
        if field.constant:
            return 0.0
        cells = _correction_of_arrays(equation.calculus, field, grid, axis)
        return to_faces(cells, axis, periodic=grid.periodic(axis)) if faces else cells
    return _correction_of_callable(equation, x, axis, grid.spacing, t, p)


def correction_at(equation: FokkerPlanck, x: Mesh, spacing: tuple[float, ...], t: float, p: Any) -> tuple[Array, ...]:
    """The same at any places along every axis, for a callable diffusion, which is called once more than axes are.

    Differences to places ahead, SHORT lengths ``spacing`` away: along the axes, or along the columns of the root, whose
    sum of slopes ``(1/2) sum_k (s_k . grad) s_k`` is what Stratonovich's calculus adds.
    """
    shape, axes = shape_of(x), range(len(x))
    field = diffusion_at(equation, x, t=t, p=p)
    total = [np.zeros(shape) for _ in axes]
    if field.constant:
        return tuple(total)
    if equation.calculus is Calculus.KLIMONTOVICH:
        here = field.matrices(shape)
        for k, length in enumerate(spacing):
            step = SHORT * length
            ahead = diffusion_at(equation, (*x[:k], x[k] + step, *x[k + 1 :]), t=t, p=p).matrices(shape)
            for i in axes:
                total[i] += (ahead[..., i, k] - here[..., i, k]) / step
        return tuple(total)
    root = symmetric_root(field, shape)
    for k in axes:
        largest = [float(np.abs(root[..., i, k]).max()) for i in axes]
        steps = [length / most for length, most in zip(spacing, largest, strict=True) if most > 0.0]
        if steps:
            step = SHORT * min(steps)
            places = tuple(x[i] + step * root[..., i, k] for i in axes)
            ahead = symmetric_root(diffusion_at(equation, places, t=t, p=p), shape)
            for i in axes:
                total[i] += 0.5 * (ahead[..., i, k] - root[..., i, k]) / step
    return tuple(total)


def _correction_of_callable(
    equation: FokkerPlanck, x: Mesh, axis: int, spacing: tuple[float, ...], t: float, p: Any
) -> Array:
    """The same along an axis, for a callable diffusion; differences over a sixteenth of ``spacing``."""
    total = np.zeros(shape_of(x))
    if equation.calculus is Calculus.KLIMONTOVICH:
        for other in range(len(x)):
            total += _slope_of_entry(equation, x, axis, other, spacing[other], t, p)
        return total

    def root(y: Mesh) -> Array:
        return symmetric_root(diffusion_at(equation, y, t=t, p=p), shape_of(y))

    here = root(x)
    for other in range(len(x)):
        slope = derivative(root, x, other, spacing[other], of=equation.diffusion, what="root", t=t)
        total += 0.5 * np.einsum("...k,...k->...", slope[..., axis, :], here[..., other, :])
    return total


def _slope_of_entry(equation: FokkerPlanck, x: Mesh, i: int, j: int, h: float, t: float, p: Any) -> Array:
    """``d_j D_ij``."""

    def entry(y: Mesh) -> Array:
        found = diffusion_at(equation, y, t=t, p=p).entries[i][j]
        return np.zeros((1,) * y[0].ndim) if found is None else found

    return derivative(entry, x, j, h, of=equation.diffusion, what=f"entry ({i}, {j})", t=t)


def _correction_of_arrays(calculus: Calculus, field: DiffusionField, grid: Grid, axis: int) -> Array:
    if calculus is Calculus.KLIMONTOVICH:
        d = field.matrices(grid.shape)
        return np.asarray(sum(slope_on_cells(d[..., axis, j], grid, j) for j in range(grid.ndim)))
    s = symmetric_root(field, grid.shape)
    total = np.zeros(grid.shape)
    for other in range(grid.ndim):
        slope = slope_on_cells(s[..., axis, :], grid, other)
        total += 0.5 * np.einsum("...k,...k->...", slope, s[..., other, :])
    return total
