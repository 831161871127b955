"""Momentum at rest and on the way, as a user runs it (theory: 1.7)."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.linalg import solve_discrete_lyapunov

from fpsim.scenario import Results, load_scenario, run
from fpsim.scenario.records import group
from fpsim.scenario.running import figures_of, report, run_shortfalls
from fpsim.support.errors import ConfigError
from fpsim.uncertainty.verdict import judged_together, shortfalls

NAME = "momentum"
RATE, CURVATURE, NOISE, START, PATH = 0.2, 1.0, 0.25, 2.0, 0.9


@pytest.fixture(scope="module")
def tree():
    return run(load_scenario(NAME, quick=True))


def step_of(mu):
    """``(W, v) -> (W + v', v')`` with ``v' = mu v - eta (lambda W + noise)``."""
    return np.array([[1 - RATE * CURVATURE, mu], [-RATE * CURVATURE, mu]])


def test_stationary_variances_are_exact(tree):
    """Against the discrete Lyapunov equation; the law of the effective learning rate is refuted at mu = 0."""
    table = group(tree, "stationary")
    for mu in table["momentum"].values:
        one = table.sel(momentum=mu)
        exact = solve_discrete_lyapunov(step_of(mu), RATE**2 * NOISE * np.ones((2, 2)))[0, 0]
        assert float(one["exact"]) == pytest.approx(exact, rel=1e-10)
        assert abs(float(one["variance"]) - exact) < 4.0 * float(one["error"])
        assert float(one["effective"]) == pytest.approx(RATE * NOISE / (2 * CURVATURE * (1 - mu)))
    still = table.sel(momentum=0.0)
    assert float(still["variance"]) - float(still["effective"]) > 4.0 * float(still["error"])


def test_the_way_is_that_of_the_steps(tree):
    """Mean and variance at every step from sums over past noises, four sigma (the largest of 100)."""
    path = group(tree, "path")
    step, kick = step_of(PATH), -RATE * np.ones(2)
    power, mean, variance, total = np.eye(2), [START], [0.0], 0.0
    for _ in range(100):
        total += NOISE * (power @ kick)[0] ** 2
        power = step @ power
        mean.append(START * power[0, 0])
        variance.append(total)
    for name, exact in (("mean", mean), ("variance", variance)):
        np.testing.assert_allclose(path[name].sel(source="exact"), exact, rtol=1e-9, atol=1e-12)
        z = (path[name].sel(source="ensemble") - exact) / path[f"{name}_error"]
        assert float(np.abs(z[1:]).max()) < 4.5


def test_underdamped_swings_and_the_effective_rate_does_not(tree):
    path = group(tree, "path")
    mean = path["mean"]
    for source in ("ensemble", "underdamped"):
        assert float(mean.sel(source=source).min()) < -1.0
    assert float(mean.sel(source="effective").min()) >= 0.0
    distance = {s: float(np.abs(mean.sel(source=s) - mean.sel(source="ensemble")).max()) for s in path["source"].values}
    assert distance["effective"] > 2.5 * distance["underdamped"] > 10.0 * distance["exact"]
    # both end at the same variance, some five per cent below the steps'
    last = path["variance"].isel(step=-1)
    assert float(last.sel(source="underdamped") / last.sel(source="effective")) == pytest.approx(1.0, abs=0.01)


def test_table_picture_and_verdict(tree):
    assert run_shortfalls(tree) == ()
    assert [name for name, _ in figures_of(tree)] == ["momentum"]
    assert "learning rates beyond 0.00263 swing" in report(tree)
    wrong = group(tree, "path").copy(deep=True)
    wrong["mean"][0] += 0.1
    again = Results(xr.DataTree.from_dict({"/stationary": group(tree, "stationary"), "/path": wrong}))
    scenario = load_scenario(NAME, quick=True)
    (line,) = shortfalls(judged_together(scenario.claims(scenario.parameters, again)))
    assert line.startswith("claim mean on the way, exact")


def test_what_is_done_is_not_done_again(tree):
    """An interrupted run goes on to the same bits, with one thread."""
    part = xr.DataTree.from_dict({"/stationary": group(tree, "stationary")})
    tasks = []

    def reporter(task):
        tasks.append(task)
        return lambda _share: None

    found = run(load_scenario(NAME, quick=True), threads=1, report=reporter, done=part)
    assert tasks == ["the way to the minimum"]
    xr.testing.assert_identical(group(found, "path"), group(tree, "path"))


def test_learning_rates_without_a_stationary_state_are_refused():
    """Beyond ``2 (1 + mu) / lambda`` steps diverge, as the largest eigenvalue says; 3 is fine at mu = 0.9 only."""
    assert np.abs(np.linalg.eigvals([[1 - 3.0, 0.9], [-3.0, 0.9]])).max() < 1.0 < np.abs(1 - 3.0)
    with pytest.raises(ConfigError, match=r"1e-6 to 2 = 2 \(1 \+ least momentum\)"):
        load_scenario(NAME, changes={"sgd.learning_rate": 3.0})
    load_scenario(NAME, changes={"sgd.learning_rate": 3.0, "sgd.momenta": [0.8, 0.9]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sgd.momenta": [0.5, 1.0]}, "momenta"),
        ({"sgd.momenta": [0.9, 0.5]}, "increasing"),
        ({"sgd.path": 0.0}, "sgd.path"),
        ({"sgd.learning_rate": 1e-9}, "1e-6 to"),
        ({"problem.samples": 1}, "problem.samples"),
    ],
)
def test_wrong_input_names_the_key(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_scenario(NAME, changes=changes)
