"""Floors against simulation, exact enumeration and known laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import special, stats

from fpsim.comparison import floors

N, BINS = 500, 40
EDGES = np.linspace(-4.0, 4.0, BINS + 1)
P = np.diff(stats.norm.cdf(EDGES)) / np.diff(stats.norm.cdf(EDGES[[0, -1]]))


def total_variation(p, q):
    return 0.5 * np.abs(p - q)


def kullback_leibler(p, q):
    return special.kl_div(p, q)


def squared_hellinger(p, q):
    return 0.5 * (np.sqrt(p) - np.sqrt(q)) ** 2


BINNED = (total_variation, kullback_leibler, squared_hellinger)


def assert_mean_and_sd(values, mean, sd, bias=0.0):
    """Simulated values have this mean and standard deviation, within 4 standard errors (and a stated bias)."""
    count = len(values)
    assert abs(values.mean() - mean) < 4 * values.std() / math.sqrt(count) + bias * mean
    kurtosis = stats.kurtosis(values, fisher=False)
    assert abs(values.std() - sd) < 4 * sd * math.sqrt((kurtosis - 1) / (4 * count)) + bias * sd


def multinomials(summand, outer, enough):
    """All outcomes of ``enough`` points in three bins: values and probabilities."""
    p = np.array([0.5, 0.3, 0.2])
    counts = np.array([c for c in itertools.product(range(enough + 1), repeat=3) if sum(c) == enough])
    return outer(summand(counts / enough, p).sum(axis=1)), stats.multinomial.pmf(counts, enough, p), p


@pytest.mark.parametrize("summand", BINNED)
def test_mean_of_histogram_floor_is_exact(summand):
    values, probabilities, p = multinomials(summand, np.asarray, 12)
    mean, sd = floors.binned_floor(summand, p, 12)
    exact = values @ probabilities
    assert mean == pytest.approx(exact, rel=1e-10)
    assert sd == pytest.approx(math.sqrt((values - exact) ** 2 @ probabilities), rel=0.03)


@pytest.mark.parametrize("summand", BINNED)
@pytest.mark.parametrize("others", [None, 300])
def test_histogram_floor_against_simulation(summand, others):
    """Sparse and full bins, against the theory and between two samples."""
    rng = np.random.default_rng(3)
    a = rng.multinomial(N, P, size=20000) / N
    if others is None:
        mean, sd = floors.binned_floor(summand, P, N)
        values = summand(a, P).sum(axis=1)
        assert_mean_and_sd(values, mean, sd)
        return
    # Between samples the law is conditional on the pooled counts: shuffle one fixed pool.
    pool = np.round((N + others) * P).astype(int)
    total = int(pool.sum())
    first = rng.multivariate_hypergeometric(pool, N, size=20000)
    epsilon = 0.5 / (total - N)
    reference = ((pool - first) / (total - N) + epsilon) / (1 + BINS * epsilon)
    mean, sd = floors.binned_floor(summand, pool / total, N, total - N, epsilon)
    assert_mean_and_sd(summand(first / N, reference).sum(axis=1), mean, sd, bias=0.01)


def test_total_variation_tends_to_the_closed_form():
    """sum sqrt(p (1 - p)) / sqrt(2 pi n) = .08689 at n = 500 (histogram of a normal), simulation .08623."""
    closed = np.sqrt(P * (1 - P)).sum() / math.sqrt(2 * math.pi * N)
    assert closed == pytest.approx(0.08689, abs=5e-5)
    assert floors.binned_floor(total_variation, P, N)[0] == pytest.approx(0.08623, abs=5e-4)
    many = 10**7
    large = floors.binned_floor(total_variation, P, many)[0]
    assert large == pytest.approx(closed * math.sqrt(N / many), rel=1e-3)


def test_kullback_leibler_tends_to_chi_square():
    """(m - 1) / 2n = .0390 at n = 500; with its sparse bins the simulation gives .0350."""
    assert floors.binned_floor(kullback_leibler, P, N)[0] == pytest.approx(0.0350, abs=2e-4)
    many = 10**8
    mean, sd = floors.binned_floor(kullback_leibler, P, many)
    assert mean == pytest.approx((BINS - 1) / (2 * many), rel=2e-3)
    assert sd == pytest.approx(math.sqrt(2 * (BINS - 1)) / (2 * many), rel=2e-3)


def test_hellinger_tends_to_chi():
    many = 10**8
    mean, sd = floors.root_floor(*floors.binned_floor(squared_hellinger, P, many))
    chi = stats.chi(BINS - 1)
    assert mean == pytest.approx(chi.mean() / math.sqrt(8 * many), rel=1e-3)
    assert sd == pytest.approx(chi.std() / math.sqrt(8 * many), rel=5e-3)


@pytest.mark.parametrize("degrees", [1, 2, 7])
def test_root_of_chi_square_is_chi(degrees):
    square, root = stats.chi2(degrees), stats.chi(degrees)
    assert floors.root_floor(square.mean(), square.std()) == pytest.approx((root.mean(), root.std()), rel=1e-10)


def test_wasserstein_floor():
    """Closed form .05762 for a normal and n = 500; simulation by quantile functions."""
    x = stats.norm.ppf((np.arange(10**6) + 0.5) / 10**6)  # fewer points cut the tails of int sqrt(F (1 - F))
    mean, sd = floors.wasserstein_floor(x, N)
    assert mean == pytest.approx(0.05762, rel=1e-3)
    rng = np.random.default_rng(5)
    grid = np.linspace(-6, 6, 4001)
    exact = stats.norm.cdf(grid)
    values = [
        np.trapezoid(np.abs(np.searchsorted(np.sort(s), grid) / N - exact), grid) for s in rng.normal(size=(2000, N))
    ]
    assert_mean_and_sd(np.array(values), mean, sd, bias=0.01)


def test_energy_floor():
    """E|X - X'| / n = 2 / (sqrt(pi) n) for a normal; n int (F_n - F)^2 has known eigenvalues for a uniform law."""
    x = (np.arange(800) + 0.5) / 800
    gap = 1.0 / 3.0
    mean, sd = floors.energy_floor(np.abs(x[:, None] - x), gap, N)
    # 2 int (F_n - F)^2 dx of a uniform law is twice the Cramer-von Mises statistic over n: weights 2 / (pi k)^2.
    weights = 2.0 / (np.pi * np.arange(1, 100000)) ** 2
    assert mean == pytest.approx(weights.sum() / N, rel=1e-4)
    assert sd == pytest.approx(math.sqrt(2.0 * (weights**2).sum()) / N, rel=5e-3)


def test_kolmogorov_smirnov_floor():
    """Limit mean .8687; at n = 500 against the exact law (Marsaglia, Tsang & Wang 2003, in SciPy)."""
    mean, sd = floors.kolmogorov_smirnov_floor(1e12)
    assert mean * 1e6 == pytest.approx(0.8687, abs=5e-5)
    d = np.linspace(0.0, 0.2, 4001)
    tail = stats.kstwo.sf(d, N)
    exact = np.trapezoid(tail, d)
    second = 2.0 * np.trapezoid(d * tail, d)
    mean, sd = floors.kolmogorov_smirnov_floor(N)
    assert mean == pytest.approx(exact, rel=3e-3)
    assert sd == pytest.approx(math.sqrt(second - exact**2), rel=1e-2)


@pytest.mark.parametrize("ndim", [1, 2, 5])
def test_norm_floor_of_isotropic_vector_is_chi(ndim):
    chi = stats.chi(ndim, scale=3.0 / math.sqrt(N))
    assert floors.norm_floor(9.0 * np.eye(ndim), N) == pytest.approx((chi.mean(), chi.std()), rel=1e-7)


def test_norm_floor_of_anisotropic_vector_against_simulation():
    covariance = np.array([[4.0, 1.0, 0.0], [1.0, 1.0, 0.2], [0.0, 0.2, 0.1]])
    values = np.linalg.norm(np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, 100000), axis=1)
    assert_mean_and_sd(values, *floors.norm_floor(covariance, 1.0))
