"""Applicability of theories against differences of the loss, exact flows, every mini-batch, and training itself."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest

import fpsim
from fpsim.closures import joint, joint_start
from fpsim.datasets import GaussianPopulation, digits, from_array, iris
from fpsim.ensemble import train
from fpsim.evolution import evolve_mixture
from fpsim.experiment import SGD, Experiment, PiecewiseConstant, Start, quadratic_experiment
from fpsim.network import AutoEncoder, BottleneckAutoEncoder
from fpsim.support.errors import DomainError, ToleranceError

TINY = np.array([[1.0, 0.3], [-0.4, 0.9], [0.2, -1.1], [1.3, 0.8], [0.1, 0.4]])
PHI = {"linear": lambda z: z, "tanh": np.tanh}


def made(sgd, start=None, data=None, activation="linear"):
    data = from_array(TINY) if data is None else data
    start = Start.gaussian(0.5, 0.1) if start is None else start
    return Experiment(data, BottleneckAutoEncoder(data.dimension, 1, activation), sgd, start)


def rows(found):
    return {row.name: row for row in (*found.orders, *found.closures)}


def loss(w, x, phi, decay):
    w1, w2 = w[:2].reshape(1, 2), w[2:].reshape(2, 1)
    return np.mean([0.5 * np.sum((w2 @ phi(w1 @ row) - row) ** 2) for row in x]) + 0.5 * decay * w @ w


def second_differences(f, w, h=1e-3):
    e = h * np.eye(len(w))
    return np.array([[(f(w + a + b) - f(w + a - b) - f(w - a + b) + f(w - a - b)) / (4 * h * h) for a in e] for b in e])


@pytest.mark.parametrize("activation", PHI)
def test_curvature_is_that_of_the_loss(activation):
    found = fpsim.check(made(SGD(0.1, 2, weight_decay=0.05), activation=activation), time=2.0, records=3, draws=0)
    for w, curvature, stability in zip(found.weights, found.curvature, found.stability, strict=True):
        hessian = second_differences(lambda v: loss(v, TINY, PHI[activation], 0.05), w)
        assert curvature == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-5)
        assert stability == pytest.approx(0.1 * curvature)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_mean_path_of_the_scalar_network(momentum):
    """``a = b``, ``u = a^2``: ``u' = -2 m c u (u - 1)``, a logistic curve; ``H = c ((u, 2 u - 1), (2 u - 1, u))``."""
    x = np.array([[0.5], [-1.2], [0.9]])
    experiment = made(SGD(0.1, 2, momentum=momentum), Start.point({"W1": [[0.4]], "W2": [[0.4]]}), from_array(x))
    found = fpsim.check(experiment, time=3.0, records=7)
    c, m = np.mean(x**2), 1.0 / (1.0 - momentum)
    u = 1.0 / (1.0 + (1.0 / 0.16 - 1.0) * np.exp(-2.0 * m * c * found.times))
    assert np.allclose(found.weights**2, u[:, None], rtol=1e-3)
    assert np.allclose(found.curvature, c * (u + np.abs(2.0 * u - 1.0)), rtol=1e-3)
    assert found.limit == 2.0 * (1.0 + momentum)


def per_sample(w):
    w1, w2 = w[:2].reshape(1, 2), w[2:].reshape(2, 1)
    out = []
    for x in TINY:
        h = w1 @ x
        r = w2 @ h - x
        out.append(np.concatenate([np.outer(w2.T @ r, x).ravel(), np.outer(r, h).ravel()]))
    return np.array(out)


def batches(sgd):
    """Every mini-batch gradient as a combination of samples, all equally probable: (M, N)."""
    draw = itertools.combinations(range(5), 2) if sgd.sampling == "without_replacement" else itertools.product(
        range(5), repeat=2
    )  # fmt: skip
    means = np.array([np.bincount(pair, minlength=5) / 2 for pair in draw])
    if sgd.noise != "svag":
        return means
    r = np.sqrt(2.0 * sgd.svag_l - 1.0)
    return np.array([0.5 * (1 + r) * a + 0.5 * (1 - r) * b for a in means for b in means])


@pytest.mark.parametrize(
    "sgd",
    [SGD(0.1, 2), SGD(0.1, 2, sampling="without_replacement"), SGD(0.1, 2, noise="svag", svag_l=3)],
    ids=["iid", "distinct", "svag"],
)
def test_skewness_is_that_of_all_batches(sgd):
    found = fpsim.check(made(sgd), time=2.0, records=3, draws=0)
    for w, skewness in zip(found.weights, found.skewness, strict=True):
        noise = batches(sgd) @ per_sample(w)
        noise -= noise.mean(axis=0)
        values, vectors = np.linalg.eigh(noise.T @ noise / len(noise))
        along = noise @ vectors[:, values > 0.1 * values[-1]]
        every = np.mean(along**3, axis=0) / np.mean(along**2, axis=0) ** 1.5
        assert abs(skewness) == pytest.approx(np.abs(every).max(), rel=1e-6)


def test_no_skewness_of_gaussian_noise_or_of_the_whole_set():
    for sgd in (SGD(0.1, 2, noise="gaussian"), SGD(0.1, 5, sampling="without_replacement")):
        assert not fpsim.check(made(sgd), time=1.0, records=2).skewness.any()


@pytest.mark.parametrize(("curvature", "momentum"), [(1.9, 0.0), (2.1, 0.0), (2.9, 0.5), (3.1, 0.5)])
def test_edge_of_stability_is_where_training_diverges(curvature, momentum):
    experiment = quadratic_experiment(SGD(1.0, 8, momentum=momentum), curvature=curvature, start=0.5)
    found = fpsim.check(experiment, time=1.0)
    assert found.stability.max() == pytest.approx(curvature, rel=1e-6)
    last = np.abs(train(experiment, replicas=200, steps=[100], rng=1).weights["W2"][0, :, 1, 0]).max()
    assert found.stable == (last < 50.0)


def test_a_wide_start_is_looked_at_beside_its_mean():
    """The mean is a saddle of the loss, whose curvature is below that of the draws."""
    found = fpsim.check(made(SGD(0.1, 2), Start.gaussian(0.0, 2.0)), time=1.0)
    assert not found.weights.any()
    assert found.stability[0] > 2.0 * 0.1 * found.curvature[0]
    assert not rows(found)["linear_noise"].valid
    assert rows(fpsim.check(made(SGD(0.1, 2), Start.gaussian(0.6, 0.02)), time=1.0))["linear_noise"].valid


@pytest.mark.parametrize(
    ("sgd", "refused", "reason"),
    [
        (SGD(0.1, 2, sampling="epochs"), ("sme1", "sme2", "sme2c", "joint as a mixture"), "anticorrelated"),
        (SGD(0.1, 2, sampling="shared"), None, "population|same batches"),
        (SGD(PiecewiseConstant((0.1, 0.05), (10,)), 2), ("sme2", "sme2c"), "constant learning rate"),
        (SGD(0.1, 2, momentum=0.5), ("sme2", "sme2c"), "without momentum"),
        (SGD(0.1, 2, temperature=0.01), ("sme2c",), "no better than sme2"),
        (SGD(3.0, 2), ("sme1", "sme2", "sme2c", "joint as a mixture", "conditional"), "edge of stability"),
    ],
)
def test_what_is_not_valid_and_why(sgd, refused, reason):
    if sgd.sampling == "shared":
        experiment = made(sgd, data=GaussianPopulation([1.0, 0.5]))
        refused = ("sme1", "sme2", "sme2c")
    else:
        experiment = made(sgd)
    found = fpsim.check(experiment, time=1.0, records=3)
    orders = {row.name for row in found.orders if not row.valid}
    assert orders == set(refused) & {"sme1", "sme2", "sme2c"}
    for name in refused:
        assert not rows(found)[name].valid
        assert any(part in rows(found)[name].reason for part in reason.split("|"))
    assert rows(found)["training"].valid


def test_dimension_decides_about_grids():
    wide = fpsim.check(made(SGD(0.05, 8), Start.glorot(), iris(3)), time=1.0, records=3)
    assert wide.dimension == 6
    assert not rows(wide)["joint on a grid"].valid
    assert rows(wide)["joint as a mixture"].valid
    assert rows(wide)["conditional"].valid
    deep = Experiment(
        from_array(TINY), AutoEncoder((2, 2, 1, 2), ("tanh", "tanh", "linear")), SGD(0.05, 2), Start.gaussian(0.3, 0.1)
    )
    found = fpsim.check(deep, time=1.0, records=3)
    assert found.dimension == 4 + 2 + 2
    assert "gradient moments are known" in rows(found)["sme1"].reason
    part = Experiment(
        from_array(TINY),
        BottleneckAutoEncoder(2, 1, "linear", {"W1": [[1.0, 0.0]]}),
        SGD(0.05, 2),
        Start.gaussian(0.3, 0.1),
    )
    told = rows(fpsim.check(part, time=1.0, records=3))
    assert told["frozen"].valid
    assert not told["joint as a mixture"].valid


def test_population_is_integrated_exactly():
    """Linear, centred Gaussian: ``H`` and the flow know the covariance alone."""
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.7], [0.0, -0.7]]) * np.sqrt(2.0)
    population = fpsim.check(made(SGD(0.1, 2, sampling="fresh"), data=GaussianPopulation([1.0, 0.49])), time=1.0)
    samples = fpsim.check(made(SGD(0.1, 2), data=from_array(x)), time=1.0)
    assert np.allclose(population.curvature, samples.curvature, rtol=1e-6)


def test_memory_of_a_mixture_covers_what_it_holds():
    experiment = made(SGD(0.05, 8), data=digits(2))
    cost = rows(fpsim.check(experiment, time=1.0, records=2))["joint as a mixture"].cost
    result = evolve_mixture(joint(experiment), joint_start(experiment), [0.1], components=1024, width=0.1, rng=1,
                            estimate_errors=False)  # fmt: skip
    held = sum(a.nbytes for a in (result.final.weights, result.final.means, result.final.covariances))
    assert held < cost.memory * 1024 / cost.size < 10.0 * held


def test_value_and_table():
    found = fpsim.check(made(SGD(0.1, 2)), time=1.0, records=3)
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert str(other) == str(found)
        assert not other.stability.flags.writeable
    table = str(found)
    for row in (*found.orders, *found.closures):
        assert row.name in table
        assert row.reason in table


@pytest.mark.parametrize("options", [{"time": 0.0}, {"time": np.nan}, {"records": 1}, {"draws": -1}])
def test_what_is_not_accepted(options):
    with pytest.raises(DomainError, match=next(iter(options))):
        fpsim.check(made(SGD(0.1, 2)), **options)
    with pytest.raises(DomainError, match="experiment"):
        fpsim.check("digits")


def test_gradient_flow_that_is_too_stiff_is_refused():
    with pytest.raises(ToleranceError, match="gradient flow") as caught:
        fpsim.check(made(SGD(0.1, 2), Start.gaussian(0.0, 1e150)), time=1.0)
    assert "\n" not in str(caught.value)


def test_the_command_says_it_of_every_start(capsys):
    from fpsim.cli import main

    changes = ["--set", "sgd.learning_rate=2.5", "--set", "time.records=2"]
    assert main(["check", "bottleneck", *changes]) == 0
    said = capsys.readouterr().out
    assert said.count("\nedge of stability ") == 2
    assert said.count("below 2") < 2
    assert main(["check", "momentum"]) == 2
    assert "names no experiments" in capsys.readouterr().err
