"""Sample paths: weak orders against exact moments, the declared calculus, walls, agreement with densities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import cumulative_simpson, quad
from scipy.linalg import expm, solve_continuous_lyapunov

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.paths import simulate
from fpsim.support.errors import DomainError


def within(samples, exact, sigmas=4.0, bias=0.0):
    error = samples.std(axis=0) / np.sqrt(len(samples))
    return np.all(np.abs(samples.mean(axis=0) - exact) <= sigmas * error + bias)


@pytest.mark.parametrize(("scheme", "step", "bias"), [("euler", 0.002, 2e-3), ("platen", 0.05, 2e-3)])
def test_rotating_ornstein_uhlenbeck(scheme, step, bias):
    a, tensor = np.array([[-1.0, 2.0], [-2.0, -0.5]]), np.array([[0.05, 0.03], [0.03, 0.04]])
    equation = FokkerPlanck(drift=lambda x, y: (-x + 2 * y, -2 * x - 0.5 * y), diffusion=tensor)
    x = simulate(equation, np.tile([0.6, 0.3], (20_000, 1)), [1.0], step=step, scheme=scheme, rng=1).positions[0]
    flow, stationary = expm(a), solve_continuous_lyapunov(a, -2 * tensor)
    assert within(x, flow @ [0.6, 0.3], bias=bias)
    centred = x - flow @ [0.6, 0.3]
    covariance = stationary - flow @ stationary @ flow.T
    assert within(centred[:, 0] ** 2, covariance[0, 0], bias=bias)
    assert within(centred[:, 0] * centred[:, 1], covariance[0, 1], bias=bias)


@pytest.mark.parametrize(("scheme", "order", "band"), [("euler", 1.0, 0.3), ("platen", 2.0, 0.5)])
def test_weak_order(scheme, order, band):
    """E x^2 of geometric Brownian motion: exp((2 r + v^2) t); error bars much smaller than the bias fitted."""
    r, v = -1.0, 0.4
    equation = FokkerPlanck(drift=lambda x: r * x, diffusion=lambda x: 0.5 * v**2 * x**2)
    steps, errors = np.array([0.5, 0.25]), []
    for step in steps:
        x = simulate(equation, np.ones((200_000, 1)), [1.0], step=step, scheme=scheme, rng=7).positions[0]
        errors.append(abs((x**2).mean() - np.exp(2 * r + v**2)))
    fitted = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(fitted - order) <= band


@pytest.mark.parametrize(("calculus", "power"), [("ito", -1.0), ("stratonovich", -0.5), ("klimontovich", 0.0)])
def test_declared_calculus(calculus, power):
    """Stationary density D^-1, D^-1/2 or flat on a ring with a strong gradient of D."""

    def diffusion(x):
        return 0.5 * (1 + 0.9 * np.sin(2 * np.pi * x))

    grid = Grid.box((0, 1, 40), boundary="periodic")
    equation = FokkerPlanck(diffusion=diffusion, calculus=calculus)
    start = np.random.default_rng(0).random((8_000, 1))
    x = simulate(equation, start, [0.5], step=4e-3, grid=grid, rng=2).positions[0]
    norm = quad(lambda s: diffusion(s) ** power, 0, 1)[0]
    exact = quad(lambda s: np.sin(2 * np.pi * s) * diffusion(s) ** power / norm, 0, 1)[0]
    assert within(np.sin(2 * np.pi * x), exact, bias=5e-3)


def test_paths_agree_with_densities():
    """Quartic potential, noise that depends on place, Stratonovich: two independent computations."""
    equation = FokkerPlanck(
        potential=lambda x: x**4 / 4 - x**2 / 2, diffusion=lambda x: 0.2 + 0.1 * np.tanh(x), calculus="stratonovich"
    )
    grid = Grid.box((-3.5, 3.5, 200))
    start = gaussian(grid, 0.2, 0.05)
    density = evolve(equation, start, [1.0], estimate_grid_error=False).final
    x = simulate(equation, start, [1.0], step=0.02, replicas=40_000, rng=11).positions[0]
    for power in (1, 2, 3, 4):
        assert within(x**power, density.expectation(lambda s, k=power: s**k), bias=2e-3)


def test_walls():
    box = Grid.box((0, 1, 10), boundary=[("reflecting", "absorbing")])
    heat = FokkerPlanck(diffusion=0.5)
    paths = simulate(heat, np.full((20_000, 1), 0.3), [0.1, 0.5], step=5e-4, grid=box, rng=5)
    odd = np.arange(1, 60, 2) * np.pi / 2  # eigenfunctions cos(odd x), eigenvalues 0.5 odd^2
    for t, absorbed in zip(paths.times, paths.absorbed, strict=True):
        survival = np.sum(2 * np.cos(0.3 * odd) * np.sin(odd) / odd * np.exp(-0.5 * odd**2 * t))
        late = 0.5826 * np.sqrt(2 * 0.5 * 5e-4)  # crossings between steps go unseen: the wall seems further away
        assert abs(absorbed - (1 - survival)) <= 4 * np.sqrt(survival * (1 - survival) / 20_000) + 2 * late
    assert np.nanmin(paths.positions) >= 0.0


def test_same_seed_same_paths():
    equation = FokkerPlanck(drift=lambda x: -x, diffusion=0.1)
    a, b = (simulate(equation, np.zeros((100, 1)), [0.5], step=0.1, rng=9).positions for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_refusals():
    ou = FokkerPlanck(drift=lambda x: -x, diffusion=0.1)
    start = np.zeros((4, 1))
    with pytest.raises(DomainError, match="depends on the density"):
        simulate(FokkerPlanck(drift=lambda x, p: -x), start, [1.0], step=0.1)
    with pytest.raises(DomainError, match="times do not increase"):
        simulate(ou, start, [1.0, 0.5], step=0.1)
    with pytest.raises(DomainError, match="step is 0"):
        simulate(ou, start, [1.0], step=0.0)
    with pytest.raises(DomainError, match="accepted are euler, platen"):
        simulate(ou, start, [1.0], step=0.1, scheme="heun")


@pytest.mark.parametrize(("calculus", "power"), [("stratonovich", -0.5), ("klimontovich", 0.0)])
def test_declared_calculus_of_a_full_tensor(calculus, power):
    """Two independent processes in coordinates turned by 30 degrees; along each the law is D^power exp(-int u / D)."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)

    def noise(u):
        return 0.5 + 0.4 * np.sin(2 * u)

    def tensor(x, y):
        a, b = noise(c * x + s * y), 0.1
        return [[c * c * a + s * s * b, c * s * (a - b)], [c * s * (a - b), s * s * a + c * c * b]]

    fine = np.linspace(-6, 6, 6001)
    law = noise(fine) ** power * np.exp(-cumulative_simpson(fine / noise(fine), x=fine, initial=0.0))
    mean, second = ((law * fine**k).sum() / law.sum() for k in (1, 2))
    equation = FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=tensor, calculus=calculus)
    start = 0.5 * np.random.default_rng(5).standard_normal((5_000, 2))
    x, y = simulate(equation, start, [4.0], step=0.08, rng=6).positions[0].T
    assert within(c * x + s * y, mean, bias=5e-3)
    assert within((c * x + s * y) ** 2, second, bias=5e-3)
    assert within((c * y - s * x) ** 2, 0.1, bias=2e-3)
    ito = law / noise(fine) ** (1.0 + power)
    assert abs((ito * fine).sum() / ito.sum() - mean) > 0.05  # another calculus would be seen


@pytest.mark.parametrize(
    ("drift", "diffusion"),
    [(lambda x: [0.5 - x], lambda x: 0.2 * np.sqrt(x)), (lambda x: [0.4 - 0.8 * x], lambda x: 0.2 * x * (1.0 - x))],
)
@pytest.mark.parametrize("scheme", ["euler", "platen"])
def test_coefficients_are_asked_for_between_the_walls_only(drift, diffusion, scheme):
    """Roots and products that have no meaning beyond the walls."""
    seen = []

    def watched(x):
        seen.append((np.min(x), np.max(x)))
        return diffusion(x)

    grid = Grid.box((0.0, 1.0, 32))
    start = np.full((2000, 1), 0.5)
    paths = simulate(
        FokkerPlanck(drift=drift, diffusion=watched), start, [0.5, 1.0], step=0.02, scheme=scheme, grid=grid, rng=1
    )
    assert np.isfinite(paths.positions).all()
    assert min(low for low, _ in seen) >= 0.0
    assert max(high for _, high in seen) <= 1.0


def test_progress_grows_to_one():
    shares = []
    simulate(
        FokkerPlanck(drift=lambda x: [-x], diffusion=0.5),
        np.zeros((3, 1)),
        [0.0, 0.5, 2.0],
        step=0.1,
        progress=shares.append,
    )
    assert shares == [0.0, 0.25, 1.0]


def test_another_calculus_asks_little_more_of_a_tensor():
    """Calls of the diffusion, by which a step is paid; the slopes of all axes come from the same places."""

    def calls(calculus):
        asked = []

        def tensor(x, y):
            asked.append(len(x))
            c, s = np.cos(x + y), np.sin(x + y)
            return [[0.1 + c**2, c * s], [c * s, 0.1 + s**2]]

        equation = FokkerPlanck(diffusion=tensor, calculus=calculus)
        simulate(equation, np.tile([0.3, 0.1], (100, 1)), [1.0], step=0.05, rng=1)
        return sum(asked)

    assert calls("stratonovich") <= 1.75 * calls("ito")
