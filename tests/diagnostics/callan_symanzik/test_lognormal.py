"""Geometric Brownian motion: one coupling closes exactly, pure scaling does not; both are reported."""

import numpy as np
from numpy.testing import assert_allclose

from fpsim.density import Grid, gaussian
from fpsim.diagnostics.callan_symanzik import (
    Outputs,
    correlators,
    exact_flow,
    fit_beta,
    lognormal,
    pure_scaling,
    rates,
    tangency,
)
from fpsim.diagnostics.callan_symanzik.correlators import multi_indices
from fpsim.equation import FokkerPlanck

C, KAPPA, THETA = 1.0, 2.0, 0.1  # data moments and learning rate over batch of the auto-encoder
NOISE = KAPPA * THETA
OUTPUTS = Outputs(lambda x: [np.exp(x)])
# early auto-encoder in x = ln w: dx = (2 c - theta kappa) dt + sqrt(4 theta kappa) dB
EQUATION = FokkerPlanck(drift=lambda x: 2 * C - NOISE, diffusion=2 * NOISE)


def density(mu, s2):
    return gaussian(Grid.box((mu - 10 * s2**0.5, mu + 12 * s2**0.5, 400)), mu, s2)


def test_one_coupling_closes_and_pure_scaling_does_not():
    table, rate = rates(density(-3.0, 0.04), OUTPUTS, EQUATION, order=5)
    closed = tangency(table, rate, lognormal())
    scaling = tangency(table, rate, pure_scaling(table))
    assert closed.residual < 1e-6
    assert closed.verdict == "holds"
    n = np.arange(1, 6)
    y = n * (2 * C - NOISE) + n**2 * 2 * NOISE  # d ln E w^n / dt
    by_hand = np.linalg.norm(y - n * (n @ y) / (n @ n)) / np.linalg.norm(y)
    assert_allclose(scaling.residual, by_hand, atol=1e-6)
    assert abs(scaling.residual - 0.119) < 5e-4
    assert scaling.verdict == "fails"


def test_family_has_the_moments_of_a_lognormal():
    x, w = np.polynomial.hermite_e.hermegauss(60)
    phi = np.exp(-0.4 + np.sqrt(0.3) * x)
    indices = multi_indices(1, 4)
    found = lognormal().correlators(np.array([-0.4, 0.3]), indices)
    assert_allclose(found, [w @ phi ** len(i) / w.sum() for i in indices], rtol=1e-10)


def test_beta_is_constant_and_has_no_fixed_point():
    widths, clock = [0.02, 0.05, 0.09, 0.2], [0.0, 1.0, 2.0, 3.0]
    found = [rates(density(-3.0, s2), OUTPUTS, EQUATION) for s2 in widths]
    flow = exact_flow(clock, found, lognormal())
    assert_allclose(flow.beta[:, 0], 4 * NOISE, rtol=1e-6)
    assert_allclose(flow.gamma, 2 * C + 3 * NOISE, rtol=1e-6)  # ln Z = mu + s2
    assert fit_beta([flow], degree=1).fixed_points() == ()


def test_multiscaling_exponents_are_quadratic():
    table = correlators(density(0.0, 0.25), OUTPUTS)
    n = np.arange(1, 5)
    z = np.sqrt(table[0, 0].value)
    assert_allclose(np.log(table.full.value / z**n), (n**2 - 2 * n) * 0.25 / 2, atol=1e-6)
