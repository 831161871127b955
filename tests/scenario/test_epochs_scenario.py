"""Shuffled epochs against independent batches, as a user runs them (theory: 1.6)."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from fpsim.scenario import Results, load_scenario, run
from fpsim.scenario.records import group
from fpsim.scenario.running import figures_of, report, run_shortfalls
from fpsim.support.errors import ConfigError, ValidityWarning
from fpsim.uncertainty.verdict import judged_together, shortfalls

NAME = "shuffled-epochs"
CURVATURE, SAMPLES, BATCH, RATE = 0.3, 64, 4, 0.05
M = SAMPLES // BATCH
S2 = (SAMPLES - BATCH) / (BATCH * (SAMPLES - 1))


@pytest.fixture(scope="module")
def tree():
    with pytest.warns(ValidityWarning, match="plain Fokker-Planck equation does not apply"):
        return run(load_scenario(NAME, quick=True))


def variances(noise, steps, rate=RATE):
    """Variance after every step, from the covariance (steps, steps) of the batches' noises."""
    a = 1 - rate * CURVATURE
    age = np.subtract.outer(np.arange(steps), np.arange(steps))
    weights = np.tril(a ** np.maximum(age, 0))
    return np.concatenate([[0.0], rate**2 * np.sum((weights @ noise) * weights, axis=1)])


def shuffled(epochs):
    """``s2 (delta - (1 - delta) / (M - 1))`` within an epoch, nothing between epochs."""
    one = S2 * ((1 + 1 / (M - 1)) * np.eye(M) - 1 / (M - 1))
    return np.kron(np.eye(epochs), one)


def exact_of(sampling, epochs, rate=RATE):
    if sampling == "epochs":
        return variances(shuffled(epochs), M * epochs, rate)
    s2 = S2 if sampling == "without_replacement" else 1 / BATCH
    return variances(s2 * np.eye(M * epochs), M * epochs, rate)


@pytest.mark.parametrize("sampling", ["iid", "without_replacement", "epochs"])
def test_variance_at_every_step(tree, sampling):
    one = group(tree, "training").sel(sampling=sampling)
    exact = exact_of(sampling, 12)
    np.testing.assert_allclose(one["exact"], exact, rtol=1e-10, atol=1e-16)
    z = (one["variance"].values - exact)[1:] / one["error"].values[1:]
    assert np.abs(z).max() < 4.5  # the largest of 192


def test_epochs_bridge(tree):
    """In the middle of an epoch twenty times what is left at its end, even in the ensemble."""
    found = group(tree, "training")["variance"].sel(sampling="epochs").values
    assert np.all(found[M // 2 + M :: M] > 20 * found[2 * M :: M])


def test_two_hundred_times_less_than_fokker_planck(tree):
    """The factor at the published setting, and the equation's failure by the same factor."""
    rates = group(tree, "rates").sel(learning_rate=RATE)
    exact = exact_of("without_replacement", 20)[-1] / exact_of("epochs", 20)[-1]
    assert 185.0 < exact < 205.0
    assert float(rates["exact_factor"]) == pytest.approx(exact, rel=1e-3)
    assert abs(float(rates["factor"]) - exact) < 4.0 * float(rates["factor_error"])
    last = group(tree, "training").isel(step=-1)
    off = (last["equation"] / last["variance"]).sel(sampling=["iid", "epochs"]).values
    assert abs(off[0] - 1.0) < 0.15 < 150.0 < off[1]


def test_factor_falls_to_one_where_weights_relax_within_an_epoch(tree):
    rates = group(tree, "rates")
    for rate in (0.1, 0.8, 3.0):
        one = rates.sel(learning_rate=rate)
        epochs = 20
        late = {name: exact_of(name, epochs, rate) for name in ("without_replacement", "epochs")}
        expected = [late["without_replacement"][-1], late["epochs"][-1], late["epochs"][-1 - M // 2]]
        z = (one["variance"].values - expected) / one["error"].values
        assert np.abs(z).max() < 4.0
        np.testing.assert_allclose(one["exact"], expected, rtol=1e-3)
    factors = rates["factor"].values
    assert np.all(np.diff(factors[:8]) < 0.0)
    assert abs(factors[-1] - 1.0) < 0.15


def test_table_tells_the_warning(tree):
    text = report(tree)
    assert "warning: sampling = 'epochs'" in text
    assert "does not apply" in text
    assert run_shortfalls(tree) == ()
    assert [name for name, _ in figures_of(tree)] == ["epochs"]


def test_the_control_is_asked_for_only_where_it_must_fail(tree):
    """Many relaxations within an epoch: the plain equation's failure is no longer expected."""
    quick = load_scenario(NAME, quick=True)
    names = [c.name for c in quick.claims(quick.parameters, Results(tree))]
    assert "plain Fokker-Planck, shuffled epochs" in names
    fast = quick.with_values({"sgd.learning_rate": 3.0})
    assert len(list(fast.claims(fast.parameters, Results(tree)))) == len(names) - 1


def test_departures_are_shortfalls(tree):
    wrong = group(tree, "rates").copy(deep=True)
    wrong["variance"][0, 1] *= 1.5
    again = Results(xr.DataTree.from_dict({"/training": group(tree, "training"), "/rates": wrong}))
    scenario = load_scenario(NAME, quick=True)
    (line,) = shortfalls(judged_together(scenario.claims(scenario.parameters, again)))
    assert line.startswith("claim variance, end of epoch, learning rate 0.0125")


def test_what_is_done_is_not_done_again(tree):
    """An interrupted run goes on to the same bits, with one thread."""
    part = xr.DataTree.from_dict({"/training": group(tree, "training")})
    tasks = []

    def reporter(task):
        tasks.append(task)
        return lambda _share: None

    found = run(load_scenario(NAME, quick=True), threads=1, report=reporter, done=part)
    assert tasks == ["learning rates"]
    xr.testing.assert_identical(group(found, "rates"), group(tree, "rates"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sgd.batch_size": 5}, "sgd.batch_size = 5: a divisor of problem.samples = 64"),
        ({"sgd.batch_size": 64}, "that is smaller"),
        ({"sgd.learning_rate": 7.0}, "below 2 / problem.curvature = 6.667"),
        ({"sgd.learning_rates": [0.1, 0.05]}, "increasing"),
        ({"sgd.learning_rates": [1e-9, 0.05]}, "from 1e-6 on"),
        ({"problem.noise": 0.0}, "problem.noise"),
    ],
)
def test_wrong_input_names_the_key(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_scenario(NAME, changes=changes)
