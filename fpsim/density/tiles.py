"""Tiles of grid lines: some lines side by side, so that one vector instruction treats several.

Cell ``k`` of line ``q`` of a tile is ``tile[k, q]``. Lines along an axis are given by the flat index of their first
cells and one stride; how cells are stored in memory matters to loading and storing alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["LANES", "TINY", "load_tile", "store_tile"]

Array = NDArray[np.float64]
Small = NDArray[np.int32]

LANES = 32
"""Lines of a tile."""

TINY = 1e-280
"""Below this a cell holds nothing: denormal numbers would slow every later kernel."""

CACHE_LINE = 8
"""Numbers that memory delivers together."""


@njit(cache=True, nogil=True, error_model="numpy")
def load_tile(u: Array, starts: Small, stride: int, tile: Array) -> None:
    """Cells ``u[starts[q] + k * stride]`` to ``tile[k, q]``; contiguous lines a cache line at a time."""
    n, lanes = tile.shape
    block = CACHE_LINE if stride == 1 else 1
    for low in range(0, n, block):
        for q in range(lanes):
            for k in range(low, min(low + block, n)):
                tile[k, q] = u[starts[q] + k * stride]


@njit(cache=True, nogil=True, error_model="numpy")
def store_tile(u: Array, starts: Small, stride: int, tile: Array, scale: float) -> None:
    """The way back of ``load_tile``, times ``scale``."""
    n, lanes = tile.shape
    block = CACHE_LINE if stride == 1 else 1
    for low in range(0, n, block):
        for q in range(lanes):
            for k in range(low, min(low + block, n)):
                u[starts[q] + k * stride] = scale * tile[k, q]
