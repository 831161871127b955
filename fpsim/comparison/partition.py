"""Bins for histogram distances, chosen before the sample is looked at, every one of them occupied.

Against a theory: blocks of whole cells of the theory's grid, as wide as Scott's rule (1979,
doi:10.1093/biomet/66.3.605) asks for the theory's own width, in which at least ``MIN_COUNT`` points are expected;
everything else, the outside of the box included, is one more bin. Between samples: cells of equal count, from median
splits of the pooled sample.
Limits: a distance on bins is at most the distance itself; what happens inside a bin is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.samples import ExactDensity, cumulative
from fpsim.density import Density
from fpsim.support.errors import DomainError

__all__ = ["MIN_COUNT", "GridPartition", "Partition", "TreePartition", "partition_density", "partition_samples"]

Array = NDArray[np.float64]
Bins = int | tuple[int, ...] | None

MIN_COUNT = 10.0
"""Smallest expected number of points in a bin."""
MOST_BLOCKS = 4e6
"""Blocks between the cuts of a tree up to which a density is integrated; beyond, its stratified points are counted."""


class Partition(Protocol):
    """A cut of space into ``size`` bins."""

    @property
    def size(self) -> int:
        """Number of bins."""
        ...

    def locate(self, points: Array) -> NDArray[np.int64]:
        """Bin of each point (n, ndim)."""
        ...

    def probabilities(self, theory: ExactDensity) -> Array:
        """Probability of each bin under a theory."""
        ...


@dataclass(frozen=True, eq=False)
class GridPartition:
    """Blocks between ``edges`` along each axis; ``bin_of`` maps a block to its bin, the last bin is all the rest."""

    edges: tuple[Array, ...]
    bin_of: NDArray[np.int64]
    size: int

    def probabilities(self, theory: ExactDensity) -> Array:
        """Probability of each bin; exact for edges of the theory's own grid, cubic in between."""
        mass = theory.density.values / theory.density.values.sum()
        for axis, (own, edge) in enumerate(zip(theory.density.grid.edges, self.edges, strict=True)):
            mass = np.diff(cumulative(mass, own, edge, axis), axis=axis)
        p: Array = np.bincount(self.bin_of.ravel(), mass.ravel(), self.size).astype(np.float64)
        p[-1] += max(1.0 - float(p.sum()), 0.0)
        return p

    def locate(self, points: Array) -> NDArray[np.int64]:
        """Bin of each point (n, ndim)."""
        block, inside = [], np.ones(len(points), bool)
        for axis, edge in enumerate(self.edges):
            x = points[:, axis]
            block.append(np.clip(np.searchsorted(edge, x, side="right") - 1, 0, edge.size - 2))
            inside &= (x >= edge[0]) & (x <= edge[-1])
        return np.where(inside, self.bin_of[tuple(block)], self.size - 1)


@dataclass(frozen=True, eq=False)
class TreePartition:
    """Leaves of a complete binary tree: node ``i`` sends ``x[axis[i]] > threshold[i]`` to the right."""

    axis: NDArray[np.int64]
    threshold: Array

    def probabilities(self, theory: ExactDensity) -> Array:
        """Probability of each cell under a theory: exact where cuts are edges of its grid, cubic in between."""
        cuts = [np.unique(self.threshold[self.axis == i]) for i in range(theory.ndim)]
        if np.prod([c.size + 1.0 for c in cuts]) > MOST_BLOCKS:
            return np.bincount(self.locate(theory.points), minlength=self.size) / len(theory.points)
        mass, middle = theory.density.values / theory.density.values.sum(), []
        for axis, (own, cut) in enumerate(zip(theory.density.grid.edges, cuts, strict=True)):
            edge = np.concatenate((own[:1], cut[(cut > own[0]) & (cut < own[-1])], own[-1:]))
            mass = np.diff(cumulative(mass, own, edge, axis), axis=axis)
            middle.append(0.5 * (edge[1:] + edge[:-1]))
        # Every block between neighbouring cuts lies in one cell of the tree.
        blocks = np.stack(np.meshgrid(*middle, indexing="ij"), axis=-1).reshape(-1, theory.ndim)
        return np.bincount(self.locate(blocks), mass.ravel(), self.size).astype(np.float64)

    @property
    def size(self) -> int:
        """Number of bins."""
        return int(self.axis.size) + 1

    def locate(self, points: Array) -> NDArray[np.int64]:
        """Bin of each point (n, ndim)."""
        if points.shape[1] == 1:  # the leaves are intervals, in order
            return np.searchsorted(np.sort(self.threshold), points[:, 0], side="left")
        node = np.zeros(len(points), np.int64)
        rows = np.arange(len(points))
        while node[0] < self.axis.size:
            node = 2 * node + 1 + (points[rows, self.axis[node]] > self.threshold[node])
        return node - self.axis.size


def _block_counts(density: Density, count: float) -> tuple[int, ...]:
    """Blocks per axis by Scott's rule, ``3.49 sigma n^(-1 / (2 + ndim))``, with the smaller of std and scaled IQR."""
    grid, blocks = density.grid, []
    for axis in range(grid.ndim):
        line = density.marginal(axis)
        cumulative = np.cumsum(line.values) / line.values.sum()
        low, high = np.interp([0.25, 0.75], cumulative, grid.edges[axis][1:])
        width = min(float(line.std[0]), (high - low) / 1.349) or float(line.std[0])
        scott = max(3.49 * width * count ** (-1.0 / (2 + grid.ndim)), grid.spacing[axis])
        blocks.append(max(2, min(grid.shape[axis], round((grid.upper[axis] - grid.lower[axis]) / scott))))
    return tuple(blocks)


def partition_density(density: Density, count: float, bins: Bins = None) -> GridPartition:
    """Blocks of whole cells in which at least ``MIN_COUNT`` of ``count`` points are expected, and one bin for the rest.

    Parameters
    ----------
    bins : int or tuple of int, optional
        Blocks along each axis; Scott's rule by default, doubled in width as long as no block is occupied.

    Raises
    ------
    DomainError
        If ``bins`` is smaller than 2 or larger than the grid.
    """
    grid = density.grid
    if bins is None:
        blocks = _block_counts(density, count)
    else:
        blocks = (bins,) * grid.ndim if isinstance(bins, int) else tuple(bins)
        if len(blocks) != grid.ndim or any(not 2 <= b <= n for b, n in zip(blocks, grid.shape, strict=True)):
            raise DomainError(f"bins is {bins}: one number per axis, from 2 to the grid's {grid.shape}, is accepted")
    cut, fullest = _occupied(density, blocks, count)
    while fullest * count < MIN_COUNT and bins is None and max(blocks) > 2:
        blocks = tuple(max(2, b // 2) for b in blocks)
        cut, fullest = _occupied(density, blocks, count)
    return cut


def _occupied(density: Density, blocks: tuple[int, ...], count: float) -> tuple[GridPartition, float]:
    """The most probable blocks become bins, as long as they, and what is left over, expect enough points.

    The first one is a bin in any case: of a density narrower than a block, what counts is what lies outside.
    """
    grid = density.grid
    mass, edges = density.values / density.values.sum(), []
    for axis, (cells, n) in enumerate(zip(grid.shape, blocks, strict=True)):
        cuts = np.round(np.linspace(0, cells, n + 1)).astype(int)
        mass = np.add.reduceat(mass, cuts[:-1], axis=axis)
        edges.append(grid.edges[axis][cuts])
    order = np.argsort(mass, axis=None)[::-1]
    falling = mass.ravel()[order]
    rest = np.cumsum(falling[::-1])[::-1] - falling
    good = (falling * count >= MIN_COUNT) & (rest * count >= MIN_COUNT)
    keep = max(1, int(np.argmin(good)))  # the last block leaves no rest, so one of them is not good
    bin_of = np.full(mass.size, keep)
    bin_of[order[:keep]] = np.arange(keep)
    return GridPartition(tuple(edges), bin_of.reshape(mass.shape), keep + 1), float(falling[0])


def _widest(points: Array) -> int:
    """Axis along which points spread most, between quartiles."""
    if points.shape[1] == 1 or len(points) == 0:
        return 0
    return int(np.argmax(np.subtract(*np.quantile(points, [0.75, 0.25], axis=0))))


def partition_samples(a: Array, b: Array, count: float, bins: int | None = None) -> TreePartition:
    """Cells of equal count of the pooled sample, split at medians along the widest axis.

    ``count`` independent points in the smaller sample give about ``1.7^ndim count^(ndim / (2 + ndim))`` cells (Scott's
    rule), a power of two, with at least twice ``MIN_COUNT`` points each; ``bins`` sets their number, rounded down.
    """
    ndim = a.shape[1]
    wanted = min(1.7**ndim * count ** (ndim / (2.0 + ndim)), count / (2.0 * MIN_COUNT)) if bins is None else bins
    depth = max(1, int(np.log2(max(wanted, 2))))
    if bins is not None and bins < 2:
        raise DomainError(f"bins is {bins}: at least 2 are accepted")
    # Thin evenly: medians of 2^15 points place the cuts well enough, wherever they are.
    pool = np.concatenate((a, b))
    leaves = [pool[:: max(1, len(pool) >> 15)]]
    axes: list[int] = []
    cuts: list[float] = []
    for _ in range(depth):
        children = []
        for leaf in leaves:
            axis = _widest(leaf)
            cut = float(np.median(leaf[:, axis])) if len(leaf) else 0.0
            right = leaf[:, axis] > cut
            axes.append(axis)
            cuts.append(cut)
            children += [leaf[~right], leaf[right]]
        leaves = children
    return TreePartition(np.array(axes), np.array(cuts))
