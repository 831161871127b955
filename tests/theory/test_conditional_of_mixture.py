"""Conditional closure of the joint law: averages against quadrature, marginals against those of the mixture itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fpsim.closures import conditional, conditional_of_mixture, fit_and_judge, joint, joint_start
from fpsim.datasets import digits, from_array
from fpsim.density import GaussianMixture, Grid, gaussian
from fpsim.ensemble import Ensemble, train
from fpsim.evolution import evolve, evolve_mixture
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError
from fpsim.theory import landscape_of, modified_equation_of

MATRICES = ("W1", "W2")
NAMES = ("W1[0,0]", "W1[0,1]", "W2[0,0]", "W2[1,0]")


def some(seed=0, count=12):
    rng = np.random.default_rng(seed)
    roots = 0.15 * rng.normal(size=(count, 4, 4))
    weights = rng.random(count)
    covariances = roots @ roots.swapaxes(1, 2) + 0.1**2 * np.eye(4)
    return GaussianMixture(weights / weights.sum(), rng.normal(0.0, 0.4, (count, 4)), covariances, NAMES)


def experiment_with(activation="linear", **settings):
    sgd = SGD(0.05, 8, **settings)
    return Experiment(digits(2), BottleneckAutoEncoder(2, 1, activation), sgd, Start.gaussian(0.0, 0.5))


def quadrature(part, given, own, f):
    """``E[f(W)]`` over the other two weights, a mixture, by three Gauss-Hermite nodes along each axis: degree five."""
    axis, weight = np.polynomial.hermite_e.hermegauss(5)
    weight = weight / weight.sum()
    total = 0.0
    for w, m, c in zip(part.weights, part.means, part.covariances, strict=True):
        root = np.linalg.cholesky(c)
        for i, j in itertools.product(range(5), repeat=2):
            rest = m + root @ np.array([axis[i], axis[j]])
            x = np.concatenate([given, rest] if own == "W1" else [rest, given])
            total = total + w * weight[i] * weight[j] * f(x)
    return total


CASES = [("W1", "linear"), ("W2", "linear"), ("W1", "tanh")]


@pytest.mark.parametrize(("matrix", "activation"), CASES)
def test_drift_and_diffusion_are_conditional_averages(matrix, activation):
    experiment, mixture = experiment_with(activation, temperature=0.002, label_noise=0.1), some()
    equation = conditional_of_mixture(experiment, matrix, [0.0, 1.0], [mixture, mixture])
    whole = modified_equation_of(experiment)
    names = NAMES[:2] if matrix == "W1" else NAMES[2:]
    rows = slice(0, 2) if matrix == "W1" else slice(2, 4)
    for given in ([0.1, -0.2], [-0.3, 0.25], [0.5, 0.4]):
        part = mixture.conditional(dict(zip(names, given, strict=True)))
        b = quadrature(part, given, matrix, lambda x: whole.drift(x)[rows])
        d = quadrature(part, given, matrix, lambda x: whole.diffusion(x)[rows, rows])
        at = [np.array([g]) for g in given]
        found = np.array([np.ravel(e)[0] for e in equation.drift(*at, t=0.5)])
        tensor = np.array([[np.ravel(e)[0] for e in row] for row in equation.diffusion(*at, t=0.5)])
        assert np.abs(found - b).max() < 0.01 * np.abs(b).max()  # interpolated between nodes
        assert np.abs(tensor - d).max() < 0.01 * np.abs(d).max()


def test_nodes_converge():
    """Interpolation is what is left: its error falls with the square of the spacing."""
    experiment, mixture = experiment_with(), some(1)
    x = np.random.default_rng(12).uniform(-0.4, 0.4, (6, 2))
    truth = np.array([
        quadrature(mixture.conditional({"W1[0,0]": a, "W1[0,1]": b}), [a, b], "W1",
                   lambda w: -landscape_of(experiment).gradient(w)[:2])
        for a, b in x
    ])  # fmt: skip
    errors = []
    for nodes in (24, 96):
        equation = conditional_of_mixture(experiment, "W1", [0.0, 1.0], [mixture, mixture], nodes=nodes)
        found = [[np.ravel(e)[0] for e in equation.drift(*p[:, None], t=0.0)] for p in x]
        errors.append(np.abs(found - truth).mean())
    assert errors[1] < errors[0] / 8.0


def test_marginal_of_two_scalar_weights_is_that_of_the_mixture():
    """d = k = 1 from a start that splits: finite volumes on one weight against the mixture's own marginal."""
    data = from_array(np.random.default_rng(2).normal(size=(50, 1)))
    experiment = Experiment(
        data, BottleneckAutoEncoder(1, 1), SGD(0.05, 4, temperature=0.005), Start.gaussian(0.0, 0.5)
    )
    times = np.linspace(0.0, 2.0, 21)
    law = evolve_mixture(joint(experiment), joint_start(experiment), times, components=4096, width=0.1, rng=3)
    grid = Grid((-2.5,), (2.5,), (250,))
    for i, matrix in enumerate(MATRICES):
        equation = conditional_of_mixture(experiment, matrix, times, law.densities)
        followed = evolve(equation, gaussian(grid, 0.0, 0.25), [2.0], tolerance=2e-3)
        truth = law.final.on_grid(grid, i)
        tv = 0.5 * np.abs(followed.final.values - truth.values).sum() * grid.cell_volume
        assert tv < law.error[-1] + followed.error[-1]
        assert followed.final.std[0] == pytest.approx(law.final.std[i], rel=0.01)


def test_marginal_of_the_encoder_of_the_digits():
    start = Start.gaussian({"W1": [[0.6, 0.2]], "W2": [[0.6], [0.2]]}, 0.1)
    experiment = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8, temperature=0.002), start)
    times = np.linspace(0.0, 1.0, 9)
    law = evolve_mixture(joint(experiment), joint_start(experiment), times, components=2048, width=0.08, rng=4)
    grid = Grid((-0.3, -0.7), (1.7, 1.3), (64, 64), names=NAMES[:2])
    equation = conditional_of_mixture(experiment, "W1", times, law.densities)
    followed = evolve(equation, gaussian(grid, [0.6, 0.2], 0.01), [1.0], tolerance=5e-3)
    tv = 0.5 * np.abs(followed.final.values - law.final.on_grid(grid).values).sum() * grid.cell_volume
    assert tv < law.error[-1] + followed.error[-1]


@pytest.mark.parametrize("matrix", MATRICES)
def test_diffusion_is_semidefinite_everywhere(matrix):
    mixture = some(5)
    equation = conditional_of_mixture(experiment_with(), matrix, [0.0, 1.0], [mixture, some(6)])
    mesh = tuple(np.meshgrid(*(np.linspace(-3, 3, 25),) * 2, indexing="ij", sparse=True))
    for t in (0.0, 0.4, 2.0):
        rows = equation.diffusion(*mesh, t=t)
        d = np.stack([np.stack([np.broadcast_to(x, (25, 25)) for x in row], -1) for row in rows], -2)
        assert np.linalg.eigvalsh(d).min() > -1e-14


def test_threads_do_not_matter():
    mixture, x = some(7, 300), [np.array([0.1]), np.array([0.2])]
    one, two = (
        conditional_of_mixture(experiment_with(), "W1", [0.0, 1.0], [mixture] * 2, threads=n).drift(*x, t=0.0)
        for n in (1, 3)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_a_point_start_has_averages():
    point = GaussianMixture.gaussian([0.5, 0.1, 0.4, 0.2], 0.0, names=NAMES)
    equation = conditional_of_mixture(experiment_with(), "W1", [0.0, 1.0], [point, some(8)])
    b = equation.drift(np.array([0.5]), np.array([0.1]), t=0.0)
    truth = -landscape_of(experiment_with()).gradient(point.means[0])[:2]
    assert np.allclose(np.ravel(b), truth, rtol=1e-3)


@pytest.mark.parametrize(
    ("matrix", "activation", "times", "mixtures", "message"),
    [
        ("W2", "tanh", [0.0, 1.0], [some(), some()], "no polynomials"),
        ("W1", "linear", [0.0], [some()], "two or more"),
        ("W1", "linear", [1.0, 0.0], [some(), some()], "two or more"),
        ("W1", "linear", [0.0, 1.0], [some().marginal(0, 1, 2)] * 2, "mixtures of 3 coordinates"),
        ("W3", "linear", [0.0, 1.0], [some(), some()], "accepted are W1, W2"),
    ],
)
def test_what_is_not_accepted(matrix, activation, times, mixtures, message):
    with pytest.raises(DomainError, match=message):
        conditional_of_mixture(experiment_with(activation), matrix, times, mixtures)


def test_halves_of_an_ensemble_are_ensembles_of_their_own():
    experiment = experiment_with()
    whole = train(experiment, replicas=301, times=[0.5, 1.0], rng=11)
    fit, judge = fit_and_judge(whole)
    assert (fit.replicas, judge.replicas) == (151, 150)
    again = train(experiment, replicas=150, first_replica=151, times=[0.5, 1.0], rng=11)
    assert judge.first_replica == 151
    for name in MATRICES:
        assert np.array_equal(judge.weights[name], again.weights[name])
        assert np.array_equal(np.concatenate([fit.weights[name], judge.weights[name]], axis=1), whole.weights[name])
    conditional(experiment, "W1", fit)


def test_what_cannot_be_halved():
    with pytest.raises(DomainError, match="at least 2"):
        fit_and_judge(Ensemble(times=[0.0], weights={"W1": np.zeros((1, 1, 1, 1))}))
    with pytest.raises(DomainError, match="ensemble"):
        fit_and_judge({"W1": 0})
    shared = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8), Start.gaussian(0.0, 0.5))
    assert fit_and_judge(train(shared, replicas=4, steps=[1], rng=0))[0].replicas == 2
