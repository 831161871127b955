"""Independent solution of the Cole-Hopf equation behind the height of a gradient flow.

For ``b = -grad L`` and ``D = nu I`` write ``p = exp(-L / 2 nu) psi``; then ``d_t psi = nu lap psi - V psi`` with
``V = |grad L|^2 / (4 nu) - lap L / 2``, and ``ln psi`` obeys a Kardar-Parisi-Zhang equation with a static potential
and no advection. Solved by a sine transform in space (exact heat kernel) and Strang splitting in time, extrapolated
from ``N``, ``N/2`` and ``N/4`` steps to sixth order; the error is the difference to the extrapolation from ``N, N/2``,
and what rounding leaves: absolute errors of ``psi`` that matter where it is small. More steps are not always better.
Nothing is shared with the finite-volume solver.

Limits: ``psi`` has to vanish at the walls, which holds for potentials that confine the density well inside the box
and a start narrower than ``sqrt(2)`` times the Gibbs density; relative accuracy is lost where ``psi`` is below
``1e-13`` of its maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density, Grid
from fpsim.network.outputs import Outputs
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result
from fpsim.uncertainty.verdict import Identity

__all__ = ["cole_hopf_height", "cole_hopf_residual", "schroedinger_potential"]

Array = NDArray[np.float64]
Potential = Callable[..., Any]

_WALL = 1e-8  # psi at the walls, relative to its largest value, beyond which the box is too small
_FLOOR = 1e-13


def schroedinger_potential(potential: Potential, viscosity: float, points: Sequence[Array]) -> Array:
    """``V = |grad L|^2 / (4 nu) - lap L / 2`` at the points, 1 / time."""
    loss = Outputs(lambda *x: [potential(*x)])
    slopes, curvatures = loss.gradients(points)[0], loss.hessians(points)[0]
    square = sum((g * g for g in slopes), np.zeros(1))
    laplacian = sum((curvatures[a][a] for a in range(len(points))), np.zeros(1))
    return np.asarray(square / (4.0 * viscosity) - 0.5 * laplacian)


def cole_hopf_height(
    potential: Potential,
    viscosity: float,
    start: Density | Potential,
    grid: Grid,
    times: ArrayLike,
    *,
    steps: int = 128,
) -> Result:
    """``h = ln p`` at cell centres from the Cole-Hopf equation, shape (T, *grid.shape), ``-inf`` where ``psi`` is lost.

    Parameters
    ----------
    potential : callable
        ``L(*coordinates)``.
    viscosity : float
        ``nu > 0``.
    start : callable
        Density at time zero at points, ``p0(*coordinates)``, or a Density on the same grid.
    times : array_like
        Increasing, positive.
    steps : int
        Finest number of splitting steps over the whole time, rounded to a multiple of four per interval.

    Raises
    ------
    DomainError
        If an argument is not accepted or ``psi`` does not vanish at the walls.
    """
    when = np.atleast_1d(np.asarray(times, float))
    if not viscosity > 0.0 or (when <= 0.0).any() or (np.diff(when) <= 0.0).any():
        raise DomainError(f"viscosity {viscosity}, times {when}: positive, and positive increasing, are accepted")
    if steps < 4:
        raise DomainError(f"steps is {steps}: four or more are accepted")
    mesh = grid.mesh()
    loss = np.broadcast_to(np.asarray(potential(*mesh), float), grid.shape)
    loss = loss - loss.min()
    p0 = start.values if isinstance(start, Density) else np.broadcast_to(np.asarray(start(*mesh), float), grid.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        psi = np.where(p0 > 0.0, p0 * np.exp(loss / (2.0 * viscosity)), 0.0)
    _check_walls(psi, "at the start")
    well = np.broadcast_to(schroedinger_potential(potential, viscosity, mesh), grid.shape)
    quarter = [max(round(steps / 4 * span / when[-1]), 1) for span in np.diff(when, prepend=0.0)]
    paths = [_split(psi, well, viscosity, grid, when, [k * q for q in quarter]) for k in (4, 2, 1)]
    worse, coarser = ((4.0 * fine - coarse) / 3.0 for fine, coarse in pairwise(paths))
    best = (16.0 * worse - coarser) / 15.0
    peak = best.max(axis=tuple(range(1, best.ndim)), keepdims=True)
    rounding = np.finfo(float).eps * steps * peak  # the factors of a step are rounded once, and the same in every step
    for state in best:
        _check_walls(state, "later")
    lost = best <= _FLOOR * peak
    with np.errstate(divide="ignore", invalid="ignore"):
        h = np.where(lost, -np.inf, np.log(np.where(lost, 1.0, best)) - loss / (2.0 * viscosity))
        error = np.where(lost, np.inf, (np.abs(best - worse) + rounding) / np.where(lost, 1.0, best))
    return Result(h, error, "sine transform with Strang splitting, extrapolated", {"times": when, "steps": steps})


def cole_hopf_residual(height: Array, density: Density, coarse: Density, *, floor: float = 1e-12) -> Identity:
    """``ln p`` of a finite-volume density against a Cole-Hopf height, where ``p > floor max p``.

    Root mean square over the density; a third of the difference of the density to one from cells twice as wide (and
    twice the time step) is explained by numerics of second order.

    Raises
    ------
    DomainError
        If the coarse density does not have half the cells.
    """
    if any(n != 2 * m for n, m in zip(density.grid.shape, coarse.grid.shape, strict=True)):
        raise DomainError(f"coarse density has shape {coarse.grid.shape}: half of {density.grid.shape} is accepted")
    p = density.values
    mask = (p > floor * p.max()) & np.isfinite(height)
    gap = np.where(mask, np.log(np.where(p > 0.0, p, 1.0)) - np.where(mask, height, 0.0), 0.0)
    averaged = _halved(p)
    both = (averaged > floor * p.max()) & (coarse.values > 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.where(both, np.log(averaged) - np.log(coarse.values), 0.0)
    residual = float(np.sqrt(np.sum(gap**2 * p) / p.sum()))
    error = float(np.sqrt(np.sum(difference**2 * averaged) / averaged.sum())) / 3.0
    details = {"largest": float(np.abs(gap).max()), "cells": int(mask.sum()), "gap": gap}
    return Identity("Cole-Hopf", residual, error, details=details)


def _split(psi: Array, well: Array, viscosity: float, grid: Grid, times: Array, counts: list[int]) -> Array:
    from scipy.fft import dstn, idstn

    rates = np.zeros(grid.shape)
    for axis, (n, h) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        modes = (np.pi * np.arange(1, n + 1) / (n * h)) ** 2
        rates = rates + modes.reshape([-1 if a == axis else 1 for a in range(grid.ndim)])
    out, state = [], psi
    for span, count in zip(np.diff(times, prepend=0.0), counts, strict=True):
        dt = span / count
        half, heat = np.exp(-0.5 * dt * well), np.exp(-viscosity * dt * rates)
        for _ in range(count):
            state = half * idstn(heat * dstn(half * state, type=2), type=2)
        out.append(state)
    return np.stack(out)


def _check_walls(psi: Array, when: str) -> None:
    largest = float(np.abs(psi).max())
    at_wall = max(float(np.abs(psi.take([0, -1], axis)).max()) for axis in range(psi.ndim))
    if not np.isfinite(largest) or at_wall > _WALL * largest:
        raise DomainError(
            f"psi is {at_wall / largest:.1e} of its maximum at a wall {when}: a larger box, or a start narrower than "
            "sqrt(2) times the Gibbs density, is accepted"
        )


def _halved(values: Array) -> Array:
    for axis in range(values.ndim):
        n = values.shape[axis] // 2
        values = values.reshape(*values.shape[:axis], n, 2, *values.shape[axis + 1 :]).mean(axis=axis + 1)
    return values
