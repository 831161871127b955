"""The sweeps of an equation on a grid: one per axis for the drift, one per lattice offset for the diffusion.

Sweeps that commute are grouped, because a group needs no symmetrising:

- along different axes, where the coefficients of each depend on its own coordinate at most; drift and diffusion of an
  axis are then one sweep (:class:`fpsim.evolution.axis_sweep.AxisSweep`);
- drifts ``b_i``, ``b_j`` where ``b_i`` does not depend on ``x_j`` nor ``b_j`` on ``x_i``, and the same for jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation import DiffusionField, FokkerPlanck, diffusion_on_cells, drift_on_faces
from fpsim.evolution.axis_sweep import AxisSweep
from fpsim.evolution.diffusion_sweep import jump_sweep
from fpsim.evolution.drift_sweep import DriftSweep
from fpsim.evolution.sweep import Block, Sweep
from fpsim.lattice.selling import lattice_diffusion

__all__ = ["Sampled", "sample", "sweep_blocks"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sampled:
    """Coefficients of an equation on a grid: diffusion in the cells, drift per axis on its faces."""

    diffusion: DiffusionField
    drift: tuple[Array, ...]


def sample(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Any = None) -> Sampled:
    """Evaluate and check the coefficients of an equation."""
    field = diffusion_on_cells(equation, grid, t=t, p=p)
    if equation.mean_field:  # an entry may be the density itself, which will change
        given = [d.values for d in (p if isinstance(p, tuple) else (p,)) if d is not None]
        rows = [[e if e is None or not _shares(e, given) else e.copy() for e in row] for row in field.entries]
        field = DiffusionField(tuple(map(tuple, rows)))
    return Sampled(field, tuple(drift_on_faces(equation, grid, axis, t=t, p=p) for axis in range(grid.ndim)))


def _shares(entry: Array, given: Sequence[Array]) -> bool:
    return any(np.may_share_memory(entry, values) for values in given)


def sweep_blocks(known: Sampled, grid: Grid, *, keep: bool = False) -> tuple[tuple[Block, ...], float]:
    """Blocks of commuting sweeps, and the largest isotropic diffusion that had to be added.

    Diffusion comes first: a symmetric composition then passes through the drift, which costs more, once. ``keep`` says
    that the sweeps will be used for many steps.
    """
    drifts = [(axis, b) for axis, b in enumerate(known.drift) if b.any()]
    if known.diffusion.diagonal:
        units = [tuple(int(a == axis) for a in range(grid.ndim)) for axis in range(grid.ndim)]
        jumps = [(e, known.diffusion.axis(a), 1.0 / grid.spacing[a] ** 2) for a, e in enumerate(units)]
        added = 0.0
    else:
        tensor = lattice_diffusion(known.diffusion, grid)
        offsets = [tuple(int(v) for v in e) for e in tensor.offsets]
        jumps, added = [(e, r, 1.0) for e, r in zip(offsets, tensor.rates, strict=True)], tensor.added_max
    jumps = [jump for jump in jumps if jump[1].any()]
    flows_apart = all(_depends_only_on(b, axis) for axis, b in drifts)
    jumps_apart = all(sum(map(abs, e)) == 1 and _depends_only_on(d, e.index(1)) for e, d, _ in jumps)
    if flows_apart and jumps_apart:
        rates = {e.index(1): _along(d, grid, e.index(1), 0) * scale for e, d, scale in jumps}
        speeds = {axis: _along(b, grid, axis, 1) / grid.spacing[axis] for axis, b in drifts}
        used = sorted(rates.keys() | speeds.keys())
        axes = tuple(AxisSweep(grid, axis, speeds.get(axis), rates.get(axis)) for axis in used)
        return ((axes,) if axes else ()), added
    flows = [_flow(grid, axis, b, keep) for axis, b in drifts]
    spread = [_spread(grid, e, d, scale) for e, d, scale in jumps]
    return (*_grouped(spread, jumps_apart), *_grouped(flows, flows_apart)), added


def _flow(grid: Grid, axis: int, b: Array, keep: bool) -> Sweep:
    if _depends_only_on(b, axis):
        return AxisSweep(grid, axis, _along(b, grid, axis, 1) / grid.spacing[axis])
    return DriftSweep(grid, axis, b, keep)


def _spread(grid: Grid, offset: tuple[int, ...], coefficient: Array, scale: float) -> Sweep:
    if sum(map(abs, offset)) == 1 and _depends_only_on(coefficient, offset.index(1)):
        return AxisSweep(grid, offset.index(1), None, _along(coefficient, grid, offset.index(1), 0) * scale)
    return jump_sweep(grid, offset, coefficient, scale=scale)


def _depends_only_on(array: Array, axis: int) -> bool:
    return array.size == array.shape[axis]


def _along(array: Array, grid: Grid, axis: int, more: int) -> Array:
    """Values along an axis of an array that depends on nothing else."""
    line, length = array.reshape(-1), grid.shape[axis] + more
    return line if line.size == length else np.full(length, line[0])


def _grouped(sweeps: Sequence[Sweep], commute: bool) -> tuple[Block, ...]:
    if not sweeps:
        return ()
    return (tuple(sweeps),) if commute else tuple((s,) for s in sweeps)
