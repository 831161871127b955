"""Log density and score of a Gaussian mixture at points, without the components that cannot matter.

Components that lie together form blocks; the largest log density that a block can reach at a point follows from the
distance to its box and the largest variance in it. A point visits its best block first and then all that could add more
than a millionth of a millionth of it: the result is that of the whole sum to about ``1e-12`` relative.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit
from fpsim.support.elementary import exp_minus_one
from fpsim.support.threads import Team

__all__ = ["Blocks", "blocks_of", "log_density_and_score"]

Array = NDArray[np.float64]

BLOCK = 32
"""Components of a block, which are evaluated together."""
NEGLIGIBLE = 40.0
"""Blocks this far below the best, in ln p, are left out."""


class Blocks(NamedTuple):
    """Components in blocks of ``BLOCK``, as columns."""

    means: Array
    """(blocks, n, BLOCK)."""
    inverse_roots: Array
    """Packed lower triangles of ``L^-1``, ``C = L L^T``: (blocks, n (n + 1) / 2, BLOCK)."""
    heights: Array
    """``ln w - ln det(2 pi C) / 2``, minus infinity where a block is filled up: (blocks, BLOCK)."""
    low: Array
    high: Array
    """Boxes of the means, (blocks, n)."""
    widest: Array
    """Largest eigenvalue of a covariance, (blocks,)."""


def blocks_of(weights: Array, means: Array, covariances: Array) -> Blocks:
    """Components in blocks of neighbours.

    Raises
    ------
    LinAlgError
        If a covariance is not positive definite.
    """
    n, count = means.shape[1], len(weights)
    order = _neighbours(means)
    root = np.linalg.cholesky(covariances[order])
    inverse = np.linalg.inv(root)
    lower = np.tril_indices(n)
    with np.errstate(divide="ignore"):
        height = np.log(weights[order]) - np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    height -= 0.5 * n * np.log(2.0 * np.pi)
    widest = np.linalg.eigvalsh(covariances[order])[:, -1]
    blocks = -(-count // BLOCK)
    fill = np.concatenate([np.arange(count), np.full(blocks * BLOCK - count, count - 1)])
    height = np.concatenate([height, np.full(blocks * BLOCK - count, -np.inf)])

    def columns(values: Array) -> Array:
        return np.ascontiguousarray(values[fill].reshape(blocks, BLOCK, -1).transpose(0, 2, 1))

    places = columns(means[order])
    return Blocks(
        places,
        columns(inverse[:, lower[0], lower[1]]),
        height.reshape(blocks, BLOCK),
        places.min(axis=2),
        places.max(axis=2),
        widest[fill].reshape(blocks, BLOCK).max(axis=1),
    )


def _neighbours(means: Array) -> NDArray[np.intp]:
    """Order along a tree of halvings, each across the widest coordinate, down to blocks."""
    parts = [np.arange(len(means))]
    while max(len(p) for p in parts) > BLOCK:
        halves: list[NDArray[np.intp]] = []
        for p in parts:
            if len(p) <= BLOCK:
                halves.append(p)
                continue
            axis = int(np.ptp(means[p], axis=0).argmax())
            middle = -(-len(p) // (2 * BLOCK)) * BLOCK
            cut = p[np.argpartition(means[p, axis], min(middle, len(p) - 1), kind="introselect")]
            halves += [cut[:middle], cut[middle:]]
        parts = [p for p in halves if len(p)]
    return np.concatenate(parts)


def log_density_and_score(
    blocks: Blocks, points: Array, *, score: bool, threads: int | None = None
) -> tuple[Array, Array]:
    """``ln p`` (M,) and, if asked for, ``grad ln p`` (M, n) at points (M, n)."""
    value = np.empty(len(points))
    slope = np.empty((len(points) if score else 0, points.shape[1]))

    def work(begin: int, end: int) -> None:
        _evaluate(blocks, points[begin:end], value[begin:end], slope[begin:end] if score else slope)

    if len(points):
        with Team(threads) as team:
            team.share(work, len(points))
    return value, slope


@njit(cache=True, nogil=True, error_model="numpy")
def _exponents(blocks, b, x, delta, z, out):  # type: ignore[no-untyped-def]
    """Log densities of the components of a block at a point, and their largest."""
    n = x.size
    for i in range(n):
        for v in range(BLOCK):
            delta[i, v] = x[i] - blocks.means[b, i, v]
    for v in range(BLOCK):
        out[v] = blocks.heights[b, v]
    row = 0
    for i in range(n):
        for v in range(BLOCK):
            z[i, v] = 0.0
        for j in range(i + 1):
            for v in range(BLOCK):
                z[i, v] += blocks.inverse_roots[b, row, v] * delta[j, v]
            row += 1
        for v in range(BLOCK):
            out[v] -= 0.5 * z[i, v] * z[i, v]
    best = -np.inf
    for v in range(BLOCK):
        best = max(best, out[v])
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(blocks, points, value, slope):  # type: ignore[no-untyped-def]
    count, n = blocks.means.shape[0], points.shape[1]
    top = np.empty(count)
    bound = np.empty(count)
    for b in range(count):
        top[b] = blocks.heights[b].max()
    delta, z, exponent, weight = np.empty((n, BLOCK)), np.empty((n, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    pull = np.empty(n)
    for p in range(points.shape[0]):
        x = points[p]
        first = 0
        for b in range(count):
            distance = 0.0
            for i in range(n):
                outside = max(blocks.low[b, i] - x[i], x[i] - blocks.high[b, i], 0.0)
                distance += outside * outside
            bound[b] = top[b] - 0.5 * distance / blocks.widest[b]
            if bound[b] > bound[first]:
                first = b
        largest = _exponents(blocks, first, x, delta, z, exponent)
        if largest == -np.inf:
            largest = bound[first]
        total = 0.0
        pull[:] = 0.0
        for b in range(count):
            if bound[b] < largest - NEGLIGIBLE:
                continue
            best = _exponents(blocks, b, x, delta, z, exponent)
            if best < largest - NEGLIGIBLE:
                continue
            if best > largest:
                shrink = np.exp(largest - best)
                total *= shrink
                for i in range(n):
                    pull[i] *= shrink
                largest = best
            for v in range(BLOCK):
                weight[v] = exp_minus_one(max(exponent[v] - largest, -600.0)) + 1.0
            for v in range(BLOCK):
                total += weight[v]
            if slope.shape[0]:  # -C^-1 (x - m) = -L^-T z
                row = 0
                for i in range(n):
                    for j in range(i + 1):
                        for v in range(BLOCK):
                            pull[j] -= weight[v] * blocks.inverse_roots[b, row, v] * z[i, v]
                        row += 1
        value[p] = largest + np.log(total)
        if slope.shape[0]:
            for i in range(n):
                slope[p, i] = pull[i] / total
