"""Walks in random environments: enumeration, the exact two-walker variance, Monte Carlo and the tail."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from fpsim.diagnostics.random_environment.random_walk import (
    StepProbability,
    bulk_variance,
    rescale_tail,
    simulate_walks,
    walk_moments,
)
from fpsim.support.errors import DomainError, ToleranceError

NONE = StepProbability("two-point", 0.0)


def _reaching(steps, threshold, b):
    """P(X >= threshold) for one environment given as a dictionary (time, position) -> B."""
    p = {0: 1.0}
    for t in range(steps):
        q: dict[int, float] = {}
        for x, mass in p.items():
            q[x + 1] = q.get(x + 1, 0.0) + mass * b[t, x]
            q[x - 1] = q.get(x - 1, 0.0) + mass * (1 - b[t, x])
        p = q
    return sum(mass for x, mass in p.items() if x >= threshold)


@pytest.mark.parametrize(("steps", "threshold"), [(1, 1), (2, 0), (3, 1), (4, 0), (4, 2)])
@pytest.mark.parametrize("environment", [StepProbability(), StepProbability("two-point", 0.3)])
def test_moments_by_enumeration_of_environments(steps, threshold, environment):
    """P is linear in every B, so that P^2 is averaged exactly by any two points with the law's mean and variance."""
    sites = [(t, x) for t in range(steps) for x in range(-t, t + 1, 2)]
    s = np.sqrt(environment.variance)
    p = np.array(
        [
            _reaching(steps, threshold, dict(zip(sites, values, strict=True)))
            for values in itertools.product([0.5 - s, 0.5 + s], repeat=len(sites))
        ]
    )
    moments = walk_moments(steps, threshold, environment=environment)
    assert moments.mean == pytest.approx(p.mean(), abs=1e-14)
    assert moments.second == pytest.approx(np.mean(p**2), abs=1e-14)
    assert moments.variance == pytest.approx(p.var(), abs=1e-14)


def test_mean_is_binomial():
    for threshold in (-10, 0, 7, 30):
        expected = stats.binom.sf(np.ceil((threshold + 40) / 2) - 1, 40, 0.5)
        assert walk_moments(40, threshold).mean == pytest.approx(expected, rel=1e-12)


def test_two_walker_variance_at_a_hundred_steps():
    assert np.sqrt(walk_moments(100).variance) == pytest.approx(0.114993, abs=5e-7)


@pytest.mark.parametrize("environment", [StepProbability(), StepProbability("two-point", 0.4)])
def test_variance_approaches_its_bulk_limit(environment):
    """The ratio tends to 1 as 1 - c / sqrt(t) - d / t: Richardson extrapolation removes both corrections."""
    steps = np.array([100, 200, 400])
    exact = np.array([walk_moments(int(t), environment=environment).variance for t in steps])
    ratio = exact / bulk_variance(steps, environment=environment)
    distance = np.abs(1 - ratio)
    assert -0.6 < np.polyfit(np.log(steps), np.log(distance), 1)[0] < -0.4
    extrapolated = np.polyfit(1 / np.sqrt(steps), ratio, 2)[-1]
    assert extrapolated == pytest.approx(1.0, abs=3e-3)


def test_simulated_variance_within_a_percent():
    p = simulate_walks(100, environments=150_000, rng=1)[:, 0]
    moments = walk_moments(100)
    deviations = (p - moments.mean) ** 2
    error = deviations.std() / np.sqrt(p.size) / (2 * p.std())
    assert 4 * error < 0.01 * p.std()
    assert abs(p.std() - np.sqrt(moments.variance)) < 4 * error
    assert abs(p.mean() - moments.mean) < 4 * p.std() / np.sqrt(p.size)


@pytest.mark.parametrize("environment", [StepProbability(), StepProbability("two-point", 0.35)])
def test_simulated_second_moments_at_other_thresholds(environment):
    thresholds = [-6, 0, 5, 10]
    p = simulate_walks(40, thresholds, environment=environment, environments=40_000, rng=2)
    for column, threshold in zip(p.T, thresholds, strict=True):
        moments = walk_moments(40, threshold, environment=environment)
        assert abs(column.mean() - moments.mean) < 4 * column.std() / np.sqrt(column.size)
        assert abs(np.mean(column**2) - moments.second) < 4 * np.std(column**2) / np.sqrt(column.size)


def test_without_environment_there_is_no_excess():
    assert walk_moments(100, environment=NONE).variance == pytest.approx(0.0, abs=1e-14)
    p = simulate_walks(100, environment=NONE, environments=20, rng=3)
    assert np.ptp(p) == 0.0
    assert p[0, 0] == pytest.approx(walk_moments(100).mean, rel=1e-12)
    assert bulk_variance(100, environment=NONE) == 0.0
    # What is measured in the uniform environment is 4 sigma and far more away from that.
    assert simulate_walks(100, environments=200, rng=4).std() > 0.08


def test_walkers_that_coalesce_arrive_together():
    """spread 1/2: every site has one way out, so P is 0 or 1 and its variance that of a coin."""
    environment = StepProbability("two-point", 0.5)
    moments = walk_moments(30, environment=environment)
    assert moments.second == pytest.approx(moments.mean, rel=1e-12)
    p = simulate_walks(30, environment=environment, environments=500, rng=5)
    assert set(np.unique(p)) == {0.0, 1.0}


def test_tail_approaches_the_law_of_barraquand_and_corwin():
    """x = 0.9 at t = 100 and 400: the mean is far from -1.77 and comes nearer, as does the variance to 0.813.

    No test against the limit itself: it is out of reach. The finite-time second moment is exact and tested above.
    """
    chi = [rescale_tail(simulate_walks(t, int(0.9 * t), environments=6000, rng=6), t, 0.9)[:, 0] for t in (100, 400)]
    mean, error = np.array([c.mean() for c in chi]), np.array([c.std() / np.sqrt(c.size) for c in chi])
    assert np.all(mean - 4 * error > -1.7711)
    assert mean[0] - mean[1] > 4 * np.hypot(*error)
    assert abs(mean[0] - -1.30) < 0.05
    assert abs(chi[0].var() - 0.955) < 4 * 0.955 * np.sqrt(2 / 6000)
    # Without an environment the rescaled logarithm does not fluctuate at all.
    still = rescale_tail(simulate_walks(100, 90, environment=NONE, environments=10, rng=7), 100, 0.9)
    assert np.ptp(still) < 1e-12


@pytest.mark.slow
def test_tail_at_a_thousand_steps():
    chi = rescale_tail(simulate_walks(1000, 900, environments=16_000, rng=8), 1000, 0.9)[:, 0]
    assert abs(chi.mean() - -1.54) < 4 * chi.std() / np.sqrt(chi.size) + 0.005
    assert 0.813 < chi.var() < 0.955
    assert 0.0 < stats.skew(chi) < 0.2241


def test_threads_do_not_matter():
    one = simulate_walks(50, [0, 8], environments=300, rng=9, threads=1)
    two = simulate_walks(50, [0, 8], environments=300, rng=9, threads=2)
    assert np.array_equal(one, two)
    assert np.array_equal(one[:20], simulate_walks(50, [0, 8], environments=20, rng=9))


def test_wrong_arguments():
    with pytest.raises(DomainError, match="steps is 0"):
        walk_moments(0)
    with pytest.raises(DomainError, match="threshold 12"):
        simulate_walks(10, 12)
    with pytest.raises(DomainError, match="environments is 0"):
        simulate_walks(10, environments=0)
    with pytest.raises(DomainError, match=r"spread is 0\.6"):
        StepProbability("two-point", 0.6)
    with pytest.raises(DomainError, match="'gamma' does not exist"):
        StepProbability("gamma")
    with pytest.raises(DomainError, match=r"velocity is 1\.5"):
        rescale_tail(0.5, 10, 1.5)
    with pytest.raises(ToleranceError, match="fell below"):
        simulate_walks(2000, 1900, environments=2, rng=10)
