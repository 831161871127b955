"""The Bernoulli function, the mean coefficient and the jump rates made of them."""

import time
from decimal import Decimal, getcontext

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator import build_generator, mean_first_passage_time, mean_velocity, stationary_density
from fpsim.generator.bernoulli import bernoulli, exponential_rate, logarithmic_mean

EPS = np.finfo(float).eps
getcontext().prec = 60
ARGUMENTS = [s * 10.0**k for k in range(-300, 3, 13) for s in (1.0, -1.0, 3.7, -5.3)] + [1e-8, 1e-9, -1e-5, 40.0, -40.0]


@pytest.mark.parametrize("w", [w for w in ARGUMENTS if abs(w) < 700])
def test_bernoulli_is_right_to_the_last_digits(w):
    x = Decimal(w)
    small = 1 - x / 2 + x * x / 12
    exact = small if abs(w) < 1e-20 else x / (x.exp() - 1)
    assert abs(Decimal(float(bernoulli(w))) / exact - 1) < 4 * EPS


def test_bernoulli_limits():
    assert bernoulli(0.0) == 1.0
    assert bernoulli(1e5) == 0.0
    assert bernoulli(-1e5) == 1e5


@pytest.mark.parametrize("ratio", [1.0, 1 + 1e-15, 1 + 1e-9, 1.01, 2.0, 1e3, 1e-3])
def test_logarithmic_mean(ratio):
    left, right = 0.7, 0.7 * ratio
    a, b = Decimal(left), Decimal(right)
    exact = a if a == b else (b - a) / (b / a).ln()
    assert abs(Decimal(float(logarithmic_mean(left, right))) / exact - 1) < 8 * EPS


def test_logarithmic_mean_of_zero_is_zero():
    assert logarithmic_mean(0.0, 1.0) == 0.0
    assert logarithmic_mean(0.0, 0.0) == 0.0


@pytest.mark.parametrize("diffusion", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("drift", [-3.0, -1e-7, 0.0, 1e-3, 8.0])
def test_exponential_rate_identities(diffusion, drift):
    there, back = exponential_rate(diffusion, drift), exponential_rate(diffusion, -drift)
    assert there - back == pytest.approx(drift, abs=4 * EPS * (there + back))
    if abs(drift) < 500 * diffusion:
        assert np.log(there / back) == pytest.approx(drift / diffusion, rel=1e-13, abs=1e-15)


def test_no_diffusion_is_exact_upwind():
    grid = Grid.box((-1, 1, 20), (0, 1, 10))
    generator = build_generator(FokkerPlanck(drift=lambda x, y: (-x, 0 * y + 2.0), diffusion=[0.0, 0.0]), grid)
    q = generator.jumps.toarray().reshape(20, 10, 20, 10)
    faces = np.linspace(-1, 1, 21)[1:-1]
    for i, b in enumerate(-faces):
        assert q[i, 3, i + 1, 3] == pytest.approx(max(b, 0.0) / 0.1, rel=1e-14)
        assert q[i + 1, 3, i, 3] == pytest.approx(max(-b, 0.0) / 0.1, rel=1e-14)
        assert q[i, 3, i, 4] == pytest.approx(20.0)
        assert q[i, 4, i, 3] == 0.0


def test_ito_noise_without_drift_jumps_at_the_local_rate():
    grid = Grid.box((-1, 1, 40))
    generator = build_generator(FokkerPlanck(diffusion=lambda x: 0.3 + 0.2 * np.sin(3 * x)), grid)
    local = (0.3 + 0.2 * np.sin(3 * grid.centers[0])) / grid.spacing[0] ** 2
    q = generator.jumps.toarray()
    np.testing.assert_allclose(np.diag(q, 1), local[:-1], rtol=1e-13)
    np.testing.assert_allclose(np.diag(q, -1), local[1:], rtol=1e-13)


def test_noise_free_half_does_not_hold_mass_back():
    # Ito noise for x > 0 only, drift 0.1: x - 0.1 t is a martingale, so the mean time to the target is distance / drift
    grid = Grid.box((-1, 1.25, 180))
    generator = build_generator(FokkerPlanck(drift=lambda x: 0.1 + 0 * x, diffusion=lambda x: 1.0 * (x > 0)), grid)
    time_ = mean_first_passage_time(generator, lambda x: x > 1.0).value
    start = 10
    exact = (1.0 - grid.centers[0][start]) / 0.1
    assert time_[start] == pytest.approx(exact, rel=2e-3)


@pytest.mark.parametrize(("calculus", "power"), [("ito", -1.0), ("stratonovich", -0.5), ("klimontovich", 0.0)])
def test_declared_calculus_decides_the_stationary_law(calculus, power):
    # strong gradient: D changes by a factor 20 over the box; without drift p ~ D^(alpha - 1), exact at cell centres
    grid = Grid.box((-1, 1, 50))
    equation = FokkerPlanck(diffusion=lambda x: 0.1 * np.exp(1.5 * x), calculus=calculus)
    found = stationary_density(build_generator(equation, grid)).values
    exact = np.exp(1.5 * power * grid.centers[0])
    np.testing.assert_allclose(found, exact / (exact.sum() * grid.cell_volume), rtol=1e-12)


def test_tensor_and_axis_route_agree_on_the_mean_velocity():
    # the local mean of the jumps is the drift, whatever the route: constant coefficients on a torus
    grid = Grid.box((0, 1, 16), (0, 2, 16), boundary="periodic")
    drift = (0.7, -0.4)
    for diffusion in ([0.3, 0.2], [[0.3, 0.2], [0.2, 0.2]], [[0.01, 0.0099], [0.0099, 0.01]]):
        equation = FokkerPlanck(drift=lambda x, y: (drift[0] + 0 * x, drift[1] + 0 * y), diffusion=diffusion)
        generator = build_generator(equation, grid)
        velocity = mean_velocity(generator, stationary_density(generator))
        np.testing.assert_allclose(velocity.value, drift, atol=1e-12 + float(np.max(velocity.error)))


def test_jump_covariance_is_the_tensor():
    # no drift, constant tensor: rates times offsets sum to 2 D exactly, by the definition of the covariance of jumps
    d = np.array([[1.0, 0.9], [0.9, 1.0]])
    generator = build_generator(FokkerPlanck(diffusion=d), Grid.box((-1, 1, 12), (-2, 2, 20)))
    total = np.zeros((2, 2))
    for link in generator.links:
        step = np.array(link.offset) * np.array(generator.grid.spacing)
        inside = len(link.tail) // 2  # not next to a wall
        total += (link.forward[inside] + link.backward[inside]) * np.outer(step, step)
    np.testing.assert_allclose(total, 2 * d, rtol=1e-12)


@pytest.mark.parametrize("tensor", [None, [[0.2, 0.1], [0.1, 0.2]]])
def test_coefficients_as_grid_arrays(tensor):
    # linear drift -D grad phi and D as arrays: exp(-phi) at cell centres, to rounding
    grid = Grid.box((-2, 2, 24), (-2, 2, 20))
    x, y = (np.broadcast_to(c, grid.shape) for c in grid.mesh())
    d = np.diag([0.2, 0.4]) if tensor is None else np.array(tensor)
    gradient = np.stack([2 * x + 0.5 * y, 3 * y + 0.5 * x]) if tensor else np.stack([2 * x, 3 * y])
    drift = -np.einsum("ij,j...->i...", d, gradient)
    full = np.broadcast_to(d[:, :, None, None], (2, 2, *grid.shape))
    diffusion = full if tensor else np.stack([full[0, 0], full[1, 1]])
    found = stationary_density(build_generator(FokkerPlanck(drift=drift, diffusion=diffusion), grid)).values
    exact = np.exp(-(x**2) - 1.5 * y**2 - (0.5 * x * y if tensor else 0.0))
    np.testing.assert_allclose(found, exact / (exact.sum() * grid.cell_volume), rtol=1e-10)


def test_building_is_fast():
    grid = Grid.box((-2, 2, 256), (-2, 2, 256))
    equation = FokkerPlanck(drift=lambda x, y: (-x + y, -y - x), diffusion=0.1)
    build_generator(equation, Grid.box((-2, 2, 4), (-2, 2, 4)))
    begin = time.process_time()
    _ = build_generator(equation, grid).matrix
    assert time.process_time() - begin < 1.0


def test_repr_tells_size_peclet_range_and_order():
    generator, drifting = (
        build_generator(FokkerPlanck(drift=lambda x, b=b: 0 * x + b, diffusion=0.1), Grid.box((0, 1, 10)))
        for b in (1.9, 2.1)
    )
    assert "10 cells" in repr(generator)
    assert "MB" in repr(generator)
    assert generator.peclet == pytest.approx((1.9, 1.9))
    assert "first order" not in repr(generator)
    assert "cell Peclet 2.1 ... 2.1 (drift-dominated: first order)" in repr(drifting)
