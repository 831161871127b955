"""Environment covariance, its correlation length, the regime, and pairs of replicas with common batches."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fpsim.density import Grid, gaussian
from fpsim.diagnostics.callan_symanzik import Outputs, rates
from fpsim.diagnostics.random_environment.common_batches import RegressionPair
from fpsim.diagnostics.random_environment.environment import (
    environment,
    environment_covariance,
    network_gradients,
    two_replica_equation,
)
from fpsim.diagnostics.random_environment.random_features import feature_correlation, feature_gradients
from fpsim.equation import FokkerPlanck
from fpsim.generator import build_generator, propagate
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError

LENGTH = 0.1


def rugged(dimension, features=4000, seed=0):
    """Per-sample losses cos(k . W + phase) with k ~ N(0, 1 / LENGTH^2): K(W, W') is a derivative of a Gaussian."""
    rng = np.random.default_rng(seed)
    k = rng.standard_normal((features, dimension)) / LENGTH
    phase = rng.uniform(0.0, 2.0 * np.pi, features)
    return lambda w: -np.sin(w @ k.T + phase)[..., None] * k[None]


def autoencoder(d, activation="linear", k=1):
    x = np.random.default_rng(1).standard_normal((400, d)) * np.sqrt(np.linspace(1.0, 0.3, d))
    return x, network_gradients(BottleneckAutoEncoder(d, k, activation), x)


def test_covariance_of_the_linear_autoencoder_by_hand():
    """d = k = 1: K = Var(x^2) r r' (v, u)(v', u')^T."""
    x, gradients = autoencoder(1)
    rng = np.random.default_rng(2)
    w, v = rng.standard_normal((2, 20, 2))
    found = environment_covariance(gradients, w, v)

    def slope(a):
        return (a[:, 0] * a[:, 1] - 1)[:, None] * a[:, ::-1]

    assert_allclose(found, np.var(x**2) * slope(w)[:, :, None] * slope(v)[:, None, :], rtol=1e-9, atol=1e-12)


def test_random_features_have_their_correlation():
    """rho = (1 - x^2) exp(-x^2 / 2), x = |W - W'| / LENGTH, in one dimension."""
    gradients, w = rugged(1, 40_000), np.linspace(0.0, 0.4, 9)[:, None]
    found = environment_covariance(gradients, np.zeros_like(w), w)[:, 0, 0]
    x = w[:, 0] / LENGTH
    expected = 0.5 / LENGTH**2 * (1 - x**2) * np.exp(-(x**2) / 2)
    assert (np.abs(found - expected) < 4 * 0.5 / LENGTH**2 * np.sqrt(3.0 * 4 / 40_000)).all()


def test_correlation_length_of_random_features():
    """|rho| last crosses 1/e beyond its zero at x = 1, on the negative lobe: x = 2.03 (root of the formula)."""
    from scipy.optimize import brentq

    root = brentq(lambda x: (x**2 - 1) * np.exp(-(x**2) / 2) - np.exp(-1), np.sqrt(3.0), 3.0)
    found = environment(rugged(1), np.linspace(0, 3, 400)[:, None], temperature=0.1, bins=60, rng=3)
    assert abs(found.correlation_length / LENGTH - root) < 0.1


@pytest.mark.parametrize(("d", "k"), [(1, 1), (2, 1), (2, 2), (4, 1)])
def test_linear_autoencoder_is_never_kpz(d, k):
    _, gradients = autoencoder(d, k=k)
    w = np.random.default_rng(4).standard_normal((256, 2 * d * k))
    found = environment(gradients, w, temperature=0.01, rng=5)
    assert found.correlation_length == np.inf
    assert found.regime == "Gaussian"
    assert environment(gradients, w, temperature=0.0, rng=5).regime == "one random flow"


def test_linear_autoencoder_is_not_kpz_on_any_support():
    _, gradients = autoencoder(2)
    for size in (0.01, 0.3, 3.0, 30.0):
        w = size * np.random.default_rng(6).standard_normal((256, 4))
        assert environment(gradients, w, temperature=0.01, rng=5).regime == "Gaussian"


@pytest.mark.parametrize("dimension", [1, 2])
def test_rugged_losses_are_a_candidate_only_on_a_large_support(dimension):
    gradients, rng = rugged(dimension, 1500), np.random.default_rng(7)
    wide, narrow = (s * rng.standard_normal((256, dimension)) for s in (2.0, 0.02))
    found = environment(gradients, wide, temperature=0.1, rng=8)
    assert found.regime == "KPZ candidate"
    assert found.modes > 8
    assert environment(gradients, wide, temperature=0.0, rng=8).regime == "one random flow"
    assert environment(gradients, narrow, temperature=0.1, rng=8).regime == "Gaussian"


LAMBDA, ETA = 1.0, 0.02
H = np.array([0.2, 0.5, 1.3, 2.0])  # curvatures of four samples, mean one
VARIANCE = float(np.var(H))


def linear_pair(shared):
    """l = h (w - 1)^2 / 2: g = h (w - 1), common batches of one sample."""
    one = FokkerPlanck(drift=lambda w: -(w - 1), diffusion=lambda w: 0.5 * ETA * VARIANCE * (w - 1) ** 2)
    return two_replica_equation(one, lambda w, v: shared * ETA * VARIANCE * (w - 1) * (v - 1))


def test_two_replica_rate_against_the_exact_recursion():
    """E[(W1-1)(W2-1)] is multiplied by 1 - 2 eta + eta^2 E h^2 a step (shared), (1 - eta)^2 (independent)."""
    rng = np.random.default_rng(9)
    pairs = rng.standard_normal((4000, 2))
    product = Outputs(lambda w, v: [(w - 1) * (v - 1)])
    for shared in (0.0, 1.0):
        table, rate = rates(pairs, product, linear_pair(shared), order=1)
        ratio = rate.value[0] / table.full.value[0]
        assert_allclose(ratio, -2.0 + shared * ETA * VARIANCE, rtol=1e-7)
        second = 1.0 + VARIANCE if shared else 1.0
        step = (-2 * ETA + ETA**2 * second) / ETA
        assert abs(ratio - step) < 1.01 * ETA  # order-one equation: what is left is eta (E h)^2


@pytest.mark.parametrize("shared", [True, False])
def test_two_replica_equation_against_sgd(shared):
    """Rate of E[W1^2 W2^2] from real SGD with common or independent batches; the other pairing must miss it."""
    rng, size, steps = np.random.default_rng(10), 400_000, 10
    w = np.tile([1.8, 0.4], (size, 1))
    for _ in range(steps):
        first = H[rng.integers(4, size=size)]
        second = first if shared else H[rng.integers(4, size=size)]
        w = w - 0.01 * np.stack([first, second], axis=1) * (w - 1)
    measured = (w[:, 0] - 1) * (w[:, 1] - 1)
    error = measured.std() / np.sqrt(size)
    start, t = 0.8 * -0.6, 0.01 * steps
    with_common, without = (start * np.exp((-2 + c * 0.01 * VARIANCE - 0.01) * t) for c in (1.0, 0.0))
    right, wrong = (with_common, without) if shared else (without, with_common)
    assert abs(measured.mean() - right) < 4 * error + 1e-5
    assert abs(measured.mean() - wrong) > abs(measured.mean() - right)


def test_two_replica_tensor_is_that_of_the_pair():
    equation = linear_pair(1.0)
    w, v = np.array([0.5]), np.array([1.7])
    tensor = np.array(equation.diffusion(w, v), float)[..., 0]
    expected = 0.5 * ETA * VARIANCE * np.outer([-0.5, 0.7], [-0.5, 0.7])  # rank one: one common noise
    assert_allclose(tensor, expected, rtol=1e-12)
    assert_allclose(np.array(equation.drift(w, v), float)[:, 0], [0.5, -0.7], rtol=1e-12)


def test_bad_input_is_named():
    _, gradients = autoencoder(1)
    w = np.random.default_rng(11).standard_normal((32, 2))
    with pytest.raises(DomainError, match="16 or more"):
        environment(gradients, w[:8], temperature=0.1)
    with pytest.raises(DomainError, match="temperature"):
        environment(gradients, w, temperature=-0.1)
    with pytest.raises(DomainError, match="no environment"):
        environment(lambda x: np.ones((len(x), 5, 2)), w, temperature=0.1)
    with pytest.raises(DomainError, match=r"\(M, 2\)"):
        gradients(np.zeros((3, 5)))
    with pytest.raises(DomainError, match="equal"):
        environment_covariance(gradients, w, w[:5])


def test_decorrelation_is_a_claim_that_fails_for_polynomials():
    rng = np.random.default_rng(12)
    wide = environment(rugged(1), 2.0 * rng.standard_normal((256, 1)), temperature=0.1, rng=8).claim()
    assert wide.verdict == "holds"
    assert wide.freedom > 0
    narrow = environment(rugged(1), 0.02 * rng.standard_normal((256, 1)), temperature=0.1, rng=8).claim()
    assert narrow.verdict == "fails"
    for d, k in ((1, 1), (4, 2)):
        _, gradients = autoencoder(d, k=k)
        w = rng.standard_normal((256, 2 * d * k))
        assert environment(gradients, w, temperature=0.1, rng=5).claim().verdict == "fails"


@pytest.mark.parametrize("dimension", [1, 2])
def test_features_of_the_package_have_their_correlation(dimension):
    gradients = feature_gradients(dimension, length=LENGTH, features=40_000, rng=13)
    w = np.zeros((9, dimension))
    w[:, 0] = np.linspace(0.0, 0.4, 9)
    trace = np.trace(environment_covariance(gradients, np.zeros_like(w), w), axis1=1, axis2=2)
    expected = 0.5 * dimension / LENGTH**2 * feature_correlation(w[:, 0], dimension=dimension, length=LENGTH)
    assert (np.abs(trace - expected) < 4 * 0.5 * dimension / LENGTH**2 * np.sqrt(12 / 40_000)).all()
    with pytest.raises(DomainError, match="positive ones"):
        feature_gradients(1, length=0.0)


def product_moment(density):
    w, v = density.grid.mesh()
    return float(np.sum(density.values * (w - 1) * (v - 1)) * density.grid.cell_volume)


@pytest.mark.parametrize("common", [True, False])
def test_pair_density_has_the_exact_correlation(common):
    """E[x y] of an evolved pair density; the other pairing is 22 % off at t = 1."""
    pair = RegressionPair(0.1, 2.0, 0.02, common)
    gaps = []
    for cells in (64, 128):
        grid = Grid.box((0, 3.5, cells), (0, 3.5, cells))
        start = gaussian(grid, [1.9, 1.6], 0.15**2)
        late = propagate(build_generator(pair.equation, grid), start, [0.5, 1.0])
        found = np.array([product_moment(p) / product_moment(start) for p in late])
        gaps.append(np.abs(found / pair.decay([0.5, 1.0]) - 1))
    assert (gaps[1] < 0.01).all()  # a twentieth of what the pairing makes
    assert (np.log2(gaps[0] / gaps[1]) > 1.7).all()
    other = RegressionPair(0.1, 2.0, 0.02, not common).decay(1.0)
    assert abs(found[1] / other - 1) > 0.15


def test_pairs_of_sgd_are_those_of_the_equation_up_to_the_learning_rate():
    """Brute force: every sequence of three batches of two samples, h = 1 -+ sqrt(variance)."""
    eta, variance = 0.05, 0.36
    h = np.array([1 - np.sqrt(variance), 1 + np.sqrt(variance)])
    paths = np.array(np.meshgrid(h, h, h)).reshape(3, -1)
    shrink = np.prod(1 - eta * paths, axis=0)
    both = RegressionPair(eta, variance)
    own = RegressionPair(eta, variance, common=False)
    assert both.decay_of_sgd(3 * eta) == pytest.approx(np.mean(shrink**2), rel=1e-12)
    assert own.decay_of_sgd(3 * eta) == pytest.approx(np.mean(shrink) ** 2, rel=1e-12)
    ratio = [
        abs(RegressionPair(e, variance).decay_of_sgd(1.0) / RegressionPair(e, variance).decay(1.0) - 1)
        for e in (0.1, 0.05)
    ]
    assert 1.8 < ratio[0] / ratio[1] < 2.2
    with pytest.raises(DomainError, match="positive learning rate"):
        RegressionPair(0.0, 1.0)
