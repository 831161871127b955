"""Backward identity: Kolmogorov's backward equation of conditional n-point functions, by the adjoint generator.

``F(W0, t) = E[f .. f | W0]`` obeys ``[d_t - b_i d_i - D_ij d_i d_j] F = 0``: for ``D = 0`` literally a Callan-Symanzik
equation whose couplings are the weights, whose running couplings are gradient descent, and without anomalous dimension.
``F`` comes from the sparse Markov generator, the residual from central differences and the equation's own coefficients,
so that the two are independent. The residual falls as ``h^2``: numerics explain a third of its difference to the
residual on cells twice as wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Grid
from fpsim.diagnostics.callan_symanzik.correlators import Index, product_of
from fpsim.equation import FokkerPlanck, diffusion_on_cells, drift_on_cells
from fpsim.network.outputs import Outputs
from fpsim.support.errors import DomainError
from fpsim.uncertainty.verdict import Identity

__all__ = ["backward_residual", "conditional_correlators"]

Array = NDArray[np.float64]

_MARGIN = 0.125  # share of every axis left out at either wall, where the exact F of an unbounded problem is not reached


def conditional_correlators(
    equation: FokkerPlanck, grid: Grid, outputs: Outputs, index: Index, times: Sequence[float]
) -> Array:
    """``F(W0, t) = E[f_i1 .. f_in | W0]`` at the times, shape (T, *grid.shape)."""
    from fpsim.generator import build_generator, propagate  # compiled, needed only here

    product = product_of(outputs.values(grid.mesh()), index)
    return np.asarray(propagate(build_generator(equation, grid), product, times).value)


def backward_residual(
    equation: FokkerPlanck,
    grid: Grid,
    outputs: Outputs,
    index: Index,
    time: float,
    *,
    against: FokkerPlanck | None = None,
    step: float | None = None,
    margin: float = _MARGIN,
) -> Identity:
    """Residual of the backward identity in the interior at one time, relative to the largest term.

    Parameters
    ----------
    equation : FokkerPlanck
        Autonomous; gives ``F`` through its generator.
    grid : Grid
        Even cell counts; the residual is also computed with half of them.
    against : FokkerPlanck, optional
        The equation whose coefficients enter the residual; the same by default. Another one must make it fail.
    step : float, optional
        Half-width of the fourth-order time difference; ``time / 20`` by default.
    margin : float
        Share of each axis left out at either wall.

    Raises
    ------
    DomainError
        If the equation is not autonomous, the time not positive, or a cell count odd.
    """
    if not equation.autonomous:
        raise DomainError("equation is not autonomous: freeze its time or density dependence first")
    delta = step if step is not None else time / 20.0
    if not 0.0 < 2.0 * delta < time:
        raise DomainError(f"time {time} with step {delta}: 0 < 2 step < time is accepted")
    if any(n % 2 or n < 16 for n in grid.shape):
        raise DomainError(f"grid has shape {grid.shape}: even cell counts of 16 or more are accepted")
    law = against if against is not None else equation

    def residual(cells: Grid) -> tuple[float, Array]:
        at = [time + k * delta for k in (-2, -1, 0, 1, 2)]
        u = conditional_correlators(equation, cells, outputs, index, at)
        rate = (8.0 * (u[3] - u[1]) - (u[4] - u[0])) / (12.0 * delta)
        action, largest = _action(law, cells, u[2])
        inner = tuple(slice(round(margin * n), n - round(margin * n)) for n in cells.shape)
        scale = max(float(np.abs(rate[inner]).max()), largest(inner))
        gap = (rate - action)[inner]
        return float(np.sqrt(np.mean(gap**2))) / scale, gap

    fine, gap = residual(grid)
    coarse, _ = residual(grid.with_shape([n // 2 for n in grid.shape]))
    return Identity(
        "backward identity", fine, abs(coarse - fine) / 3.0, details={"coarse_residual": coarse, "gap": gap}
    )


def _action(equation: FokkerPlanck, grid: Grid, u: Array) -> tuple[Array, Callable[[tuple[slice, ...]], float]]:
    """``b . grad u + D : hess u`` by second-order central differences, and the size of its largest term."""
    drift, diffusion = drift_on_cells(equation, grid), diffusion_on_cells(equation, grid).entries
    h = grid.spacing
    slopes = [np.gradient(u, h[a], axis=a) for a in range(grid.ndim)]
    terms = [drift[a] * slopes[a] for a in range(grid.ndim)]
    for a in range(grid.ndim):
        for b in range(grid.ndim):
            entry = diffusion[a][b]
            if entry is not None:
                terms.append(entry * (_second(u, h[a], a) if a == b else np.gradient(slopes[a], h[b], axis=b)))
    return sum(terms, np.zeros(grid.shape)), lambda inner: max(float(np.abs(t[inner]).max()) for t in terms)


def _second(u: Array, h: float, axis: int) -> Array:
    out = np.zeros_like(u)
    n = u.shape[axis]
    middle = [slice(None)] * u.ndim
    middle[axis] = slice(1, -1)
    wide = [u.take(range(k, n - 2 + k), axis) for k in range(3)]
    out[tuple(middle)] = (wide[0] - 2.0 * wide[1] + wide[2]) / h**2
    return out
