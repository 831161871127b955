"""Outputs and losses against brute force, exact moments and independence."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.comparison import draw_weights, outputs
from fpsim.density import Grid, gaussian
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(200, 3)) * [1.5, 1.0, 0.5]
W1, W2 = RNG.normal(size=(7, 2, 3)), RNG.normal(size=(7, 3, 2))
PHI = {"linear": lambda z: z, "tanh": np.tanh}


@pytest.mark.parametrize("activation", PHI)
def test_loss_of_every_replica_is_the_mean_over_the_data(activation):
    network = BottleneckAutoEncoder(3, 2, activation)
    brute = [
        np.mean([0.5 * np.sum((b @ PHI[activation](a @ x) - x) ** 2) for x in DATA])
        for a, b in zip(W1, W2, strict=True)
    ]
    assert outputs.replica_loss(network, W1, W2, DATA) == pytest.approx(brute, rel=1e-12)


def test_loss_in_chunks_is_the_loss(monkeypatch):
    network = BottleneckAutoEncoder(3, 2, "tanh")
    whole = outputs.replica_loss(network, W1, W2, DATA)
    monkeypatch.setattr(outputs, "_CHUNK_BYTES", 8 * 200 * 2 * 2)
    assert outputs.replica_loss(network, W1, W2, DATA) == pytest.approx(whole, rel=1e-13)


@pytest.mark.parametrize("activation", PHI)
def test_outputs_at_probes(activation):
    network = BottleneckAutoEncoder(3, 2, activation)
    y = outputs.at_probes(network, W1, W2, DATA[:4])
    assert y.shape == (7, 4, 3)
    assert y[5, 2] == pytest.approx(W2[5] @ PHI[activation](W1[5] @ DATA[2]), rel=1e-13)


def test_balance_is_conserved_by_small_gradient_steps():
    """Gradient flow keeps Q = W1 W1^T - W2^T W2; a step of eta changes it by O(eta^2)."""
    from fpsim.network import sample_gradients

    network = BottleneckAutoEncoder(3, 2)
    q = outputs.balance(network, W1, W2)
    assert q[0] == pytest.approx(W1[0] @ W1[0].T - W2[0].T @ W2[0], rel=1e-13)
    change = []
    for rate in (1e-3, 5e-4):
        g = sample_gradients(network, {"W1": W1, "W2": W2}, DATA)
        after = outputs.balance(network, W1 - rate * g["W1"].mean(axis=-3), W2 - rate * g["W2"].mean(axis=-3))
        change.append(np.abs(after - q).max())
    assert change[0] / change[1] == pytest.approx(4.0, rel=1e-3)


def test_pooled_outputs_are_outputs_at_data():
    network = BottleneckAutoEncoder(3, 2, "tanh")
    y = outputs.pooled(network, W1, W2, DATA, per_replica=5, rng=0)
    every = outputs.at_probes(network, W1, W2, DATA)
    assert y.shape == (7, 5, 3)
    for r in range(7):
        assert all(np.abs(every[r] - row).max(axis=1).min() < 1e-13 for row in y[r])
    assert np.array_equal(y, outputs.pooled(network, W1, W2, DATA, per_replica=5, rng=0))


def test_moments_of_pooled_outputs_factor():
    """d = k = 1, linear: y = w x with w = W2 W1 independent of x, so E y^n = E w^n E x^n."""
    rng = np.random.default_rng(1)
    replicas, rows = 4000, 50
    x = rng.normal(size=(300, 1)) + 0.2
    u, v = rng.normal(0.9, 0.1, (replicas, 1, 1)), rng.normal(1.1, 0.2, (replicas, 1, 1))
    y = outputs.pooled(BottleneckAutoEncoder(1, 1), u, v, x, per_replica=rows, rng=2)
    for n in (1, 2, 3, 4):
        per_replica = (y**n).mean(axis=(1, 2))
        exact = np.mean((u * v) ** n) * np.mean(x**n)
        assert abs(per_replica.mean() - exact) < 4 * per_replica.std() / np.sqrt(replicas)


def test_weights_of_factorised_densities_are_independent():
    network = BottleneckAutoEncoder(2, 1)
    grid = Grid.box((-3.0, 3.0, 60), (-3.0, 3.0, 60))
    mean = {"W1": (0.6, 0.2), "W2": (-0.1, 0.4)}
    cov = {"W1": ((0.1, 0.05), (0.05, 0.2)), "W2": ((0.2, -0.1), (-0.1, 0.1))}
    densities = {m: gaussian(grid, mean[m], cov[m]) for m in mean}
    count = 20000
    w1, w2 = draw_weights(densities, count, network=network, rng=3)
    assert w1.shape == (count, 1, 2)
    assert w2.shape == (count, 2, 1)
    flat = np.concatenate((w1.reshape(count, 2), w2.reshape(count, 2)), axis=1)
    exact = np.zeros((4, 4))
    exact[:2, :2], exact[2:, 2:] = cov["W1"], cov["W2"]
    assert np.abs(flat.mean(axis=0) - np.concatenate(list(mean.values()))).max() < 4 * np.sqrt(0.2 / count)
    assert np.abs(np.cov(flat, rowvar=False) - exact).max() < 4 * 0.2 * np.sqrt(2.0 / count) + 5e-4


def test_weights_of_a_joint_density_keep_their_correlation():
    cov = ((0.1, -0.09), (-0.09, 0.1))
    joint = gaussian(Grid.box((-2.0, 3.0, 100), (-2.0, 3.0, 100)), (0.8, 0.9), cov)
    w1, w2 = draw_weights({"W": joint}, 20000, network=BottleneckAutoEncoder(1, 1), rng=0)
    assert np.corrcoef(w1.ravel(), w2.ravel())[0, 1] == pytest.approx(-0.9, abs=4 * (1 - 0.81) / np.sqrt(20000) + 2e-3)


def test_frozen_matrices_are_repeated():
    decoder = np.array([[1.0], [0.5]])
    network = BottleneckAutoEncoder(2, 1, frozen={"W2": decoder})
    grid = Grid.box((-3.0, 3.0, 30), (-3.0, 3.0, 30))
    _, w2 = draw_weights({"W1": gaussian(grid, (0.0, 0.0), 0.3)}, 50, network=network, rng=0)
    assert np.array_equal(w2, np.broadcast_to(decoder, (50, 2, 1)))


def diverged():
    w = W1.copy()
    w[[1, 4], 0, 0] = np.nan
    return w


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: outputs.replica_loss(n, diverged(), W2, DATA), "2 of 7 replicas are not finite"),
        (lambda n: outputs.pooled(n, W1[:, :1], W2, DATA), r"W1 has shape \(7, 1, 3\): \(replicas, 2, 3\)"),
        (lambda n: outputs.at_probes(n, W1, W2, DATA[:, :2]), r"probes have shape \(200, 2\)"),
        (lambda n: outputs.pooled(n, W1, W2, DATA, per_replica=0), "per_replica is 0"),
        (lambda n: draw_weights({"W1": gaussian(Grid.box((-1, 1, 8)), 0, 0.05)}, 5, network=n), "W1, W2, or W alone"),
    ],
)
def test_bad_input_is_refused_in_words(call, message):
    with pytest.raises(DomainError, match=message):
        call(BottleneckAutoEncoder(3, 2))
