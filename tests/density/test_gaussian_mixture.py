"""Gaussian mixtures against SciPy's normal densities, differences, and large samples."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from fpsim.density import GaussianMixture, Grid
from fpsim.support.errors import DomainError


def some(count=200, n=4, seed=0):
    rng = np.random.default_rng(seed)
    roots = rng.normal(0.0, 0.15, (count, n, n))
    weights = rng.random(count)
    covariances = roots @ roots.swapaxes(1, 2) + 0.03**2 * np.eye(n)
    return GaussianMixture(weights / weights.sum(), rng.normal(0.0, 0.7, (count, n)), covariances)


def direct(mixture, x):
    parts = zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    return sum(w * multivariate_normal(m, c).pdf(x) for w, m, c in parts)


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_log_density_and_score(n):
    mixture = some(n=n)
    x = np.concatenate([mixture.sample(50, rng=1), 3.0 * np.ones((1, n))])
    assert np.allclose(mixture.log_density(x), np.log(direct(mixture, x)), rtol=0.0, atol=1e-10)
    step = 1e-5 * np.eye(n)
    slope = [(mixture.log_density(x + e) - mixture.log_density(x - e)) / 2e-5 for e in step]
    assert np.allclose(mixture.score(x), np.stack(slope, axis=1), rtol=1e-6, atol=1e-5)


def test_threads_do_not_matter():
    mixture, grid = some(5000), Grid.box((-3, 3, 40), (-3, 3, 40), names=("x0", "x2"))
    x = mixture.sample(300, rng=2)
    assert np.array_equal(mixture.log_density(x, threads=1), mixture.log_density(x, threads=3))
    assert np.array_equal(mixture.on_grid(grid, threads=1).values, mixture.on_grid(grid, threads=3).values)


def test_moments_of_a_large_sample():
    mixture = some(20)
    x = mixture.sample(400_000, rng=3)
    for axes in ((0,), (0, 0), (0, 1), (0, 1, 2), (1, 1, 3), (0, 0, 1, 1), (0, 1, 2, 3)):
        product = np.prod(x[:, axes], axis=1)
        assert abs(mixture.moment(*axes) - product.mean()) < 4.0 * product.std() / np.sqrt(len(x))
    assert np.allclose(mixture.covariance, np.cov(x.T), atol=0.02)
    assert mixture.moment(0, 1) == pytest.approx(mixture.covariance[0, 1] + mixture.mean[0] * mixture.mean[1])


def test_marginal_on_a_line_is_exact_in_every_cell():
    mixture = some(30)
    grid = Grid.box((-3.0, 3.0, 50), names=("x1",))
    cells = mixture.on_grid(grid).values * grid.cell_volume
    ends = [
        w * np.diff(norm(m[1], np.sqrt(c[1, 1])).cdf(grid.edges[0]))
        for w, m, c in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    ]
    assert np.abs(cells - np.sum(ends, axis=0)).max() < 2e-5


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
@pytest.mark.parametrize("width", [0.5, 0.06, 0.01])
def test_marginal_on_a_plane(width):
    """Oblique components, wider and narrower than the cells, against sums over cells a hundredth as large."""
    c = width**2 * np.array([[1.0, 0.7], [0.7, 0.8]])
    mixture = GaussianMixture([1.0], [[0.11, -0.07]], c)
    grid = Grid.box((-1.0, 1.0, 20), (-1.0, 1.0, 20))
    cells = mixture.on_grid(grid).values * grid.cell_volume
    fine = Grid.box((-1.0, 1.0, 2000), (-1.0, 1.0, 2000))
    x, y = fine.mesh()
    p = multivariate_normal(mixture.means[0], c).pdf(np.stack(np.broadcast_arrays(x, y), axis=-1)) * fine.cell_volume
    assert np.abs(cells - p.reshape(20, 100, 20, 100).sum(axis=(1, 3))).max() < 1e-3 * cells.max()


def test_conditional_is_the_joint_over_the_marginal():
    mixture, given = some(40), {"x1": 0.2, "x3": -0.3}
    part = mixture.conditional(given)
    y = part.sample(20, rng=4)
    whole = np.stack([y[:, 0], np.full(20, 0.2), y[:, 1], np.full(20, -0.3)], axis=1)
    below = mixture.marginal("x1", "x3").log_density([[0.2, -0.3]])
    assert np.allclose(part.log_density(y), mixture.log_density(whole) - below, atol=1e-10)
    mean, covariance = mixture.conditional_moments([[0.2, -0.3]], "x1", "x3")
    assert np.allclose(mean[0], part.mean)
    assert np.allclose(covariance[0], part.covariance)
    assert part.names == ("x0", "x2")


def unequal():
    """Narrow and heavy beside wide and light, over twelve orders of magnitude of weight."""
    weights = 10.0 ** -np.arange(0.0, 13.0, 1.0)
    means = np.stack([np.linspace(0.0, 6.0, 13), np.zeros(13)], axis=1)
    covariances = (0.1 + 0.02 * np.arange(13))[:, None, None] ** 2 * np.array([[1.0, 0.3], [0.3, 1.0]])
    return GaussianMixture(weights / weights.sum(), means, covariances)


def test_tails_of_unequal_weights():
    """Log density, score, marginals and conditionals where light components alone matter, to twelve digits."""
    mixture = unequal()
    x = np.stack([np.linspace(-2.0, 9.0, 40), np.linspace(-1.0, 1.0, 40)], axis=1)
    terms = np.stack([
        np.log(w) + multivariate_normal(m, c).logpdf(x)
        for w, m, c in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    ])  # fmt: skip
    truth = logsumexp(terms, axis=0)
    assert truth.min() < -60.0
    assert np.abs(mixture.log_density(x) - truth).max() < 1e-10 * np.abs(truth).max()
    share = np.exp(terms - truth)
    slopes = [-(x - m) @ np.linalg.inv(c) for m, c in zip(mixture.means, mixture.covariances, strict=True)]
    assert np.allclose(mixture.score(x), np.einsum("km,kmi->mi", share, slopes), rtol=1e-9, atol=1e-9)
    widths = np.sqrt(mixture.covariances[:, 0, 0])
    share = mixture.weights * norm(mixture.means[:, 0], widths).pdf(6.5)  # the lightest ones decide
    share /= share.sum()
    part = mixture.conditional({"x0": 6.5})
    assert np.allclose(part.weights, share, rtol=1e-9, atol=1e-15)
    assert part.weights[-3:].sum() > 0.9
    assert part.mean[0] == pytest.approx(share @ (0.3 * (6.5 - mixture.means[:, 0])))
    grid = Grid.box((-1.0, 8.0, 360), names=("x0",))
    ends = sum(
        w * np.diff(norm(m[0], np.sqrt(c[0, 0])).cdf(grid.edges[0]))
        for w, m, c in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    )
    beyond = grid.edges[0][:-1] > 3.0
    assert np.allclose((mixture.on_grid(grid).values * grid.cell_volume)[beyond], ends[beyond], rtol=1e-3)


def test_draws_of_unequal_weights():
    """Light components come as often as their weight says, over many samples; a sample takes each to within one."""
    mixture = unequal()
    places = [np.rint(2.0 * mixture.sample(500, rng=r)[:, 0]).astype(int).clip(0, 12) for r in range(400)]
    counts = np.array([np.bincount(p, minlength=13) for p in places])
    x = np.linspace(-0.25, 6.25, 14)
    x[0], x[-1] = -np.inf, np.inf
    ends = sum(
        w * np.diff(norm(m[0], np.sqrt(c[0, 0])).cdf(x))
        for w, m, c in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    )
    expected = 400 * 500 * ends
    assert (np.abs(counts.sum(axis=0) - expected) < 4.0 * np.sqrt(expected) + 1e-3 * (expected < 1e-3)).all()


def test_symmetrised():
    mixture = some(10).symmetrised(np.array([np.eye(4), -np.eye(4)]))
    assert mixture.size == 20
    assert np.allclose(mixture.mean, 0.0, atol=1e-15)


def test_pickles_and_copies_are_read_only():
    mixture = some(5)
    for other in (pickle.loads(pickle.dumps(mixture)), copy.deepcopy(mixture)):
        assert np.array_equal(other.covariances, mixture.covariances)
        assert not any(a.flags.writeable for a in (other.weights, other.means, other.covariances))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.6], np.zeros((2, 1)), np.eye(1)), "add up to"),
        (([1.0], np.zeros((1, 2)), np.eye(3)), "covariances have shape"),
        (([1.0], np.zeros((1, 2)), np.diag([1.0, -1.0])), "eigenvalue"),
        (([1.0], np.zeros((1, 2)), np.array([[1.0, 0.5], [0.0, 1.0]])), "not symmetric"),
        (([1.0], [[np.nan]], np.eye(1)), "mean"),
        (([1.0], np.zeros((1, 2)), np.eye(2), ("a", "a")), "names"),
    ],
)
def test_what_is_no_mixture(arguments, message):
    with pytest.raises(DomainError, match=message):
        GaussianMixture(*arguments)


def test_a_point_has_no_density():
    point = GaussianMixture.gaussian([1.0, 2.0], 0.0)
    assert np.array_equal(point.sample(3, rng=0), [[1.0, 2.0]] * 3)
    with pytest.raises(DomainError, match="no width"):
        point.log_density([[1.0, 2.0]])
