"""The comparison value, its bins, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsim.comparison import Comparison, compare_density, compare_samples
from fpsim.comparison.partition import MIN_COUNT, partition_density, partition_samples
from fpsim.comparison.samples import ExactDensity, draw, stratified
from fpsim.density import Density, Grid, gaussian
from fpsim.support.errors import DomainError

PLANE = gaussian(Grid.box((-3.0, 3.0, 48), (-4.0, 4.0, 40)), (0.3, -0.5), ((0.3, 0.2), (0.2, 0.5)))


def points(count=500, seed=0):
    return np.random.default_rng(seed).multivariate_normal((0.3, -0.5), ((0.3, 0.2), (0.2, 0.5)), count)


def test_z_is_the_excess_in_units_of_the_spread():
    c = Comparison("W1", "total_variation", value=0.30, floor=0.10, spread=0.05)
    assert c.excess == pytest.approx(0.2)
    assert c.z == pytest.approx(4.0)
    assert "W1: total_variation 0.3, floor 0.1 +- 0.05, z=4" in repr(c)
    assert Comparison("W1", "mean", value=0.1, floor=0.0, spread=0.0).z == math.inf
    assert Comparison("W1", "mean", value=0.0, floor=0.0, spread=0.0).z == 0.0


def test_a_comparison_is_a_function_of_its_arguments():
    first, second = (compare_density(PLANE, points(), observable="W1", time=2.0) for _ in range(2))
    assert first == second
    assert first.time == 2.0
    assert first.details["replicas"] == 500
    assert "blocks of the theory's grid" in first.details["binning"]
    with pytest.raises(TypeError):
        first.details["replicas"] = 1


def test_total_variation_against_a_histogram_by_hand():
    """Blocks of 12 x 10 cells: counts by NumPy, sparse blocks and the outside summed into one bin."""
    x = np.concatenate((points(4000), np.full((300, 2), 9.0)))
    found = compare_density(PLANE, x, observable="W1", bins=(4, 4))
    p = PLANE.values.reshape(4, 12, 4, 10).sum(axis=(1, 3)) / PLANE.values.sum()
    edges = [PLANE.grid.edges[0][::12], PLANE.grid.edges[1][::10]]
    f = np.histogramdd(x, bins=edges)[0] / len(x)
    order = np.argsort(p, axis=None)
    sparse = next(k for k in range(1, 16) if p.ravel()[order[:k]].sum() * len(x) >= MIN_COUNT)
    sparse = max(sparse, int((p * len(x) < MIN_COUNT).sum()))
    full = order[sparse:]
    p, f = p.ravel()[full], f.ravel()[full]
    by_hand = 0.5 * (np.abs(p - f).sum() + abs(p.sum() - f.sum()))
    assert found.value == pytest.approx(by_hand, abs=1e-14)
    assert found.details["bins"] == len(full) + 1 < 16
    assert found.details["outside"] == 300
    assert found.value > 0.06


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
@settings(max_examples=40, deadline=None)
@given(st.integers(60, 100000), st.floats(0.05, 2.0), st.floats(-2.0, 2.0))
def test_every_bin_of_a_theory_expects_enough_points(count, sd, mean):
    density = gaussian(Grid.box((-3.0, 3.0, 60), (-3.0, 3.0, 50)), (mean, 0.0), sd**2)
    cut = partition_density(density, count)
    p = cut.probabilities(ExactDensity(density))
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    assert cut.size == 2 or (p * count >= MIN_COUNT * (1 - 1e-9)).all()
    x = draw(density, 2000, np.random.default_rng(0))
    share = np.bincount(cut.locate(x), minlength=cut.size) / len(x)
    assert (np.abs(share - p) < 5 * np.sqrt(p / len(x)) + 0.005).all()
    far = cut.locate(np.array([[50.0, 0.0], [0.0, -50.0]]))
    assert (far == cut.size - 1).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(200, 3000), st.integers(0, 100))
def test_cells_between_samples_are_equally_full(ndim, count, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(count, ndim)), rng.normal(size=(count // 2, ndim)) ** 3
    cut = partition_samples(a, b, count // 2)
    cells = np.bincount(cut.locate(np.concatenate((a, b))), minlength=cut.size)
    assert cells.max() - cells.min() <= np.log2(cut.size) + 1
    assert cells.min() >= 2 * MIN_COUNT


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_points_of_a_theory_have_its_moments(ndim):
    """Stratified points and draws of a smooth density are not widened by the cells (h = sigma / 2)."""
    mean, variance = np.arange(ndim) * 0.1, np.arange(1, ndim + 1) * 1.0
    grid = Grid(tuple(mean - 5 * np.sqrt(variance)), tuple(mean + 5 * np.sqrt(variance)), (20,) * ndim)
    density = gaussian(grid, mean, variance)
    even = stratified(density, 32768)
    assert np.allclose(even.mean(axis=0), mean, atol=2e-3)
    assert np.allclose(even.var(axis=0), variance, rtol=5e-3)
    drawn = draw(density, 200000, np.random.default_rng(1))
    assert np.allclose(drawn.mean(axis=0), mean, atol=4 * np.sqrt(variance.max() / 200000))
    assert np.allclose(drawn.var(axis=0), variance, rtol=5e-3 + 4 * math.sqrt(2 / 200000))
    assert np.allclose(ExactDensity(density).covariance, np.diag(variance), atol=2e-3)


def test_unnormalised_theory_is_normalised_and_its_mass_kept():
    half = Density(PLANE.grid, 0.5 * PLANE.values)
    a, b = (compare_density(p, points(), observable="W1") for p in (PLANE, half))
    assert a.value == pytest.approx(b.value, rel=1e-12)
    assert b.details["mass"] == pytest.approx(0.5)


def test_a_theory_that_has_contracted_to_a_point_is_far_from_everything():
    """All mass in one cell: the bins are that cell's block and the rest, and no floor hides the difference."""
    point = gaussian(PLANE.grid, tuple(PLANE.grid.centers[axis][k] for axis, k in ((0, 26), (1, 20))), 1e-6)
    found = compare_density(point, points(), observable="W1")
    assert found.details["bins"] == 2
    assert found.value > 0.9
    assert found.z > 100
    broad = gaussian(PLANE.grid, (0.3, -0.5), 0.4)
    assert compare_density(broad, points(12), observable="W1").details["bins"] == 2


def test_clusters_may_come_flat():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 5, 2)), rng.normal(size=(80, 5, 2))
    labels = [np.repeat(rng.permutation(len(s)), 5) for s in (a, b)]
    whole = compare_samples(a, b, observable="y", distance="mean")
    flat = compare_samples(
        a.reshape(-1, 2), b.reshape(-1, 2), observable="y", distance="mean", clusters=(labels[0], labels[1])
    )
    assert flat.value == pytest.approx(whole.value, rel=1e-12)
    assert flat.floor == pytest.approx(whole.floor, rel=0.3)
    assert whole.details["replicas"] == (60, 80)
    assert whole.method == "bootstrap of whole replicas"


def bad(count):
    x = points()
    x[:count, 1] = np.nan
    return x


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compare_density(PLANE, bad(3), observable="W1"), DomainError, "3 of 500 samples of W1 are not finite"),
        (lambda: compare_samples(points(), bad(2), observable="W1"), DomainError, "2 of 500 second samples of W1"),
        (lambda: compare_density(PLANE, points()[:, 0], observable="W1"), DomainError, "1 coordinates: the theory's 2"),
        (lambda: compare_density(PLANE, points(), observable="W1", bins=500), DomainError, "from 2 to the grid's"),
        (
            lambda: compare_samples(points(), points()[:, :1], observable="W1"),
            DomainError,
            "equal numbers of coordinates",
        ),
        (lambda: compare_samples(points(), points(1), observable="W1"), DomainError, "n >= 2"),
        (lambda: compare_samples(points(), points(), observable="W1", distance="tv"), DomainError, "'tv' is unknown"),
        (
            lambda: compare_samples(points(), points(), observable="y", clusters=(np.zeros(500), np.arange(500))),
            DomainError,
            "come from 1 replica",
        ),
        (
            lambda: compare_samples(points(), points(), observable="y", clusters=(np.arange(9), np.arange(500))),
            DomainError,
            "name 9 rows of 500",
        ),
        (
            lambda: compare_samples(np.zeros((4, 3, 2)), np.zeros((5, 3, 1)), observable="y"),
            DomainError,
            "equal numbers of coordinates",
        ),
        (
            lambda: compare_samples(np.zeros((4, 3, 2)), points(), observable="y"),
            DomainError,
            "in both or in neither",
        ),
        (
            lambda: compare_samples(np.zeros((1, 3, 2)), np.zeros((5, 3, 2)), observable="y"),
            DomainError,
            "come from 1 replica",
        ),
    ],
)
def test_bad_input_is_refused_in_words(call, error, message):
    with pytest.raises(error, match=message):
        call()
