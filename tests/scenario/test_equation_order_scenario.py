"""Orders of the modified equations; the exact moments held against simulated SGD and against an ODE solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fpsim.scenario import load_scenario, report, run, run_shortfalls
from fpsim.support.errors import ConfigError, DomainError

C = np.array([[1.0, 0.5 * np.sqrt(0.4)], [0.5 * np.sqrt(0.4), 0.4]])
START, NOISE, BATCH = np.array([1.0, -0.5]), 0.5, 4


@pytest.fixture(scope="module")
def tree():
    return run(load_scenario("equation-order", quick=True))


def table(tree):
    return tree["orders"].to_dataset()


def test_orders_of_the_theory(tree):
    fitted = table(tree)["fitted"]
    for quantity, orders in {
        "mean": (1, 2, 3),
        "second moment": (1, 2, 3),
        "stationary covariance": (1, 1, 2),
    }.items():
        for order, expected in zip(("sme1", "sme2", "sme2c"), orders, strict=True):
            assert float(fitted.sel(quantity=quantity, order=order)) == pytest.approx(expected, abs=0.15)
    assert run_shortfalls(tree) == ()


def test_textbook_second_order_is_twice_as_wrong_in_the_width(tree):
    error = table(tree)["error"].sel(quantity="stationary covariance")
    ratio = error.sel(order="sme2") / error.sel(order="sme1")
    assert np.abs(ratio - 2.0).max() < 0.15
    assert (error.sel(order="sme2c") < 0.15 * error.sel(order="sme1")).all()


def test_errors_against_simulated_sgd_and_an_ode_solver(tree):
    """At the largest rate: SGD by 60 000 replicas, sme1 by its moment equations written out."""
    rate, time = 0.1, 2.0
    rng, root = np.random.default_rng(0), np.linalg.cholesky(C)
    delta = np.tile(START, (60_000, 1))
    for _ in range(round(time / rate)):
        x = rng.normal(size=(BATCH, len(delta), 2)) @ root.T
        residual = np.einsum("bri,ri->br", x, delta) - NOISE * rng.normal(size=(BATCH, len(delta)))
        delta = delta - rate * np.einsum("br,bri->ri", residual, x) / BATCH

    def moments(_t, state):
        m, s = state[:2], state[2:].reshape(2, 2)
        noise = rate / BATCH * (C @ s @ C + C * (np.trace(C @ s) + NOISE**2))
        return np.concatenate((-C @ m, (-C @ s - s @ C + noise).ravel()))

    sme1 = solve_ivp(moments, (0, time), np.concatenate((START, np.outer(START, START).ravel())), rtol=1e-10).y[:, -1]
    found = table(tree)["error"].sel(order="sme1").sel(learning_rate=rate, method="nearest")
    mean_error = np.linalg.norm(sme1[:2] - delta.mean(axis=0))
    second_error = np.linalg.norm(sme1[2:].reshape(2, 2) - delta.T @ delta / len(delta))
    spread = delta.std(axis=0).max() / np.sqrt(len(delta))
    assert float(found.sel(quantity="mean")) == pytest.approx(mean_error, abs=4 * np.sqrt(2) * spread)
    products = np.array([(delta[:, i] * delta[:, j]).std() for i in (0, 1) for j in (0, 1)])
    band = 4 * np.linalg.norm(products) / np.sqrt(len(delta))
    assert float(found.sel(quantity="second moment")) == pytest.approx(second_error, abs=band)


def test_table_and_refusals(tree):
    assert "fitted orders" in report(tree)
    assert "the covariance is off by" in report(tree)
    for key, value, message in (
        ("regression.learning_rates", [0.3, 0.1, 0.05], "whole fractions"),
        ("regression.learning_rates", [0.1, 0.05], "at least 3"),
        ("regression.start", [0.0, 0.0], "away from it"),
        ("regression.label_noise", 0.0, r"regression\.label_noise"),  # nothing would be left at rest
    ):
        with pytest.raises(ConfigError, match=message):
            load_scenario("equation-order", changes={key: value})
    with pytest.raises(DomainError, match="second moments grow"):
        run(load_scenario("equation-order", changes={"regression.learning_rates": [2.0, 1.0, 0.5]}))
