"""Distances against exact values of two Gaussians, and as metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import norm

from fpsim.comparison import DISTANCES, compare_density, compare_samples
from fpsim.comparison.distances import distance_named
from fpsim.comparison.samples import Sample
from fpsim.density import Grid, gaussian
from fpsim.support.errors import DomainError

SHIFT = 0.7
METRICS = ("total_variation", "hellinger", "wasserstein", "energy", "kolmogorov_smirnov", "mean", "covariance")
ROOTS = {"energy": math.sqrt}  # the root of this distance is the metric


def quantiles(mean=0.0, sd=1.0, count=20001):
    """Evenly weighted points of a normal law, without randomness."""
    return norm.ppf((np.arange(count) + 0.5) / count, mean, sd)


def energy_of_gaussians(shift, sd):
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| for N(0, 1) and N(shift, sd^2), from E|N(m, s^2)|."""

    def absolute(m, s):
        return s * math.sqrt(2 / math.pi) * math.exp(-0.5 * (m / s) ** 2) + m * (1 - 2 * norm.cdf(-m / s))

    return 2 * absolute(shift, math.hypot(1, sd)) - absolute(0, math.sqrt(2)) - absolute(0, sd * math.sqrt(2))


EXACT = {
    "total_variation": 2 * norm.cdf(SHIFT / 2) - 1,
    "kullback_leibler": SHIFT**2 / 2,
    "hellinger": math.sqrt(1 - math.exp(-(SHIFT**2) / 8)),
    "wasserstein": SHIFT,
    "energy": energy_of_gaussians(SHIFT, 1.0),
    "kolmogorov_smirnov": 2 * norm.cdf(SHIFT / 2) - 1,
    "mean": SHIFT,
    "covariance": 0.0,
}


@pytest.mark.parametrize("name", DISTANCES)
def test_shifted_gaussians_have_their_exact_distance(name):
    """Bins lose a little: a thousand of them, one per cent."""
    bins = 1024 if name in ("total_variation", "kullback_leibler", "hellinger") else None
    a, b = quantiles(count=400001), quantiles(SHIFT, count=400001)
    found = compare_samples(a, b, observable="x", distance=name, bins=bins)
    assert found.value == pytest.approx(EXACT[name], rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("name", DISTANCES)
def test_shifted_gaussian_from_its_density(name):
    density = gaussian(Grid.box((-7.0, 7.0, 560)), SHIFT, 1.0)
    bins = 280 if name in ("total_variation", "kullback_leibler", "hellinger") else None
    found = compare_density(density, quantiles(count=200001), observable="x", distance=name, bins=bins)
    assert found.value == pytest.approx(EXACT[name], rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("name", ["wasserstein", "energy"])
def test_widened_gaussian(name):
    exact = {"wasserstein": 0.5 * math.sqrt(2 / math.pi), "energy": energy_of_gaussians(0.0, 1.5)}[name]
    found = compare_samples(quantiles(), quantiles(sd=1.5), observable="x", distance=name)
    assert found.value == pytest.approx(exact, rel=2e-3)


def test_sliced_distances_in_the_plane():
    """A shift s of any law: W1 along u is |u . s|, so the average over directions is 2 |s| / pi; mean error is |s|."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4000, 2))
    b = a + np.array([0.6, -0.8])
    assert compare_samples(a, b, observable="x", distance="wasserstein").value == pytest.approx(2 / math.pi, rel=5e-3)
    assert compare_samples(a, b, observable="x", distance="mean").value == pytest.approx(1.0, rel=1e-12)
    assert compare_samples(a, b, observable="x", distance="covariance").value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("ndim", [2, 3])
def test_energy_distance_in_space_against_all_pairs(ndim):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(400, ndim)), 1.3 * rng.normal(size=(500, ndim)) + 0.4

    def gap(x, y):
        return np.linalg.norm(x[:, None] - y, axis=2).mean()

    found = compare_samples(a, b, observable="x", distance="energy").value
    assert found == pytest.approx(2 * gap(a, b) - gap(a, a) - gap(b, b), rel=0.03)


def test_kolmogorov_smirnov_takes_the_worst_axis():
    a = np.stack((quantiles(count=4001), np.random.default_rng(0).permutation(quantiles(count=4001))), axis=1)
    found = compare_samples(a, a + np.array([0.1, SHIFT]), observable="x", distance="kolmogorov_smirnov")
    assert found.value == pytest.approx(EXACT["kolmogorov_smirnov"], rel=2e-2)


@st.composite
def three_samples(draw):
    values = st.lists(st.floats(-3, 3, width=32), min_size=24, max_size=40)
    return [np.array(draw(values)) for _ in range(3)]


def features(distance, samples):
    """Mean features of samples in one common frame, and the frame."""
    laws = [Sample.independent(s[:, None]) for s in samples]
    frame = distance.frame(laws[0], Sample.independent(np.concatenate(samples)[:, None]), None)
    one = [np.zeros(len(s), np.int64) for s in samples]
    return [distance.sums(s.points, o, 1, frame)[0] / s.size for s, o in zip(laws, one, strict=True)], frame


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=30, deadline=None)
@given(three_samples())
def test_metric(name, samples):
    """Symmetric, zero on itself, and no detour is shorter, for laws seen through one frame."""
    distance, root = DISTANCES[name], ROOTS.get(name, float)
    (p, q, r), frame = features(distance, samples)

    def between(a, b):
        return root(float(distance.functional(a, b, frame)))

    assert between(p, p) == pytest.approx(0.0, abs=1e-7)
    assert between(p, q) == pytest.approx(between(q, p), rel=1e-12, abs=1e-12)
    assert between(p, r) <= between(p, q) + between(q, r) + 1e-9


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-3, 1.0), min_size=3, max_size=12), st.data())
def test_inequalities_between_histogram_distances(weights, data):
    """H^2 <= TV <= sqrt(2) H, and Pinsker: TV <= sqrt(KL / 2)."""
    other = data.draw(st.lists(st.floats(1e-3, 1.0), min_size=len(weights), max_size=len(weights)))
    p, q = np.array(weights) / sum(weights), np.array(other) / sum(other)
    tv, kl, h = (
        float(f(p, q).sum())
        for f in (DISTANCES[n].summand for n in ("total_variation", "kullback_leibler", "hellinger"))
    )
    h = math.sqrt(max(h, 0.0))
    assert h * h <= tv + 1e-12
    assert tv <= math.sqrt(2.0) * h + 1e-12
    assert tv <= math.sqrt(max(kl, 0.0) / 2.0) + 1e-9
    assert kl == pytest.approx(stats.entropy(p, q), abs=1e-12)


@pytest.mark.parametrize("name", ["wasserstein", "energy", "kolmogorov_smirnov"])
def test_thresholds_agree_with_the_library(name):
    """The form used for clusters and directions against SciPy on the same points."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=3000), rng.gamma(2.0, size=2000) - 2.0
    (p, q), frame = features(DISTANCES[name], [a, b])
    exact = {
        "wasserstein": stats.wasserstein_distance(a, b),
        "energy": stats.energy_distance(a, b) ** 2,
        "kolmogorov_smirnov": stats.ks_2samp(a, b).statistic,
    }[name]
    assert float(DISTANCES[name].functional(p, q, frame)) == pytest.approx(exact, rel=0.01)


def test_unknown_distance_is_refused_with_the_names():
    with pytest.raises(DomainError, match="'chi' is unknown: accepted are total_variation, kullback_leibler"):
        distance_named("chi")


def test_bins_where_there_are_none_are_refused():
    with pytest.raises(DomainError, match="only histogram distances have bins"):
        compare_samples(quantiles(), quantiles(), observable="x", distance="wasserstein", bins=10)
