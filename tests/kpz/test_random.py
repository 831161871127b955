"""The streams are normal, uniform and independent of how many there are."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import stats

from fpsim.kpz._random import normal, stream_keys, uniform


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


def test_normal_numbers_have_the_normal_law_into_the_tails():
    draws = np.concatenate([_draw(seed)[0] for seed in range(4)])
    assert stats.kstest(draws, "norm").pvalue > 1e-4
    # Beyond 3.65 all numbers come from the tail's own branch of the ziggurat; just below, from its lowest layer.
    for low, high in [(0.0, 0.2), (2.0, 3.0), (3.0, 3.654), (3.654, 4.0), (4.0, np.inf)]:
        p = 2 * (stats.norm.sf(low) - stats.norm.sf(high))
        count = np.count_nonzero((np.abs(draws) > low) & (np.abs(draws) <= high))
        assert abs(count - draws.size * p) < 4 * np.sqrt(draws.size * p * (1 - p)), (low, high)
    assert abs(np.count_nonzero(draws > 0) / draws.size - 0.5) < 4 * 0.5 / np.sqrt(draws.size)


def test_that_law_is_told_from_one_a_percent_wider():
    draws = 1.01 * np.concatenate([_draw(seed)[0] for seed in range(4)])
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
