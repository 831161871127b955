"""Local polynomial regression ``E[y | x]`` of samples, with a density-adapted bandwidth.

Samples are collected in bins as moments; at every node a polynomial of degree 0, 1 or 2 is fitted with Gaussian weights
whose bandwidth is the smallest of a geometric ladder that still sees ``neighbours`` samples. The bias is
O(bandwidth^2) for degree 0 and 1 (for degree 1 also at the edge of the support) and O(bandwidth^4) for degree 2 inside
(Fan & Gijbels 1996, ch. 3); degree 0 is an average of samples, so that positive semidefinite data stay so. All tend to
``E[y | x]`` when ``neighbours`` grows slower than the number of samples. Outside the support the fit at its edge
continues, cut to the range of the samples. Limit: one to four coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import comb, prod
from typing import Literal, TypeAlias

import numpy as np
from scipy.ndimage import distance_transform_edt

from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError
from fpsim.theory.weight_coordinates import Array, Coordinates

__all__ = ["Nodes", "interpolate", "nodes_around", "regress"]

NODES = {1: 160, 2: 64, 3: 18, 4: 10}
"""Nodes per axis by dimension."""
LADDER = 2.0**0.5
"""Ratio of successive bandwidths."""
REACH = 1.5
"""How far from the mean of the samples it saw a fit is trusted, in bandwidths."""
RIDGE = 1e-3
"""Penalty on slopes and curvatures, relative to the weighted spread of a full neighbourhood."""
WIDEST = 0.15
"""Last bandwidth, relative to the grid; nodes that see too few samples even so copy their nearest neighbour."""
NARROWEST = 0.6
"""First bandwidth, in node spacings."""
FAR = 60.0
"""Exponent beyond which a weight counts as zero: products of smaller ones would be denormal, and slow."""
Index: TypeAlias = tuple[int, ...]
Key: TypeAlias = tuple[int, Index]


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


def regress(nodes: Nodes, x: Array, y: Array, *, neighbours: float, degree: Literal[0, 1, 2]) -> Array:
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
    degree : {0, 1, 2}
        Degree of the local polynomial.

    Returns
    -------
    ndarray, shape (q, *nodes.shape)
    """
    q, n = y.shape[1], x.shape[1]
    keys, sums = _collected(nodes, x, y, degree)
    centre = np.meshgrid(*(np.arange(s) - 0.5 * (s - 1) for s in nodes.shape), indexing="ij")
    target = min(neighbours, 0.5 * len(x))
    found = np.full((q, *nodes.shape), np.nan)
    bandwidth, below = NARROWEST, None
    while np.isnan(found[0]).any() and (bandwidth <= WIDEST * max(nodes.shape) or not np.isfinite(found[0]).any()):
        smooth = _smoothed(sums, bandwidth)
        ready = np.isnan(found[0]) & (smooth[0] >= target)
        where = tuple(c[ready] for c in centre)
        fit = _fitted(keys, smooth[:, ready], where, q, bandwidth)
        if below is not None:  # between two rungs: the bandwidth that sees just enough
            before = _fitted(keys, below[:, ready], where, q, bandwidth / LADDER)
            share = (target - below[0, ready]) / (smooth[0, ready] - below[0, ready])
            fit = before + share * (fit - before)
        found[:, ready] = fit
        bandwidth, below = bandwidth * LADDER, smooth
    nearest = distance_transform_edt(np.isnan(found[0]), return_distances=False, return_indices=True)
    found = found[:, *nearest]
    ends = (q, *(1,) * n)
    return np.clip(found, y.min(axis=0).reshape(ends), y.max(axis=0).reshape(ends))


def _indices(n: int, degree: int) -> list[Index]:
    """Exponents of all monomials up to a degree, lowest first."""
    return sorted((i for i in product(range(degree + 1), repeat=n) if sum(i) <= degree), key=lambda i: (sum(i), i))


def _collected(nodes: Nodes, x: Array, y: Array, degree: int) -> tuple[list[Key], Array]:
    """Sums over the samples of each node's bin of ``u^alpha`` (key 0, alpha) and ``y_c u^alpha`` (key c + 1, alpha).

    ``u`` counts node spacings from the middle of the grid: small enough that moments can be shifted to any node.
    """
    step = np.array([a[1] - a[0] for a in nodes.axes])
    u = (x - np.array([a[0] for a in nodes.axes])) / step
    cell = np.clip(np.rint(u).astype(np.intp), 0, np.array(nodes.shape) - 1)
    flat = np.ravel_multi_index(tuple(cell.T), nodes.shape)
    u = np.ascontiguousarray(u - 0.5 * (np.array(nodes.shape) - 1))
    n = u.shape[1]
    keys = [(0, alpha) for alpha in _indices(n, 2 * degree)]
    keys += [(c + 1, alpha) for c in range(y.shape[1]) for alpha in _indices(n, degree)]
    sums = np.zeros((prod(nodes.shape), len(keys)))
    _collect(u, np.ascontiguousarray(y), flat, np.array([[c, *alpha] for c, alpha in keys]), sums)
    return keys, np.ascontiguousarray(sums.T).reshape(-1, *nodes.shape)


@njit(cache=True)
def _collect(u, y, cell, keys, out):  # type: ignore[no-untyped-def]
    for m in range(u.shape[0]):
        for j in range(keys.shape[0]):
            term = 1.0 if keys[j, 0] == 0 else y[m, keys[j, 0] - 1]
            for axis in range(u.shape[1]):
                for _ in range(keys[j, axis + 1]):
                    term *= u[m, axis]
            out[cell[m], j] += term


def _smoothed(sums: Array, bandwidth: float) -> Array:
    """Sums (K, nodes) weighted by a Gaussian of the distance between nodes."""
    shape = sums.shape
    for size in shape[:0:-1]:  # the last axis is contracted and comes out in front of the others
        i = np.arange(size)
        exponent = 0.5 * ((i[:, None] - i) / bandwidth) ** 2
        kernel = np.where(exponent < FAR, np.exp(-exponent), 0.0)
        sums = np.moveaxis((sums.reshape(-1, size) @ kernel).reshape(shape[0], -1, size), 2, 1)
    return sums.reshape(shape)


def _shifted(keys: list[Key], sums: Array, where: Coordinates) -> dict[Key, Array]:
    """Moments about the nodes ``where`` from moments (K, M) about the middle of the grid."""
    raw = dict(zip(keys, sums, strict=True))
    out = {}
    for c, alpha in keys:
        total = np.zeros(sums.shape[1:])
        for beta in product(*(range(a + 1) for a in alpha)):
            term = raw[c, beta] * float(prod(comb(a, b) for a, b in zip(alpha, beta, strict=True)))
            for v, a, b in zip(where, alpha, beta, strict=True):
                term = term * (-v) ** (a - b) if a > b else term
            total += term
        out[c, alpha] = total
    return out


def _fitted(keys: list[Key], sums: Array, where: Coordinates, q: int, bandwidth: float) -> Array:
    """Values (q, M) of the weighted least-squares polynomials at the nodes ``where``, from smoothed sums (K, M)."""
    n, count = len(where), np.maximum(sums[0], 1e-200)
    degree = max(sum(alpha) for _, alpha in keys) // 2
    if degree == 0:
        return sums[1:] / count
    moments, basis = _shifted(keys, sums, where), _indices(n, degree)
    matrix, right = np.empty((count.size, len(basis), len(basis))), np.empty((count.size, len(basis), q))
    for i, a in enumerate(basis):
        scale = bandwidth ** sum(a) * count
        for j, b in enumerate(basis):
            both = tuple(k + m for k, m in zip(a, b, strict=True))
            matrix[:, i, j] = moments[0, both] / (scale * bandwidth ** sum(b))
        for c in range(q):
            right[:, i, c] = moments[c + 1, a] / scale
    ridge = np.diag([1e-9 if sum(a) == 0 else RIDGE for a in basis])
    coefficients = np.linalg.solve(matrix + ridge, right)
    # where a node lies outside the samples it sees, the fit is read off at the edge of its reach
    units = [tuple(int(i == j) for j in range(n)) for i in range(n)]
    mean = np.stack([matrix[:, 0, basis.index(unit)] for unit in units], axis=-1)
    distance = np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-12)
    at = mean * np.maximum(1.0 - REACH / distance, 0.0)
    monomials = np.stack([np.prod(at ** np.array(a), axis=-1) for a in basis], axis=-1)
    return np.moveaxis(np.einsum("mi,mic->mc", monomials, coefficients), -1, 0)


def interpolate(nodes: Nodes, values: Array, mesh: Coordinates) -> Array:
    """Multilinear interpolation of values (..., nodes) to an open mesh; constant outside the nodes."""
    n = len(nodes.axes)
    for axis, (centres, x) in enumerate(zip(nodes.axes, mesh, strict=True)):
        u = np.clip((x.ravel() - centres[0]) / (centres[1] - centres[0]), 0.0, len(centres) - 1.0)
        left = np.minimum(u.astype(np.intp), len(centres) - 2)
        at = values.ndim - n + axis
        weight = (u - left).reshape(-1, *(1,) * (values.ndim - 1 - at))
        values = values.take(left, at) * (1.0 - weight) + values.take(left + 1, at) * weight
    return values
