"""Mass outside the box, points in cells, and rings: said, refused, wrapped."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from fpsim.density import Density, GaussianMixture, Grid, from_samples, gaussian, mixture
from fpsim.support.errors import DomainError, ValidityWarning

LINE = Grid.box((-2, 2, 64))
PLANE = Grid.box((-2, 2, 32), (-1, 3, 40), names=("u", "v"))
RING = Grid.box((0, 1, 64), boundary="periodic")
SPREAD = norm(1.5, 0.5)
NORMAL = np.asarray(SPREAD.ppf((np.arange(10_000) + 0.5) / 10_000))

MAKERS = {
    "gaussian": lambda mean: gaussian(LINE, mean, 0.1),
    "correlated": lambda mean: gaussian(PLANE, [mean, 1.0], [[0.1, 0.05], [0.05, 0.1]]),
    "mixture": lambda mean: mixture(LINE, [3.0, 1.0], [mean, mean], [0.1, 0.1]),
    "samples": lambda mean: from_samples(LINE, NORMAL - 1.5 + mean),
    "weighted": lambda mean: from_samples(LINE, NORMAL - 1.5 + mean, weights=np.full(NORMAL.size, 2.0)),
    "marginal": lambda mean: GaussianMixture.gaussian([7.0, mean], 0.1, names=("a", "b")).on_grid(LINE, "b"),
    "plane": lambda mean: GaussianMixture.gaussian([mean, 1.0], 0.1).on_grid(PLANE, 0, 1),
}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("side", [-1, 1])
def test_more_than_half_outside_is_refused_with_the_share_and_the_wall(maker, side):
    wall = "upper" if side > 0 else "lower"
    with pytest.raises(DomainError, match=rf"[.\d]+ of the mass lies outside .* = {2 * side}, the {wall} wall"):
        MAKERS[maker](2.5 * side)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_thousandth_outside_is_a_warning_and_less_is_not(maker):
    std = 0.5 if maker in ("samples", "weighted") else 0.1**0.5
    for share in (2e-3, 0.3):
        with pytest.warns(ValidityWarning, match="of the mass lies outside") as told:
            MAKERS[maker](2.0 - std * norm.isf(share))
        assert float(str(told[0].message).split(": ")[1].split(" of ")[0]) == pytest.approx(share, rel=0.05)
        assert told[0].filename == __file__
    MAKERS[maker](2.0 - std * norm.isf(5e-4))


def test_half_of_a_density_centred_on_a_wall_passes():
    with pytest.warns(ValidityWarning, match=r"0\.5 of the mass"):
        assert gaussian(LINE, 2.0, 0.01).mean[0] == pytest.approx(2.0 - 0.1 * np.sqrt(2 / np.pi), abs=5e-3)


def test_corners_count_both_walls():
    inside = norm.cdf(2.0) ** 2
    with pytest.warns(ValidityWarning, match=rf"{1 - inside:.3g} of the mass"):
        gaussian(Grid.box((-8, 2, 50), (-8, 2, 50)), 0.0, 1.0)


POINTS = {
    "gaussian": lambda x: gaussian(LINE, x, 1e-12),
    "mixture": lambda x: mixture(LINE, [1.0, 2.0], [0.0, x], [0.1, 1e-12]),
    "samples": lambda x: from_samples(LINE, np.full(10, x)),
    "point": lambda x: GaussianMixture.gaussian([x], 0.0).on_grid(LINE, "x0"),
}


@pytest.mark.parametrize("maker", POINTS)
def test_a_point_says_where_it_was_put(maker):
    centre = float(LINE.centers[0][40])
    with pytest.warns(ValidityWarning, match=rf"put at its centre: x0 = {centre:g} for {centre + 0.02:g}"):
        POINTS[maker](centre + 0.02)
    POINTS[maker](centre)


@pytest.mark.parametrize("place", [(0.0, 1.0), (0.03, 1.01), (-1.0, 2.0)])
def test_points_of_a_mixture_keep_their_mass(place):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        for covariance in (0.0, [1e-14, 0.1], [[1e-3, 1e-3], [1e-3, 1e-3]]):
            found = GaussianMixture.gaussian(place, covariance).on_grid(PLANE, 0, 1)
            assert found.mass == pytest.approx(1.0, abs=2e-3)
            assert (np.abs(found.mean - place) <= np.array(PLANE.spacing)).all()


@pytest.mark.parametrize("std", [0.03, 0.2, 1.0, 4.0])
@pytest.mark.parametrize("mean", [0.0, 0.95, 7.3, -2.4])
def test_gaussians_are_wrapped_around_rings(std, mean):
    """Truth: the wrapped normal's Fourier series."""
    k = 2 * np.pi * np.arange(1, 200)
    edges = RING.edges[0]
    primitive = edges + 2 * (np.exp(-0.5 * (k * std) ** 2) / k) @ np.sin(np.outer(k, edges - mean))
    values = gaussian(RING, mean, std**2).values
    assert np.allclose(values, np.diff(primitive) / RING.spacing[0], atol=1e-11)


def test_a_correlated_gaussian_is_wrapped():
    grid = Grid.box((0, 1, 64), (-2, 2, 64), boundary=["periodic", "reflecting"])
    cov = np.array([[0.02, 0.03], [0.03, 0.1]])
    found = gaussian(grid, [0.9, 0.0], cov)
    x, y = (c.ravel() for c in np.meshgrid(*grid.centers, indexing="ij"))
    law = multivariate_normal([0.9, 0.0], cov + np.diag(np.square(grid.spacing)) / 12)
    exact = sum(law.pdf(np.stack([x + k, y], axis=1)) for k in (-3, -2, -1, 0, 1, 2, 3))
    assert np.allclose(found.values.ravel(), exact, atol=2e-3 * exact.max())


def test_samples_are_wrapped_around_rings():
    found = from_samples(RING, (np.arange(64 * 70) + 0.5) / 640 - 3.0)
    assert np.allclose(found.values, 1.0, atol=1e-12)


def test_a_ring_that_is_far_shorter_than_the_width_is_refused():
    with pytest.raises(DomainError, match="uniform long before"):
        gaussian(RING, 0.5, 1e6)


def test_experiment_starts_on_a_grid_of_weights():
    """A start of standard deviation 0.3 about 1 on a box that does not hold it."""
    from fpsim import Start

    start = Start.gaussian(1.0, 0.3)
    with pytest.raises(DomainError, match=r"of the mass lies outside the box, most of it beyond w = 0\.5"):
        gaussian(Grid.box((-1, 0.5, 64), names=("w",)), start.location, start.spread**2)
    assert isinstance(gaussian(Grid.box((-1, 3, 64)), start.location, start.spread**2), Density)
