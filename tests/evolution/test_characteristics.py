"""Feet against exact flows, reconstruction against exact integrals of polynomials, borrowing."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density.remap import Feet, reconstruction_weights
from fpsim.density.tiles import LANES
from fpsim.evolution.sweeps.characteristics import trace_feet
from fpsim.evolution.sweeps.compact_diffusion import borrow


def feet(drift, dt, *, periodic=False, low=False, high=False):
    foot = np.empty(len(drift))
    trace_feet(np.asarray(drift, float), dt, len(drift) - 1, periodic, low, high, foot)
    return foot


@pytest.mark.parametrize(("rate", "accuracy"), [(0.1, 1e-5), (0.4, 1e-3), (1.5, 1e-2), (-1.5, 1e-2)])
def test_feet_of_a_linear_drift(rate, accuracy):
    """b = -rate (s - 20): s goes back to 20 + (s - 20) exp(rate dt); the walls hold what would leave."""
    s = np.arange(41.0)
    foot = feet(-rate * (s - 20), 1.0)
    exact = np.clip(20 + (s - 20) * np.exp(rate), 0, 40)
    exact[0], exact[-1] = 0, 40
    np.testing.assert_allclose(foot, exact, atol=accuracy * np.abs(exact - s).max() + 1e-12)


def test_feet_on_a_ring():
    """tan(pi s / n) is linear in time for b = sin^2: gentle and steep faces on one line."""
    n, dt = 64, 3.0
    s = np.arange(n + 1.0)
    foot = feet(2.0 * np.sin(np.pi * s / n) ** 2, dt, periodic=True)
    cot = 1 / np.tan(np.pi * s[1:-1] / n) + 2.0 * np.pi / n * dt
    np.testing.assert_allclose(foot[1:-1], n / np.pi * (np.pi / 2 - np.arctan(cot)), atol=2e-4)
    assert foot[-1] == foot[0] + n


def test_absorbing_walls_let_their_feet_move():
    s = np.arange(21.0)
    foot = feet(0 * s + 2.0, 1.5, high=True)
    assert foot[-1] == pytest.approx(17.0)
    assert feet(0 * s + 2.0, 1.5)[-1] == 20.0
    assert (np.diff(foot) >= 0).all()


@pytest.mark.parametrize("degree", range(7))
def test_reconstruction_is_exact_for_polynomials(degree):
    n = 12
    edges = np.arange(n + 1.0) - 5.0
    u = np.diff(edges ** (degree + 1)) / (degree + 1)
    xi = np.linspace(0, 1, n + 1)
    foot, cell, weight = 5 + xi * 0.999, np.empty(n + 1, np.int64), np.empty((7, n + 1))
    reconstruction_weights(foot, n, False, Feet(cell, weight))
    got = weight.T @ u[2:9]
    exact = ((foot - 5.0) ** (degree + 1) - 0.0) / (degree + 1)
    np.testing.assert_allclose(got, exact, atol=1e-11 * np.abs(u[2:9]).max())


def test_reconstruction_is_exact_at_faces():
    foot, cell, weight = np.array([0.0, 3.0, 6.0, 9.0]), np.empty(4, np.int64), np.empty((7, 4))
    reconstruction_weights(foot, 3, True, Feet(cell, weight))
    assert (weight == 0.0).all()


def test_borrowing_keeps_the_sum():
    rng = np.random.default_rng(4)
    w = rng.random((30, LANES)) ** 2
    w[rng.random(w.shape) < 0.1] = -0.01
    total = w.sum(axis=0)
    assert borrow(w, False)
    assert w.min() >= 0.0
    np.testing.assert_allclose(w.sum(axis=0), total, rtol=1e-13)
    assert not borrow(-np.ones((30, LANES)), False)
