"""The stationary law of the scalar auto-encoder and its collapse, as a user runs them (theory: 2.4)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad
from scipy.optimize import brentq

from fpsim.scenario import Results, load_scenario, run
from fpsim.scenario.records import group
from fpsim.scenario.running import figures_of, report, run_shortfalls
from fpsim.scenario.tables import read_tables
from fpsim.support.errors import ConfigError, MemoryLimitError
from fpsim.uncertainty.verdict import judged_together, shortfalls

NAME = "stationary-law"
LABEL, RATE = 20.0, 0.00125
C, KAPPA, S0 = 1.0, 2.0, LABEL**2
THRESHOLD = 2 * C / (KAPPA + S0)


@pytest.fixture(scope="module")
def tree():
    return run(load_scenario(NAME, quick=True))


def unnormalised(w, theta=RATE):
    """Theory 2.4, written out here."""
    mu = C / (theta * (KAPPA + S0))
    angle = math.atan((w - 1) * math.sqrt(KAPPA / S0))
    power = (mu - 1.5) * math.log(w) - (1 + mu / 2) * math.log((KAPPA * (w - 1) ** 2 + S0) / S0)
    return math.exp(power - mu * math.sqrt(S0 / KAPPA) * angle)


def mass(a, b, theta=RATE, weight=lambda w: 1.0):
    """Integral in ``ln w``, which tames the singularity at zero."""
    ends = [math.log(x) for x in (a, b)]
    return quad(lambda x: weight(math.exp(x)) * unnormalised(math.exp(x), theta) * math.exp(x), *ends, limit=400)[0]


def quantile(level, theta=RATE):
    low, total = 1e-15, mass(1e-15, 1.0, theta) + mass(1.0, 1e4, theta)
    return brentq(lambda w: mass(low, w, theta) / total - level, 1e-9, 20.0)


def test_quantiles_and_density_are_those_of_the_exact_law(tree):
    law = tree["law"].to_dataset()
    total = mass(1e-15, 1.0) + mass(1.0, 1e4)
    for level in law["level"].values:
        exact = quantile(level)
        error = math.sqrt(level * (1 - level) / law.attrs["replicas"]) / (unnormalised(exact) / total)
        one = law.sel(level=level)
        assert abs(float(one["quantile"]) - exact) < 4 * error
        assert float(one["exact_quantile"]) == pytest.approx(exact, rel=2e-4)
        assert float(one["quantile_error"]) == pytest.approx(error, rel=1e-2)
    width = float(law["w"][1] - law["w"][0])
    for k in (1, 10, 40):
        centre = float(law["w"][k])
        share = mass(centre - width / 2, centre + width / 2) / total
        assert float(law["exact_density"][k]) == pytest.approx(share / width, rel=1e-3)
        error = math.sqrt(share / law.attrs["replicas"]) / width
        assert abs(float(law["density"][k]) - share / width) < 4 * error


def test_law_is_far_from_a_gaussian(tree):
    """What the law is good for: the mean of this one lies a third above its median."""
    law = tree["law"].to_dataset()
    median = float(law["quantile"].sel(level=0.5))
    upper, lower = (abs(float(law["quantile"].sel(level=p)) - median) for p in (0.95, 0.05))
    assert upper > 2 * lower


def test_balance_decays_at_the_rate_of_the_law(tree):
    """``d ln|q| / dt = -theta (kappa E(w - 1)^2 + s0)``, up to steps of finite size, O(eta^2 s0) = 1 %."""
    law = tree["law"].to_dataset()
    total = mass(1e-15, 1.0) + mass(1.0, 1e4)
    square = sum(mass(*ends, weight=lambda w: (w - 1) ** 2) for ends in ((1e-15, 1.0), (1.0, 1e4))) / total
    rate = RATE * (KAPPA * square + S0)
    found, error = float(law["balance"][-1]), float(law["balance_error"][-1])
    assert abs(found + rate * float(law["time"][-1])) < 4 * error + 0.01 * abs(found)
    assert found < -4.0


def test_medians_below_the_threshold_and_collapse_beyond_it(tree):
    medians = tree["collapse"].to_dataset()
    assert medians.attrs["threshold"] == pytest.approx(THRESHOLD)
    for rate in (0.00125, 0.0025):
        one = medians.sel(learning_rate=rate)
        assert float(one["median_low"]) < quantile(0.5, rate) < float(one["median_high"])
    beyond = medians["median"].sel(learning_rate=slice(1.1 * THRESHOLD, None)).values
    assert len(beyond) == 4
    assert np.all(beyond < 1e-4)
    assert np.all(np.diff(np.log(beyond)) < 0.0)
    assert np.all(medians["exact_median"].sel(learning_rate=slice(THRESHOLD, None)) == 0.0)


def test_growth_near_zero_changes_sign_at_the_threshold(tree):
    """Against drawn multipliers ``1 + eta (x^2 + x e)``; the sign is that of ``2 c - theta (kappa + s0)``."""
    growth = tree["collapse"].to_dataset()
    rng = np.random.default_rng(5)
    x, e = rng.normal(size=(2, 1_000_000))
    g = x * x + LABEL * x * e
    for rate in growth["learning_rate"].values:
        sample = 2 / rate * np.log(np.abs(1 + rate * g))
        one = growth.sel(learning_rate=rate)
        error = math.hypot(float(one["rate_error"]), sample.std() / math.sqrt(sample.size))
        assert abs(float(one["rate"]) - sample.mean()) < 4 * error
        assert float(one["limit"]) == pytest.approx(2 * C - rate * (KAPPA + S0))
    signs = np.sign(growth["rate"].values[[0, 1, -2, -1]])
    assert list(signs) == [1, 1, -1, -1]
    # finite steps collapse a little earlier than the equation: by two per cent here
    assert 0.96 < growth.attrs["threshold_of_steps"] / THRESHOLD < 1.0


def test_nothing_falls_short_and_everything_is_drawn(tree):
    assert run_shortfalls(tree) == ()
    assert [name for name, _ in figures_of(tree)] == ["law", "collapse"]
    text = report(tree)
    assert "0.251 of the threshold" in text
    assert [len(table["rows"]) for table in read_tables(tree)] == [5, 9]
    assert set(tree.to_dataset().data_vars) == {"quantile", "quantile_error", "exact_quantile", "z"}


def test_a_wrong_quantile_is_a_claim_that_fails(tree):
    wrong = group(tree, "law").copy(deep=True)
    wrong["quantile"][2] += 5.0 * wrong["quantile_error"][2]
    scenario = load_scenario(NAME, quick=True)
    again = Results(xr.DataTree.from_dict({"/law": wrong, "/collapse": group(tree, "collapse")}))
    (line,) = shortfalls(judged_together(scenario.claims(scenario.parameters, again)))
    assert line.startswith("claim quantile 0.5 of w")
    almost_normal = group(tree, "law").copy(deep=True)
    almost_normal["exact_quantile"][2] = almost_normal["exact_quantile"][[0, 4]].mean()
    again = Results(xr.DataTree.from_dict({"/law": almost_normal, "/collapse": group(tree, "collapse")}))
    assert not any(c.name.startswith("control") for c in scenario.claims(scenario.parameters, again))


def test_what_is_done_is_not_done_again(tree):
    """Nor is it different when it is: an interrupted run goes on to the same bits, with one thread."""
    part = xr.DataTree.from_dict({"/law": tree["law"].to_dataset()})
    found = run(load_scenario(NAME, quick=True), threads=1, done=part)
    xr.testing.assert_identical(group(found, "collapse"), group(tree, "collapse"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"law.learning_rate": 0.01}, "no stationary law: below the threshold 0.004975"),
        ({"law.label_noise": 0.0}, "law.label_noise"),
        ({"collapse.learning_rates": [0.002, 0.001]}, "increasing numbers"),
        ({"collapse.learning_rates": [0.002, 3.0]}, "growth_end is shorter"),
        ({"start.mean": [1.0, 2.0, 3.0]}, "3 entries: one number or 2"),
        ({"law.learning_rate": 1e-12}, "steps: at most"),
        ({"time.records": 10_000, "time.end": 1.0}, "more than the 800 steps"),
    ],
)
def test_wrong_input_names_the_key(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_scenario(NAME, changes=changes)


def test_memory_is_checked_first():
    scenario = load_scenario(NAME, changes={"ensemble.replicas": 10_000_000, "time.records": 5000})
    with pytest.raises(MemoryLimitError, match=r"ensemble\.replicas"):
        run(scenario)
