"""Construction of a Markov generator from a Fokker-Planck equation and a grid.

Promises: rates that are never negative, whatever the Peclet number; what is not accepted, a potential that is not
periodic on a ring among it, is refused before anything is allocated. Limits: one time and one density.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck, diffusion_on_cells, drift_on_faces, phi_on_cells, potential_on_cells
from fpsim.equation.degenerate_walls import degenerate_walls, warn_of_degenerate_walls
from fpsim.generator.axis_rates import axis_absorption, axis_links
from fpsim.generator.generator import Generator
from fpsim.generator.tensor_rates import tensor_generator
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError
from fpsim.support.memory import check_memory

__all__ = ["build_generator"]

Array = NDArray[np.float64]


def build_generator(
    equation: FokkerPlanck, grid: Grid, *, t: float = 0.0, p: Density | tuple[Density, ...] | None = None
) -> Generator:
    """Markov generator ``Q`` of a Fokker-Planck equation, with its coefficients at one time and one density.

    Second order in the cell width where the density is smooth; never negative whatever the Peclet number.

    Parameters
    ----------
    equation : FokkerPlanck
    grid : Grid
    t : float, keyword-only
        Time at which time-dependent coefficients are taken.
    p : Density or tuple of Density, keyword-only
        Density at which mean-field coefficients are taken.

    Raises
    ------
    DomainError
        If a coefficient is not accepted (which, and where), the equation depends on the density and ``p`` is missing,
        or a potential is not periodic along a periodic axis.
    MemoryLimitError
        If the rates would not fit into memory.

    Warns
    -----
    ValidityWarning
        If the diffusion vanishes, or the drift is infinite, at a reflecting wall with an outflow index below one
        (which, and the index; see :mod:`fpsim.equation.degenerate_walls`), or a full tensor needs longer jumps than
        allowed.

    Notes
    -----
    See :mod:`fpsim.generator.axis_rates` for diagonal and :mod:`fpsim.generator.tensor_rates` for full tensors.

    Examples
    --------
    >>> generator = build_generator(FokkerPlanck(potential=lambda x: x**4 / 4, diffusion=0.1), Grid.box((-2, 2, 64)))
    >>> generator.absorbing
    False
    """
    if not isinstance(equation, FokkerPlanck) or not isinstance(grid, Grid):
        raise DomainError(
            f"a {type(equation).__name__} on a {type(grid).__name__}: a FokkerPlanck on a Grid is accepted"
        )
    if equation.mean_field and not isinstance(p, Density | tuple):
        found = "None" if p is None else f"a {type(p).__name__}"
        raise DomainError(f"the equation depends on the density and p is {found}: a Density is accepted")
    if not np.isfinite(real_array(t, "t")):
        raise DomainError(f"t is {t}: a finite time is accepted")
    check_memory(_bytes(grid, grid.ndim), f"a generator on {grid.shape} cells")
    potential = potential_on_cells(equation, grid, t=t, p=p)
    phi = phi_on_cells(equation, grid, t=t, p=p)
    for values, sample, what in ((potential, potential_on_cells, "potential"), (phi, phi_on_cells, "phi")):
        if values is not None and callable(getattr(equation, what)):
            _check_periodic(grid, values, partial(sample, equation, t=t, p=p), what)
    field = diffusion_on_cells(equation, grid, t=t, p=p)
    drift = tuple(drift_on_faces(equation, grid, axis, t=t, p=p) for axis in range(grid.ndim))
    warn_of_degenerate_walls(grid, degenerate_walls(grid, field, drift), stacklevel=2)
    if not field.diagonal:
        check_memory(_bytes(grid, grid.ndim * (grid.ndim + 1) // 2), f"a generator on {grid.shape} cells")
        return tensor_generator(equation, grid, field, t=t, p=p)

    links, absorption, lows, highs = [], {}, [], []
    for axis in range(grid.ndim):
        link, (low, high) = axis_links(equation, grid, axis, field, potential, phi, t=t, p=p)
        links.append(link)
        lows.append(low)
        highs.append(high)
        absorption.update(axis_absorption(equation, grid, axis, field, t=t, p=p))
    return Generator(grid, tuple(links), absorption, (min(lows), max(highs)))


def _bytes(grid: Grid, offsets: int) -> float:
    """Rates and indices of the links, twice over for the sparse matrix."""
    return grid.size * offsets * 2.0 * (24.0 + 24.0)


def _check_periodic(grid: Grid, values: Array, sample: Callable[[Grid], Array | None], what: str) -> None:
    """A potential along a periodic axis has to be the same one period further."""
    for axis in range(grid.ndim):
        if not grid.periodic(axis):
            continue
        ends = zip(grid.lower, grid.upper, strict=True)
        period = [(b - a) * (i == axis) for i, (a, b) in enumerate(ends)]
        moved = grid.with_box(
            [a + d for a, d in zip(grid.lower, period, strict=True)],
            [b + d for b, d in zip(grid.upper, period, strict=True)],
        )
        again = sample(moved)
        assert again is not None
        difference = float(np.max(np.abs(again - values)))
        if difference > 1e-9 * max(float(np.ptp(values)), 1e-300):
            raise DomainError(
                f"{what} changes by {difference:.3g} over one period of axis {axis}: a periodic potential is "
                "accepted; put the tilt into the drift"
            )
