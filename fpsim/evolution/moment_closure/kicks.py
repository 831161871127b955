"""Stratified kicks: components that have grown too wide become narrow again, without becoming more.

A Gaussian of variance ``lambda`` along a direction is a Gaussian of variance ``(NARROW s)^2`` whose mean is normal
with the rest of the variance. Along every principal direction wider than ``s`` a kick draws that mean: the mixture
stays what it was in expectation, the number of components too. All components together represent the spread, so their
normal numbers are stratified: components are ordered along a tree of halvings of space and take the points of a
scrambled Sobol sequence in that order (array randomised quasi-Monte Carlo, L'Ecuyer, Lecot & Tuffin 2008,
doi:10.1287/opre.1080.0531), so that neighbours are kicked apart.

Everything is a pure function of the components and a 64-bit key.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from fpsim.support.compilation import njit
from fpsim.support.threads import Team

__all__ = ["NARROW", "Principal", "kick", "principal_widths", "sobol_normals", "sobol_points"]

Array = NDArray[np.float64]

NARROW = 0.5
"""Width of a component after a kick, in units of the largest accepted one.

Narrower ones bias less and need fewer kicks, but their sum is rougher: measured in four and eight dimensions.
"""
ROTATIONS = 30
"""Sweeps of Jacobi's method; six or seven are enough for any matrix."""


def sobol_points(count: int, dimension: int, key: tuple[int, ...]) -> Array:
    """The first points (count, dimension) of a scrambled Sobol sequence, strictly inside the unit cube."""
    from scipy.stats import qmc  # slow to import

    engine = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(np.random.SeedSequence(key)))
    points = engine.random_base2(max(count - 1, 1).bit_length())[:count]
    return np.clip(points, 2.0**-33, 1.0 - 2.0**-33)


def sobol_normals(count: int, dimension: int, key: tuple[int, ...]) -> Array:
    """Normal numbers (count, dimension) of a scrambled Sobol sequence."""
    return np.asarray(ndtri(sobol_points(count, dimension, key)))


class Principal(NamedTuple):
    """Principal directions of components, in units of the accepted widths."""

    values: Array
    """Variances (n, N) along them, descending; of a component that cannot be too wide only a bound, the first."""
    vectors: Array
    """Unit vectors (n, n, N), ``vectors[:, r]`` along the ``r``-th one."""

    @property
    def largest(self) -> float:
        """Largest width along a direction; 99 % of components stay below."""
        return float(np.sqrt(np.quantile(self.values[0], 0.99)))


def principal_widths(state: Array, width: Array, *, threads: int | None = None) -> Principal:
    """Principal directions of the columns of ``state`` (rows, N), in units of the accepted ``width`` (n,).

    Widths are per coordinate: the directions are those of ``C_ij / (width_i width_j)``, and a component is too wide
    where an eigenvalue exceeds one.
    """
    n, count = len(width), state.shape[1]
    values, vectors = np.zeros((n, count)), np.empty((n, n, count))
    with Team(threads) as team:
        team.share(lambda begin, end: _principal(n, width, state, values, vectors, begin, end), count)
    return Principal(values, vectors)


def kick(state: Array, width: Array, principal: Principal, columns: slice, key: tuple[int, ...]) -> int:
    """Kick those of some columns of ``state`` (rows, N) that are too wide, in place; how many they were."""
    n, values = len(width), principal.values[:, columns]
    wide = np.flatnonzero(values[0] > 1.0)
    if wide.size:
        directions = int((values[:, wide] > 1.0).any(axis=1).sum())
        wide += columns.indices(state.shape[1])[0]
        order = wide[_along_tree(state[:n, wide] / width[:, None])]
        normal = sobol_normals(wide.size, directions, key)
        _move(n, order, width, principal.values, principal.vectors, np.ascontiguousarray(normal.T), state)
    return int(wide.size)


def _along_tree(places: Array) -> NDArray[np.intp]:
    """Order of places (n, M) along halvings across one coordinate after the other (Morton order of ranks)."""
    n, count = places.shape
    levels = max(1, min(60 // n, int(count).bit_length()))
    code = np.zeros(count, np.uint64)
    rank = np.empty(count, np.uint64)
    for i in range(n):
        rank[np.argsort(places[i], kind="stable")] = (np.arange(count) * 2**levels // count).astype(np.uint64)
        for level in range(levels):
            bit = (rank >> np.uint64(level)) & np.uint64(1)
            code |= bit << np.uint64(level * n + (n - 1 - i))
    return np.argsort(code, kind="stable")


@njit(cache=True, nogil=True, error_model="numpy")
def _principal(n, width, state, values, vectors, begin, end):  # type: ignore[no-untyped-def]
    """Eigenvalues, descending, and eigenvectors of the components that may be too wide (Jacobi)."""
    a, u = np.empty((n, n)), np.empty((n, n))
    for v in range(begin, end):
        bound = 0.0  # Gershgorin
        row = n
        for i in range(n):
            for j in range(i + 1):
                a[i, j] = a[j, i] = state[row, v] / (width[i] * width[j])
                row += 1
        for i in range(n):
            radius = 0.0
            for j in range(n):
                radius += abs(a[i, j])
            bound = max(bound, radius)
        if bound <= 1.0:
            values[0, v] = bound
            continue
        u[:] = 0.0
        for i in range(n):
            u[i, i] = 1.0
        for _ in range(ROTATIONS):
            off, size = 0.0, 0.0
            for i in range(n):
                size += a[i, i] * a[i, i]
                for j in range(i):
                    off += a[i, j] * a[i, j]
            if off <= 1e-26 * size:
                break
            for p in range(n - 1):
                for q in range(p + 1, n):
                    if a[p, q] == 0.0:
                        continue
                    half = 0.5 * (a[q, q] - a[p, p]) / a[p, q]
                    tangent = 1.0 / (abs(half) + np.sqrt(half * half + 1.0))
                    tangent = tangent if half >= 0.0 else -tangent
                    c = 1.0 / np.sqrt(tangent * tangent + 1.0)
                    s = tangent * c
                    for i in range(n):
                        left, right = a[i, p], a[i, q]
                        a[i, p], a[i, q] = c * left - s * right, s * left + c * right
                    for i in range(n):
                        left, right = a[p, i], a[q, i]
                        a[p, i], a[q, i] = c * left - s * right, s * left + c * right
                    for i in range(n):
                        left, right = u[i, p], u[i, q]
                        u[i, p], u[i, q] = c * left - s * right, s * left + c * right
        for r in range(n):
            best = r
            for i in range(r + 1, n):
                if a[i, i] > a[best, best]:
                    best = i
            a[r, r], a[best, best] = a[best, best], a[r, r]
            largest = 0
            for i in range(n):
                u[i, r], u[i, best] = u[i, best], u[i, r]
                if abs(u[i, r]) > abs(u[largest, r]) * (1.0 + 1e-6):
                    largest = i
            sign = 1.0 if u[largest, r] >= 0.0 else -1.0  # neighbours agree on the sign of a direction
            values[r, v] = a[r, r]
            for i in range(n):
                vectors[i, r, v] = sign * u[i, r]


@njit(cache=True, nogil=True, error_model="numpy")
def _move(n, order, width, values, vectors, normal, state):  # type: ignore[no-untyped-def]
    kept = NARROW * NARROW
    for place in range(order.size):
        v = order[place]
        for r in range(n):
            if values[r, v] <= 1.0:
                break
            excess = values[r, v] - kept
            shift = np.sqrt(excess) * normal[r, place]
            row = n
            for i in range(n):
                left = width[i] * vectors[i, r, v]
                state[i, v] += shift * left
                for j in range(i + 1):
                    state[row, v] -= excess * left * width[j] * vectors[j, r, v]
                    row += 1
