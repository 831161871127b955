"""The default experiment against figures measured with an independent particle code (eta 0.05, B 8, T 0.002)."""

import numpy as np
import pytest

from fpsim.datasets import digits
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder

SGD_RULE = SGD(0.05, 8, temperature=0.002)
NEAR = Start.gaussian({"W1": [[0.6, 0.2]], "W2": [[0.6], [0.2]]}, 0.1)


def spreads(start, time, replicas=20_000):
    run = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD_RULE, start)
    weights = train(run, replicas=replicas, times=[time], rng=1).weights
    return weights["W1"][0, :, 0], weights["W2"][0, :, :, 0]


def test_spreads_and_correlation_after_ten_units_of_time():
    """Standard deviations .143 .167 (W1) and .146 .169 (W2), correlation -0.77 of the leading entries."""
    w1, w2 = spreads(NEAR, 10.0)
    found = [*w1.std(axis=0), *w2.std(axis=0)]
    assert found == pytest.approx([0.143, 0.167, 0.146, 0.169], rel=0.03)
    assert np.corrcoef(w1[:, 0], w2[:, 0])[0, 1] == pytest.approx(-0.77, abs=0.015)


def test_ring_from_the_symmetric_start():
    """From N(0, 0.5^2) the ensemble stays symmetric under W -> -W and spreads to .69 .65 at t = 2."""
    w1, w2 = spreads(Start.gaussian(0.0, 0.5), 2.0)
    assert w1.std(axis=0) == pytest.approx([0.69, 0.65], rel=0.02)
    for w in (w1, w2):
        assert np.all(np.abs(w.mean(axis=0)) < 4 * w.std(axis=0) / np.sqrt(len(w)))
