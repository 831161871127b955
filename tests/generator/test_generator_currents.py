"""Currents, circulation and entropy production against closed forms and quadrature."""

import numpy as np
import pytest
from generator_oracles import fitted_order, tilted_velocity
from scipy.linalg import solve_continuous_lyapunov

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator import (
    build_generator,
    circulation,
    entropy_production,
    face_currents,
    mean_velocity,
    stationary_density,
)

ROTATION = np.array([[1.0, 0.8], [-0.5, 2.0]])


@pytest.mark.parametrize(("force", "diffusion"), [(0.4, 0.2), (1.0, 0.1), (-0.6, 0.3)])
def test_mean_velocity_in_a_tilted_periodic_potential(force, diffusion):
    exact = tilted_velocity(np.cos, force, diffusion, 2 * np.pi)
    errors, sizes = [], (32, 64, 128)
    for n in sizes:
        grid = Grid.box((0, 2 * np.pi, n), boundary="periodic")
        equation = FokkerPlanck(potential=np.cos, drift=lambda x: force + 0 * x, diffusion=diffusion)
        generator = build_generator(equation, grid)
        p = stationary_density(generator)
        errors.append(mean_velocity(generator, p).value[0] - exact)
        (current,) = face_currents(generator, p)  # the same through every face, and velocity over the period
        np.testing.assert_allclose(current, (exact + errors[-1]) / (2 * np.pi), rtol=1e-11)
    assert abs(errors[-1]) < 1e-3 * abs(exact)
    assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.2


@pytest.mark.parametrize("d", [np.diag([0.1, 0.2]), np.array([[0.1, 0.08], [0.08, 0.2]])])
def test_entropy_production_and_area_rate_of_a_rotating_ornstein_uhlenbeck_process(d):
    # Pi = tr(H^T D^-1 H C) - tr H and area rate (H C - D)_01
    c = solve_continuous_lyapunov(ROTATION, 2 * d)
    exact = np.trace(ROTATION.T @ np.linalg.inv(d) @ ROTATION @ c) - np.trace(ROTATION)
    area = (ROTATION @ c - d)[0, 1]
    productions, areas, sizes = [], [], (32, 64, 96)
    for n in sizes:
        grid = Grid.box((-2, 2, n), (-2.2, 2.2, n))
        drift = lambda x, y: (-(x + 0.8 * y), -(-0.5 * x + 2.0 * y))  # noqa: E731
        generator = build_generator(FokkerPlanck(drift=drift, diffusion=d if d[0, 1] else list(np.diag(d))), grid)
        p = stationary_density(generator)
        productions.append(entropy_production(generator, p).value / exact - 1)
        turning = circulation(generator, p).value
        np.testing.assert_array_equal(turning, -turning.T)
        areas.append(turning[0, 1] / area - 1)
    for errors in (productions, areas):
        assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.2
        assert abs(errors[-1]) < 5e-3


def test_entropy_production_on_a_ring_is_exact():
    # constant drift b: b^2 / D, on any grid
    grid = Grid.box((0, 1, 7), boundary="periodic")
    generator = build_generator(FokkerPlanck(drift=lambda x: 1.7 + 0 * x, diffusion=0.3), grid)
    found = entropy_production(generator, stationary_density(generator))
    assert found.value == pytest.approx(1.7**2 / 0.3, rel=1e-12)


def test_entropy_production_of_a_relaxing_density_is_the_loss_of_free_energy():
    # detailed balance, p away from it: Pi = -d/dt sum m ln(m / m_eq) = -sum (Q^T m) ln(m / m_eq)
    grid = Grid.box((-2, 2, 40), (-1, 1, 20))
    potential = lambda x, y: x**4 / 4 - x**2 / 2 + x * y + y**2  # noqa: E731
    generator = build_generator(FokkerPlanck(potential=potential, diffusion=0.3), grid)
    values = np.random.default_rng(0).random(grid.shape) + 0.1
    p = Density(grid, values / (values.sum() * grid.cell_volume))
    m, v = generator.masses(p), np.broadcast_to(potential(*grid.mesh()), grid.shape).ravel()
    loss = -(generator.matrix.T @ m) @ (np.log(m) + v / 0.3)
    assert entropy_production(generator, p).value == pytest.approx(loss, rel=1e-11)


def test_no_return_means_infinite_production():
    grid = Grid.box((0, 1, 10), boundary="periodic")
    generator = build_generator(FokkerPlanck(drift=lambda x: 1.0 + 0 * x, diffusion=0.0), grid)
    found = entropy_production(generator, stationary_density(generator))
    assert found.value == np.inf
    assert found.details["one_way"] == 10


def test_current_of_a_rotation_turns_the_right_way():
    grid = Grid.box((-2, 2, 40), (-2, 2, 40))
    generator = build_generator(FokkerPlanck(drift=lambda x, y: (-x - y, x - y), diffusion=0.2), grid)
    p = stationary_density(generator)
    jx, jy = face_currents(generator, p)
    assert jy[30, 20] > 0.0 > jy[9, 20]  # counter-clockwise: up on the right, down on the left
    assert jx[20, 9] > 0.0 > jx[20, 30]
    assert circulation(generator, p).value[0, 1] > 0.0
    # J = p (-y, x) for this process, p = N(0, 0.2)
    x, y = grid.mesh(faces_of=1)
    exact = x * np.exp(-(x * x + y * y) / 0.4) / (0.4 * np.pi)
    assert np.abs(jy - exact).max() < 0.02 * np.abs(exact).max()
