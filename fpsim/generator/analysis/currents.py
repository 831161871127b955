"""Probability currents of a density: the scheme's own flows through faces, mean velocity and circulation.

Promises, to rounding: the divergence of the face currents (with what the walls absorb) is minus the rate of change of
the density under the generator; all currents vanish in detailed balance. A jump along a tensor's offset is laid onto
the faces it crosses, half in the order of the axes and half in the reverse order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid
from fpsim.generator.generator import Generator, require_generator
from fpsim.generator.links import Links
from fpsim.generator.results import without_grid_error
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["circulation", "face_currents", "mean_velocity"]

Array = NDArray[np.float64]

_EPS = float(np.finfo(float).eps)


@require_generator
def face_currents(generator: Generator, density: Density) -> tuple[Array, ...]:
    """Probability current ``J_i`` on the faces of every axis, positive towards larger ``x_i``.

    Returns
    -------
    tuple of ndarray
        Component ``i`` has ``n_i + 1`` entries along axis ``i`` and ``n_j`` along the others; its unit is that of the
        density times velocity.
    """
    grid = generator.grid
    masses = generator.masses(density)
    flows = [np.zeros(tuple(n + (a == axis) for a, n in enumerate(grid.shape))) for axis in range(grid.ndim)]
    for link in generator.links:
        net = link.net(masses)
        moved = [axis for axis, step in enumerate(link.offset) if step]
        routes = [moved] if len(moved) == 1 else [moved, moved[::-1]]
        for route in routes:
            _lay(grid, link, net / len(routes), route, flows)
    for (axis, side), rate in generator.absorption.items():
        lost = (rate * masses).reshape(grid.shape)
        through = np.cumsum(lost, axis) if side else np.flip(np.cumsum(np.flip(lost, axis), axis), axis)
        faces = (slice(None),) * axis + (slice(1, None) if side else slice(None, -1),)
        flows[axis][faces] += through if side else -through
    return tuple(flow * (h / grid.cell_volume) for flow, h in zip(flows, grid.spacing, strict=True))


def _lay(grid: Grid, link: Links, net: Array, route: list[int], flows: list[Array]) -> None:
    """Add a flow along an offset to every face that the route crosses, one axis after the other."""
    place = list(np.unravel_index(link.tail, grid.shape))
    for axis in route:
        n, step = grid.shape[axis], link.offset[axis]
        shape = flows[axis].shape
        for _ in range(abs(step)):
            index = list(place)
            index[axis] = (place[axis] + 1 if step > 0 else place[axis]) % (n if grid.periodic(axis) else n + 1)
            flat = np.ravel_multi_index(tuple(index), shape)
            flows[axis] += np.bincount(flat, net * np.sign(step), flows[axis].size).reshape(shape)
            place[axis] = (place[axis] + np.sign(step)) % n
    for axis in set(route):
        if grid.periodic(axis):
            faces = np.moveaxis(flows[axis], axis, 0)  # a view
            faces[-1] = faces[0]


@require_generator
def mean_velocity(generator: Generator, density: Density) -> Result:
    """Integral of the current, ``int J dx`` per unit mass: the mean rate of change of each coordinate, shape (ndim,).

    On a periodic axis this is the drift velocity of the unwrapped coordinate. Mass that a wall absorbs counts as gone.
    """
    masses = generator.masses(density)
    velocity, turnover = np.zeros(generator.grid.ndim), np.zeros(generator.grid.ndim)
    for link in generator.links:
        step = np.array(link.offset) * np.array(generator.grid.spacing)
        velocity += step * float(link.net(masses).sum())
        turnover += np.abs(step) * float(link.forward @ masses[link.tail] + link.backward @ masses[link.head])
    total = float(masses.sum())
    return without_grid_error(velocity / total, 4.0 * _EPS * turnover / total, "sum of the net jumps")


@require_generator
def circulation(generator: Generator, density: Density) -> Result:
    """Stochastic area rate ``int (x_i J_j - x_j J_i) / 2 dx`` per unit mass, shape (ndim, ndim), antisymmetric.

    Positive for rotation from axis ``i`` towards axis ``j``; coordinates are taken from the mean. For a linear process
    ``dx = -H x dt + noise`` with covariance ``C`` it is ``(H C - D)_ij``.

    Raises
    ------
    DomainError
        If there is one dimension only, an axis is periodic or a wall absorbs: areas are not defined there.
    """
    grid = generator.grid
    if grid.ndim < 2:
        raise DomainError("circulation in one dimension: two or more are accepted")
    if generator.absorbing or any(grid.periodic(axis) for axis in range(grid.ndim)):
        raise DomainError("circulation on a grid with periodic or absorbing axes: reflecting boundaries are accepted")
    masses = generator.masses(density)
    place = [c - m for c, m in zip(grid.centers, density.mean, strict=True)]
    area, turnover = np.zeros((grid.ndim, grid.ndim)), 0.0
    for link in generator.links:
        net = link.net(masses)
        step = np.array(link.offset) * np.array(grid.spacing)
        index = np.unravel_index(link.tail, grid.shape)
        first = np.array([float(x[i] @ net) for x, i in zip(place, index, strict=True)])
        area += 0.5 * (np.outer(first, step) - np.outer(step, first))
        turnover += float(np.abs(step).max()) * float(link.forward @ masses[link.tail])
    total = float(masses.sum())
    reach = max(float(np.abs(x).max()) for x in place)
    error = np.full(area.shape, 4.0 * _EPS * turnover * reach / total)
    return without_grid_error(area / total, error, "sum over the net jumps")
