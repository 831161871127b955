"""Jump rates along the axes of a grid: Scharfetter-Gummel in the declared calculus.

Between neighbours ``i`` and ``j = i + 1`` of an axis the scheme's flux is ``m_i Q[i, j] - m_j Q[j, i]`` with

    Q[i, j] = L B(-z) / h^2,   Q[j, i] = L B(z) / h^2,
    z = [f h - (V_j - V_i) - (1 - alpha) (D_j - D_i)] / L - (phi_j - phi_i),

``L`` the logarithmic mean of ``D_i`` and ``D_j``, ``f`` the drift as declared (before conversion to Ito), and alpha 0,
1/2 or 1 for Ito, Stratonovich and Klimontovich noise. Potential and force are one set of rates; the force is averaged
from centre to centre by Simpson's rule, so that a drift that is minus the gradient of a quartic does as well as its
potential. What this keeps exactly, at cell centres:

- constant ``D``: the Gibbs state ``exp(-V / D - phi)``, with detailed balance; Klimontovich noise: ``exp(-phi)``,
  whatever ``D``;
- no drift: ``p ~ D^(alpha - 1)``, and for Ito noise the jump rates are ``D_i / h^2`` to the last digit;
- ``D`` a linear function of ``V`` (Student-t, Pearson laws): ``p ~ D^(alpha - 1) exp(-int dV / D)``.

Where ``D`` changes by more than a factor 10 between neighbours, or is zero, the logarithmic mean does not describe
the noise that a particle feels. There (but for Klimontovich noise, whose flux has to vanish with ``D``) each rate uses
the noise of the cell it leaves, ``Q[i, j] = D_i B(-b h / D_i) / h^2`` with the Ito drift ``b``: upwind where
``D_i = 0``, and never a cell that holds its mass back.

Walls: reflecting, no rate; absorbing, ``p = 0`` half a cell away, rate ``2 D_i B(-b h / 2 D_i) / h^2``.

References: Scharfetter & Gummel (1969); Chang & Cooper (1970); Heida, Kantner & Stephan, ESAIM M2AN 55, 3091 (2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Boundary, Grid
from fpsim.equation import Calculus, DiffusionField, FokkerPlanck, drift_on_cells, drift_on_faces
from fpsim.generator.bernoulli import exponential_rate, logarithmic_mean
from fpsim.generator.links import Indices, Links, pairs
from fpsim.support.compilation import njit

__all__ = ["UNRESOLVED", "axis_absorption", "axis_links", "declared_drift"]

Array = NDArray[np.float64]

UNRESOLVED = 10.0
"""Ratio of neighbouring diffusion coefficients above which a face has no mean coefficient."""

_ROUNDING = 1e-13
_ALPHA = {Calculus.ITO: 0.0, Calculus.STRATONOVICH: 0.5, Calculus.KLIMONTOVICH: 1.0}


def declared_drift(equation: FokkerPlanck) -> FokkerPlanck:
    """The equation's drift alone, without potential and without conversion to Ito."""
    return FokkerPlanck(drift=equation.drift)


def axis_links(
    equation: FokkerPlanck,
    grid: Grid,
    axis: int,
    field: DiffusionField,
    potential: Array | None,
    phi: Array | None = None,
    *,
    t: float,
    p: Any,
) -> tuple[Links, tuple[float, float]]:
    """Links along one axis of a diagonal diffusion tensor, and the range of their Peclet numbers.

    Parameters
    ----------
    equation : FokkerPlanck
    grid : Grid
    axis : int
    field : DiffusionField
        Diffusion at cell centres.
    potential, phi : ndarray or None
        At cell centres, broadcastable to the grid.
    """
    h = grid.spacing[axis]
    offset = tuple(int(a == axis) for a in range(grid.ndim))
    tail, head = pairs(grid, offset)
    diffusion = _flat(field.axis(axis) / h**2, grid)
    left, right = diffusion[tail], diffusion[head]

    drift = np.zeros(len(tail))
    if equation.drift is not None:
        faces = _right_faces(drift_on_faces(declared_drift(equation), grid, axis, t=t, p=p), grid, axis)
        cells = _flat(drift_on_cells(declared_drift(equation), grid, t=t, p=p)[axis], grid)
        total = cells[tail] + 4.0 * faces + cells[head]
        size = np.abs(cells[tail]) + 4.0 * np.abs(faces) + np.abs(cells[head])
        drift = np.where(np.abs(total) > _ROUNDING * size, total, 0.0) / (6.0 * h)  # rounding must not connect cells
    if potential is not None:
        drift -= _rise(potential, grid, tail, head) / h**2
    slope = np.zeros(len(tail)) if phi is None else _rise(phi, grid, tail, head)
    forward, backward = np.empty_like(drift), np.empty_like(drift)
    peclet = _scharfetter_gummel(left, right, drift, slope, _ALPHA[equation.calculus], forward, backward)
    return Links(offset, tail, head, forward, backward), peclet


def _rise(scalar: Array, grid: Grid, tail: Indices, head: Indices) -> Array:
    """Difference of a scalar along links."""
    values = _flat(scalar, grid)
    return np.asarray(values[head] - values[tail])


def _flat(values: Array, grid: Grid) -> Array:
    """What broadcasts to the grid in every cell, flat."""
    cells = np.empty(grid.shape)
    cells[...] = values
    return cells.reshape(-1)


@njit(cache=True)
def _scharfetter_gummel(  # type: ignore[no-untyped-def]
    left: Array, right: Array, drift: Array, slope: Array, alpha: float, forward: Array, backward: Array
):
    """Rates between cells of diffusion ``left`` and ``right``, all for unit spacing; the range of Peclet numbers."""
    low, high = np.inf, 0.0
    for i in range(drift.size):
        a, b = left[i], right[i]
        mean = logarithmic_mean(a, b)
        c = drift[i] - mean * slope[i]
        if alpha < 1.0 and max(a, b) > UNRESOLVED * min(a, b):
            ito = drift[i] - 0.5 * (a + b) * slope[i] + alpha * (b - a)
            forward[i], backward[i] = exponential_rate(a, ito), exponential_rate(b, -ito)
        else:
            effective = c - (1.0 - alpha) * (b - a)
            forward[i], backward[i] = exponential_rate(mean, effective), exponential_rate(mean, -effective)
        peclet = 0.0 if c == 0.0 else abs(c) / mean if mean > 0.0 else np.inf
        low, high = min(low, peclet), max(high, peclet)
    return low, high


def _right_faces(faces: Array, grid: Grid, axis: int) -> Array:
    """Values on the upper face of every tail of the links of an axis, flat."""
    n = grid.shape[axis]
    count = n if grid.periodic(axis) else n - 1
    shape = tuple(count if a == axis else m for a, m in enumerate(grid.shape))
    if faces.shape[axis] > 1:
        faces = faces[(slice(None),) * axis + (slice(1, count + 1),)]
    return np.broadcast_to(faces, shape).ravel()


def axis_absorption(
    equation: FokkerPlanck, grid: Grid, axis: int, field: DiffusionField, *, t: float, p: Any
) -> dict[tuple[int, int], Array]:
    """Absorption rate of every cell through the absorbing walls of an axis (1 / time, flat)."""
    absorbing = [side for side in (0, 1) if grid.boundary[axis][side] is Boundary.ABSORBING]
    if not absorbing:
        return {}
    h = grid.spacing[axis]
    faces = drift_on_faces(equation, grid, axis, t=t, p=p)
    faces = np.broadcast_to(faces, tuple(n + (a == axis) for a, n in enumerate(grid.shape)))
    diffusion = np.broadcast_to(field.axis(axis), grid.shape)
    found = {}
    for side in absorbing:
        wall = -1 if side else 0
        index = (slice(None),) * axis + (wall,)
        outwards = faces[index] * (1.0 if side else -1.0)
        rate = np.zeros(grid.shape)
        rate[index] = 2.0 * exponential_rate(diffusion[index] / h**2, outwards / (2.0 * h))
        found[axis, side] = rate.ravel()
    return found
