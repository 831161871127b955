"""A tanh bottleneck: Q is not conserved, mean field is less wrong than for the linear network, conditional is right."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.scenario import load_scenario, run

SMALL = {
    "ensemble.replicas": 4000,
    "time.records": 6,
    "theory.cells": 56,
    "theory.components": 1024,
    "comparison.theory_samples": 4000,
    "comparison.measured": 0,
    "comparison.probes": 1,
}


@pytest.fixture(scope="module")
def tree():
    return run(load_scenario("tanh-bottleneck", changes=SMALL))


def balance(tree):
    """Mean of ``|W1|^2 - |W2|^2`` over the stored replicas, by time."""
    w = tree["offset/ensemble"].to_dataset()["weights"].values
    return (w[..., 0] ** 2 + w[..., 1] ** 2 - w[..., 2] ** 2 - w[..., 3] ** 2).mean(axis=1)


def test_balance_drifts(tree):
    """From zero at the start (both matrices have the same law) to where tanh wants it: a larger decoder."""
    q = balance(tree)
    assert abs(q[0]) < 4 * 0.5 / np.sqrt(2000)
    assert q[-1] < -0.5
    assert (np.diff(q)[:3] < 0).all()


def test_stationary_point_of_the_loss(tree):
    """The mean weights end where the exact gradient over the irises nearly vanishes."""
    from fpsim.datasets import iris

    mean = tree["offset/ensemble"].to_dataset()["mean"].isel(time=-1).values
    x = iris(components=2).x

    def gradient(w):
        h = np.tanh(x @ w[:2])
        r = h[:, None] * w[2:] - x
        return np.concatenate((((r @ w[2:]) * (1 - h**2)) @ x, r.T @ h)) / len(x)

    start = np.array([0.7, 0.3, 0.7, 0.3])
    assert np.linalg.norm(gradient(mean)) < 0.15 * np.linalg.norm(gradient(start))


def test_closures(tree):
    last = {s: tree[f"offset/{s}"].to_dataset()["std"].isel(time=-1) for s in ("ensemble", "mean-field", "conditional")}
    conditional = last["conditional"] / last["ensemble"]
    assert np.abs(conditional - 1).max() < 0.07  # four errors of 4 000 replicas, and the grid's part
    ratio = (last["mean-field"] / last["ensemble"]).sel(weight="W1_1_1")
    assert 0.5 < float(ratio) < 0.85  # about 0.3 for the linear network on the same data
    correlation = tree["offset/ensemble"].to_dataset()["correlation"].isel(time=-1)
    assert -0.9 < float(correlation.sel(weight="W1_1_1", weight_other="W2_1_1")) < -0.6


def test_without_the_table_of_distances(tree):
    assert "distances" not in tree["offset"].children
    assert "budget" in tree["offset"].children
