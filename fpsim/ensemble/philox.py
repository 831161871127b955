"""Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405).

A block of four 32-bit words is a function of a 64-bit key and a 128-bit counter. The key comes from the
seed, the counter is ``(block, stream, step, replica)``: a number belongs to its place in the experiment,
whatever thread, chunk or order computes it, and nothing needs saving to continue. Limits: 2^32 - 1
replicas, 2^32 steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fpsim.support.compilation import inlined, njit
from fpsim.support.elementary import cos_sin, log

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["key_of", "normal_pair", "normals", "philox", "uniform", "uniforms"]

START, BATCH, INPUT, TARGET, TEMPERATURE, SHUFFLE, GRADIENT = range(7)
"""Streams: what the numbers are for."""

MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
SHARED = np.uint64(0xFFFFFFFF)
"""Replica number of everything that all replicas share."""


def key_of(seed: int) -> np.uint64:
    """64-bit key of an entropy of any size."""
    return np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])


@inlined
def philox(key, block, stream, step, replica):  # type: ignore[no-untyped-def]
    """Four words (uint64 below 2^32) of one counter."""
    k0, k1 = key & MASK, key >> HALF
    c0, c1, c2, c3 = np.uint64(block), np.uint64(stream), np.uint64(step), np.uint64(replica)
    for _ in range(10):
        # upper halves of the words hold rubbish until the end: the multiplication ignores them
        p0, p1 = M0 * (c0 & MASK), M1 * (c2 & MASK)
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1, (p0 >> HALF) ^ c3 ^ k1, p0
        k0, k1 = k0 + W0, k1 + W1
    return c0 & MASK, c1 & MASK, c2 & MASK, c3 & MASK


@inlined
def uniform(high, low):  # type: ignore[no-untyped-def]
    """Number in (0, 1] with 53 bits, from two words."""
    bits = (high << np.uint64(21)) ^ (low >> np.uint64(11))
    return (np.float64(np.int64(bits)) + 1.0) * 1.1102230246251565e-16


@inlined
def normal_pair(key, block, stream, step, replica):  # type: ignore[no-untyped-def]
    """Two independent standard normal numbers (Box & Muller 1958), bounded by 8.6."""
    a, b, c, d = philox(key, block, stream, step, replica)
    radius = np.sqrt(-2.0 * log(uniform(a, b)))
    x, y = cos_sin(1.0 - uniform(c, d))
    return radius * x, radius * y


@njit(cache=True, error_model="numpy")
def _fill(key, stream, step, first, normal, out):  # type: ignore[no-untyped-def]
    for r in range(out.shape[0]):
        for i in range(0, out.shape[1], 2):
            if normal:
                x, y = normal_pair(key, i // 2, stream, step, first + r)
            else:
                a, b, c, d = philox(key, i // 2, stream, step, first + r)
                x, y = uniform(a, b), uniform(c, d)
            out[r, i] = x
            if i + 1 < out.shape[1]:
                out[r, i + 1] = y


def normals(seed: int, stream: int, first: int, replicas: int, count: int) -> NDArray[np.float64]:
    """Standard normal numbers of the replicas ``first ...`` at step 0, shape (replicas, count)."""
    out = np.empty((replicas, count))
    _fill(key_of(seed), stream, 0, first, True, out)
    return out


def uniforms(seed: int, stream: int, first: int, replicas: int, count: int) -> NDArray[np.float64]:
    """Numbers uniform in (0, 1] of the replicas ``first ...`` at step 0, shape (replicas, count)."""
    out = np.empty((replicas, count))
    _fill(key_of(seed), stream, 0, first, False, out)
    return out
