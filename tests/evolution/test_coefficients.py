"""Coefficients that depend on place, time or the density itself, against exact laws; orders in time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.special import ndtr

from fpsim.density import Density, Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.evolution.sweeps.splitting import Splitting
from fpsim.support.threads import Team


def l1(a, b):
    return float(np.abs(a.values - b.values).sum() * a.grid.cell_volume)


def fixed_steps(equations, starts, end, steps):
    state = tuple(np.array(d.values).ravel() for d in starts)
    with Team(1) as team:
        splitting = Splitting(equations, tuple(d.grid for d in starts), len(equations) > 1, team)
        splitting.advance(state, 0.0, end / steps, steps)
    return tuple(Density(d.grid, u.reshape(d.grid.shape)) for d, u in zip(starts, state, strict=True))


def fitted_order(steps, errors):
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


def averages(grid, density):
    """Cell averages of a 1-D density by quadrature."""
    e = grid.edges[0]
    return np.array([quad(density, a, b)[0] for a, b in pairwise(e)]) / grid.spacing[0]


@pytest.mark.parametrize("method", ["sweeps", "generator"])
def test_student_t(method):
    """theory: p ~ (D0 + D1 x^2)^(-1 - l / (2 D1)), here with a tail x^-12."""
    d0, d1 = 0.1, 0.1
    grid = Grid.box((-8, 8, 240))
    equation = FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: d0 + d1 * x**2)
    result = evolve(equation, gaussian(grid, 0.0, 0.1), [8.0], method=method, tolerance=1e-2)
    power = -1.0 - 1.0 / (2 * d1)
    norm = quad(lambda x: (d0 + d1 * x * x) ** power, -8, 8)[0]
    truth = Density(grid, averages(grid, lambda x: (d0 + d1 * x * x) ** power / norm))
    assert l1(result.final, truth) <= 3e-3
    tail = (np.abs(grid.centers[0]) > 1.0) & (np.abs(grid.centers[0]) < 3.0)  # values down to 1e-7
    np.testing.assert_allclose(result.final.values[tail], truth.values[tail], rtol=0.1)


def test_geometric_brownian_motion():
    rate, volatility, mean0, s0, t = 0.3, 0.4, 0.2, 0.15, 1.0
    grid = Grid.box((0, 16, 1000))
    equation = FokkerPlanck(drift=lambda x: rate * x, diffusion=lambda x: 0.5 * volatility**2 * x**2)

    def lognormal(mu, s):
        with np.errstate(divide="ignore"):
            return Density(grid, np.diff(ndtr((np.log(grid.edges[0]) - mu) / s)) / grid.spacing[0])

    result = evolve(equation, lognormal(mean0, s0), [t])
    mu, s = mean0 + (rate - volatility**2 / 2) * t, np.sqrt(s0**2 + volatility**2 * t)
    assert l1(result.final, lognormal(mu, s)) <= 2e-3
    assert result.final.mean[0] == pytest.approx(np.exp(mu + s**2 / 2), rel=1e-3)


@pytest.mark.parametrize("method", ["sweeps", "generator"])
@pytest.mark.parametrize(("calculus", "power"), [("ito", -1.0), ("stratonovich", -0.5), ("klimontovich", 0.0)])
def test_strong_gradient_of_diffusion_tells_the_calculus(calculus, power, method):
    """Without drift the stationary density is D^-1, D^-1/2 or flat: a factor of 19 between the first and the last."""
    grid = Grid.box((0, 1, 100), boundary="periodic")

    def diffusion(x):
        return 0.5 * (1 + 0.9 * np.sin(2 * np.pi * x))

    equation = FokkerPlanck(diffusion=diffusion, calculus=calculus)
    result = evolve(equation, gaussian(grid, 0.5, 0.01), [0.8], method=method, tolerance=3e-3)
    shape = averages(grid, lambda x: diffusion(x) ** power)
    assert l1(result.final, Density(grid, shape / (shape.sum() * grid.cell_volume))) <= 3e-3


def time_dependent(grid, t):
    def moments(s, y):
        b, d = 1 + 0.8 * np.sin(3 * s), 0.05 * (1 + 0.5 * np.cos(2 * s))
        return [-b * y[0], -2 * b * y[1] + 2 * d]

    mean, variance = solve_ivp(moments, (0, t), [0.8, 0.04], rtol=1e-11, atol=1e-13).y[:, -1]
    return gaussian(grid, mean, variance)


def test_time_dependent():
    grid = Grid.box((-2, 2, 200))
    equation = FokkerPlanck(
        drift=lambda x, t: -(1 + 0.8 * np.sin(3 * t)) * x,
        diffusion=lambda x, t: 0.05 * (1 + 0.5 * np.cos(2 * t)),
    )
    start = gaussian(grid, 0.8, 0.04)
    result = evolve(equation, start, [1.0, 3.0])
    for t, density in zip(result.times, result.densities, strict=True):
        assert l1(density, time_dependent(grid, t)) <= 1.5e-3
    steps = np.array([8, 16, 32, 64])
    errors = [l1(fixed_steps((equation,), (start,), 2.0, n)[0], time_dependent(grid, 2.0)) for n in steps]
    assert 1.9 <= fitted_order(steps, errors) <= 2.3


def test_shimizu_yamada():
    """theory: b = -(l + K) x + K <x>: Gaussian, the mean decays at l, the variance at 2 (l + K)."""
    lam, k, d = 0.5, 1.5, 0.05
    grid = Grid.box((-2, 2, 160))
    equation = FokkerPlanck(drift=lambda x, p: -(lam + k) * x + k * p.mean[0], diffusion=d)

    def exact(t):
        decay = np.exp(-2 * (lam + k) * t)
        return gaussian(grid, 0.8 * np.exp(-lam * t), d / (lam + k) + (0.04 - d / (lam + k)) * decay)

    start = gaussian(grid, 0.8, 0.04)
    result = evolve(equation, start, [0.5, 2.0])
    for t, density in zip(result.times, result.densities, strict=True):
        assert l1(density, exact(t)) <= 1.5e-3
    steps = np.array([8, 16, 32, 64])
    errors = [l1(fixed_steps((equation,), (start,), 1.0, n)[0], exact(1.0)) for n in steps]
    assert fitted_order(steps, errors) >= 1.9


def boost(grid, t, temperature):
    """Exact mean-field law of a linear unit: Gaussian (a, w) under b = c (m* - <a w>) (w, a)."""
    c, target = 1.2, 0.9

    def moments(_, y):
        a, w, aa, ww, aw = y
        e = c * (target - aw)
        return [e * w, e * a, 2 * e * aw + 2 * temperature, 2 * e * aw + 2 * temperature, e * (aa + ww)]

    s = 0.05
    y = solve_ivp(moments, (0, t), [0.5, -0.2, 0.25 + s, 0.04 + s, -0.1], rtol=1e-11, atol=1e-13).y[:, -1]
    a, w, aa, ww, aw = y
    return gaussian(grid, (a, w), [[aa - a * a, aw - a * w], [aw - a * w, ww - w * w]])


def boost_equation(temperature):
    def drift(a, w, p):
        e = 1.2 * (0.9 - (p.covariance[0, 1] + p.mean[0] * p.mean[1]))
        return e * w, e * a

    return FokkerPlanck(drift=drift, diffusion=temperature)


@pytest.mark.parametrize("temperature", [0.0, 0.02])
def test_mckean_vlasov_boost(temperature):
    """At temperature zero the density is only pushed along: nothing smooths what the grid does to it."""
    sizes, errors = np.array([100, 140, 200]), []
    for n in sizes:
        grid = Grid.box((-3.5, 3.5, n), (-3.5, 3.5, n))
        start = boost(grid, 0.0, 0.0)
        result = evolve(boost_equation(temperature), start, [0.4, 0.8], estimate_grid_error=False, tolerance=3e-4)
        errors.append([l1(d, boost(grid, t, temperature)) for t, d in zip(result.times, result.densities, strict=True)])
        assert result.final.mass == pytest.approx(start.mass, abs=1e-12)
    assert max(errors[-1]) <= 5e-3
    for column in np.transpose(errors):
        assert 1.9 <= fitted_order(sizes, column) <= 2.8


def test_mckean_vlasov_keeps_second_order():
    """Steps short enough to show the order, a grid fine enough not to hide it."""
    grid = Grid.box((-3.5, 3.5, 240), (-3.5, 3.5, 240))
    steps = np.array([4, 6, 9])
    start, truth = boost(grid, 0.0, 0.0), boost(grid, 1.0, 0.02)
    errors = [l1(fixed_steps((boost_equation(0.02),), (start,), 1.0, n)[0], truth) for n in steps]
    assert 1.9 <= fitted_order(steps, errors) <= 2.3


def test_coupled_system():
    """Two densities that see each other's mean: x' = -x + k <y>, y' = -y - k <x>."""
    k, d = 1.5, 0.04
    grids = Grid.box((-1.5, 1.5, 120)), Grid.box((-1.5, 1.5, 96))
    first = FokkerPlanck(drift=lambda x, p: -x + k * p[1].mean[0], diffusion=d)
    second = FokkerPlanck(drift=lambda y, p: -y - k * p[0].mean[0], diffusion=d)
    starts = gaussian(grids[0], 0.6, 0.02), gaussian(grids[1], -0.3, 0.03)

    def exact(t):
        turn = np.exp(-t) * np.array([[np.cos(k * t), np.sin(k * t)], [-np.sin(k * t), np.cos(k * t)]])
        means = turn @ [0.6, -0.3]
        variances = [d + (v - d) * np.exp(-2 * t) for v in (0.02, 0.03)]
        return tuple(gaussian(g, m, v) for g, m, v in zip(grids, means, variances, strict=True))

    result = evolve((first, second), starts, [0.5, 1.5])
    assert result.absorbed.shape == (2, 2)
    for t, pair in zip(result.times, result.densities, strict=True):
        for density, truth in zip(pair, exact(t), strict=True):
            assert l1(density, truth) <= 1.5e-3
    steps = np.array([4, 8, 16, 32])
    errors = [
        max(l1(a, b) for a, b in zip(fixed_steps((first, second), starts, 1.0, n), exact(1.0), strict=True))
        for n in steps
    ]
    assert fitted_order(steps, errors) >= 1.9
