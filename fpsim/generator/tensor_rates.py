"""Jump rates of full diffusion tensors: Scharfetter-Gummel along the integer offsets of :mod:`fpsim.lattice`.

With ``D = sum_k lambda_k e_k e_k^T`` the Ito drift is split into a part that goes through the tensor and a rest that
goes along the axes, ``b = D f + r``, and the jump from ``a`` to ``a + e`` has the rate of Scharfetter and Gummel

    Q[a, a + e] = lambda B(-c / lambda),        c = lambda f.e + r_i if e is the unit vector of axis i.

*Tensors that depend on place*: ``lambda``, ``f`` and ``r`` are those of the cell ``a`` that is left. The mean of the
jumps out of a cell is then exactly its Ito drift (away from walls), their covariance that of the tensor and a numerical
diffusion. ``f`` has to stay small where a nearly singular tensor turns from place to place: in each eigendirection of
the tensor ``|D f| <= 2 mu`` per cell, ``mu`` the eigenvalue in cells (cell Peclet number 2). So no drift is divided by
a small eigenvalue, no rate exceeds a few times those of tensor and drift alone, and the numerical diffusion is of
second order in the cell width up to that Peclet number and at most ``|r_i| h_i / 2`` along axis ``i`` beyond it, as
upwind.

*Constant tensors*: ``f.e`` is averaged from ``a`` to ``a + e`` by a parabola (away from walls a cubic) through cells on
the same line, so the state ``exp(-phi)`` of ``b = -D grad phi`` has zero current, exactly, if ``phi`` is a cubic
polynomial, and to fourth order in the cell width if it is not. There ``|D f| <= 8 sqrt(mu_max mu)`` per cell, which
keeps the numerical diffusion of a drift across a nearly singular tensor below a few times the largest physical one.

*A drift* ``-D grad phi`` that the equation declares as such, in Klimontovich's calculus or with a constant tensor,
needs no such average: with ``m`` the mean of ``lambda(a)`` and ``lambda(a + e)``

    Q[a, a + e] = m B(phi(a + e) - phi(a) - f.e)

is in detailed balance with ``exp(-phi)`` to the last digit where ``f``, the force of the rest of the drift, vanishes.

Where offsets would be too long, isotropic diffusion is added; more than 1 % of the largest entry with a warning.

Next to reflecting walls jumps along the wall stand for those that would cross it
(:mod:`fpsim.lattice.tensor_walls`). Limits: first order there where offsets reach more than a cell along the normal
or the tensor varies along the wall; drift is sampled at cell centres.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Grid
from fpsim.equation import Calculus, DiffusionField, FokkerPlanck, drift_on_cells, phi_on_cells
from fpsim.generator.bernoulli import exponential_rate
from fpsim.generator.generator import Generator
from fpsim.generator.links import Indices, Links, outward, pairs
from fpsim.lattice import lattice_diffusion, tangential_rates
from fpsim.support.errors import ValidityWarning

__all__ = ["tensor_generator"]

Array = NDArray[np.float64]

_ROUTED = 8.0  # |D f| by sqrt(mu_max mu) that goes through a constant tensor
_RESOLVED = 2.0  # |D f| by mu that goes through one that depends on place
_ADDED = 0.01  # of the largest entry: isotropic diffusion that is worth a warning


def tensor_generator(
    equation: FokkerPlanck, grid: Grid, field: DiffusionField, *, t: float = 0.0, p: Any = None
) -> Generator:
    """Generator of an equation whose diffusion tensor has off-diagonal entries."""
    lattice = lattice_diffusion(field, grid)
    largest = max(float(field.axis(axis).max()) for axis in range(grid.ndim))
    if lattice.added_max > _ADDED * largest:
        warnings.warn(
            f"the tensor needs longer jumps than allowed: up to {lattice.added_max:.3g} isotropic diffusion was added "
            f"(largest entry {largest:.3g}); cells shaped like the tensor avoid it",
            ValidityWarning,
            stacklevel=3,
        )
    uniform = all(np.ptp(entry) == 0.0 for row in field.entries for entry in row if entry is not None)
    force, rest = _route(field, grid, _velocity(equation, grid, t, p), lattice.added, uniform=uniform)
    outwards, height = force, None
    if equation.phi is not None and (uniform or equation.calculus is Calculus.KLIMONTOVICH):
        others = FokkerPlanck(drift=equation.drift, potential=equation.potential)
        force, rest = _route(field, grid, _velocity(others, grid, t, p), lattice.added, uniform=uniform)
        height = np.broadcast_to(np.asarray(phi_on_cells(equation, grid, t=t, p=p)), grid.shape).ravel()

    rates = {
        tuple(int(v) for v in e): np.broadcast_to(rate, grid.shape)
        for e, rate in zip(lattice.offsets, lattice.rates, strict=True)
    }
    weights = {e: rate.ravel() for e, rate in rates.items()}
    for e, rate in tangential_rates(grid, rates).items():
        weights[e] = weights.get(e, 0.0) + np.broadcast_to(rate, grid.shape).ravel()
    nothing = np.zeros(grid.size)
    for axis in range(grid.ndim):
        if rest[:, axis].any():
            weights.setdefault(tuple(int(a == axis) for a in range(grid.ndim)), nothing)

    links, peclet = [], [np.inf, 0.0]
    absorption: dict[tuple[int, int], Array] = {}
    for offset, weight in weights.items():
        along = force @ np.array(offset, float)
        single = [axis for axis, step in enumerate(offset) if step]
        remainder = rest[:, single[0]] if len(single) == 1 and abs(offset[single[0]]) == 1 else nothing
        links.append(_links(grid, offset, _Along(weight, along, remainder, height), averaged=uniform))
        for sign in (1, -1):
            for out in outward(grid, tuple(sign * v for v in offset)):
                at = out.cells
                local = weight[at] / out.share
                drift = (outwards[at] @ np.array(offset, float)) * out.share * local + remainder[at]
                rate = exponential_rate(local, sign * drift)
                np.add.at(absorption.setdefault(out.side, np.zeros(grid.size)), at, rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            number = np.abs(along + np.where(remainder != 0.0, remainder / weight, 0.0))
        peclet = [min(peclet[0], float(number.min())), max(peclet[1], float(number.max()))]
    low, high = peclet
    return Generator(grid, tuple(links), absorption, (low if np.isfinite(low) else 0.0, high), lattice.added_max)


def _velocity(equation: FokkerPlanck, grid: Grid, t: float, p: Any) -> Array:
    """Ito drift in cells per time, shape (size, ndim)."""
    drift = drift_on_cells(equation, grid, t=t, p=p)
    return np.stack(
        [np.broadcast_to(b / h, grid.shape).ravel() for b, h in zip(drift, grid.spacing, strict=True)], axis=-1
    )


class _Along(NamedTuple):
    """Coefficients of the rates along one offset, each of shape (size,): ``lambda``, ``f.e``, ``r_i``, ``phi``."""

    weight: Array
    force: Array
    rest: Array
    height: Array | None


def _route(field: DiffusionField, grid: Grid, velocity: Array, added: Array, *, uniform: bool) -> tuple[Array, Array]:
    """Split the drift, in cells per time, into what the tensor carries (as ``f``) and the rest, shape (size, ndim)."""
    present = [e for row in field.entries for e in row if e is not None]
    small = np.broadcast_shapes(added.shape, *(e.shape for e in present))
    h = np.array(grid.spacing)
    tensor = field.matrices(small)
    tensor = tensor + np.broadcast_to(added, small)[..., None, None] * np.eye(grid.ndim)
    mu, axes = np.linalg.eigh(tensor / np.outer(h, h))
    mu = np.maximum(mu, 0.0)

    def spread(array: Array, tail: int) -> Array:
        shape = grid.shape + array.shape[array.ndim - tail :]
        return np.broadcast_to(array, shape).reshape(grid.size, *shape[grid.ndim :])

    if np.prod(small) == 1:
        mu, axes = mu.reshape(1, -1), axes.reshape(1, grid.ndim, grid.ndim)
    else:
        mu, axes = spread(mu, 1), spread(axes, 2)
    component = np.einsum("...ij,...i->...j", axes, velocity)
    limit = _ROUTED * np.sqrt(mu * mu[..., -1:]) if uniform else _RESOLVED * mu
    routed = np.clip(component, -limit, limit)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(mu > 0.0, routed / mu, 0.0)
    force = np.einsum("...ij,...j->...i", axes, scaled)
    beyond = component - routed
    rest = np.einsum("...ij,...j->...i", axes, beyond) if beyond.any() else np.zeros_like(velocity)
    return force, rest


def _links(grid: Grid, offset: tuple[int, ...], along: _Along, *, averaged: bool) -> Links:
    """Rates along an offset: in balance with ``phi``, with ``f.e`` averaged, or those of the cell that is left."""
    tail, head = pairs(grid, offset)
    weight, force, rest, height = along
    if height is None and not averaged:
        forward = exponential_rate(weight[tail], weight[tail] * force[tail] + rest[tail])
        backward = exponential_rate(weight[head], -weight[head] * force[head] - rest[head])
        return Links(offset, tail, head, forward, backward)
    mean, drift = _average(force, tail, head), 0.5 * (rest[tail] + rest[head])
    here, there = weight[tail], weight[head]
    if height is not None:
        mean -= height[head] - height[tail]
        here = there = 0.5 * (here + there)
    forward, backward = exponential_rate(here, here * mean + drift), exponential_rate(there, -there * mean - drift)
    return Links(offset, tail, head, forward, backward)


def _average(values: Array, tail: Indices, head: Indices) -> Array:
    """Average from tail to head of the parabolas through both and the cell before or after, where there is one."""
    before, after = np.full(len(values), np.nan), np.full(len(values), np.nan)
    before[head], after[tail] = values[tail], values[head]
    left, right = values[tail], values[head]
    bends = np.stack([before[tail] - 2.0 * left + right, left - 2.0 * right + after[head]])
    known = np.isfinite(bends)
    count = np.maximum(known.sum(axis=0), 1)
    return 0.5 * (left + right) - np.where(known, bends, 0.0).sum(axis=0) / (12.0 * count)
