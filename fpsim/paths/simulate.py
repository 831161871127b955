"""Ensembles of sample paths of a Fokker-Planck equation.

The calculus that the equation declares is converted to Ito in the same way as for densities, so both solve the same
equation. Limits: coefficients are callables (or constants) of place and time, not of the density; space is unbounded
unless a grid is given, whose walls then reflect (mirrored), wrap or absorb at the ends of steps: of weak order 1/2
there. Coefficients are asked for between the walls only; where a calculus needs their slopes, differences reach beyond
them by a hundredth of the paths' extent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Boundary, Density, Grid
from fpsim.equation import FokkerPlanck, diffusion_at, drift_at
from fpsim.equation.conversion import symmetric_root
from fpsim.paths.schemes import Coefficients, euler_maruyama, platen
from fpsim.support.checks import real_array, real_number, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.memory import check_memory
from fpsim.support.progress import Progress, check_progress
from fpsim.support.random_streams import RNG, numpy_generator

__all__ = ["Paths", "Scheme", "simulate"]

Array = NDArray[np.float64]

MAX_STEPS = 100_000_000
"""Steps that one simulation may take."""


class Scheme(StrEnum):
    """Weak schemes: orders 1 and 2 in the step."""

    EULER = "euler"
    PLATEN = "platen"


@dataclass(frozen=True, eq=False)
class Paths:
    """Positions at the requested times.

    Attributes
    ----------
    times : ndarray, shape (T,)
    positions : ndarray, shape (T, M, ndim)
        ``nan`` once absorbed.
    """

    times: Array
    positions: Array

    @property
    def absorbed(self) -> Array:
        """Share of the paths absorbed, per time."""
        return np.asarray(np.isnan(self.positions[:, :, 0]).mean(axis=1))


def simulate(
    equation: FokkerPlanck,
    start: Density | ArrayLike,
    times: ArrayLike,
    *,
    step: float,
    replicas: int = 10_000,
    scheme: str = Scheme.PLATEN,
    grid: Grid | None = None,
    rng: RNG = None,
    progress: Progress | None = None,
) -> Paths:
    """Simulate independent paths.

    Parameters
    ----------
    equation : FokkerPlanck
    start : Density, or array_like (M, ndim)
        A density is sampled ``replicas`` times, and its box is not a wall unless it is given as ``grid``.
    times : array_like
        Increasing output times >= 0.
    step : float, keyword-only
        Longest step; every interval between outputs is cut into equal steps.
    scheme : {"platen", "euler"}, keyword-only
        Weak order 2 or 1.
    grid : Grid, keyword-only
        Walls; unbounded space by default.
    rng : None, int, SeedSequence or Generator, keyword-only
    progress : callable, keyword-only, optional
        Called with the share of the time that is done, from 0 to 1.

    Raises
    ------
    DomainError
        If times, the step, the start or ``rng`` are not accepted, there would be more than 1e8 steps, or a coefficient
        depends on the density or is a grid array.
    MemoryLimitError
        If so many paths and times do not fit into the machine.
    """
    if not isinstance(equation, FokkerPlanck):
        raise DomainError(f"equation is a {type(equation).__name__}: a FokkerPlanck is accepted")
    if not (grid is None or isinstance(grid, Grid)):
        raise DomainError(f"grid is a {type(grid).__name__}: a Grid, or None for unbounded space, is accepted")
    if equation.mean_field:
        raise DomainError("the equation depends on the density: paths of a fixed equation are accepted")
    check_progress(progress)
    gen = numpy_generator(rng)
    when = np.atleast_1d(real_array(times, "times"))
    if when.ndim != 1 or when.size == 0 or not np.isfinite(when).all() or when[0] < 0.0 or (np.diff(when) <= 0.0).any():
        raise DomainError("times do not increase from >= 0: finite, increasing times are accepted")
    step = real_number(step, "step", accepted="a positive finite number")
    if not step > 0.0:
        raise DomainError(f"step is {step}: a positive finite number is accepted")
    if when[-1] > step * MAX_STEPS:
        raise DomainError(
            f"step is {step:g}: to t = {when[-1]:g} that is more than {MAX_STEPS:g} steps; "
            f"at least {when[-1] / MAX_STEPS:.3g} is accepted"
        )
    try:
        advance = {Scheme.EULER: euler_maruyama, Scheme.PLATEN: platen}[Scheme(scheme)]
    except ValueError:
        raise DomainError(f"scheme {scheme!r}: accepted are euler, platen") from None
    if isinstance(start, Density):
        _check_paths(whole_number(replicas, "replicas", least=1), start.grid.ndim, len(when))
        x = start.sample(replicas, rng=gen)
    else:
        x = _places(start)
        _check_paths(len(x), x.shape[1], len(when))
    if grid is not None and (x.shape[1] != grid.ndim or not grid.contains(x).all()):
        raise DomainError(f"start has places {x.shape} that do not all lie in {grid!r}: places between the walls")
    coefficients = _coefficients(equation, np.maximum(np.ptp(x, axis=0), 1e-3) / 100.0, grid)
    out, alive, now = np.full((len(when), *x.shape), np.nan), np.arange(len(x)), 0.0
    for k, t in enumerate(when):
        count = int(np.ceil((t - now) / step * (1.0 - 1e-12)))
        for i in range(count):
            dt = (t - now) / count
            x = advance(x, now + i * dt, dt, coefficients, gen)
            if grid is not None:
                x, inside = _walls(x, grid)
                alive = alive[inside]
        now = float(t)
        out[k, alive] = x
        if progress is not None:
            progress(now / float(when[-1]) if when[-1] > 0.0 else 1.0)
    return Paths(when, out)


def _places(start: ArrayLike) -> Array:
    x = np.array(real_array(start, "start"), ndmin=2)
    if x.ndim != 2 or not x.size:
        raise DomainError(f"start has shape {np.shape(start)}: (M, ndim) finite places, at least one, are accepted")
    if not np.isfinite(x).all():
        path, axis = np.argwhere(~np.isfinite(x))[0].tolist()
        raise DomainError(f"start is {x[path, axis]} for path {path} along axis {axis}: finite places are accepted")
    return x


def _check_paths(replicas: int, ndim: int, times: int) -> None:
    """Positions of all times, and what a step of the second-order scheme holds, fit into the machine."""
    words = ndim * times + 8 * ndim * (ndim + 1)
    check_memory(8.0 * replicas * words, f"{replicas} paths at {times} times", "take fewer")


def _coefficients(equation: FokkerPlanck, smooth: Array, grid: Grid | None) -> Coefficients:
    """Drift and noise at any places; beyond a wall those of the mirrored place inside, with the signs of a mirror."""
    spacing = tuple(float(s) for s in smooth)

    def drift(x: Array, t: float) -> Array:
        inside, signs = (x, 1.0) if grid is None else _mirrored(x, grid)
        parts = drift_at(equation, tuple(inside.T), spacing=spacing, t=t)
        return np.asarray(np.stack([np.broadcast_to(b, len(x)) for b in parts], axis=1) * signs)

    def noise(x: Array, t: float) -> Array:
        inside, signs = (x, None) if grid is None else _mirrored(x, grid)
        field = diffusion_at(equation, tuple(inside.T), t=t)
        root = symmetric_root(field, (1,) if field.constant else (len(x),))
        root = np.broadcast_to(root, (len(x), field.ndim, field.ndim))
        return root if signs is None else root * signs[:, :, None] * signs[:, None, :]

    return drift, noise


def _mirrored(x: Array, grid: Grid) -> tuple[Array, Array]:
    """Places inside the box that places beyond its walls stand for, and -1 along axes that are seen in a mirror.

    What crosses a reflecting wall goes on in the mirror image of the box, where ``b -> -b``; a period later the place
    is the same. Beyond an absorbing wall nothing goes on: the wall's own coefficients complete the step.
    """
    places, signs = x.copy(), np.ones_like(x)
    for axis, (low, high) in enumerate(grid.boundary):
        a, b = grid.lower[axis], grid.upper[axis]
        if low is Boundary.PERIODIC:
            places[:, axis] = a + np.mod(x[:, axis] - a, b - a)
            continue
        for wall, kind, side in ((a, low, -1.0), (b, high, 1.0)):
            beyond = side * (places[:, axis] - wall) > 0.0
            if kind is Boundary.ABSORBING:
                places[beyond, axis] = wall
            else:
                places[beyond, axis] = 2.0 * wall - places[beyond, axis]
                signs[beyond, axis] *= -1.0
        places[:, axis] = np.clip(places[:, axis], a, b)
    return places, signs


def _walls(x: Array, grid: Grid) -> tuple[Array, NDArray[np.bool_]]:
    """Positions after walls have acted, and which paths go on."""
    x, inside = x.copy(), np.ones(len(x), bool)
    for axis, (low, high) in enumerate(grid.boundary):
        a, b = grid.lower[axis], grid.upper[axis]
        if low is Boundary.PERIODIC:
            x[:, axis] = a + np.mod(x[:, axis] - a, b - a)
            continue
        if low is Boundary.ABSORBING:
            inside &= x[:, axis] > a
        else:
            x[:, axis] = np.where(x[:, axis] < a, 2.0 * a - x[:, axis], x[:, axis])
        if high is Boundary.ABSORBING:
            inside &= x[:, axis] < b
        else:
            x[:, axis] = np.where(x[:, axis] > b, 2.0 * b - x[:, axis], x[:, axis])
    return x[inside], inside
