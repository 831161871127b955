"""Counter-based random numbers: published vectors, laws into the tails, independence, keys."""

import math

import numpy as np
import pytest
from numba import njit
from scipy import stats

from fpsim.support.errors import DomainError
from fpsim.support.random_streams import key_of, numpy_generator, philox, replica_normals, replica_uniforms


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
    u = replica_uniforms(5, 0, first=0, replicas=4096, count=64)
    a, b = (u[::2], u[1::2]) if axis == "replica" else (u[:, ::2], u[:, 1::2])
    counts, _, _ = np.histogram2d(a.ravel(), b.ravel(), bins=32, range=[[0, 1], [0, 1]])
    expected = a.size / 1024
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - 1023) < 4 * math.sqrt(2 * 1023)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"key": 7}, {"key": 8}),
        ({"stream": 0}, {"stream": 3}),
        ({"first": 0}, {"first": 1 << 20}),
    ],
)
def test_streams_are_uncorrelated(one, other):
    place = {"key": 7, "stream": 0, "first": 0, "replicas": 20000, "count": 8}
    a, b = replica_normals(**{**place, **one}), replica_normals(**{**place, **other})
    assert abs(np.mean(a * b)) < 4 / math.sqrt(a.size)
    assert abs(np.mean((a * a - 1) * (b * b - 1))) < 4 * 2 / math.sqrt(a.size)


EDGES = np.array([0.0, 0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.03884, 4.2, 4.5, 5.0, np.inf])


def test_normal_numbers_have_the_normal_law_into_the_tails():
    """Fifty million draws; beyond 4.0388 they come from the tail's own branch, where an error shows nowhere else."""
    counts, first, second, total = np.zeros(EDGES.size - 1), 0.0, 0.0, 0
    for block in range(50):
        z = replica_normals(1, 0, first=1000 * block, replicas=1000, count=1000).ravel()
        counts += np.histogram(np.abs(z), EDGES)[0]
        first, second, total = first + z.sum(), second + (z * z).sum(), total + z.size
    p = 2 * np.diff(stats.norm.cdf(EDGES))
    assert np.max(np.abs((counts - total * p) / np.sqrt(total * p * (1 - p)))) < 4
    assert abs(first) < 4 * math.sqrt(total)
    assert abs(second - total) < 4 * math.sqrt(2 * total)


def test_normals_are_normal_and_told_from_ones_a_percent_wider():
    z = replica_normals(3, 0, first=0, replicas=100_000, count=20).ravel()
    assert stats.kstest(z, "norm").pvalue > 1e-4
    assert stats.kstest(1.01 * z, "norm").pvalue < 1e-4
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10395 - 225)):
        assert abs(np.mean(z**power) - mean) < 4 * math.sqrt(variance / z.size)


def test_replicas_and_shorter_rows_keep_their_numbers():
    whole = replica_normals(11, 2, first=0, replicas=1000, count=5)
    assert np.array_equal(replica_normals(11, 2, first=400, replicas=37, count=5), whole[400:437])
    assert np.array_equal(replica_normals(11, 2, first=0, replicas=1000, count=3), whole[:, :3])


def test_every_accepted_rng_gives_a_key():
    """SPEC 7: whole numbers, seed sequences and generators repeat; fresh entropy does not; a key is its own key."""
    assert len({key_of(seed) for seed in (0, 1, np.int64(2), 2**31, 2**64, 2**64 + 1, 2**127)}) == 7
    assert key_of(key_of(2**127)) == key_of(2**127)
    assert key_of(np.random.SeedSequence(4)) == key_of(np.random.SeedSequence(4)) < 2**64
    assert key_of(np.random.default_rng(4)) == key_of(np.random.default_rng(4))
    generator = np.random.default_rng(4)
    assert key_of(generator) != key_of(generator)
    assert key_of(None) != key_of(None)


@pytest.mark.parametrize("wrong", [-1, 1.0, "1", True, np.float64(2), [1, 2], np.random.RandomState(1)])
def test_nonsense_is_no_rng(wrong):
    with pytest.raises(DomainError, match=r"rng is .*: None, a whole number >= 0, a SeedSequence or a Generator"):
        key_of(wrong)


def test_generators_of_arrays_belong_to_key_and_stream():
    draws = [numpy_generator(key, stream).standard_normal(10_000) for key, stream in ((1, 0), (1, 1), (2, 0))]
    assert np.array_equal(numpy_generator(1).standard_normal(10_000), draws[0])
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.mean(draws[a] * draws[b])) < 4 / math.sqrt(10_000)
