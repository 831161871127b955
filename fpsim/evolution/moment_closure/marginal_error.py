"""Errors of a population of components, as total variation of its two-dimensional marginals.

Two halves that were scrambled independently tell the noise: half of their difference varies as their mean does. A
second population whose components are ``sqrt(2)`` times as wide tells the bias, which grows with the square of the
width: their difference is the bias of the finer one, and what noise adds to it is taken out by the halves again. Every
number is the largest over all pairs of coordinates; marginals are compared on ``CELLS`` cells along each axis.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Grid
from fpsim.density.gaussian_mixture.marginal import grid_averages
from fpsim.evolution.moment_closure.closure import unpacked

__all__ = ["Halves", "bias_of", "boxes_of", "halves_of", "noise_of"]

Array = NDArray[np.float64]
Halves: TypeAlias = tuple[Array, Array]
"""Probabilities (pairs, CELLS, CELLS) of the marginals of both halves."""

CELLS = 48
TAIL = 1e-3
"""Share of the components whose places may lie outside the boxes, on either side."""


def boxes_of(state: Array, n: int, group: Array) -> Array:
    """Lower and upper ends (2, n) of boxes around nearly everything, the same for coordinates that the group mixes."""
    rows = n + np.cumsum(np.arange(1, n + 1)) - 1
    reach = 4.0 * np.sqrt(np.quantile(np.maximum(state[rows], 0.0), 0.9, axis=1))
    low, high = np.quantile(state[:n], TAIL, axis=1) - reach, np.quantile(state[:n], 1.0 - TAIL, axis=1) + reach
    thin = 1e-9 * (np.abs(low) + np.abs(high)) + 1e-300
    low, high = low - thin, high + thin
    if len(group) > 1:
        high = np.maximum(-low, high)
        high = np.max([np.abs(a) @ high for a in group], axis=0)
        low = -high
    return np.stack([low, high])


def halves_of(weights: Array, state: Array, n: int, group: Array, boxes: Array, threads: int | None) -> Halves:
    """Marginal probabilities of the two halves of a population, averaged over the group."""
    half = state.shape[1] // 2
    first, second = (
        _marginals(2.0 * weights[part], state[:, part], n, group, boxes, threads)
        for part in (slice(0, half), slice(half, None))
    )
    return first, second


def noise_of(halves: Halves) -> float:
    """Total variation, of the worst marginal, that the noise of the whole population makes."""
    first, second = halves
    return 0.5 * _worst(0.5 * (first - second))


def bias_of(fine: Halves, wide: Halves) -> float:
    """Total variation, of the worst marginal, by which width biases the finer population."""
    first, second = fine[0] - wide[0], fine[1] - wide[1]
    shift, noise = (0.5 * np.abs(0.5 * d).sum(axis=(1, 2)) for d in (first + second, first - second))
    return float(np.sqrt(np.maximum(shift**2 - noise**2, 0.0)).max())


def _worst(difference: Array) -> float:
    return float(np.abs(difference).sum(axis=(1, 2)).max())


def _marginals(weights: Array, state: Array, n: int, group: Array, boxes: Array, threads: int | None) -> Array:
    means, covariances = unpacked(np.ascontiguousarray(state), n)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)] or [(0, 0)]
    raw: dict[tuple[int, int], Array] = {}
    for i, j in pairs:
        index = [i, j] if i != j else [i]
        grid = Grid(tuple(boxes[0, index]), tuple(boxes[1, index]), (CELLS,) * len(index))
        part = np.ascontiguousarray(covariances[:, index][:, :, index])
        values = grid_averages(weights, np.ascontiguousarray(means[:, index]), part, grid, threads=threads)
        raw[i, j] = values.reshape(CELLS, -1) * grid.cell_volume
    if len(group) == 1:
        return np.stack([raw[pair] for pair in pairs])
    return np.stack([np.mean([_image(raw, a, pair) for a in group], axis=0) for pair in pairs])


def _image(raw: dict[tuple[int, int], Array], matrix: Array, pair: tuple[int, int]) -> Array:
    """Marginal of a pair of coordinates of ``A x``, ``A`` a signed permutation, on boxes symmetric about zero."""
    i, j = pair
    a, b = (int(np.abs(matrix[r]).argmax()) for r in pair)
    if i == j:
        return raw[a, b][:: int(np.sign(matrix[i, a]))]
    values = raw[a, b] if a < b else raw[b, a].T
    return values[:: int(np.sign(matrix[i, a])), :: int(np.sign(matrix[j, b]))]
