"""Coefficients at points in closed form against the landscape that sums over the data."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fpsim.closures import joint, joint_start
from fpsim.datasets import GaussianPopulation, digits, iris
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError
from fpsim.theory import modified_equation_of
from fpsim.theory.joint.data_quadrature import data_nodes

CASES = {
    "4-D": (2, 1, {}),
    "6-D, all terms": (3, 1, {"temperature": 0.002, "weight_decay": 0.03, "label_noise": 0.2}),
    "8-D": (2, 2, {"temperature": 0.002}),
}


def coefficients(equation, w):
    n = w.shape[1]
    b, d = np.empty((n, len(w))), np.empty((n * (n + 1) // 2, len(w)))
    equation.at_points(0.0, np.ascontiguousarray(w.T), b, d)
    return b.T, d.T


@pytest.mark.parametrize("order", ["sme1", "sme2"])
@pytest.mark.parametrize("case", CASES)
def test_linear_network(case, order):
    d, k, settings = CASES[case]
    experiment = Experiment(digits(d), BottleneckAutoEncoder(d, k), SGD(0.05, 8, **settings), Start.gaussian(0.0, 0.5))
    w = np.random.default_rng(0).normal(0.0, 0.6, (45, 2 * d * k))  # not a whole number of blocks
    truth = modified_equation_of(experiment, order=order)
    b, packed = coefficients(joint(experiment, order=order), w)
    lower = np.tril_indices(2 * d * k)
    assert np.abs(b - truth.drift(w)).max() < 1e-11
    assert np.abs(packed - truth.diffusion(w)[:, lower[0], lower[1]]).max() < 1e-12


@pytest.mark.parametrize("order", ["sme1", "sme2"])
@pytest.mark.parametrize("k", [1, 2])
def test_tanh_network(k, order):
    """Irises by all their samples, which nodes would not save much of, are exact."""
    sgd = SGD(0.05, 8, temperature=0.002, weight_decay=0.02)
    experiment = Experiment(iris(4), BottleneckAutoEncoder(4, k, "tanh"), sgd, Start.gaussian(0.0, 0.5))
    w = np.random.default_rng(4).normal(0.0, 0.6, (20, 8 * k))
    truth, equation = modified_equation_of(experiment, order=order), joint(experiment, order=order)
    assert len(equation.at_points.nodes) == 150
    b, packed = coefficients(equation, w)
    lower = np.tril_indices(8 * k)
    assert np.abs(b - truth.drift(w)).max() < 1e-8  # derivatives of the reference are differences
    assert np.abs(packed - truth.diffusion(w)[:, lower[0], lower[1]]).max() < 1e-9


def test_few_nodes_stand_for_the_digits():
    x = np.array(digits(2).x)
    nodes, weights = data_nodes(x, 12)
    assert len(nodes) <= 49
    assert (weights > 0.0).all()
    for powers in ((2, 0), (1, 1), (4, 2), (6, 6), (0, 12)):
        of_nodes, of_data = ((y[:, 0] ** powers[0] * y[:, 1] ** powers[1]) for y in (nodes, x))
        scale = np.abs(of_data).mean()
        assert abs(weights @ of_nodes - of_data.mean()) < 1e-9 * scale
    experiment = Experiment(digits(2), BottleneckAutoEncoder(2, 1, "tanh"), SGD(0.05, 8), Start.gaussian(0.0, 0.5))
    points = joint(experiment).at_points
    w = np.random.default_rng(5).normal(0.0, 0.6, (200, 4))
    truth = modified_equation_of(experiment).drift(w)
    found, _ = coefficients(joint(experiment), w)
    assert len(points.nodes) < 200
    assert 0.0 < np.linalg.norm(found - truth) / np.linalg.norm(truth) < 5.0 * points.error


def test_population_and_pickle():
    experiment = Experiment(
        GaussianPopulation([1.0, 0.5]), BottleneckAutoEncoder(2, 1), SGD(0.05, 4, sampling="fresh"), Start.glorot()
    )
    w = np.random.default_rng(1).normal(0.0, 0.6, (10, 4))
    equation = joint(experiment)
    again = pickle.loads(pickle.dumps(equation.at_points))
    b, d = np.empty((4, 10)), np.empty((10, 10))
    again(0.0, np.ascontiguousarray(w.T), b, d)
    assert np.allclose(b.T, modified_equation_of(experiment).drift(w))


@pytest.mark.parametrize("activation", ["linear", "tanh", "sigmoid"])
def test_symmetries_leave_the_equation_as_it_is(activation):
    experiment = Experiment(
        digits(2), BottleneckAutoEncoder(2, 2, activation), SGD(0.05, 8, temperature=0.002), Start.gaussian(0.0, 0.5)
    )
    equation = joint(experiment)
    assert len(equation.symmetries) == (2 if activation == "sigmoid" else 8)
    truth = modified_equation_of(experiment)
    w = np.random.default_rng(2).normal(0.0, 0.6, (3, 8))
    for a in equation.symmetries:
        assert np.allclose(truth.drift(w @ a.T), truth.drift(w) @ a.T, atol=1e-12)
        assert np.allclose(truth.diffusion(w @ a.T), a @ truth.diffusion(w) @ a.T, atol=1e-12)


@pytest.mark.parametrize(
    ("start", "variance"),
    [(Start.gaussian(0.1, 0.5), 0.25), (Start.uniform(-0.4, 0.8), 0.12), (Start.glorot(), 2.0 / 3.0)],
)
def test_start_of_independent_entries(start, variance):
    experiment = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8), start)
    found = joint_start(experiment)
    if hasattr(found, "places"):
        x = found.places((np.arange(1000)[:, None] + 0.5) / 1000 * np.ones(4))
        assert np.allclose(x.var(axis=0), variance, rtol=1e-5)
    else:
        assert np.allclose(np.diag(found.covariance), variance)
        assert np.allclose(found.mean, 0.1)


def test_balanced_start():
    experiment = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8), Start.balanced(0.5))
    w = joint_start(experiment).places(np.random.default_rng(3).random((50, 4)))
    assert np.allclose((w[:, :2] ** 2).sum(axis=1), (w[:, 2:] ** 2).sum(axis=1))


def corrected_tensor(w, x, eta, batch):
    """``eta S / 2 + (eta^2 / 4)(H S + S H + (g . grad) S)`` from the samples alone, ``d = 2, k = 1``."""

    def gradients(v):
        h = x @ v[:2]
        r = h[:, None] * v[2:] - x
        return np.concatenate([(r @ v[2:])[:, None] * x, r * h[:, None]], axis=1)

    def noise(v):
        return np.cov(gradients(v).T, bias=True) / batch

    g, s, step = gradients(w).mean(axis=0), noise(w), 1e-5
    h = np.array(
        [(gradients(w + e).mean(axis=0) - gradients(w - e).mean(axis=0)) / (2 * step) for e in step * np.eye(4)]
    )
    transport = (noise(w + step * g) - noise(w - step * g)) / (2 * step)
    return 0.5 * eta * s + 0.25 * eta**2 * (h @ s + s @ h + transport)


def test_why_sme2c_is_none_of_a_density():
    experiment = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8), Start.gaussian(0.0, 0.5))
    with pytest.raises(DomainError, match="indefinite where mini-batch noise lacks full rank"):
        joint(experiment, order="sme2c")
    w = np.random.default_rng(6).normal(0.0, 0.5, (50, 4))
    values = np.linalg.eigvalsh([corrected_tensor(v, np.array(experiment.data.x), 0.05, 8) for v in w])
    assert (values[:, 0] < -1e-6 * values[:, -1]).all()
