"""Public values of theory, closures, comparison and diagnostics: pickles and deep copies are equal and as frozen."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Mapping

import numpy as np
import pytest

import fpsim.diagnostics.callan_symanzik as cs
from fpsim.closures import linear_noise
from fpsim.comparison import DISTANCES, Refinement, Stage, compare_samples, error_budget, moment_table
from fpsim.datasets import digits
from fpsim.density import Grid, gaussian
from fpsim.diagnostics.height_equation.height import HeightTerms
from fpsim.diagnostics.random_environment.common_batches import RegressionPair
from fpsim.diagnostics.random_environment.random_walk import StepProbability, walk_moments
from fpsim.diagnostics.surface_growth.spectrum import compare_spectrum, structure_factor
from fpsim.diagnostics.surface_growth.tracy_widom import limit_law
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.theory import (
    BalancedLaw,
    LearningRate,
    bottleneck_of,
    landscape_of,
    modified_equation_of,
    scalar_network,
    scales_of,
)
from fpsim.theory.closed_moments import closed_moments
from fpsim.uncertainty.estimate import jackknife
from fpsim.uncertainty.result import Result
from fpsim.uncertainty.verdict import Claim, Identity


def halved(k):
    """A learning rate per step."""
    return 0.05 / (1.0 + 0.01 * np.asarray(k))


def experiment(d=2, activation="linear", **sgd):
    settings = {"learning_rate": 0.05, "batch_size": 8, "label_noise": 0.2, **sgd}
    network = BottleneckAutoEncoder(d, 1, activation)
    return Experiment(digits(components=d), network, SGD(**settings), Start.gaussian(0.0, 0.5))


def theory():
    scheduled = experiment(learning_rate=halved)
    yield bottleneck_of(experiment())
    yield landscape_of(experiment(activation="tanh"))
    yield modified_equation_of(scheduled)
    yield scales_of(scheduled)
    yield LearningRate(scheduled.sgd)
    yield scalar_network(experiment(d=1))
    yield BalancedLaw(1.0, 2.0, 0.5, 0.1)
    yield closed_moments(lambda x: -x, lambda x: 0.1 * x[..., None] * x[..., None, :], 1)
    yield linear_noise(experiment(), [0.5] * 4, 0.01, [0.0, 0.5])


def comparison():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 400))
    theory = gaussian(Grid((-4.0,), (4.0,), (80,)), 0.0, 1.0)
    coarse = gaussian(Grid((-4.0,), (4.0,), (40,)), 0.0, 1.0)
    stages = [Stage("SGD", x), Stage("theory", theory, "closure")]
    yield from stages
    yield Refinement("grid", coarse)
    yield error_budget(stages, observable="x", refinements=[Refinement("grid", coarse)])
    yield compare_samples(x, y, observable="x")
    yield moment_table(theory, x)[0]
    yield from DISTANCES.values()


def diagnostics():
    law = gaussian(Grid((-3.0,), (3.0,), (64,)), 0.7, 0.05)
    process = cs.OrnsteinUhlenbeck(1.0, 0.1)
    outputs = cs.Outputs(lambda w: [w])
    clock = np.linspace(0.0, 0.8, 5)
    tables = [cs.correlators(gaussian(law.grid, 0.7 * np.exp(-s), 0.1), outputs) for s in clock]
    families = [
        cs.ornstein_uhlenbeck(noise=0.1),
        cs.lognormal(),
        cs.lognormal(target=1.0),
        cs.lognormal2(target=1.0),
        cs.pure_scaling(tables[0]),
    ]
    flow = cs.measured_flow(clock, tables, cs.ornstein_uhlenbeck())
    regression = cs.LinearRegression(np.array([[1.0]]), 0.3)
    yield from families
    yield from (process, cs.GeometricBrownianMotion(0.3, 0.1), regression)
    yield from (tables[0], flow, cs.fit_beta([flow], degree=1), cs.CorrelatorRun(clock, tables))
    yield from (cs.DensityExpectation(law), cs.SampleExpectation(np.arange(64.0)))
    yield regression.scaling(
        np.array([1.0]), np.array([[1.0]]), time=0.8, learning_rates=[0.1, 0.05, 0.025], batch_size=2
    )
    yield cs.NetworkLoss(BottleneckAutoEncoder(1, 1), np.array([[1.0], [0.5]]))
    yield from (StepProbability("two-point", 0.3), walk_moments(8), limit_law("gue"))
    yield RegressionPair(0.1, 1)
    measured = structure_factor(np.random.default_rng(0).normal(size=(16, 32)))
    yield from (measured, compare_spectrum(measured, np.ones(16)))
    yield HeightTerms(*([np.zeros(4)] * len(dataclasses.fields(HeightTerms))))


def records():
    yield Identity("i", 0.1, 0.2, details={"x": np.arange(3)})
    yield Claim("c", 0.1, 0.2, 0.3, 2)
    yield Result(1.0, 0.1, "by hand", {"steps": 3})
    yield jackknife(np.arange(6.0), np.ones(6))


VALUES = {
    f"{room.__name__}-{i}-{type(value).__name__}": value
    for room in (theory, comparison, diagnostics, records)
    for i, value in enumerate(room())
}


def same(a, b):
    """Equality of values that hold arrays, mappings and values."""
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, float | int | str | None):
        return a == b or (a != a and b != b)
    return type(a) is type(b)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("copied", [lambda v: pickle.loads(pickle.dumps(v)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_copies_are_equal_and_frozen(name, copied):
    value = VALUES[name]
    twin = copied(value)
    assert same(value, twin)
    if dataclasses.is_dataclass(value):
        assert twin is not value
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(twin, dataclasses.fields(value)[0].name, None)


def test_copies_compute_the_same():
    w = np.random.default_rng(1).normal(size=(3, 4))
    for activation in ("linear", "tanh"):
        landscape = landscape_of(experiment(activation=activation))
        twin = pickle.loads(pickle.dumps(landscape))
        np.testing.assert_array_equal(twin.covariance(w), landscape.covariance(w))
    rate = LearningRate(experiment(learning_rate=halved).sgd)
    assert pickle.loads(pickle.dumps(rate))(3.0) == rate(3.0)
    family = cs.lognormal(target=0.5, inputs=(1.0, 2.0))
    theta, indices = np.array([0.2, 0.3]), ((0,), (0, 1))
    twin = pickle.loads(pickle.dumps(family))
    np.testing.assert_array_equal(twin.correlators(theta, indices), family.correlators(theta, indices))
    np.testing.assert_array_equal(twin.couplings(theta), family.couplings(theta))
    x, y = np.random.default_rng(0).normal(size=(2, 300, 1))
    for distance in DISTANCES.values():
        assert pickle.loads(pickle.dumps(distance)).name == distance.name
    assert compare_samples(x, y, observable="x") == compare_samples(x, y, observable="x")


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_experiments_pickle(activation):
    e = experiment(activation=activation)
    start = Start.gaussian({"W1": [[0.5, 0.1]], "W2": [[0.5], [0.1]]}, 0.1)
    network = BottleneckAutoEncoder(2, 1, activation, frozen={"W1": [[1.0, 0.0]]})
    for value in (e, start, network):
        for twin in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
            assert same(value, twin)
    with pytest.raises(TypeError):
        copy.deepcopy(network).frozen["W1"] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        copy.deepcopy(network).frozen["W1"][0, 0] = 0.0
