"""Coefficients of large grids, evaluated brick by brick.

A grid whose coefficients would fill more memory than they may (``HOLD``) is cut into bricks: small grids of the same
cells. :func:`late_blocks` goes through all of them once to learn which sweeps there are; a :class:`LateSweep` then
evaluates its coefficient when it is applied, into room that all sweeps share. Tables that are small anyway are kept.

Limits: coefficients given as arrays, or that depend on the density, are evaluated whole; the rates of a tensor with
correlations that depend on place are kept (one array per offset), because finding them takes longer than many sweeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.equation import FokkerPlanck, diffusion_on_cells, drift_on_faces
from fpsim.lattice.selling import lattice_diffusion
from fpsim.parallel import Team
from fpsim.transport.diffusion_sweep import DiffusionSweep
from fpsim.transport.drift_sweep import DriftSweep
from fpsim.transport.sweep import Account, Block, Sweep
from fpsim.transport.sweeps import Sampled, sample

__all__ = ["HOLD", "LateSweep", "bricks", "held_bytes", "late_blocks", "room_size", "too_large"]

Array = NDArray[np.float64]
Offset = tuple[int, ...]

HOLD = 64e6
"""Bytes of coefficients that an evolution keeps. Beyond, they are evaluated again for every sweep."""

BRICKS = 64
"""About how many bricks a grid is cut into: what is evaluated at once is small beside an array of the grid's size."""

LATE = 1.3
"""Arrays of the grid's size that late sweeps need: room for one table, and what a brick needs."""

OFFSETS = {2: 6, 3: 14, 4: 48}
"""Offsets that a correlated tensor meets which varies with place, about: more than one place needs."""

SMALL = 1 / 16
"""Share of the grid's size below which a table is kept in any case."""


def held_bytes(known: Sampled, grid: Grid, *, late: bool = False) -> float:
    """Bytes of the tables that are kept, from coefficients on the grid or on a part of it."""

    def whole(part: Array) -> float:
        return 8.0 * prod(n if m > 1 else 1 for m, n in zip(part.shape, grid.shape, strict=True))

    entries = [e for row in known.diffusion.entries for e in row if e is not None]
    if known.diffusion.diagonal:
        jumps = 0.0 if late else sum(map(whole, entries))
    else:  # every offset has the shape of all entries together
        shape = np.broadcast_shapes(*(e.shape for e in entries))
        jumps = OFFSETS[grid.ndim] * whole(np.broadcast_to(0.0, shape))
    return jumps + (LATE * 8.0 * grid.size if late else sum(map(whole, known.drift)))


def too_large(equation: FokkerPlanck, grid: Grid, *, t: float = 0.0) -> bool:
    """Whether coefficients would take more than ``HOLD`` and can be evaluated in parts instead."""
    if 8.0 * grid.size * (grid.ndim + OFFSETS.get(grid.ndim, 1)) <= HOLD or not _may_be_cut(equation):
        return False
    return held_bytes(sample(equation, next(bricks(grid))[1], t=t), grid) > HOLD


def _may_be_cut(equation: FokkerPlanck) -> bool:
    """Whether the coefficients can be evaluated on a part of the grid."""
    fixed = not callable(equation.diffusion) and np.size(equation.diffusion) > 16
    given = any(c is not None and not callable(c) for c in (equation.drift, equation.potential))
    return not (equation.mean_field or given or fixed)


def bricks(grid: Grid) -> Iterator[tuple[tuple[slice, ...], Grid]]:
    """Parts of a grid and where they are; at least two cells along every axis."""
    target, cuts = max(grid.size // BRICKS, 512), []
    rest = grid.size
    for n in grid.shape:
        pieces = max(min(-(-rest // target), n // 2), 1)
        rest = -(-rest // pieces)
        cuts.append([(k * n // pieces, (k + 1) * n // pieces) for k in range(pieces)])
    for ends in product(*cuts):
        lower = tuple(a + h * i for a, h, (i, _) in zip(grid.lower, grid.spacing, ends, strict=True))
        upper = tuple(a + h * j for a, h, (_, j) in zip(grid.lower, grid.spacing, ends, strict=True))
        yield tuple(slice(i, j) for i, j in ends), Grid(lower, upper, tuple(j - i for i, j in ends))


@dataclass(frozen=True, eq=False)
class LateSweep:
    """A sweep whose coefficient is evaluated when it is applied; see :class:`fpsim.transport.sweep.Sweep`."""

    grid: Grid
    speed: float
    make: Callable[[], Sweep]

    def apply(self, u: Array, dt: float, team: Team, *, steps: int = 1, pieces: int = 1) -> Account:
        """See :class:`fpsim.transport.sweep.Sweep`."""
        return self.make().apply(u, dt, team, steps=steps, pieces=pieces)


def late_blocks(equation: FokkerPlanck, grid: Grid, room: Array, *, t: float = 0.0) -> tuple[tuple[Block, ...], float]:
    """Blocks of sweeps (none assumed to commute), and the largest isotropic diffusion that had to be added.

    ``room`` is flat and has ``room_size(grid)`` numbers.
    """
    shapes: dict[Offset, tuple[int, ...]] = {}
    highest: dict[Offset, float] = {}
    drifts: list[tuple[tuple[int, ...], float]] = [((1,) * grid.ndim, 0.0)] * grid.ndim
    added = 0.0
    for _, brick in bricks(grid):
        found, extra = _rates(equation, brick, t)
        added = max(added, extra)
        for offset, rate in found.items():
            shapes[offset] = _union(shapes.get(offset), rate, grid.shape)
            highest[offset] = max(highest.get(offset, 0.0), float(rate.max()))
        for axis, (shape, most) in enumerate(drifts):
            b = drift_on_faces(equation, brick, axis, t=t)
            faces = tuple(n + (a == axis) for a, n in enumerate(grid.shape))
            drifts[axis] = _union(shape, b, faces), max(most, float(np.abs(b).max()))
    offsets = [o for o, most in sorted(highest.items(), reverse=True) if most > 0.0]
    kept: dict[Offset, Array] = {}
    if any(sum(map(abs, o)) > 1 for o in offsets):
        kept = {o: np.zeros(shapes[o]) for o in offsets}
        for where, brick in bricks(grid):
            for offset, rate in _rates(equation, brick, t)[0].items():
                if offset in kept:
                    kept[offset][_place(where, shapes[offset])] = rate

    def spread(offset: Offset, shape: tuple[int, ...]) -> Sweep:
        def pick(brick: Grid) -> Array:
            return _rates(equation, brick, t)[0][offset]

        return DiffusionSweep(grid, offset, _gathered(pick, grid, shape, room))

    def flow(axis: int, shape: tuple[int, ...]) -> Sweep:
        def pick(brick: Grid) -> Array:
            return drift_on_faces(equation, brick, axis, t=t)

        return DriftSweep(grid, axis, _gathered(pick, grid, shape, room, axis))

    out: list[Sweep] = [DiffusionSweep(grid, offset, rate) for offset, rate in kept.items()]
    if not kept:
        out += [_late(grid, shapes[o], 2.0 * highest[o], partial(spread, o, shapes[o])) for o in offsets]
    for axis, (shape, most) in enumerate(drifts):
        if most > 0.0:
            out.append(_late(grid, shape, most / grid.spacing[axis], partial(flow, axis, shape)))
    return tuple((sweep,) for sweep in out), added


def room_size(grid: Grid) -> int:
    """Numbers that the largest table needs: the drift on the faces of the axis with the fewest cells."""
    return max(grid.size // n * (n + 1) for n in grid.shape)


def _late(grid: Grid, shape: tuple[int, ...], speed: float, make: Callable[[], Sweep]) -> Sweep:
    return make() if prod(shape) <= SMALL * grid.size else LateSweep(grid, speed, make)


def _rates(equation: FokkerPlanck, brick: Grid, t: float) -> tuple[dict[Offset, Array], float]:
    tensor = lattice_diffusion(diffusion_on_cells(equation, brick, t=t), brick)
    offsets = (tuple(int(v) for v in e) for e in tensor.offsets)
    return dict(zip(offsets, tensor.rates, strict=True)), tensor.added_max


def _union(shape: tuple[int, ...] | None, part: Array, full: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a table of which ``part`` is one brick."""
    before = shape or (1,) * len(full)
    return tuple(n if m > 1 or k > 1 else 1 for m, k, n in zip(part.shape, before, full, strict=True))


def _gathered(
    pick: Callable[[Grid], Array], grid: Grid, shape: tuple[int, ...], room: Array, faces_of: int = -1
) -> Array:
    """A table put together from its bricks, in ``room`` unless it is small."""
    size = prod(shape)
    out = (np.empty(size) if size <= SMALL * grid.size else room[:size]).reshape(shape)
    for where, brick in bricks(grid):
        out[_place(where, shape, faces_of)] = pick(brick)
    return out


def _place(where: tuple[slice, ...], shape: tuple[int, ...], faces_of: int = -1) -> tuple[slice, ...]:
    """Where a brick is in a table of that shape."""
    return tuple(
        slice(0, 1) if n == 1 else slice(s.start, s.stop + (a == faces_of))
        for a, (s, n) in enumerate(zip(where, shape, strict=True))
    )
