"""Threads and fixed-chunk sums: the same bits for any number of threads.

A parallel reduction whose grouping depends on the number of threads changes its last digits with it. Here every sum
over cells is cut into chunks of fixed size; each chunk is summed in order, and the chunk sums are added in order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
from numba import get_num_threads, njit, prange, set_num_threads
from numpy.typing import NDArray

__all__ = ["CHUNK", "chunked_sum", "threads"]

CHUNK = 8192
"""Cells per chunk of a reduction; part of the definition of every sum, so never tuned to the machine."""


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Run a block with ``count`` numba threads (``None``: leave as is) and restore the old number after it."""
    before = get_num_threads()
    if count is not None:
        set_num_threads(min(count, before) if count > 0 else before)
    try:
        yield get_num_threads()
    finally:
        set_num_threads(before)


@njit(cache=True, parallel=True)
def _chunk_sums(values: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for c in prange(out.size):
        total = 0.0
        for i in range(c * CHUNK, min((c + 1) * CHUNK, values.size)):
            total += values[i]
        out[c] = total


def chunked_sum(values: NDArray[np.float64]) -> float:
    """Sum of all entries of a C-contiguous array, bit-identical for any number of threads."""
    flat = np.ravel(values)
    out = np.empty(-(-flat.size // CHUNK))
    _chunk_sums(flat, out)
    return float(np.sum(out))
