"""The same bits whatever the threads, the chunks, the company of other replicas, and the stops on the way."""

import numpy as np
import pytest

from fpsim.datasets import GaussianPopulation, digits
from fpsim.ensemble import Statistics, resume, train
from fpsim.experiment import SGD, Experiment, ExponentialDecay, Start
from fpsim.network import AutoEncoder, BottleneckAutoEncoder
from fpsim.support.errors import DomainError

DATA = digits(2)
LINEAR, TANH = BottleneckAutoEncoder(2, 1), BottleneckAutoEncoder(2, 1, "tanh")
CASES = {
    "iid": (DATA, LINEAR, SGD(0.05, 7, temperature=0.01, label_noise=0.1)),
    "tanh": (DATA, TANH, SGD(0.05, 5, "without_replacement", momentum=0.5, temperature=0.01)),
    "epochs": (DATA, TANH, SGD(ExponentialDecay(0.05, 0.01), 300, "epochs", label_noise=0.1)),
    "gaussian": (DATA, LINEAR, SGD(0.05, 8, noise="gaussian", label_noise=0.2)),
    "gaussian population": (
        GaussianPopulation(0.8),
        BottleneckAutoEncoder(1, 2, "tanh"),
        SGD(0.05, 8, "fresh", noise="gaussian"),
    ),
    "svag": (DATA, LINEAR, SGD(0.05, 3, noise="svag", svag_l=2, weight_decay=0.1)),
    "shared": (DATA, LINEAR, SGD(0.05, 4, "shared", label_noise=0.1, temperature=0.01)),
    "fresh": (GaussianPopulation([1.0, 0.5]), TANH, SGD(0.05, 4, "fresh")),
    "deep": (DATA, AutoEncoder((2, 3, 1, 2), ("tanh", "linear", "linear")), SGD(0.02, 4)),
}
STEPS = [0, 3, 10, 14]


def experiment(case):
    data, network, sgd = CASES[case]
    return Experiment(data, network, sgd, Start.gaussian(0.2, 0.3))


def same(one, other, replicas=slice(None), times=slice(None)):
    return all(np.array_equal(w[times], other.weights[n][:, replicas]) for n, w in one.weights.items())


@pytest.mark.parametrize("case", CASES)
def test_bit_identical(case):
    """1 and 2 threads; chunks of 1, 1000 and all; single replicas; run-to-the-end and stop-and-continue."""
    run = experiment(case)
    whole = train(run, replicas=200, steps=STEPS, rng=9, threads=1)
    assert np.all(np.isfinite(whole.weights["W1"]))
    assert same(train(run, replicas=200, steps=STEPS, rng=9, threads=2), whole)
    for chunk in (1, 1000):
        assert same(train(run, replicas=200, steps=STEPS, rng=9, chunk=chunk), whole)
    for first, count in ((0, 1), (63, 2), (137, 40)):
        part = train(run, replicas=count, first_replica=first, steps=STEPS, rng=9)
        assert same(part, whole, replicas=slice(first, first + count))
    stopped = train(run, replicas=200, steps=[0, 5], rng=9)
    later = resume(resume(stopped, steps=[6]), steps=[10, 14])
    assert same(later, train(run, replicas=200, steps=[10, 14], rng=9))
    assert np.array_equal(later.weights["W1"], whole.weights["W1"][2:])


def test_statistics_are_bit_identical_too():
    run = experiment("iid")
    spec = Statistics(loss=True, bins=10)
    options = {"replicas": 9000, "steps": STEPS, "rng": 1, "statistics": spec, "record": "last"}
    one, two = train(run, **options, threads=1), train(run, **options, threads=2, chunk=1000)
    for name in ("mean", "covariance", "third", "fourth", "histogram", "count"):
        assert np.array_equal(getattr(one.statistics, name), getattr(two.statistics, name))


def test_rng():
    """Integers repeat, fresh entropy does not; generators and seed sequences are accepted (SPEC 7)."""
    run = experiment("iid")

    def last(rng):
        return train(run, replicas=3, steps=[5], rng=rng)

    assert same(last(3), last(3))
    assert not same(last(3), last(4))
    assert not same(last(None), last(None))
    fresh = last(None)
    assert same(last(fresh.key), fresh)
    assert same(last(np.random.default_rng(5)), last(np.random.default_rng(5)))
    one, two = np.random.SeedSequence(1).spawn(2)
    assert not same(last(one), last(two))
    with pytest.raises(DomainError, match="rng is -1"):
        last(-1)


def test_state_of_another_run_is_refused():
    stopped = train(experiment("iid"), replicas=5, steps=[3], rng=0)
    with pytest.raises(DomainError, match=r"state holds weights \(5, 4\)"):
        train(experiment("iid"), replicas=6, steps=[7], rng=0, state=stopped.state)
    with pytest.raises(DomainError, match="increasing ones from 3 on"):
        resume(stopped, steps=[2])
