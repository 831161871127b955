"""Nearly singular tensors whose axes turn, with drift across their range: phase noise, a noisy Hopf normal form.

Truth: the mean of an Ito process moves with the mean of its drift, ``d<x>/dt = <b>``; with a linear drift it is
``exp(-t / 2)`` of its start. Phase noise ``dx = -x / 2 dt + (-y, x) dB`` turns the plane by a Brownian angle, and
isotropic noise does not see the turning, so second moments are known as well.
"""

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.generator import build_generator, mean_velocity, propagate, with_grid_error

LEVELS = [0.3, 0.05, 0.01, 1e-3, 1e-4, 1e-6, 0.0]
pytestmark = pytest.mark.filterwarnings("ignore:the tensor needs longer jumps")


def tangential(e):
    return lambda x, y: [[y * y / 2 + e + 0 * x, -x * y / 2], [-x * y / 2, x * x / 2 + e + 0 * y]]


def phase_noise(e, calculus="ito"):
    drift = None if calculus == "stratonovich" else lambda x, y: (-x / 2 + 0 * y, -y / 2 + 0 * x)
    return FokkerPlanck(drift=drift, diffusion=tangential(e), calculus=calculus)


def hopf(e):
    def drift(x, y):
        r2 = x * x + y * y
        return x * (1 - r2) - y * (2 + r2) - x / 2, y * (1 - r2) + x * (2 + r2) - y / 2

    return FokkerPlanck(drift=drift, diffusion=tangential(e))


def square(n):
    return Grid.box((-3, 3, n), (-3, 3, n))


def fastest_jumps(equation, grid, added):
    """Rate of leaving a cell of a plain central scheme, and of an upwind one for the drift alone, at the worst cell."""
    x, y = grid.mesh()
    (a, _), (_, d) = equation.diffusion(x, y)
    drift = (0, 0) if equation.drift is None else equation.drift(x, y)
    h = grid.spacing[0]
    return np.max(2 * (a + d + 2 * added) / h**2 + (np.abs(drift[0]) + np.abs(drift[1])) / h)


@pytest.mark.parametrize("e", LEVELS)
@pytest.mark.parametrize("n", [32, 49])
def test_mean_velocity_of_phase_noise_at_every_level_of_isotropic_noise(n, e):
    generator = build_generator(phase_noise(e), square(n))
    found = mean_velocity(generator, gaussian(generator.grid, (1, 0), 0.02)).value
    start = gaussian(generator.grid, (1, 0), 0.02).mean
    np.testing.assert_allclose(found, -start / 2, atol=1e-9)
    assert generator.fastest < 1.5 * fastest_jumps(phase_noise(e), generator.grid, generator.added)


@pytest.mark.parametrize("e", [0.05, 1e-3, 0.0])
def test_mean_velocity_of_a_hopf_normal_form_with_phase_noise(e):
    generator = build_generator(hopf(e), square(40))
    p = gaussian(generator.grid, (0.6, 0.7), 0.03)
    drift = hopf(e).drift(*generator.grid.mesh())
    mean_drift = [np.sum(b * p.values) * generator.grid.cell_volume for b in drift]
    np.testing.assert_allclose(mean_velocity(generator, p).value, mean_drift, atol=1e-9)
    assert generator.fastest < 1.5 * fastest_jumps(hopf(e), generator.grid, generator.added)


def test_the_calculus_of_stratonovich_makes_the_drift():
    # without a drift of its own; conversion to Ito differentiates the root of the tensor, which is tangential
    generator = build_generator(phase_noise(0.0, "stratonovich"), square(32))
    p = gaussian(generator.grid, (1, 0), 0.02)
    np.testing.assert_allclose(mean_velocity(generator, p).value, -p.mean / 2, atol=1e-3)


def test_diffusion_on_spheres():
    # three dimensions: dx = -x dt + x cross dB, radius unchanged, D = (r^2 - x x^T) / 2
    def tensor(x, y, z):
        r2, one = x * x + y * y + z * z, 1 + 0 * (x + y + z)
        c = (x, y, z)
        return [[(r2 * (i == j) - c[i] * c[j]) / 2 * one for j in range(3)] for i in range(3)]

    equation = FokkerPlanck(drift=lambda x, y, z: (-x, -y, -z), diffusion=tensor)
    generator = build_generator(equation, Grid.box(*[(-2, 2, 15)] * 3))
    p = gaussian(generator.grid, (0.6, 0.1, -0.2), 0.03)
    np.testing.assert_allclose(mean_velocity(generator, p).value, -p.mean, atol=1e-9)


@pytest.mark.parametrize("e", LEVELS[1:])
@pytest.mark.parametrize("n", [32, 64])
def test_moments_in_time_of_phase_noise(n, e):
    t = 0.5

    def moments(generator):
        start = gaussian(generator.grid, (1, 0), 0.02)
        p = propagate(generator, start, [t])[0]
        x, y = generator.grid.mesh()

        def mean(f, density):
            return np.sum(f * density.values) * generator.grid.cell_volume

        # of the continuous law with the cells' own start
        radius = mean(x * x + y * y, p) - mean(x * x + y * y, start)
        angle = mean(x * x - y * y, p) / mean(x * x - y * y, start)
        return np.array([p.mean[0] / start.mean[0], radius, angle])

    found = with_grid_error(moments, phase_noise(e), square(n))
    exact = np.array([np.exp(-t / 2), 4 * e * t, np.exp(-2 * t)])
    assert found.value[0] == pytest.approx(exact[0], abs=1e-6)
    assert np.all(np.abs(found.value - exact) <= found.error + 1e-6)
