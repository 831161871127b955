"""Full tensors at reflecting walls: tangential jumps in place of those that would cross the wall.

A jump along ``e_k`` that would leave the box does not exist. Next to a wall with the normal axis ``n`` half of every
``|e_kn|`` rows of such links are missing, and with them the part

    (h / 2) sum_k |e_kn| lambda_k (e_k . g)^2

of the Dirichlet form (the mean squared gradient ``g`` weighted by ``D``), which is of first order in the cell width.
The conormal condition ``n . D g = 0`` gives the normal component, ``g_n = -D_nt g_t / D_nn``, so what is missing is a
quadratic form of the tangential gradient alone,

    M = (1/2) sum_k |e_kn| lambda_k w_k w_k^T,        w_k = e_kt - e_kn D_tn / D_nn,

never negative: jumps along the wall, in the row of cells next to it, with the tensor ``M``. It vanishes if no entry of
``D`` couples the normal to another axis.

Promises: no rate is negative; stationary states in detailed balance stay as they are (the jumps see the same force).
With a constant tensor whose offsets reach one cell along the normal the scheme is of second order at the wall. Limits:
longer offsets, and tensors that vary along the wall, leave an error of first order, about a fifth of that without these
jumps; where two walls meet, the sum of both is taken.

References: Selling's decomposition as in :mod:`fpsim.lattice.selling`; the conormal condition: Gilbarg & Trudinger,
Elliptic Partial Differential Equations of Second Order (2001), section 6.7.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Boundary, Grid
from fpsim.equation import DiffusionField
from fpsim.lattice.selling import lattice_diffusion

__all__ = ["tangential_rates"]

Array = NDArray[np.float64]
Offset = tuple[int, ...]

_ROUNDING = 1e-12


def tangential_rates(grid: Grid, rates: Mapping[Offset, Array]) -> dict[Offset, Array]:
    """Rates that jumps along reflecting walls have in addition.

    Parameters
    ----------
    grid : Grid
    rates : mapping from offset to ndarray, of broadcast shape
        ``lambda_k`` (1 / time) of jumps by ``e_k`` and back.

    Returns
    -------
    dict
        The same of the additional jumps, zero but in the cells next to reflecting walls; of length one along axes
        that neither the rates nor these walls tell apart.
    """
    found: dict[Offset, Array] = {}
    for axis in range(grid.ndim):
        if grid.periodic(axis) or not any(e[axis] and any(np.delete(e, axis)) for e in rates):
            continue
        for side in (0, 1):
            if grid.boundary[axis][side] is Boundary.REFLECTING:
                row = (slice(None),) * axis + (-1 if side else 0,)
                for offset, rate in _along_wall(grid, axis, {e: lam[row] for e, lam in rates.items()}).items():
                    key = tuple(-v for v in offset) if tuple(-v for v in offset) in rates else offset
                    shape = list(np.insert(rate.shape, axis, grid.shape[axis]))
                    placed = np.zeros(shape)
                    placed[row] = rate
                    found[key] = found[key] + placed if key in found else placed
    return found


def _along_wall(grid: Grid, axis: int, rates: Mapping[Offset, Array]) -> dict[Offset, Array]:
    """Rates of jumps along a wall, by the rates of all jumps in the row of cells next to it."""
    others = [a for a in range(grid.ndim) if a != axis]
    crossing = {e: lam for e, lam in rates.items() if e[axis]}
    normal = sum(lam * e[axis] ** 2 for e, lam in crossing.items())
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = [
            np.where(normal > 0.0, sum(lam * e[axis] * e[a] for e, lam in crossing.items()) / normal, 0.0)
            for a in others
        ]
    size = len(others)
    tensor = np.zeros((size, size, *np.broadcast_shapes(*(lam.shape for lam in crossing.values()))))
    for e, lam in crossing.items():
        w = [e[a] - e[axis] * slope for a, slope in zip(others, slopes, strict=True)]
        for i in range(size):
            for j in range(size):
                tensor[i, j] += 0.5 * abs(e[axis]) * lam * w[i] * w[j]
    scale = float(np.max(normal))
    if np.abs(tensor).max() <= _ROUNDING * scale:
        return {}
    lower, upper, shape = (tuple(ends[a] for a in others) for ends in (grid.lower, grid.upper, grid.shape))
    wall = Grid(lower, upper, tuple(int(n) for n in shape), tuple(grid.boundary[a] for a in others))
    h = wall.spacing
    entries = tuple(
        tuple(tensor[i, j] * h[i] * h[j] if i == j or tensor[i, j].any() else None for j in range(size))
        for i in range(size)
    )
    lattice = lattice_diffusion(DiffusionField(entries), wall)
    return {
        tuple(int(v) for v in np.insert(e, axis, 0)): rate
        for e, rate in zip(lattice.offsets, lattice.rates, strict=True)
    }
