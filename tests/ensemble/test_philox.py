"""Counter-based random numbers: published vectors, uniformity, independence."""

import math

import numpy as np
import pytest
from numba import njit

from fpsim.ensemble.philox import key_of, normals, philox, uniforms


@njit(error_model="numpy")
def words(key, block, stream, step, replica):
    return philox(key, block, stream, step, replica)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers_of_random123(counter, key, expected):
    """Vectors published with Salmon et al. 2011 (Random123, kat_vectors, philox4x32 10)."""
    found = words(np.uint64(key[0] | key[1] << 32), *counter)
    assert " ".join(f"{int(w):08x}" for w in found) == expected


@pytest.mark.parametrize("axis", ["replica", "count"])
def test_uniforms_fill_boxes_of_neighbours_evenly(axis):
    """Pairs of neighbours, within a replica and across replicas, by a chi-square of 32 x 32 boxes."""
    u = uniforms(5, 0, 0, 4096, 64)
    a, b = (u[::2], u[1::2]) if axis == "replica" else (u[:, ::2], u[:, 1::2])
    counts, _, _ = np.histogram2d(a.ravel(), b.ravel(), bins=32, range=[[0, 1], [0, 1]])
    expected = a.size / 1024
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - 1023) < 4 * math.sqrt(2 * 1023)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seed": 7}, {"seed": 8}),
        ({"stream": 0}, {"stream": 3}),
        ({"first": 0}, {"first": 1 << 20}),
    ],
)
def test_streams_are_uncorrelated(one, other):
    keys = {"seed": 7, "stream": 0, "first": 0, "replicas": 20000, "count": 8}
    a, b = normals(**{**keys, **one}), normals(**{**keys, **other})
    assert abs(np.mean(a * b)) < 4 / math.sqrt(a.size)
    assert abs(np.mean((a * a - 1) * (b * b - 1))) < 4 * 2 / math.sqrt(a.size)


def test_normals_are_normal():
    """Kolmogorov-Smirnov distance, moments to the sixth, and the tail beyond three."""
    z = np.sort(normals(3, 0, 0, 100_000, 10).ravel())
    n = z.size
    cdf = 0.5 * (1 + np.vectorize(math.erf)(z[::100] / math.sqrt(2)))
    assert np.abs(cdf - np.arange(0, n, 100) / n).max() < 2.0 / math.sqrt(n)
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10395 - 225)):
        assert abs(np.mean(z**power) - mean) < 4 * math.sqrt(variance / n)
    tail = math.erfc(3 / math.sqrt(2))
    assert abs(np.mean(np.abs(z) > 3) - tail) < 4 * math.sqrt(tail / n)


def test_replicas_keep_their_numbers():
    whole = normals(11, 2, 0, 1000, 5)
    assert np.array_equal(normals(11, 2, 400, 37, 5), whole[400:437])


def test_keys_of_large_seeds_differ():
    keys = {int(key_of(seed)) for seed in (0, 1, 2**31, 2**64, 2**64 + 1, 2**127)}
    assert len(keys) == 6
