"""Many distances at once are the single ones; the floor of the sliced distance; probabilities of tree cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from fpsim.comparison import DISTANCES, compare_all, compare_density, compare_samples
from fpsim.comparison.floors import sliced_floor, wasserstein_floor
from fpsim.comparison.partition import partition_samples
from fpsim.comparison.samples import ExactDensity
from fpsim.density import Grid, gaussian
from fpsim.support.errors import DomainError

COVARIANCE = np.array([[1.0, 0.9], [0.9, 1.0]])
PLANE = gaussian(Grid.box((-6.0, 6.0, 96), (-6.0, 6.0, 96)), 0.0, COVARIANCE)


def normal(rng, count):
    return rng.normal(size=(count, 2)) @ np.linalg.cholesky(COVARIANCE).T


def test_nearly_the_same_numbers_as_one_by_one():
    x = normal(np.random.default_rng(0), 800)
    for many, name in zip(compare_all(PLANE, x, observable="W1", time=2.0), DISTANCES, strict=True):
        one = compare_density(PLANE, x, observable="W1", time=2.0, distance=name)
        assert (many.distance, many.time) == (name, 2.0)
        assert many.value == pytest.approx(one.value, abs=0.2 * one.spread)
        assert many.floor == pytest.approx(one.floor, abs=0.2 * one.spread)
        assert many.spread == pytest.approx(one.spread, rel=0.1)  # by resampling for one distance: 4 %
        assert np.isnan(many.band).all()


def test_samples_and_a_choice_of_distances():
    rng = np.random.default_rng(1)
    a, b = normal(rng, 500), normal(rng, 700)
    found = compare_all(b, a, observable="W1", distances=("energy", "mean"))
    assert [c.distance for c in found] == ["energy", "mean"]
    assert found[1].value == pytest.approx(compare_samples(a, b, observable="W1", distance="mean").value)
    with pytest.raises(DomainError, match="numbers of coordinates"):
        compare_all(b[:, 0], a, observable="W1")


def test_floor_of_the_sliced_distance_by_simulation():
    """Four lines of a strongly correlated plane: mean and spread of the average distance over 400 samples."""
    rng = np.random.default_rng(2)
    angles = np.pi * (np.arange(4) + 0.5) / 4
    lines = np.stack((np.cos(angles), np.sin(angles)))
    scale = np.sqrt(np.einsum("il,ij,jl->l", lines, COVARIANCE, lines))
    levels = (np.arange(500) + 0.5) / 500
    truth = norm.ppf(levels)[:, None] * scale  # quantiles of every projection
    seen = [np.abs(np.sort(normal(rng, 500) @ lines, axis=0) - truth).mean() for _ in range(400)]
    mean, spread = sliced_floor(list((normal(rng, 30000) @ lines).T), 500)
    assert mean == pytest.approx(np.mean(seen), abs=4 * np.std(seen) / np.sqrt(400) + 0.02 * mean)
    assert spread == pytest.approx(np.std(seen), rel=4 / np.sqrt(2 * 400))


def test_one_line_is_the_floor_of_the_line():
    x = np.random.default_rng(3).normal(size=20000)
    one, many = wasserstein_floor(x, 100.0), sliced_floor([x], 100.0)
    assert many[0] == pytest.approx(one[0], rel=0.01)  # thinned to ten thousand points
    assert many[1] == pytest.approx(one[1], rel=0.03)  # 24 intervals against 300


def test_probabilities_of_tree_cells_against_quadrature():
    """Cells of a normal law cut at medians: boxes whose probability the normal cumulative gives."""
    rng = np.random.default_rng(4)
    independent = gaussian(Grid.box((-6.0, 6.0, 120), (-6.0, 6.0, 90)), 0.0, 1.0)
    tree = partition_samples(rng.normal(size=(4000, 2)), rng.normal(1.0, 0.5, (4000, 2)), 4000, 32)
    edges = [np.unique(np.concatenate(([-np.inf], tree.threshold[tree.axis == i], [np.inf]))) for i in (0, 1)]
    share = np.multiply.outer(*(np.diff(norm.cdf(e)) for e in edges))
    middle = [0.5 * (np.clip(e[1:], -9, 9) + np.clip(e[:-1], -9, 9)) for e in edges]
    blocks = np.stack(np.meshgrid(*middle, indexing="ij"), axis=-1).reshape(-1, 2)
    exact = np.bincount(tree.locate(blocks), share.ravel(), tree.size)
    assert np.abs(tree.probabilities(ExactDensity(independent)) - exact).max() < 2e-5
