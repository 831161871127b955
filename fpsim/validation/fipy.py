"""FiPy behind the same call: an independent finite-volume reference.

The Ito equation is handed over in conservative form, ``d_t p = div(D grad p) - div((b - div D) p)``, with FiPy's
exponential convection scheme and implicit Euler steps. Limits: one to three dimensions, reflecting
walls, fixed coefficients; first order in the step (the error is estimated by halving it) and, where cells are not
resolved, first order in the cell width. FiPy does not keep tensors with off-diagonal entries positive; what it answers
below zero is cut, and how much is said.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck, diffusion_on_cells, drift_on_cells
from fpsim.support.errors import DomainError

__all__ = ["evolve_fipy"]

Array = NDArray[np.float64]


def evolve_fipy(
    equation: FokkerPlanck, start: Density, times: Array, *, tolerance: float = 1e-3
) -> tuple[tuple[Density, ...], Array, int, tuple[str, ...]]:
    """Evolve a density with FiPy.

    Returns
    -------
    densities : tuple of Density
    error : ndarray, shape (T,)
        L1 distance to the evolution with steps twice as long.
    steps : int
    said : tuple of str
        Reasons for caution.

    Raises
    ------
    DomainError
        If the grid has four dimensions or walls that do not reflect.
    """
    grid = start.grid
    if grid.ndim > 3 or any(side != "reflecting" for sides in grid.boundary for side in sides):
        raise DomainError(f"method 'fipy' on {grid!r}: up to three dimensions with reflecting walls are accepted")
    steps = int(np.clip(0.1 / tolerance, 20, 400))
    coarse, fine = (_solve(equation, start, times, count) for count in (steps, 2 * steps))
    cut = max(float(-np.minimum(v, 0.0).sum() * grid.cell_volume) for v in fine)
    densities = tuple(Density(grid, np.maximum(v, 0.0)) for v in fine)
    error = np.array([np.abs(a - b).sum() * grid.cell_volume for a, b in zip(coarse, fine, strict=True)])
    said = (f"FiPy made {cut:.2g} of negative mass, which was cut",) if cut > 1e-12 else ()
    return densities, error, 3 * steps, said


def _solve(equation: FokkerPlanck, start: Density, times: Array, steps: int) -> list[Array]:
    """Values at the times, with ``steps`` implicit steps over the whole of them."""
    import fipy

    grid = start.grid
    mesh = _mesh(fipy, grid)
    p = fipy.CellVariable(mesh=mesh, value=_to_fipy(start.values))
    diffusion, drift = _coefficients(fipy, mesh, equation, grid)
    terms = fipy.TransientTerm() == fipy.DiffusionTerm(coeff=diffusion) - fipy.ExponentialConvectionTerm(coeff=drift)
    out, now = [], 0.0
    for t in times:
        count = int(np.ceil(steps * (t - now) / times[-1])) if t > now else 0
        for _ in range(count):
            terms.solve(var=p, dt=(t - now) / count, solver=_solver(fipy))
        now = t
        out.append(_from_fipy(np.array(p.value), grid.shape))
    return out


def _solver(fipy: Any) -> Any:
    return fipy.LinearLUSolver(tolerance=1e-12)


def _mesh(fipy: Any, grid: Grid) -> Any:
    names = "xyz"[: grid.ndim]
    sizes = {f"n{name}": n for name, n in zip(names, grid.shape, strict=True)}
    widths = {f"d{name}": h for name, h in zip(names, grid.spacing, strict=True)}
    return (fipy.Grid1D, fipy.Grid2D, fipy.Grid3D)[grid.ndim - 1](**sizes, **widths)


def _to_fipy(values: Array) -> Array:
    """FiPy numbers cells with the first coordinate running fastest."""
    return np.ravel(values, order="F")


def _from_fipy(values: Array, shape: tuple[int, ...]) -> Array:
    return np.ascontiguousarray(values.reshape(shape, order="F"))


def _coefficients(fipy: Any, mesh: Any, equation: FokkerPlanck, grid: Grid) -> tuple[Any, Any]:
    """Diffusion tensor and effective drift ``b - div D`` as FiPy variables; no drift through the walls."""
    ndim = grid.ndim
    tensor = diffusion_on_cells(equation, grid).matrices(grid.shape)
    drift = [np.broadcast_to(b, grid.shape).copy() for b in drift_on_cells(equation, grid)]
    for i in range(ndim):
        for j in range(ndim):
            if grid.shape[j] > 1:
                drift[i] -= np.gradient(tensor[..., i, j], grid.spacing[j], axis=j)
    velocity = fipy.CellVariable(mesh=mesh, rank=1, value=np.array([_to_fipy(b) for b in drift]))
    on_faces = fipy.FaceVariable(mesh=mesh, rank=1, value=velocity.arithmeticFaceValue.value)
    on_faces.setValue(0.0, where=mesh.exteriorFaces)
    if diffusion_on_cells(equation, grid).diagonal and ndim == 1:
        return fipy.CellVariable(mesh=mesh, value=_to_fipy(tensor[..., 0, 0])), on_faces
    flat = [[_to_fipy(tensor[..., i, j]) for j in range(ndim)] for i in range(ndim)]
    return fipy.CellVariable(mesh=mesh, rank=2, value=np.array(flat)), on_faces
