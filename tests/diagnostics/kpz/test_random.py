"""The streams are normal, uniform and independent of how many there are."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import stats

from fpsim.support.random_streams import normal, stream_keys, uniform


@njit
def _fill(key, normals, uniforms):
    n = np.uint64(0)
    for i in range(normals.size):
        normals[i], n = normal(key, n)
    for i in range(uniforms.size):
        uniforms[i], n = uniform(key, n)


def _draw(seed, size=1_000_000):
    normals, uniforms = np.empty(size), np.empty(size)
    _fill(stream_keys(seed, 1)[0], normals, uniforms)
    return normals, uniforms


_EDGES = np.array([0.0, 0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.3, 3.5, 3.654, 3.8, 4.0, 4.4, 5.0, np.inf])


@njit
def _histogram(keys, draws, edges, counts, sums):
    for key in keys:
        n = np.uint64(0)
        for _ in range(draws):
            x, n = normal(key, n)
            sums[0] += x
            sums[1] += x * x
            b = 0
            while abs(x) >= edges[b + 1]:
                b += 1
            counts[b] += 1


def test_normal_numbers_have_the_normal_law_into_the_tails():
    """Fifty million draws; beyond 3.654 they come from the tail's own branch, where an error shows nowhere else."""
    counts, sums = np.zeros(_EDGES.size - 1), np.zeros(2)
    _histogram(stream_keys(1, 20), 2_500_000, _EDGES, counts, sums)
    total = counts.sum()
    p = 2 * np.diff(stats.norm.cdf(_EDGES))
    z = (counts - total * p) / np.sqrt(total * p * (1 - p))
    assert np.max(np.abs(z)) < 4
    assert abs(sums[0] / total) < 4 / np.sqrt(total)
    assert abs(sums[1] / total - 1) < 4 * np.sqrt(2 / total)
    assert stats.kstest(_draw(2)[0], "norm").pvalue > 1e-4


def test_that_law_is_told_from_one_a_percent_wider():
    draws = 1.01 * np.concatenate([_draw(seed)[0] for seed in range(2)])
    assert stats.kstest(draws, "norm").pvalue < 1e-4


def test_uniform_numbers_and_neighbours_are_independent():
    _, u = _draw(7)
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    for lag in (1, 2, 7):
        assert abs(np.corrcoef(u[:-lag], u[lag:])[0, 1]) < 4 / np.sqrt(u.size)
    other = _draw(8)[1]
    assert abs(np.corrcoef(u, other)[0, 1]) < 4 / np.sqrt(u.size)


def test_first_keys_do_not_depend_on_how_many_follow():
    assert np.array_equal(stream_keys(3, 5), stream_keys(3, 50)[:5])
    assert np.unique(stream_keys(3, 1000)).size == 1000
