"""Non-parametric regression ``E[y | x]`` of samples on a coarse grid, with a bandwidth that follows the density.

Samples are collected in bins; at every node a line (local-linear) or a constant (local-constant, Nadaraya-Watson) is
fitted with Gaussian weights whose bandwidth is the smallest of a geometric ladder that still sees ``neighbours`` samples.
Local-linear: bias O(bandwidth^2) also at the edge of the support (Fan & Gijbels 1996, ch. 3). Local-constant: larger bias
at the edge, but an average of samples, so that positive semidefinite data stay so. Both tend to ``E[y | x]`` when
``neighbours`` grows slower than the number of samples. Outside the support the nearest fit continues, cut to the range of
the samples. Limit: the grid has at least 8 nodes per axis, so four dimensions are the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from fpsim.errors import DomainError
from fpsim.theory._mesh import Array, Mesh

__all__ = ["Nodes", "interpolate", "nodes_around", "regress"]

NODES = {1: 160, 2: 48, 3: 18, 4: 10}
"""Nodes per axis by dimension."""
LADDER = 2.0**0.5
"""Ratio of successive bandwidths."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """Nodes of a tensor grid, equidistant on every axis."""

    axes: tuple[Array, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of nodes per axis."""
        return tuple(len(a) for a in self.axes)


def nodes_around(samples: Array) -> Nodes:
    """Nodes that cover samples (..., n).

    Raises
    ------
    DomainError
        If the samples have more than four coordinates or no spread.
    """
    n = samples.shape[-1]
    if n not in NODES:
        raise DomainError(f"regression on {n} coordinates: 1 to 4 are accepted")
    flat = samples.reshape(-1, n)
    low, high = flat.min(axis=0), flat.max(axis=0)
    if not (high > low).all():
        raise DomainError("regression: the samples do not spread; give an ensemble that does")
    return Nodes(tuple(np.linspace(a, b, NODES[n]) for a, b in zip(low, high, strict=True)))


def regress(nodes: Nodes, x: Array, y: Array, *, neighbours: float, linear: bool) -> Array:
    """``E[y | x]`` at the nodes.

    Parameters
    ----------
    nodes : Nodes
        Where to estimate.
    x : ndarray, shape (M, n)
        Samples of the condition.
    y : ndarray, shape (M, q)
        Samples of what is averaged.
    neighbours : float
        Effective number of samples a fit should see.
    linear : bool
        Local-linear, or local-constant.

    Returns
    -------
    ndarray, shape (q, *nodes.shape)
    """
    n, q = x.shape[1], y.shape[1]
    steps = np.array([a[1] - a[0] for a in nodes.axes])
    origin = np.array([a[0] for a in nodes.axes])
    u = (x - origin) / steps  # in units of the node spacing
    cell = np.clip(np.rint(u).astype(np.intp), 0, np.array(nodes.shape) - 1)
    flat = np.ravel_multi_index(tuple(cell.T), nodes.shape)
    pairs = list(combinations_with_replacement(range(n), 2)) if linear else []
    moments = [np.ones(len(u)), *y.T]
    if linear:
        moments += [*u.T, *(u[:, i] * u[:, j] for i, j in pairs), *(u[:, i] * yc for i in range(n) for yc in y.T)]
    size = int(np.prod(nodes.shape))
    sums = np.stack([np.bincount(flat, m, size) for m in moments]).reshape(-1, *nodes.shape)

    target = min(neighbours, 0.5 * len(x))
    found = np.full((q, *nodes.shape), np.nan)
    below: tuple[Array, Array] | None = None
    bandwidth = 0.6
    while True:
        smooth = _smoothed(sums, bandwidth)
        count = smooth[0]
        fit = _fitted(smooth, q, n, pairs, bandwidth) if linear else smooth[1 : 1 + q] / np.maximum(count, 1e-300)
        ready = np.isnan(found[0]) & (count >= target)
        if below is None:
            found[:, ready] = fit[:, ready]
        else:  # between two rungs: the bandwidth that sees just enough
            share = ((target - below[0]) / np.maximum(count - below[0], 1e-300)).clip(0.0, 1.0)
            blend = below[1] + share * (fit - below[1])
            found[:, ready] = blend[:, ready]
        if not np.isnan(found[0]).any() or bandwidth > 2.0 * max(nodes.shape):
            break
        below = count, fit
        bandwidth *= LADDER
    last = np.isnan(found[0])
    found[:, last] = fit[:, last]
    low, high = y.min(axis=0), y.max(axis=0)
    return np.clip(found, low.reshape(-1, *(1,) * n), high.reshape(-1, *(1,) * n))


def _smoothed(sums: Array, bandwidth: float) -> Array:
    """Sums (K, nodes) weighted by a Gaussian of the distance of the nodes, in node spacings."""
    for axis in range(1, sums.ndim):
        i = np.arange(sums.shape[axis])
        kernel = np.exp(-0.5 * ((i[:, None] - i) / bandwidth) ** 2)
        sums = np.moveaxis(np.tensordot(kernel, sums, axes=(1, axis)), 0, axis)
    return sums


def _fitted(smooth: Array, q: int, n: int, pairs: list[tuple[int, int]], bandwidth: float) -> Array:
    """Intercepts at the nodes of the weighted least-squares lines; a slope without support is held at zero."""
    shape = smooth.shape[1:]
    node = np.meshgrid(*(np.arange(s, dtype=float) for s in shape), indexing="ij")
    count = np.maximum(smooth[0], 1e-300)
    mean_y = smooth[1 : 1 + q] / count
    mean_u = smooth[1 + q : 1 + q + n] / count
    matrix, right = np.empty((*shape, n, n)), np.empty((*shape, n, q))
    for m, (i, j) in enumerate(pairs):
        matrix[..., i, j] = matrix[..., j, i] = smooth[1 + q + n + m] / count - mean_u[i] * mean_u[j]
    for i in range(n):
        matrix[..., i, i] += 1e-3 * bandwidth**2 + 1e-6
        for c in range(q):
            cross = smooth[1 + q + n + len(pairs) + i * q + c] / count
            right[..., i, c] = cross - mean_u[i] * mean_y[c]
    slope = np.linalg.solve(matrix, right)
    offset = np.stack([node[i] - mean_u[i] for i in range(n)], axis=-1)
    fit = mean_y + np.moveaxis(np.einsum("...i,...ic->...c", offset, slope), -1, 0)
    return np.where(smooth[0] > 1e-200, fit, 0.0)


def interpolate(nodes: Nodes, values: Array, mesh: Mesh) -> Array:
    """Multilinear interpolation of values (..., nodes) to an open mesh; constant outside the nodes."""
    n = len(nodes.axes)
    for axis, (centres, x) in enumerate(zip(nodes.axes, mesh, strict=True)):
        u = np.clip((x.ravel() - centres[0]) / (centres[1] - centres[0]), 0.0, len(centres) - 1.0)
        left = np.minimum(u.astype(np.intp), len(centres) - 2)
        at = values.ndim - n + axis
        weight = (u - left).reshape(-1, *(1,) * (values.ndim - 1 - at))
        values = values.take(left, at) * (1.0 - weight) + values.take(left + 1, at) * weight
    return values
