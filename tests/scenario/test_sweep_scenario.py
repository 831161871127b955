"""Collapse of the widths on learning rate / batch size, and its departures, as a user runs them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import chi2

from fpsim.datasets import iris
from fpsim.scenario import Results, load_scenario, run
from fpsim.scenario.records import group
from fpsim.scenario.running import figures_of, report, run_shortfalls
from fpsim.support.errors import ConfigError, DomainError
from fpsim.uncertainty.verdict import judged_together, shortfalls

NAME = "batch-sweep"
DECAY = 0.3


@pytest.fixture(scope="module")
def tree():
    return run(load_scenario(NAME, quick=True))


@pytest.fixture(scope="module")
def truth():
    """Minimum, Hessian and gradient covariance of the iris auto-encoder, written out sample by sample."""
    x = iris(2).x
    c = x.T @ x / len(x)
    u = np.sqrt(1 - DECAY / c[0, 0])
    minimum = np.array([u, 0.0, u, 0.0])

    def gradients(w):
        a, b = w[:2], w[2:]
        h = x @ a
        error = np.outer(h, b) - x
        return np.concatenate([(error @ b)[:, None] * x, error * h[:, None]], axis=1)

    def slope(w):
        return gradients(w).mean(axis=0) + DECAY * w

    h = np.stack([(slope(minimum + d) - slope(minimum - d)) / 2e-5 for d in 1e-5 * np.eye(4)], axis=1)
    return minimum, h, np.cov(gradients(minimum).T, bias=True)


def covariance(h, s, eta=None):
    """Per unit of ``theta``, by a linear system for all entries: continuous, or with steps of size ``eta``."""
    one = np.eye(4)
    if eta is None:
        return np.linalg.solve(np.kron(h, one) + np.kron(one, h), s.ravel()).reshape(4, 4)
    step = one - eta * h
    return np.linalg.solve(np.eye(16) - np.kron(step, step), eta * s.ravel()).reshape(4, 4)


def test_theory_is_that_of_the_minimum(tree, truth):
    minimum, h, s = truth
    theory = group(tree, "theory")
    np.testing.assert_allclose(theory["minimum"], minimum, atol=1e-9)
    np.testing.assert_allclose(theory["leading"], np.diag(covariance(h, s)), rtol=1e-6)
    for rate in theory["learning_rate"].values:
        exact = np.diag(covariance(h, s, rate))
        np.testing.assert_allclose(theory["discrete"].sel(learning_rate=rate), exact, rtol=1e-6)


def test_cells_are_stationary_at_the_end(tree, truth):
    """The covariance step after step from the point at the minimum, against its fixed point."""
    _, h, s = truth
    theory = group(tree, "theory")
    for rate in (0.0125, 0.4):
        step, found = np.eye(4) - rate * h, np.zeros((4, 4))
        for _ in range(round(9.0 / rate)):
            found = step @ found @ step.T + rate * s
        missing = 1.0 - np.trace(found) / np.trace(covariance(h, s, rate))
        assert float(theory["unrelaxed"].sel(learning_rate=rate)) == pytest.approx(missing, rel=1e-4)
        assert missing < 1e-3


@pytest.mark.parametrize("rates", [[0.0125, 0.4], [0.2, 1.42]])
def test_an_end_before_stationarity_is_refused_with_the_smallest_that_is_accepted(rates):
    """Short times, and a learning rate so large that a stiff direction swings for long."""

    def check(end):
        scenario = load_scenario(NAME, changes={"sweep.end": end, "sweep.learning_rates": rates})
        scenario.check(scenario.parameters)

    with pytest.raises(ConfigError, match=r"sweep\.end = 3: squared widths lack .* or more is accepted") as refused:
        check(3.0)
    smallest = float(str(refused.value).split("; ")[1].split()[0])
    check(smallest)
    with pytest.raises(ConfigError, match=r"sweep\.end"):
        check(smallest - rates[-1])


def test_small_learning_rates_collapse_on_one_line(tree, truth):
    """Cells of narrow ensembles with small steps against the Lyapunov equation's one number (1 to 3 % of steps)."""
    _, h, s = truth
    small = group(tree, "grid").sel(learning_rate=slice(None, 0.05))
    small = small.where(small["theta"] <= 0.0125)
    for rate in small["learning_rate"].values:
        one = small.sel(learning_rate=rate)
        exact = np.trace(covariance(h, s, rate)) * one["theta"]
        z = ((one["width2"] - exact) / one["width2_error"]).values
        assert np.nanmax(np.abs(z)) < 4.0


def test_cells_of_equal_theta_have_equal_widths(tree, truth):
    """Chi-square of all cells with equal ``theta`` about their common value, finite steps taken out."""
    _, h, s = truth
    grid = group(tree, "grid")
    steps = [np.trace(covariance(h, s, rate)) for rate in grid["learning_rate"].values]
    ratio = (grid["width2"] / (grid["theta"] * xr.DataArray(steps, dims="learning_rate"))).values
    error, theta = grid["rest_error"].values, grid["theta"].values
    total, freedom = 0.0, 0
    for value in np.unique(np.round(theta[theta <= 0.05], 9)):
        here = np.isclose(theta, value)
        weight = error[here] ** -2.0
        centre = np.sum(weight * ratio[here]) / weight.sum()
        total += np.sum(weight * (ratio[here] - centre) ** 2)
        freedom += here.sum() - 1
    assert freedom >= 20
    assert chi2.ppf(1e-4, freedom) < total < chi2.ppf(1 - 1e-4, freedom)


def test_large_steps_are_wider_and_the_discrete_equation_knows(tree, truth):
    """The collapse fails at eta = 0.4, by what the discrete Lyapunov equation says, whatever the batch size."""
    _, h, s = truth
    row = group(tree, "grid").sel(learning_rate=0.4)
    excess = np.trace(covariance(h, s, 0.4)) / np.trace(covariance(h, s)) - 1
    assert excess == pytest.approx(0.29, abs=0.01)
    assert np.all(row["departure"] > 8.0 * row["departure_error"])
    for batch in (8, 16, 32):  # narrow ones
        one = row.sel(batch_size=batch)
        assert abs(float(one["departure"]) - excess) < 4.0 * float(one["departure_error"]) + 1.3 * float(one["theta"])


def test_what_is_left_vanishes_with_theta(tree):
    grid = group(tree, "grid")
    a = grid.attrs
    assert abs(a["intercept"]) < 4.0 * a["intercept_error"] < 0.03
    assert a["chi2"] < chi2.ppf(0.9999, a["freedom"])
    wide = grid["rest"].sel(learning_rate=0.4, batch_size=1)
    assert float(wide) > 4.0 * float(grid["rest_error"].sel(learning_rate=0.4, batch_size=1))


def test_loss_rises_with_the_width(tree):
    """Above the minimum's by half the trace of Hessian times covariance, for a narrow ensemble with small steps."""
    x = iris(2).x
    cell = group(tree, "grid").sel(learning_rate=0.0125, batch_size=1)
    w = group(tree, "theory")["minimum"].values
    least = 0.5 * np.mean(np.sum((np.outer(x @ w[:2], w[2:]) - x) ** 2, axis=1))
    assert 0.0 < float(cell["loss"]) - least < 0.05 * least


def test_table_picture_and_verdict(tree):
    assert run_shortfalls(tree) == ()
    assert [name for name, _ in figures_of(tree)] == ["collapse"]
    lines = report(tree).splitlines()
    assert sum(line.strip().startswith("0.") for line in lines) == 6
    assert "degrees of freedom" in lines[-1]
    broken = group(tree, "grid").assign_attrs(intercept=0.2, chi2=500.0)
    scenario = load_scenario(NAME, quick=True)
    records = scenario.claims(scenario.parameters, Results(xr.DataTree.from_dict({"/grid": broken})))
    assert len(shortfalls(judged_together(records))) == 2


def test_what_is_done_is_not_done_again(tree):
    """An interrupted run goes on to the same bits, with one thread."""
    kept = {f"/rows/rate_{k}": group(tree, "rows", f"rate_{k}") for k in range(1, 6)}
    part = xr.DataTree.from_dict({"/theory": group(tree, "theory"), **kept})
    tasks = []

    def reporter(task):
        tasks.append(task)
        return lambda _share: None

    found = run(load_scenario(NAME, quick=True), threads=1, report=reporter, done=part)
    assert tasks == ["learning rate 0.4"]
    xr.testing.assert_identical(group(found, "grid"), group(tree, "grid"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network.activation": "tanh"}, "linear with at most 4"),
        ({"sweep.batch_sizes": [4, 2]}, "sweep.batch_sizes: increasing"),
        ({"sweep.batch_sizes": [0, 2]}, "batch_sizes"),
        ({"sweep.weight_decay": 0.0}, "weight_decay"),
        ({"sweep.end": 0.1}, "1 to 1e"),
        ({"start.mean": [1.0, 2.0, 3.0]}, "3 entries: one number or 2"),
    ],
)
def test_wrong_input_names_the_key(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_scenario(NAME, changes=changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"sweep.learning_rates": [0.1, 1.9]}, DomainError, r"learning_rate = 1\.9 .* is accepted"),
        ({"sweep.weight_decay": 1.5}, ConfigError, "minimum .* has no noise"),
        ({"sweep.sampling": "without_replacement", "sweep.batch_sizes": [2, 200]}, DomainError, "1 to 150"),
        ({"sweep.sampling": "without_replacement", "sweep.batch_sizes": [2, 150]}, ConfigError, "has no noise"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(changes, error, message):
    scenario = load_scenario(NAME, changes=changes | {"start.mean": 0.5})
    with pytest.raises(error, match=message):
        scenario.check(scenario.parameters)
