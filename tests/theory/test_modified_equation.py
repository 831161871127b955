"""Modified equations: generator expansion, weak orders, stationary covariance (closed forms, no sampling)."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from scipy.integrate import solve_ivp
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from fpsim.support.errors import DomainError
from fpsim.theory import modified_equation

MODES = ("sme1", "sme2", "sme2c")


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


class Quartic:
    """``L = W^2 / 2 + W^4 / 4`` with symmetric noise of variance ``S = 0.3 + 0.2 W^2`` (+ what a temperature adds)."""

    def gradient(self, w):
        return w + w**3

    def covariance(self, w):
        return (0.3 + 0.2 * w**2)[..., None]


def one_step(f, eta, temperature=0.0):
    """``P f`` for a polynomial ``f``: exact, with Gaussian noise."""
    a = Polynomial([0, 1 - eta, 0, -eta])
    s = eta**2 * Polynomial([0.3, 0, 0.2]) + 2 * eta * temperature
    out = Polynomial([0.0])
    for n, coefficient in enumerate(f.coef):
        double_factorial = 1.0
        for j in range(n // 2 + 1):
            double_factorial *= max(2 * j - 1, 1)
            out = out + coefficient * comb(n, 2 * j) * double_factorial * a ** (n - 2 * j) * s**j
    return out


def generator_residual(eta, order, f, at, temperature=0.0):
    """``|log(P) f / eta - A f|`` with the logarithm to fourth order in ``P - 1``."""
    powers = [f]
    for _ in range(4):
        powers.append(one_step(powers[-1], eta, temperature) - powers[-1])
    exact = sum((-1) ** (m + 1) * powers[m](at) / m for m in range(1, 5)) / eta
    equation = modified_equation(Quartic(), eta, order=order, temperature=temperature)
    b, d = equation.drift([at])[0], equation.diffusion([at])[0, 0]
    return abs(exact - b * f.deriv()(at) - d * f.deriv(2)(at))


@pytest.mark.parametrize(("order", "expected"), [("sme1", 1.0), ("sme2c", 3.0)])
@pytest.mark.parametrize("f", [Polynomial([0, 1]), Polynomial([0, 0, 1]), Polynomial([0, 0, 0, 1])])
def test_generator_expansion(order, expected, f):
    """The residual of the generator falls with the power of the first term left out."""
    etas = np.array([0.01, 0.005, 0.0025])
    residuals = [generator_residual(eta, order, f, 0.4) for eta in etas]
    assert abs(slope(etas, residuals) - expected) < 0.15


@pytest.mark.parametrize("f", [Polynomial([0, 1]), Polynomial([0, 0, 1]), Polynomial([0, 0, 0, 1])])
def test_generator_expansion_with_temperature(f):
    etas = np.array([0.01, 0.005, 0.0025])
    residuals = [generator_residual(eta, "sme2", f, 0.4, temperature=0.15) for eta in etas]
    assert abs(slope(etas, residuals) - 2.0) < 0.15


class Regression:
    """Linear regression, fresh data, batch 1: ``ghat = a^2 (W - 1) - e``, ``a ~ N(0, 1)``, ``E e^2 = 1/4``."""

    def gradient(self, w):
        return w - 1.0

    def covariance(self, w):
        return (2.0 * (w - 1.0) ** 2 + 0.25)[..., None]


def discrete_moments(eta, steps, start):
    """Exact ``E (W - 1)`` and ``E (W - 1)^2`` of SGD."""
    m1, m2 = start - 1.0, (start - 1.0) ** 2
    for _ in range(steps):
        m1, m2 = (1 - eta) * m1, (1 - 2 * eta + 3 * eta**2) * m2 + 0.25 * eta**2
    return m1, m2


def continuous_moments(eta, t, start, order):
    """The same of the modified equation: its drift is linear and its diffusion quadratic, so that moments close."""
    equation = modified_equation(Regression(), eta, order=order)
    at = np.array([[0.0], [1.0], [2.0]])  # W - 1 = -1, 0, 1
    b, d = equation.drift(at)[:, 0], equation.diffusion(at)[:, 0, 0]
    b1, d0, d2 = 0.5 * (b[2] - b[0]), d[1], 0.5 * (d[0] + d[2]) - d[1]
    path = solve_ivp(
        lambda _t, m: [b1 * m[0], 2 * (b1 + d2) * m[1] + 2 * d0],
        (0, t),
        [start - 1.0, (start - 1.0) ** 2],
        rtol=1e-12,
        atol=1e-14,
    )
    return path.y[:, -1]


@pytest.mark.parametrize(("order", "expected"), [("sme1", 1.0), ("sme2", 2.0)])
def test_weak_order(order, expected):
    etas = 0.05 / 2.0 ** np.arange(5)
    errors = np.array(
        [np.abs(continuous_moments(e, 1.0, 0.2, order) - discrete_moments(e, round(1.0 / e), 0.2)) for e in etas]
    )
    for moment in range(2):
        assert abs(slope(etas, errors[:, moment]) - expected) < 0.15


class Quadratic2D:
    """``L = W H W / 2`` with constant noise that does not commute with ``H``."""

    h = np.array([[1.0, 0.3], [0.3, 0.5]])
    s = np.array([[0.5, -0.2], [-0.2, 0.8]])

    def gradient(self, w):
        return w @ self.h

    def covariance(self, w):
        return np.broadcast_to(self.s, (*w.shape, 2))


def stationary_error(eta, order):
    """Relative error of the stationary covariance against the exact one of the discrete recursion."""
    q = Quadratic2D()
    exact = solve_discrete_lyapunov(np.eye(2) - eta * q.h, eta**2 * q.s)
    equation = modified_equation(q, eta, order=order)
    j = np.stack([equation.drift(e) for e in np.eye(2)], axis=-1)
    theory = solve_continuous_lyapunov(j, -2.0 * equation.diffusion(np.zeros(2)))
    return np.linalg.norm(theory - exact) / np.linalg.norm(exact)


def test_stationary_covariance():
    """Near a minimum the textbook second order is worse than the first; the full second order is far better."""
    etas = np.array([0.2, 0.1, 0.05])
    error = {mode: np.array([stationary_error(e, mode) for e in etas]) for mode in MODES}
    assert error["sme2c"][1] < 0.1 * error["sme1"][1]
    assert (error["sme2"] > 1.5 * error["sme1"]).all()
    for mode, expected in zip(MODES, (1.0, 1.0, 2.0), strict=True):
        assert abs(slope(etas, error[mode]) - expected) < 0.15


def test_diffusion_stays_positive_semidefinite():
    """Far from the minimum the correction of sme2c can make ``D`` indefinite; it is clipped."""

    class Saddle(Quadratic2D):
        h = np.diag([1.0, -30.0])

    d = modified_equation(Saddle(), 0.2, order="sme2c").diffusion(np.array([0.3, 0.1]))
    assert np.linalg.eigvalsh(d)[0] >= -1e-15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "sme3"}, "sme1, sme2, sme2c"),
        ({"learning_rate": -0.1}, "learning_rate = -0.1"),
        ({"temperature": -1.0}, "temperature = -1.0"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(DomainError, match=message):
        modified_equation(Quartic(), **{"learning_rate": 0.1, **arguments})
