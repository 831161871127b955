"""Sweeps of an equation on a grid: one per axis for the drift, one per lattice offset for the diffusion.

Sweeps that commute are grouped, because a group needs no symmetrising:

- along different axes, where the coefficients of each depend on its own coordinate at most; drift and diffusion of an
  axis are then one sweep (:class:`fpsim.evolution.sweeps.axis_sweep.AxisSweep`);
- drifts ``b_i``, ``b_j`` where ``b_i`` does not depend on ``x_j`` nor ``b_j`` on ``x_i``, and the same for jumps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.evolution.coefficients import Coefficients, Jumps
from fpsim.evolution.sweeps.axis_sweep import AxisSweep
from fpsim.evolution.sweeps.drift_sweep import DriftSweep
from fpsim.evolution.sweeps.lattice_sweep import lattice_sweep
from fpsim.evolution.sweeps.sweep import Block, Sweep

__all__ = ["sweep_blocks"]

Array = NDArray[np.float64]


def sweep_blocks(known: Coefficients, grid: Grid, *, keep: bool = False) -> tuple[Block, ...]:
    """Blocks of commuting sweeps.

    Diffusion comes first: a symmetric composition then passes through the drift, which costs more, once. ``keep`` says
    that the sweeps will be used for many steps.
    """
    drifts = [(axis, b) for axis, b in enumerate(known.drift) if b.any()]
    flows_apart = all(_depends_only_on(b, axis) for axis, b in drifts)
    jumps_apart = all(_along_axis(jump) for jump in known.jumps)
    if flows_apart and jumps_apart:
        rates = {j.offset.index(1): _along(j.values, grid, j.offset.index(1), 0) * j.scale for j in known.jumps}
        speeds = {axis: _along(b, grid, axis, 1) / grid.spacing[axis] for axis, b in drifts}
        used = sorted(rates.keys() | speeds.keys())
        axes = tuple(AxisSweep(grid, axis, speeds.get(axis), rates.get(axis)) for axis in used)
        return (axes,) if axes else ()
    flows = [_drift_sweep(grid, axis, b, keep) for axis, b in drifts]
    spread = [_jump_sweep(grid, jump) for jump in (*known.jumps, *known.along_walls)]
    return *_grouped(spread, jumps_apart), *_grouped(flows, flows_apart)


def _drift_sweep(grid: Grid, axis: int, b: Array, keep: bool) -> Sweep:
    if _depends_only_on(b, axis):
        return AxisSweep(grid, axis, _along(b, grid, axis, 1) / grid.spacing[axis])
    return DriftSweep(grid, axis, b, keep)


def _jump_sweep(grid: Grid, jump: Jumps) -> Sweep:
    if _along_axis(jump):
        axis = jump.offset.index(1)
        return AxisSweep(grid, axis, None, _along(jump.values, grid, axis, 0) * jump.scale)
    return lattice_sweep(grid, jump.offset, jump.values, scale=jump.scale)


def _along_axis(jump: Jumps) -> bool:
    """Whether jumps go along an axis at a rate that depends on that axis at most."""
    return sum(map(abs, jump.offset)) == 1 and _depends_only_on(jump.values, jump.offset.index(1))


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
