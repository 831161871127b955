"""Evolution of Gaussian mixtures against exact solutions, paths of the same equation, and grids."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov
from scipy.stats import norm

from fpsim.density import GaussianMixture, Grid, gaussian
from fpsim.equation import FokkerPlanck, PointwiseFokkerPlanck
from fpsim.evolution import evolve, evolve_mixture
from fpsim.support.errors import DomainError, MemoryLimitError, ValidityWarning


def linear(a, d):
    n = len(a)
    return FokkerPlanck(drift=lambda *x: tuple(-sum(a[i, j] * x[j] for j in range(n)) for i in range(n)), diffusion=d)


@pytest.mark.parametrize("n", [2, 5, 20])
def test_ornstein_uhlenbeck_is_exact(n):
    rng = np.random.default_rng(n)
    a = np.eye(n) + 0.4 * rng.normal(size=(n, n)) / np.sqrt(n)
    root = rng.normal(size=(n, n)) / np.sqrt(n)
    d = root @ root.T
    m, c = rng.normal(size=(2, n)), 0.3 * np.eye(n)
    start = GaussianMixture([0.3, 0.7], m, c)
    result = evolve_mixture(linear(a, d), start, [0.4, 2.0])
    assert result.method == "exact closure"
    for t, density in zip(result.times, result.densities, strict=True):
        e, stationary = expm(-a * t), solve_continuous_lyapunov(a, 2.0 * d)
        assert np.abs(density.means - m @ e.T).max() < 1e-8
        assert np.abs(density.covariances - (stationary + e @ (c - stationary) @ e.T)).max() < 1e-8
    assert (result.error < 1e-8).all()


def test_time_dependent_drift():
    """``dX = -cos(t) X dt + sqrt(2 D) dB``: ``m = m0 exp(-sin t)``."""
    equation = FokkerPlanck(drift=lambda x, t: -np.cos(t) * x, diffusion=0.1)
    result = evolve_mixture(equation, GaussianMixture.gaussian([1.0], 0.01), [1.0, 3.0])
    assert np.allclose([p.mean[0] for p in result.densities], np.exp(-np.sin(result.times)), atol=1e-8)


def test_geometric_brownian_motion():
    """Drift ``mu x``, ``D = (sigma x)^2 / 2``: the logarithm is normal, the closure of one Gaussian is not."""
    mu, sigma, t = 0.1, 0.4, 1.0
    equation = FokkerPlanck(drift=lambda x: mu * x, diffusion=lambda x: 0.5 * (sigma * x) ** 2)
    result = evolve_mixture(equation, GaussianMixture.gaussian([1.0], 0.0), [t], components=8192, width=0.05, rng=1)
    grid = Grid.box((0.0, 4.0, 80))
    law = norm((mu - 0.5 * sigma**2) * t, sigma * np.sqrt(t))
    truth = np.diff(law.cdf(np.log(np.maximum(grid.edges[0], 1e-300))))
    error = 0.5 * np.abs(result.final.on_grid(grid).values * grid.cell_volume - truth).sum()
    assert 0.2 < error / result.error[-1] < 3.0
    assert result.final.mean[0] == pytest.approx(np.exp(mu * t), rel=2e-3)
    assert result.final.moment(0, 0) == pytest.approx(np.exp((2.0 * mu + sigma**2) * t), rel=5e-3)


def test_a_density_that_splits():
    """Two wells from their barrier, against the grid; the error is stated honestly."""
    equation = FokkerPlanck(drift=lambda x, y: (x - x**3, 0.5 * x - y), diffusion=0.05)
    result = evolve_mixture(
        equation, GaussianMixture.gaussian([0.1, 0.0], 0.04), [4.0], components=2048, width=0.2, rng=2
    )
    grid = Grid.box((-2.5, 2.5, 80), (-2.5, 2.5, 80), names=("x0", "x1"))
    truth = evolve(equation, gaussian(grid, [0.1, 0.0], 0.04), [4.0], tolerance=1e-3, estimate_grid_error=False)
    found = result.final.on_grid(grid)
    error = 0.5 * np.abs(found.values - truth.final.values).sum() * grid.cell_volume
    assert 0.2 < error / result.error[-1] < 3.0
    assert result.final.std[0] > 0.8


def test_tolerance_is_met():
    equation = FokkerPlanck(drift=lambda x, y: (x - x**3, -y), diffusion=0.1)
    result = evolve_mixture(equation, GaussianMixture.gaussian([0.0, 0.0], 0.05), [1.0], tolerance=0.03, rng=3)
    assert (result.error <= 0.03).all()
    assert not result.warnings
    assert "stratified kicks" in repr(result)


def test_same_bits_for_any_number_of_threads():
    equation = FokkerPlanck(drift=lambda x, y: (x - x**3, -y), diffusion=0.1)
    options = {"components": 2048, "width": 0.2, "rng": 4, "estimate_errors": False}
    start = GaussianMixture.gaussian([0.0, 0.0], 0.05)
    one, three = (evolve_mixture(equation, start, [1.0], threads=n, **options) for n in (1, 3))
    assert np.array_equal(one.final.means, three.final.means)
    assert np.array_equal(one.final.covariances, three.final.covariances)


def test_stiff_outliers_stay_finite():
    """A drift whose relaxation is a thousand times faster far out than inside."""
    equation = FokkerPlanck(drift=lambda x: -x - 10.0 * x**5, diffusion=0.02)
    start = GaussianMixture.gaussian([0.0], 4.0)
    result = evolve_mixture(equation, start, [0.5], components=1024, width=0.3, rng=5, estimate_errors=False)
    assert np.isfinite(result.final.means).all()
    assert np.abs(result.final.means).max() < 1.0


def test_given_places_keep_mean_and_covariance():
    x = np.random.default_rng(6).uniform(-1.0, 1.0, (4096, 2))
    equation = FokkerPlanck(drift=lambda x, y: (x - x**3, -y), diffusion=0.1)
    result = evolve_mixture(equation, x, [0.0, 0.1], components=8192, width=0.2, rng=7, estimate_errors=False)
    assert np.allclose(result.densities[0].mean, x.mean(axis=0), atol=1e-12)
    assert np.allclose(result.densities[0].covariance, np.cov(x.T, bias=True), atol=1e-12)


def test_light_parts_of_a_start_are_not_lost():
    """A stratum of probability 1e-6 among 1,024 components: its own law, and its weight, as if it were alone."""
    equation = FokkerPlanck(drift=lambda x: -(x**3) / 3.0, diffusion=0.01)
    parts = [GaussianMixture.gaussian([m], c) for m, c in ((0.0, 0.04), (3.0, 0.01))]
    both = GaussianMixture([1.0 - 1e-6, 1e-6], [[0.0], [3.0]], [[[0.04]], [[0.01]]])
    options = {"components": 1024, "width": 0.1, "rng": 9, "estimate_errors": False}
    whole = evolve_mixture(equation, both, [0.5], **options).final
    heavy, light = (evolve_mixture(equation, part, [0.5], **options).final for part in parts)
    tail = whole.means[:, 0] > 1.2
    assert whole.weights[tail].sum() == pytest.approx(1e-6, rel=0.02)
    x = light.mean + np.linspace(-2.0, 2.0, 9)[:, None] * light.std
    assert np.allclose(whole.log_density(x), np.log(1e-6) + light.log_density(x), atol=0.2)
    y = np.linspace(-0.4, 0.4, 9)[:, None]
    assert np.allclose(whole.log_density(y), heavy.log_density(y), atol=0.1)
    again = evolve_mixture(equation, whole, [0.1], **options).final  # and when it is evolved further
    assert again.weights[again.means[:, 0] > 1.0].sum() == pytest.approx(1e-6, rel=0.1)


def test_errors_of_weighted_components_are_honest():
    """Against a grid, from a start of very unequal parts."""
    equation = FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.05)
    start = GaussianMixture([0.98, 0.02], [[-0.8], [0.6]], [[[0.04]], [[0.02]]])
    result = evolve_mixture(equation, start, [1.0], components=512, width=0.1, rng=10)
    grid = Grid.box((-2.5, 2.5, 250), names=("x0",))
    begin = start.on_grid(grid)
    truth = evolve(equation, begin, [1.0], tolerance=1e-4, estimate_grid_error=False).final
    error = 0.5 * np.abs(result.final.on_grid(grid).values - truth.values).sum() * grid.cell_volume
    assert 0.1 < error / result.error[-1] < 3.0
    assert result.final.weights.max() / result.final.weights.min() > 10.0


EQUATION = FokkerPlanck(drift=lambda x: -(x**3), diffusion=0.1)


@pytest.mark.parametrize(
    ("start", "times", "options", "message"),
    [
        ("anywhere", [1.0], {}, "cannot be sampled"),
        (np.array([[np.nan]]), [1.0], {}, "cannot be sampled"),
        (np.zeros((1, 1)), [1.0, 0.5], {}, "times do not increase"),
        (np.zeros((1, 1)), [1.0], {"tolerance": 2.0}, "tolerance is 2"),
        (np.zeros((1, 1)), [1.0], {"components": 100}, "without width"),
        (np.zeros((1, 1)), [1.0], {"components": 100, "width": -1.0}, "width is"),
    ],
)
def test_what_is_not_accepted(start, times, options, message):
    with pytest.raises(DomainError, match=message):
        evolve_mixture(EQUATION, start, times, **options)


def tilted(x, y, t=0.0):
    """Entries that are fine one by one; the tensor has the eigenvalue ``1 - 2 |x|``, and less later on."""
    one = np.ones_like(x)
    return [[one, 2.0 * x + t], [2.0 * x + t, one]]


@pytest.mark.parametrize("start", [GaussianMixture.gaussian([0.0, 0.0], 1.0), np.array([[0.1, 0.0], [0.7, 0.2]])])
def test_a_tensor_that_is_not_semidefinite_is_named(start):
    equation = FokkerPlanck(drift=lambda x, y: (-(x**3), -y), diffusion=lambda x, y: tilted(x, y))
    with pytest.raises(DomainError, match=r"not positive semidefinite.* it is so at \(.*\), t = 0") as caught:
        evolve_mixture(equation, start, [1.0], components=256, width=0.2)
    place = str(caught.value).split("so at (")[1].split(")")[0]
    assert abs(float(place.split(",")[0])) > 0.499
    assert "\n" not in str(caught.value)


def test_a_tensor_that_becomes_indefinite_says_when():
    equation = FokkerPlanck(
        drift=lambda x, y: (-10.0 * x - x**3, -10.0 * y), diffusion=lambda x, y, t: tilted(0.0 * x, y, t)
    )
    with pytest.raises(DomainError, match=r"semidefinite.*t = 1\.\d+"):
        evolve_mixture(equation, np.zeros((1, 2)), [0.5, 1.5], components=64, width=0.5, estimate_errors=False)


def kernel(t, x, drift, diffusion):
    """``tilted`` as a kernel of one's own, whose answers nobody else looks at."""
    drift[0], drift[1] = -(x[0] ** 3), -x[1]
    diffusion[0], diffusion[1], diffusion[2] = 1.0, 2.0 * x[0] + t, 1.0


def test_kernels_at_points_are_looked_at():
    equation = PointwiseFokkerPlanck(drift=None, diffusion=1.0, at_points=kernel, names=("x", "y"))
    with pytest.raises(DomainError, match=r"diffusion at \(.*\), t = 0 has the eigenvalue -"):
        evolve_mixture(equation, GaussianMixture.gaussian([0.0, 0.0], 1.0), [1.0], components=256, width=0.2)
    with pytest.raises(DomainError, match=r"diffusion at \(.*\), t = 1.5 has the eigenvalue -0.5"):
        evolve_mixture(equation, np.zeros((1, 2)), [1.5], components=64, width=9.0, estimate_errors=False)


def test_a_constant_tensor_is_looked_at_too():
    equation = FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=lambda x, y: tilted(0.0 * x + 1.0, y))
    with pytest.raises(DomainError, match=r"eigenvalue -1.*so at"):
        evolve_mixture(equation, GaussianMixture.gaussian([0.0, 0.0], 1.0), [1.0])


def test_a_drift_that_is_not_finite_is_named():
    equation = FokkerPlanck(drift=lambda x: np.where(x > 0.5, np.nan, -(x**3)), diffusion=0.1)
    with pytest.raises(DomainError, match=r"drift component 0 is nan.*so at \(") as caught:
        evolve_mixture(equation, GaussianMixture.gaussian([0.0], 1.0), [1.0], components=64, width=0.2)
    assert float(str(caught.value).split("so at (")[1].split(")")[0]) > 0.5


class Faulty:
    """A start that answers places of another shape, or none that are finite."""

    names = ("x",)
    uniforms = 1

    def __init__(self, answer):
        self.answer = answer

    def places(self, uniform):
        return self.answer(uniform)

    def invariant_under(self, matrix):
        return False


@pytest.mark.parametrize("answer", [lambda u: np.hstack([u, u]), lambda u: u * np.inf, lambda u: u[:3]])
def test_a_start_that_cannot_be_sampled(answer):
    with pytest.raises(DomainError, match="start gives places") as caught:
        evolve_mixture(EQUATION, Faulty(answer), [1.0], components=64, width=0.2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"components": 10**12, "width": 0.1}, {"components": 10**6, "width": 0.1, "memory": "1 MB"}]
)
def test_more_components_than_memory(options):
    with pytest.raises(MemoryLimitError, match="components in 1 dimensions") as caught:
        evolve_mixture(EQUATION, np.zeros((1, 1)), [1.0], **options)
    assert "\n" not in str(caught.value)


def test_the_budget_goes_through_the_common_call():
    start = GaussianMixture.gaussian([0.0], 0.5)
    with pytest.raises(MemoryLimitError, match="components in 1 dimensions"):
        evolve(EQUATION, start, [1.0], memory="10 kB")
    for options in ({"method": "sweeps"}, {"follow": True}):
        with pytest.raises(DomainError, match="with a mixture"):
            evolve(EQUATION, start, [1.0], **options)


def test_a_tolerance_out_of_reach_says_why():
    with pytest.warns(ValidityWarning, match="tolerance 1e-06 not met"):
        evolve_mixture(EQUATION, np.zeros((1, 1)), [0.1], tolerance=1e-6, rng=8)


def test_components_that_widen_late_are_kicked_in_time():
    """``x' = x - x^3`` without noise: the start's normal law is carried along known curves, narrow until they part."""
    equation = FokkerPlanck(drift=lambda x: x - x**3, diffusion=1e-12)
    start, t = GaussianMixture.gaussian([0.0], 0.02**2), 4.0
    result = evolve_mixture(equation, start, [t, 5.0 * t], components=4096, width=0.1, rng=1, estimate_errors=False)
    grid = Grid.box((-1.1, 1.1, 44))
    x = np.clip(grid.edges[0], -1.0 + 1e-12, 1.0 - 1e-12)
    truth = np.diff(norm.cdf(x * np.exp(-t) / np.sqrt(1.0 - x**2 * (1.0 - np.exp(-2.0 * t))) / 0.02))
    assert 0.5 * np.abs(result.densities[0].on_grid(grid).values * grid.cell_volume - truth).sum() < 0.03
