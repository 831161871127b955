"""Backward evolution of observables: ``u(x, t) = E[f(X_t) | X_0 = x]``, the adjoint of the density's evolution.

What holds: ``min f <= u <= max f`` without absorbing walls (a maximum principle, up to the Poisson tail), and
``<u(t), m> = <f, m(t)>`` to rounding. A particle that was absorbed counts as ``f = 0``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.generator.analysis.grid_error import on_one_grid
from fpsim.generator.generator import Generator, of_generator
from fpsim.generator.propagation.uniformization import evolve
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["evolve_observable", "observable_on_cells"]

Array = NDArray[np.float64]


def observable_on_cells(generator: Generator, observable: Callable[..., Any] | ArrayLike) -> Array:
    """Values of an observable in the cells, flat.

    Raises
    ------
    DomainError
        If the shape does not broadcast to the grid or a value is not finite.
    """
    grid = generator.grid
    raw = real_array(observable(*grid.mesh()) if callable(observable) else observable, "observable")
    try:
        values = np.broadcast_to(raw, grid.shape).ravel()
    except ValueError:
        raise DomainError(f"observable has shape {raw.shape}: what broadcasts to {grid.shape} is accepted") from None
    if not np.isfinite(values).all():
        where = np.unravel_index(int(np.flatnonzero(~np.isfinite(values))[0]), grid.shape)
        raise DomainError(f"observable is not finite at cell {tuple(int(i) for i in where)}: finite values")
    return np.array(values)


@of_generator
def evolve_observable(
    generator: Generator,
    observable: Callable[..., Any] | ArrayLike,
    times: Sequence[float],
    *,
    tail: float = 1e-14,
    threads: int | None = None,
) -> Result:
    """``u(t) = exp(t Q) f`` at the given times, shape ``(times, *grid.shape)``, in the unit of the observable.

    Parameters
    ----------
    generator : Generator
    observable : callable of the coordinates, or array
        ``f``.
    times : sequence of float
        Non-negative, not decreasing.
    tail, threads : keyword-only
        As in :func:`fpsim.generator.propagate`.

    Raises
    ------
    DomainError
        If the observable or the times are not accepted.
    """
    start = observable_on_cells(generator, observable)
    states = evolve(generator, start, times, tail=tail, backward=True, threads=threads).states
    value = states.reshape(len(states), *generator.grid.shape)
    error = np.full(len(states), tail * float(np.abs(start).max()))
    error = error.reshape(-1, *[1] * generator.grid.ndim)
    return on_one_grid(value, error, "uniformization of the backward equation")
