"""If theory and experiment are the same law, z has mean 0 and standard deviation 1; if not, it is large."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsim.comparison import DISTANCES, compare_density, compare_samples
from fpsim.density import Grid, gaussian

COVARIANCE = np.array([[1.0, 0.5], [0.5, 1.0]])
FACTOR = np.linalg.cholesky(COVARIANCE)
PLANE = gaussian(Grid.box((-6.0, 6.0, 96), (-6.0, 6.0, 96)), (0.0, 0.0), COVARIANCE)
LINE = gaussian(Grid.box((-6.0, 6.0, 96)), 0.0, 1.0)
REPLICAS = 1000


def normal(rng, count=REPLICAS):
    return rng.normal(size=(count, 2)) @ FACTOR.T


def outputs(rng, shift=0.0, count=300, per_replica=6):
    """Outputs of one replica share a random offset and scale: strongly dependent."""
    offset, scale = rng.normal(size=(count, 1, 2)), rng.gamma(4.0, 0.25, size=(count, 1, 1))
    return shift + offset + scale * rng.normal(size=(count, per_replica, 2))


CASES = {
    "density, line": lambda rng, **kw: compare_density(LINE, normal(rng)[:, 0], **kw),
    "density, plane": lambda rng, **kw: compare_density(PLANE, normal(rng), **kw),
    "samples, line": lambda rng, **kw: compare_samples(normal(rng)[:, 0], normal(rng, 600)[:, 0], **kw),
    "samples, plane": lambda rng, **kw: compare_samples(normal(rng), normal(rng, 600), **kw),
    "outputs": lambda rng, **kw: compare_samples(outputs(rng), outputs(rng, count=200), rng=rng, **kw),
}


def z_scores(case, name, seeds):
    return np.array(
        [CASES[case](np.random.default_rng([7, s]), observable=case, distance=name).z for s in range(seeds)]
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", DISTANCES)
def test_calibrated_quickly(case, name):
    """Eight seeds: mean and spread within 4 standard errors of 0 and 1, no outlier (skewed distances reach 6)."""
    z = z_scores(case, name, 8)
    assert abs(z.mean()) < 4 / math.sqrt(z.size)
    assert z.std() < 1 + 4 / math.sqrt(2 * z.size)
    assert np.abs(z).max() < 6


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", DISTANCES)
def test_calibrated(case, name):
    z = z_scores(case, name, 200)
    assert abs(z.mean()) < 0.2, f"mean {z.mean():.2f}"
    assert abs(z.std() - 1.0) < 0.2, f"spread {z.std():.2f}"


def test_pooled_outputs_taken_for_independent_would_be_wrong():
    """Six outputs with half their variance in common: the true floor is sqrt(1 + 5 / 2) = 1.9 times higher."""
    rng = np.random.default_rng(0)
    a, b = outputs(rng), outputs(rng, count=200)
    whole = compare_samples(a, b, observable="y", distance="mean")
    flat = compare_samples(a.reshape(-1, 2), b.reshape(-1, 2), observable="y", distance="mean")
    assert 1.6 < whole.floor / flat.floor < 2.2


@pytest.mark.parametrize("name", DISTANCES)
def test_different_laws_are_told_apart(name):
    """A shift and a widening by a third of a standard deviation, from densities, samples and outputs."""
    rng = np.random.default_rng(11)
    x = 1.3 * normal(rng) + 0.3
    assert compare_density(PLANE, x, observable="W", distance=name).z > 6
    assert compare_density(LINE, x[:, 0], observable="w", distance=name).z > 5
    assert compare_samples(x, normal(rng), observable="W", distance=name).z > 6
    moved = outputs(rng, count=1000)
    assert compare_samples(1.4 * moved + 0.4, outputs(rng, count=1000), observable="y", distance=name).z > 5


@pytest.mark.parametrize("name", ["wasserstein", "kolmogorov_smirnov", "mean"])
def test_band_covers_the_exact_value(name):
    """95 % bands of a shifted normal, 60 seeds: coverage not below 95 % by more than 4 standard errors."""
    from scipy.stats import norm

    exact = {"wasserstein": 0.5, "mean": 0.5, "kolmogorov_smirnov": 2 * norm.cdf(0.25) - 1}[name]
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(60):
        low, high = compare_density(LINE, rng.normal(0.5, 1.0, 800), observable="w", distance=name, rng=rng).band
        hits += low <= exact <= high
    assert hits >= 60 * (0.95 - 4 * math.sqrt(0.05 * 0.95 / 60))
