"""Public values of the experiment pickle and deep-copy, still frozen; what cannot be pickled is named."""

import copy
import pickle
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from fpsim.datasets import GaussianPopulation, digits, from_array
from fpsim.ensemble import Ensemble, Statistics, resume, train
from fpsim.experiment import SGD, CosineDecay, Experiment, ExponentialDecay, PiecewiseConstant, Start
from fpsim.network import AutoEncoder, BottleneckAutoEncoder, Outputs, activation, gradient_moments
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import jackknife
from fpsim.uncertainty.result import Result

NET = BottleneckAutoEncoder(2, 1, "tanh", {"W1": [[1.0, 0.5]]})
RUN = Experiment(digits(2), NET, SGD(0.05, 4), Start.gaussian({"W2": [[0.1], [0.2]]}, 0.1))
DONE = train(RUN, replicas=70, steps=[0, 3], rng=5, statistics=Statistics(loss=True))
VALUES = {
    "SGD": RUN.sgd,
    "schedule of SGD": SGD(PiecewiseConstant((0.1, 0.2), (3,)), 2),
    "ExponentialDecay": ExponentialDecay(0.1, 0.01),
    "CosineDecay": CosineDecay(0.1, 0.0, 10),
    "PiecewiseConstant": PiecewiseConstant((0.1, 0.2), (3,)),
    "Start": RUN.start,
    "Start.uniform": Start.uniform(0.0, 1.0),
    "Dataset": RUN.data,
    "from_array": from_array([[1.0, 2.0]]),
    "GaussianPopulation": GaussianPopulation([1.0, 2.0]),
    "BottleneckAutoEncoder": NET,
    "AutoEncoder": AutoEncoder((2, 1, 2), ("tanh", "linear")),
    "Activation": activation("tanh"),
    "GradientMoments": gradient_moments(NET, {"W2": [[0.1], [0.2]]}, RUN.data.x),
    "Outputs": Outputs(np.atleast_1d),
    "Experiment": RUN,
    "Ensemble": DONE,
    "State": DONE.state,
    "Divergence": DONE.divergence,
    "Statistics": Statistics(bins=3),
    "EnsembleStatistics": DONE.statistics,
    "own Ensemble": Ensemble(times=[0.0, 1.0], weights={"W1": np.zeros((2, 3, 1, 1))}),
    "Result": Result(1.0, 0.1, "by hand", {"a": 1}),
    "Estimate": jackknife([1.0, 2.0], [1, 1]),
}


def same(one, other):
    if isinstance(one, np.ndarray):
        assert np.array_equal(one, other, equal_nan=True)
        assert one.flags.writeable == other.flags.writeable
    elif hasattr(one, "items"):
        assert type(one) is type(other)
        assert list(one) == list(other)
        for key in one:
            same(one[key], other[key])
    elif hasattr(one, "__dataclass_fields__"):
        assert type(one) is type(other)
        for f in fields(one):
            same(getattr(one, f.name), getattr(other, f.name))
    else:
        assert one == other


@pytest.mark.parametrize("again", [lambda v: pickle.loads(pickle.dumps(v)), copy.deepcopy, copy.copy])
@pytest.mark.parametrize("name", VALUES)
def test_pickles_and_copies_are_the_same_and_frozen(name, again):
    value = VALUES[name]
    found = again(value)
    same(value, found)
    with pytest.raises(FrozenInstanceError):
        setattr(found, fields(found)[0].name, None)


def test_a_pickled_run_goes_on_with_the_same_bits():
    whole = train(RUN, replicas=70, steps=[6], rng=DONE.key).weights["W2"]
    assert np.array_equal(resume(pickle.loads(pickle.dumps(DONE)), steps=[6]).weights["W2"], whole)


def test_what_cannot_be_pickled_is_named_and_still_copied():
    sgd = SGD(lambda k: 0.1 + 0.0 * k, 2)
    with pytest.raises(DomainError, match=r"learning_rate of SGD is <function .*<lambda>.*cannot be pickled"):
        pickle.dumps(Experiment(RUN.data, NET, sgd, RUN.start))
    assert copy.deepcopy(sgd).learning_rates(0, 3).tolist() == [0.1] * 3


class TestOwnEnsemble:
    def test_trajectories_of_ones_own(self):
        own = Ensemble(times=[0.0, 0.5], weights={"W1": np.ones((2, 7, 1, 2)), "W2": np.ones((2, 7, 2, 1))})
        assert (own.replicas, own.divergence.count, own.experiment) == (7, 0, None)
        with pytest.raises(TypeError):
            own.weights["W1"] = None
        with pytest.raises(DomainError, match="no experiment, state or key to go on from"):
            resume(own, steps=[3])

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"times": [1.0, 0.5]}, "times are .*: finite increasing times"),
            ({"times": [0.0]}, "for 1 times: as many of both"),
            ({"weights": {}}, r"weights have shapes {}: \(times, replicas, rows, columns\)"),
            ({"weights": {"W1": np.ones((2, 7))}}, r"\(2, 7\).*: \(times, replicas, rows, columns\)"),
            ({"weights": {"W1": np.ones((2, 7, 1, 2)), "W2": np.ones((2, 6, 2, 1))}}, "alike, are accepted"),
            ({"weights": {"W1": np.ones((2, 7, 2, 2))}, "experiment": RUN}, r"replicas, \(1, 2\)\) is accepted"),
            ({"experiment": "digits"}, "experiment is 'digits': None or Experiment is accepted"),
            ({"steps": [1]}, "as many as times, 2"),
        ],
    )  # fmt: skip
    def test_refusals(self, changes, message):
        right = {"times": [0.0, 0.5], "weights": {"W1": np.ones((2, 7, 1, 2))}}
        with pytest.raises(DomainError, match=message):
            Ensemble(**{**right, **changes})
