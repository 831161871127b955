"""The laws between SGD and a closure: what each changes, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.datasets import iris
from fpsim.ensemble import train
from fpsim.ensemble.intermediate_laws import BATCHES, NOISE, ORDER, intermediate_laws
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder

REPLICAS, STEP = 4000, 60


def experiment(**changes):
    settings = {"learning_rate": 0.05, "batch_size": 15, "label_noise": 0.5} | changes
    return Experiment(iris(components=1), BottleneckAutoEncoder(1, 1), SGD(**settings), Start.gaussian(0.9, 0.02))


def chain(setting, svag=4):
    return intermediate_laws(setting, replicas=REPLICAS, step=STEP, svag=svag, seed=3, threads=1)


def moments(weights):
    w = weights["W1"][:, 0] * weights["W2"][:, 0]
    error = w.std() / np.sqrt(REPLICAS)
    return w.mean(), error, w.var(), np.sqrt(2.0 / REPLICAS) * w.var()


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_noise_and_order_keep_mean_and_width(momentum):
    """At a learning rate where the order of the equation changes the width by less than a tenth (eta h / 2)."""
    found = chain(experiment(momentum=momentum))
    assert [(link.source, len(link.weights["W1"])) for link in found] == [(NOISE, REPLICAS), (ORDER, REPLICAS)]
    run = train(experiment(momentum=momentum), replicas=REPLICAS, steps=[STEP], rng=1, threads=1)
    sgd = moments({m: w[-1].reshape(REPLICAS, -1) for m, w in run.weights.items()})
    for link, part in zip(found, (0.0, 0.15), strict=True):
        law = moments(link.weights)
        assert abs(law[0] - sgd[0]) < 4 * np.hypot(law[1], sgd[1]) + 0.1 * part * sgd[0]
        assert abs(law[2] - sgd[2]) < 5 * np.hypot(law[3], sgd[3]) + part * sgd[2]


def test_shuffled_epochs_get_a_link_of_their_own():
    """Thirty batches an epoch: their noise nearly cancels, which no equation of independent batches can know."""
    setting = experiment(sampling="epochs", label_noise=0.0, batch_size=5)
    found = chain(setting)
    assert [link.source for link in found] == [BATCHES, NOISE, ORDER]
    run = train(setting, replicas=REPLICAS, steps=[STEP], rng=1, threads=1)
    epochs = moments({m: w[-1].reshape(REPLICAS, -1) for m, w in run.weights.items()})
    assert epochs[2] < 0.5 * moments(found[0].weights)[2]
