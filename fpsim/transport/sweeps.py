"""The sweeps of an equation on a grid: one per axis for the drift, one per lattice offset for the diffusion.

Sweeps that commute are grouped, because a group needs no symmetrising:

- drifts ``b_i``, ``b_j`` commute where ``b_i`` does not depend on ``x_j`` nor ``b_j`` on ``x_i``;
- jumps along axes commute where each rate depends on its own coordinate at most.
"""

from __future__ import annotations

from typing import Any

from fpsim.density.grid import Grid
from fpsim.equation import DiffusionField, FokkerPlanck, diffusion_on_cells, drift_on_faces
from fpsim.lattice.selling import lattice_diffusion
from fpsim.transport.diffusion_sweep import DiffusionSweep
from fpsim.transport.drift_sweep import DriftSweep
from fpsim.transport.sweep import Block

__all__ = ["sweep_blocks"]


def sweep_blocks(
    equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None
) -> tuple[tuple[Block, ...], float]:
    """Blocks of commuting sweeps of an equation, and the largest isotropic diffusion that had to be added.

    Diffusion comes first: a symmetric composition then passes through the drift, which costs more, once.
    """
    field = diffusion_on_cells(equation, grid, t=t, p=p)
    jumps, added = _along_axes(field, grid) if field.diagonal else _along_offsets(field, grid)
    drifts = [drift_on_faces(equation, grid, axis, t=t, p=p) for axis in range(grid.ndim)]
    flows = [DriftSweep(grid, axis, b) for axis, b in enumerate(drifts) if b.any()]
    apart = all(f.drift.size == f.drift.shape[f.axis] for f in flows)
    return (*_grouped(jumps, all(j.along_axis for j in jumps)), *_grouped(flows, apart)), added


def _along_axes(field: DiffusionField, grid: Grid) -> tuple[list[DiffusionSweep], float]:
    jumps = []
    for axis, h in enumerate(grid.spacing):
        entry = field.axis(axis)
        if entry.any():
            jumps.append(DiffusionSweep(grid, tuple(int(a == axis) for a in range(grid.ndim)), entry, 1.0 / h**2))
    return jumps, 0.0


def _along_offsets(field: DiffusionField, grid: Grid) -> tuple[list[DiffusionSweep], float]:
    tensor = lattice_diffusion(field, grid)
    pairs = zip(tensor.offsets, tensor.rates, strict=True)
    jumps = [DiffusionSweep(grid, tuple(int(v) for v in e), rate) for e, rate in pairs if rate.any()]
    return jumps, tensor.added_max


def _grouped(sweeps: list[Any], commute: bool) -> tuple[Block, ...]:
    if not sweeps:
        return ()
    return (tuple(sweeps),) if commute else tuple((s,) for s in sweeps)
