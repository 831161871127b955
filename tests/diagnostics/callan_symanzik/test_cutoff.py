"""The learning rate as cutoff: slope 1 on the naive line, slope 2 on the improved one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fpsim.diagnostics.callan_symanzik.cutoff import NetworkLoss, cutoff_differences, cutoff_scaling
from fpsim.diagnostics.callan_symanzik.exact_cases import LinearRegression
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError

RATES = (0.2, 0.1, 0.05, 0.025)


def test_linear_regression_slopes_and_figures():
    model = LinearRegression(np.array([[1.0]]), noise=0.3)
    found = model.scaling(np.array([1.0]), np.array([[1.0]]), time=1.0, learning_rates=RATES, batch_size=4)
    naive = [(1 - e) ** round(1 / e) - (1 - e / 2) ** round(2 / e) for e in RATES]
    improved = [(1 - e) ** round(1 / e) - (1 - e / 2 - e**2 / 8) ** round(2 / e) for e in RATES]
    assert_allclose(found.naive.value[:, 0], naive, rtol=1e-12)
    assert_allclose(found.improved.value[:, 0], improved, rtol=1e-9)
    assert_allclose(np.abs(improved), [2.1e-3, 4.9e-4, 1.2e-4, 2.9e-5], rtol=0.03)
    assert (np.abs(found.naive_slope.value - 1.0) < 0.1).all()
    assert (np.abs(found.improved_slope.value - 2.0) < 0.2).all()
    for observable in (0, 1):
        assert found.claim(observable=observable).verdict == "holds"
        assert found.claim(observable=observable, line="naive").verdict == "fails"


def test_second_moments_by_quadrature_over_one_step():
    """E over a batch of two: every (x1, x2) of a Gauss-Hermite product rule, targets' noise added by hand."""
    c, eta, m1, m2, e0 = 0.7, 0.15, 0.4, 0.5, 0.2
    z, w = np.polynomial.hermite_e.hermegauss(12)
    x = np.sqrt(c) * z
    h = 0.5 * (x[:, None] ** 2 + x[None, :] ** 2) + 0.25 * e0 * c * c
    weight = np.outer(w, w) / w.sum() ** 2
    model = LinearRegression(np.array([[c]]), noise=0.3)
    first, second = model.moments([m1], [[m2]], time=eta, learning_rate=eta, batch_size=2, improved=e0)
    assert_allclose(first[0], np.sum(weight * (1 - eta * h)) * m1, rtol=1e-12)
    noise = eta**2 * 0.09 * c / 2
    assert_allclose(second[0, 0], np.sum(weight * (1 - eta * h) ** 2) * m2 + noise, rtol=1e-12)


def test_matrix_moments_against_simulation():
    c = np.array([[1.0, 0.4], [0.4, 0.6]])
    rng, size = np.random.default_rng(5), 100_000
    root = np.linalg.cholesky(c)
    delta = np.tile([1.0, -0.5], (size, 1))
    for _ in range(3):
        x = rng.standard_normal((size, 2, 2)) @ root.T
        error = np.einsum("rbi,ri->rb", x, delta) - 0.2 * rng.standard_normal((size, 2))
        delta = delta - 0.1 * np.einsum("rb,rbi->ri", error, x) / 2
    start = np.array([1.0, -0.5])
    model = LinearRegression(c, noise=0.2)
    m1, m2 = model.moments(start, np.outer(start, start), time=0.3, learning_rate=0.1, batch_size=2)
    assert (np.abs(delta.mean(axis=0) - m1) < 4 * delta.std(axis=0) / np.sqrt(size)).all()
    square = delta[:, :, None] * delta[:, None, :]
    assert (np.abs(square.mean(axis=0) - m2) < 4 * square.std(axis=0) / np.sqrt(size)).all()


def autoencoder(replicas, activation="linear", rows=8):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((rows, 1))
    x *= 1.2 / np.sqrt(np.mean(x**2))
    start = np.array([0.6, 0.5]) + 0.1 * rng.standard_normal((replicas, 2))
    return NetworkLoss(BottleneckAutoEncoder(1, 1, activation), x), start


def output(w):
    return np.stack([w[:, 0] * w[:, 1], (w[:, 0] * w[:, 1]) ** 2], axis=1)


def test_autoencoder_slopes_with_real_sgd():
    loss, start = autoencoder(40_000)
    found = cutoff_scaling(loss, start, time=0.8, learning_rates=RATES[:3], batch_size=4, observable=output, rng=3)
    assert (np.abs(found.naive_slope.value - 1.0) < 0.1 + 4 * found.naive_slope.error).all()
    assert found.claim(line="naive").verdict == "fails"
    assert (np.abs(found.improved_slope.value - 2.0) < 0.2 + 4 * found.improved_slope.error).all()
    assert (found.improved_slope.value - 4 * found.improved_slope.error > 1.3).all()


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "replicas"), [("linear", 1_000_000), ("tanh", 200_000)])
def test_autoencoder_slopes_in_full(activation, replicas):
    loss, start = autoencoder(replicas, activation)
    found = cutoff_scaling(loss, start, time=0.8, learning_rates=RATES[:3], batch_size=4, observable=output, rng=4)
    assert found.claim(line="naive").verdict == "fails"
    assert found.claim().verdict == "holds"
    assert (np.abs(found.naive_slope.value - 1.0) < 0.1).all()
    assert (np.abs(found.improved_slope.value - 2.0) < 0.2 + 3 * found.improved_slope.error).all()


def test_sgd_of_the_cutoff_is_that_of_the_trainer():
    """Means of n-point functions after training, two independent programs."""
    from fpsim.datasets import Dataset
    from fpsim.diagnostics.callan_symanzik import correlators, network_outputs, replica_expectation
    from fpsim.ensemble import train
    from fpsim.experiment import SGD, Experiment, Start

    loss, _ = autoencoder(64)
    start = Start.gaussian({"W1": [[0.6]], "W2": [[0.5]]}, 0.1)
    experiment = Experiment(Dataset("eight numbers", loss.x), loss.network, SGD(learning_rate=0.1, batch_size=4), start)
    ensemble = train(experiment, replicas=20_000, times=[0.8], rng=1)
    law = replica_expectation({name: w[-1] for name, w in ensemble.weights.items()})
    table = correlators(law, network_outputs(loss.network, [[1.0], [0.5]]), order=2)
    rng = np.random.default_rng(2)
    w = np.array([0.6, 0.5]) + 0.1 * rng.standard_normal((20_000, 2))
    for _ in range(8):
        w = w - 0.1 * loss.gradient(w, loss.draw(rng, len(w), 4))
    other = correlators(w, network_outputs(loss.network, [[1.0], [0.5]]), order=2)
    assert (np.abs(table.full.value - other.full.value) < 4 * np.hypot(table.full.error, other.full.error)).all()


def test_improvement_is_the_gradient_of_the_modified_loss():
    """One improved step without noise against ``grad (L + (eta / 8) |grad L|^2)`` by hand."""
    x = np.array([[1.3]])
    c, eta = 1.69, 0.1
    loss = NetworkLoss(BottleneckAutoEncoder(1, 1), x)
    start = np.tile([0.7, 0.4], (64, 1))
    _, difference = cutoff_differences(
        loss, start, time=eta, learning_rate=eta, batch_size=2, observable=lambda w: w, rng=0
    )

    def gradient(w, improved):
        u, v = w
        r, n = u * v - 1, u * u + v * v
        g = c * r * np.array([v, u])
        extra = c * c * np.array([2 * r * v * n + 2 * r * r * u, 2 * r * u * n + 2 * r * r * v])
        return g + improved * eta / 8 * extra

    fine = np.array([0.7, 0.4])
    for _ in range(2):
        fine = fine - eta / 2 * gradient(fine, 1.0)
    coarse = np.array([0.7, 0.4]) - eta * gradient(np.array([0.7, 0.4]), 0.0)
    assert_allclose(difference.value, coarse - fine, rtol=1e-6)


def test_gradient_is_that_of_the_network():
    from fpsim.network import sample_gradients

    network = BottleneckAutoEncoder(3, 2, "tanh")
    rng = np.random.default_rng(6)
    w, batch = rng.standard_normal((4, 12)), rng.standard_normal((4, 5, 3))
    found = NetworkLoss(network, batch[0]).gradient(w, batch)
    for r in range(4):
        one = sample_gradients(network, {"W1": w[r, :6].reshape(2, 3), "W2": w[r, 6:].reshape(3, 2)}, batch[r])
        expected = np.concatenate([one["W1"].mean(axis=0).ravel(), one["W2"].mean(axis=0).ravel()])
        assert_allclose(found[r], expected, rtol=1e-12)
    linear = NetworkLoss(BottleneckAutoEncoder(3, 2), rng.standard_normal((50, 3)))
    assert_allclose(linear.mean_gradient(w), linear.gradient(w, linear.x[None]), rtol=1e-10, atol=1e-12)


def test_bad_input_is_named():
    loss, start = autoencoder(64)
    keys = {"observable": output, "rng": 0}
    with pytest.raises(DomainError, match="whole number of steps"):
        cutoff_differences(loss, start, time=0.25, learning_rate=0.1, batch_size=2, **keys)
    with pytest.raises(DomainError, match="even number"):
        cutoff_differences(loss, start, time=0.2, learning_rate=0.1, batch_size=3, **keys)
    with pytest.raises(DomainError, match="two or more"):
        cutoff_scaling(loss, start, time=0.2, learning_rates=[0.1], batch_size=2, **keys)
    with pytest.raises(DomainError, match="different positive"):
        cutoff_scaling(loss, start, time=0.2, learning_rates=[0.1, 0.1], batch_size=2, **keys)
