"""Mini-batches of a block of replicas: indices of samples, inputs and label noise.

All arrays are ``(rows, LANES)``: one column per replica, the innermost loop over columns (see
`fpsim.network.layers`).
"""

from __future__ import annotations

import numpy as np

from fpsim.ensemble.kernel_settings import (
    BATCH,
    EPOCHS,
    FRESH,
    INPUT,
    SHARED,
    SHARED_BATCHES,
    SHUFFLE,
    WITHOUT_REPLACEMENT,
)
from fpsim.network.layers import LANES
from fpsim.support.compilation import lane_kernel
from fpsim.support.random_streams import HALF, finished_normal, normal_pair, philox

__all__ = ["PIECE", "batch_replicas", "draw_batch", "inputs", "normal_rows"]

PIECE = 16
"""Samples of a batch held at a time; even, so that every piece starts with a new pair of normal numbers."""


@lane_kernel
def normal_rows(key, stream, step, replica, block, rows, out):  # type: ignore[no-untyped-def]
    """Fill ``rows`` rows with standard normal numbers from counter ``block`` on.

    Entries of ``replica`` name the columns. Numbers come in pairs: for an odd number of rows one more is
    overwritten.
    """
    for i in range(0, rows, 2):
        missing = 0
        for v in range(LANES):
            x, y = normal_pair(key, block + i // 2, stream, step, replica[v])
            out[i, v], out[i + 1, v] = x, y
            missing += (x != x) + (y != y)
        if missing > 0:
            for half in range(2):
                for v in range(LANES):
                    if out[i + half, v] != out[i + half, v]:
                        out[i + half, v] = finished_normal(key, block + i // 2, half, stream, step, replica[v])


@lane_kernel
def _with_replacement(key, stream, step, replica, n, rows, index):  # type: ignore[no-untyped-def]
    """Independent indices below ``n``, in fours; scaling a 32-bit word biases them by ``n / 2^32``."""
    n = np.uint64(n)
    for b in range(0, rows, 4):
        for v in range(LANES):
            w0, w1, w2, w3 = philox(key, b // 4, stream, step, replica[v])
            index[b, v] = np.int64((w0 * n) >> HALF)
            index[b + 1, v] = np.int64((w1 * n) >> HALF)
            index[b + 2, v] = np.int64((w2 * n) >> HALF)
            index[b + 3, v] = np.int64((w3 * n) >> HALF)


@lane_kernel
def _without_replacement(key, stream, step, replica, n, rows, index):  # type: ignore[no-untyped-def]
    """Uniform subset of distinct indices by R. W. Floyd's algorithm (Bentley & Floyd 1987)."""
    for b in range(rows):
        bound = np.uint64(n - rows + b + 1)
        for v in range(LANES):
            word, _, _, _ = philox(key, b, stream, step, replica[v])
            index[b, v] = np.int64((word * bound) >> HALF)
        for c in range(b):
            for v in range(LANES):
                # a hit is replaced by the last index, which no earlier draw could reach
                index[b, v] = n - rows + b if index[c, v] == index[b, v] else index[b, v]


@lane_kernel
def _shuffle(key, epoch, replica, order):  # type: ignore[no-untyped-def]
    """Uniform permutation of every column (Fisher & Yates)."""
    n = order.shape[0]
    for i in range(n):
        for v in range(LANES):
            order[i, v] = i
    for i in range(n - 1, 0, -1):
        for v in range(LANES):
            word, _, _, _ = philox(key, i, SHUFFLE, epoch, replica[v])
            j = np.int64((word * np.uint64(i + 1)) >> HALF)
            order[i, v], order[j, v] = order[j, v], order[i, v]


@lane_kernel
def draw_batch(settings, n, key, stream, step, started, replica, order, index):  # type: ignore[no-untyped-def]
    """Indices of one batch; ``started``: the first step since ``order`` was allocated."""
    if settings.sampling == FRESH or n == 0:
        return
    if settings.sampling == EPOCHS:
        batches = n // settings.batch_size
        position = step % batches
        if started or position == 0:
            _shuffle(key, step // batches, replica, order)
        for b in range(settings.batch_size):
            for v in range(LANES):
                index[b, v] = order[position * settings.batch_size + b, v]
    elif settings.sampling == WITHOUT_REPLACEMENT:
        _without_replacement(key, stream | BATCH, step, replica, n, settings.batch_size, index)
    else:
        _with_replacement(key, stream | BATCH, step, replica, n, settings.batch_size, index)


@lane_kernel
def inputs(source, key, stream, step, replica, first, count, index, normal, x):  # type: ignore[no-untyped-def]
    """Inputs ``x`` of samples ``first ...`` of the batch: from the training set, or new ones."""
    d = source.root.shape[0]
    if source.samples.shape[1] > 0:
        for b in range(count):
            for i in range(d):
                column = source.samples[i]
                for v in range(LANES):
                    x[b, i, v] = column[np.uint64(index[first + b, v])]
        return
    normal_rows(key, stream | INPUT, step, replica, first * d // 2, count * d, normal)
    for b in range(count):
        for i in range(d):
            for v in range(LANES):
                x[b, i, v] = source.root[i, 0] * normal[b * d, v]
            for j in range(1, d):
                for v in range(LANES):
                    x[b, i, v] += source.root[i, j] * normal[b * d + j, v]


@lane_kernel
def batch_replicas(settings, first, replica, shared):  # type: ignore[no-untyped-def]
    """Fill the replica numbers of a block, and those that name its batches."""
    for v in range(LANES):
        replica[v] = np.uint64(first + v)
        shared[v] = SHARED if settings.sampling == SHARED_BATCHES else replica[v]
