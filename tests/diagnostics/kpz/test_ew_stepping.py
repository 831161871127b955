"""What time steps do to Edwards-Wilkinson surfaces: the closed form against whole covariance matrices and samples."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.diagnostics.surface_growth.claims import exact_value
from fpsim.diagnostics.surface_growth.ew_stepping import ew_stepped_structure_factor, ew_stepped_width2
from fpsim.diagnostics.surface_growth.exact import ew_structure_factor, ew_width2
from fpsim.diagnostics.surface_growth.roughness import width2
from fpsim.diagnostics.surface_growth.surface import simulate_surface


def covariance_of_all_sites(size, steps, nu, noise):
    """Move after move of the palindrome, each as a matrix, from a flat start."""
    found = np.zeros((size, size))
    for step in steps:
        a = np.sqrt((1 - nu * step) / (1 + nu * step))
        for first in (0, 1, 1, 0):
            move, kick = np.eye(size), np.zeros(size)
            for i in range(first, size, 2):
                move[i] = 0.0
                move[i, i] = a
                move[i, (i + 1) % size] = move[i, i - 1] = (1 - a) / 2
                kick[i] = (1 - a * a) * noise / (2 * nu)
            found = move @ found @ move.T + np.diag(kick)
    return found


@pytest.mark.parametrize("size", [4, 6, 12])
def test_closed_form_is_that_of_the_moves(size):
    nu, noise, times = 1.3, 0.7, [0.5, 2.0]
    steps = [[0.25] * 2, [0.25] * 2 + [0.3] * 5]  # up to 0.3: two steps to the first time, five to the second
    width = ew_stepped_width2(size, times, 0.3, nu=nu, noise=noise)
    modes = ew_stepped_structure_factor(size, times, 0.3, nu=nu, noise=noise)
    wave = np.exp(-2j * np.pi * np.outer(np.arange(1, size // 2 + 1), np.arange(size)) / size)
    for k, taken in enumerate(steps):
        c = covariance_of_all_sites(size, taken, nu, noise)
        assert width[k] == pytest.approx(np.trace(c) / size - c.mean(), rel=1e-12)
        np.testing.assert_allclose(modes[k], np.einsum("ki,ij,kj->k", wave, c, wave.conj()).real / size, rtol=1e-11)


def test_the_bias_is_of_second_order():
    dt = np.array([0.4, 0.2, 0.1, 0.05])
    bias = [ew_stepped_width2(64, [4.0], step)[0] / ew_width2(64, 4.0) - 1.0 for step in dt]
    assert np.polyfit(np.log(dt), np.log(bias), 1)[0] == pytest.approx(2.0, abs=0.1)
    late = ew_stepped_structure_factor(16, [1e4], 0.5)[0]
    np.testing.assert_allclose(late, ew_structure_factor(16, np.inf), rtol=1e-12)  # none in the stationary state


def test_a_coarse_simulation_has_this_bias_and_its_identity_allows_for_it():
    size, time, dt = 32, 1.0, 0.5
    run = simulate_surface(size, [time], dt=dt, replicas=40_000, rng=4)
    found = width2(run)
    value, error = float(found.value[0]), float(found.error[0])
    stepped, exact = float(ew_stepped_width2(size, [time], run.dt)[0]), float(ew_width2(size, time))
    assert abs(value - stepped) < 4.0 * error
    assert abs(value - exact) > 4.0 * error
    assert exact_value("width", value, error, exact).verdict == "fails"
    assert exact_value("width", value, error, exact, bias=stepped - exact).verdict == "holds"
