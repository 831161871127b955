"""Wrong types and values in every argument: a value, or one line that says what is accepted, never another error."""

import inspect
import itertools
import warnings

import numpy as np
import pytest

from fpsim.datasets import Dataset, GaussianPopulation, digits, from_array, iris
from fpsim.diagnostics.random_environment.random_features import feature_gradients
from fpsim.diagnostics.random_environment.random_walk import StepProbability, simulate_walks
from fpsim.diagnostics.surface_growth.surface import simulate_surface
from fpsim.ensemble import Divergence, Ensemble, Statistics, resume, train
from fpsim.equation import FokkerPlanck
from fpsim.experiment import (
    SGD,
    CosineDecay,
    Experiment,
    ExponentialDecay,
    PiecewiseConstant,
    Start,
    quadratic_experiment,
)
from fpsim.network import (
    AutoEncoder,
    BottleneckAutoEncoder,
    Outputs,
    activation,
    forward,
    gradient_moments,
    loss,
    mean_loss,
    network_outputs,
    register_activation,
    sample_gradients,
    sample_losses,
)
from fpsim.paths import simulate
from fpsim.support.errors import FpsimError
from fpsim.support.random_streams import key_of

NET = BottleneckAutoEncoder(2, 1)
DATA = from_array([[1.0, 0.2], [-0.3, 0.5], [0.1, 0.4]])
RUN = Experiment(DATA, NET, SGD(0.05, 2), Start.gaussian(0.3, 0.1))
W = {"W1": [[0.3, 0.1]], "W2": [[0.3], [0.1]]}
DONE = train(RUN, replicas=3, steps=[1], rng=1)
EQUATION = FokkerPlanck(drift=lambda x: [-x], diffusion=0.5)
CALLS = {
    "SGD": (SGD, {"learning_rate": 0.1, "batch_size": 2, "sampling": "iid", "weight_decay": 0.0, "label_noise": 0.0,
                  "temperature": 0.0, "momentum": 0.0, "noise": "minibatch", "svag_l": 1}),
    "SGD.learning_rates": (SGD(0.1, 2).learning_rates, {"start": 0, "stop": 3}),
    "SGD.time": (SGD(0.1, 2).time, {"step": 3}),
    "SGD.step": (SGD(0.1, 2).step, {"time": 0.3}),
    "Experiment": (Experiment, {"data": DATA, "network": NET, "sgd": RUN.sgd, "start": RUN.start}),
    "quadratic": (quadratic_experiment, {"sgd": RUN.sgd, "curvature": 1.0, "noise": 1.0, "samples": 4, "start": 0.0}),
    "ExponentialDecay": (ExponentialDecay, {"initial": 0.1, "rate": 0.1}),
    "CosineDecay": (CosineDecay, {"initial": 0.1, "final": 0.0, "steps": 3}),
    "PiecewiseConstant": (PiecewiseConstant, {"rates": (0.1, 0.2), "boundaries": (3,)}),
    "Start": (Start, {"kind": "gaussian", "location": 0.1, "spread": 0.1}),
    "Start.point": (Start.point, {"weights": W}),
    "Start.gaussian": (Start.gaussian, {"mean": 0.1, "std": 0.1}),
    "Start.uniform": (Start.uniform, {"low": 0.1, "high": 0.2}),
    "Start.balanced": (Start.balanced, {"std": 0.1}),
    "Start.entries": (RUN.start.entries, {"network": NET}),
    "Dataset": (Dataset, {"name": "d", "x": [[1.0]], "basis": [[1.0]], "mean": [0.0], "scale": 1.0}),
    "reconstruct": (DATA.reconstruct, {"y": [[1.0, 2.0]]}),
    "from_array": (from_array, {"x": [[1.0], [2.0]], "name": "d", "components": 1}),
    "GaussianPopulation": (GaussianPopulation, {"covariance": 1.0}),
    "quadrature": (GaussianPopulation(1.0).quadrature, {"nodes": 3}),
    "digits": (digits, {"components": 2}),
    "iris": (iris, {"components": 2}),
    "BottleneckAutoEncoder": (BottleneckAutoEncoder, {"d": 2, "k": 1, "activation": "tanh", "frozen": {}}),
    "AutoEncoder": (AutoEncoder, {"widths": (2, 2), "activations": ("tanh",), "frozen": {}}),
    "activation": (activation, {"name": "tanh"}),
    "register": (register_activation, {"name": "fuzzed", "function": np.sin, "derivative": np.cos,
                                       "second_derivative": None}),
    "forward": (forward, {"network": NET, "weights": W, "x": DATA.x}),
    "loss": (loss, {"network": NET, "weights": W, "x": DATA.x}),
    "sample_losses": (sample_losses, {"network": NET, "weights": W, "x": DATA.x, "targets": DATA.x}),
    "sample_gradients": (sample_gradients, {"network": NET, "weights": W, "x": DATA.x, "targets": DATA.x}),
    "mean_loss": (mean_loss, {"network": NET, "weights": W, "x": DATA.x, "threads": 1}),
    "gradient_moments": (gradient_moments, {"network": NET, "weights": W, "x": DATA.x, "threads": 1}),
    "network_outputs": (network_outputs, {"network": NET, "inputs": DATA.x, "component": 0}),
    "Outputs": (Outputs, {"function": lambda w: [w], "gradient": None, "hessian": None}),
    "train": (train, {"experiment": RUN, "replicas": 2, "steps": [1], "rng": 1, "record": "weights", "track": ["W1"],
                      "statistics": None, "state": None, "first_replica": 0, "threads": 1, "chunk": 1,
                      "progress": None}),
    "train by times": (train, {"experiment": RUN, "replicas": 2, "times": [0.05], "rng": 1}),
    "resume": (resume, {"ensemble": DONE, "steps": [2]}),
    "Statistics": (Statistics, {"loss": False, "bins": 0, "low": 0.0, "high": 1.0}),
    "Ensemble": (Ensemble, {"times": [0.0], "weights": {"W1": np.zeros((1, 2, 1, 2))}, "experiment": None, "steps": [0],
                            "key": None, "divergence": None}),
    "Divergence": (Divergence, {"steps": np.zeros(3, int)}),
    "simulate": (simulate, {"equation": EQUATION, "start": np.zeros((3, 1)), "times": [0.1], "step": 0.1,
                            "scheme": "euler", "grid": None, "rng": 1, "progress": None}),
    "simulate_surface": (simulate_surface, {"size": 4, "times": [0.1], "nu": 1.0, "lam": 0.0, "noise": 1.0,
                                            "replicas": 2, "scheme": "lam-shin", "initial": "flat", "dt": 0.1,
                                            "heights_at": [0.1], "rng": 1, "threads": 1, "progress": None}),
    "StepProbability": (StepProbability, {"law": "two-point", "spread": 0.1}),
    "simulate_walks": (simulate_walks, {"steps": 3, "thresholds": [1], "environment": StepProbability(),
                                        "environments": 2, "rng": 1, "threads": 1, "progress": None}),
    "feature_gradients": (feature_gradients, {"dimension": 2, "length": 1.0, "features": 3, "rng": 1}),
    "key_of": (key_of, {"rng": 1}),
}  # fmt: skip
WRONG = (
    None, True, -1, 0, 1.5, float("nan"), float("inf"), 1j, "nonsense", b"x", [], [None], ["a", "b"],
    [[1.0], [2.0, 3.0]], (), {}, {"W1": None}, {"W9": [[1.0]]}, {1: 2}, {3}, object(), int, lambda *a: None,
    lambda *a: "x", np.zeros(0), np.zeros((2, 3, 4)), np.array(["a"]), np.array(None), np.datetime64("2020-01-01"),
    range(3), iter([1]), ...,
)  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_wrong_types_are_refused_in_one_line(name):
    call, right = CALLS[name]
    call(**right)
    others = []
    for key, wrong in itertools.product(right, WRONG):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                call(**{**right, key: wrong})
            except FpsimError as error:
                assert str(error), (key, wrong)
            except Exception as error:  # noqa: BLE001 - counted
                others.append(f"{key}={wrong!r}: {type(error).__name__}: {error}")
    assert not others, f"{len(others)} of {len(right) * len(WRONG)}:\n" + "\n".join(others)


def test_every_argument_is_tried():
    for name, (call, right) in CALLS.items():
        needed = {k for k, p in inspect.signature(call).parameters.items() if p.default is p.empty}
        assert needed <= set(right), name
