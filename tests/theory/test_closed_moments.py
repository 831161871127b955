"""Moment equations against closed forms: Ornstein-Uhlenbeck, geometric Brownian motion, a Lyapunov equation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

from fpsim.support.errors import DomainError
from fpsim.theory.closed_moments import closed_moments, fitted_order

H = np.array([[1.0, 0.4], [-0.2, 0.5]])
D = np.array([[0.3, 0.1], [0.1, 0.2]])


def test_ornstein_uhlenbeck_in_the_plane():
    flow = closed_moments(lambda x: -x @ H.T, lambda _x: D, 2)
    covariance = solve_continuous_lyapunov(H, 2.0 * D)
    np.testing.assert_allclose(flow.stationary(), covariance, rtol=1e-10)
    start = np.array([1.0, -2.0])
    mean, second = flow.at(0.7, start, np.outer(start, start))
    turn = expm(-0.7 * H)
    np.testing.assert_allclose(mean, turn @ start, rtol=1e-10)
    exact = covariance - turn @ covariance @ turn.T + np.outer(turn @ start, turn @ start)
    np.testing.assert_allclose(second, exact, rtol=1e-10)


def test_geometric_brownian_motion():
    """``dx = -x dt + s x dB``: ``E x^2 = x0^2 exp((s^2 - 2) t)``; no stationary law once ``s^2 > 2``."""
    flow = closed_moments(lambda x: -x, lambda x: 0.5 * 0.8**2 * x[..., None] * x[..., None, :], 1)
    assert flow.at(1.3, [2.0], [[4.0]])[1][0, 0] == pytest.approx(4.0 * np.exp((0.8**2 - 2.0) * 1.3), rel=1e-12)
    wild = closed_moments(lambda x: -x, lambda x: 1.1 * x[..., None] * x[..., None, :], 1)
    with pytest.raises(DomainError, match="do not decay"):
        wild.stationary()


def test_products_of_different_coordinates():
    """``D_11 = x y``: then ``d_t E x^2 = -2 E x^2 + 2 E x y`` with ``E x y`` decaying as ``exp(-2 t)``."""

    def diffusion(x):
        out = np.zeros((*x.shape, 2))
        out[..., 0, 0] = x[..., 0] * x[..., 1]
        return out

    second = closed_moments(lambda x: -x, diffusion, 2).at(0.5, [0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]])[1]
    assert second[0, 0] == pytest.approx(np.exp(-1.0) * (1.0 + 2 * 0.6 * 0.5), rel=1e-12)
    assert second[1, 1] == pytest.approx(np.exp(-1.0), rel=1e-12)


@pytest.mark.parametrize(
    ("drift", "diffusion"),
    [(lambda x: -(x**3), lambda x: np.ones((*x.shape, 1))), (lambda x: -x, lambda x: 1.0 + x[..., None] ** 4)],
)
def test_other_forms_are_refused(drift, diffusion):
    with pytest.raises(DomainError, match="moments close"):
        closed_moments(drift, diffusion, 1)


def test_fitted_order_looks_at_the_small_end():
    h = np.array([0.4, 0.2, 0.1, 0.05])
    order, band = fitted_order(h, 3.0 * h**2 + h**4)
    assert order == pytest.approx(2.0, abs=0.02)
    assert 0.0 < band < 0.05
    with pytest.raises(DomainError, match="three or more"):
        fitted_order([0.1, 0.2], [1.0, 2.0])
