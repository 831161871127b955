"""The exact statements against other ways to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import circulant, expm
from scipy.special import ive

from fpsim.diagnostics.surface_growth import exact
from fpsim.support.errors import DomainError


def _laplacian(size):
    return circulant(np.r_[-2.0, 1.0, np.zeros(size - 3), 1.0])


@pytest.mark.parametrize(("nu", "noise", "t"), [(1.0, 1.0, 2.0), (0.7, 1.9, 5.0)])
def test_width_from_the_covariance_equation(nu, noise, t):
    """C = int_0^t 2 noise exp(2 nu Delta s) ds by quadrature of matrix exponentials."""
    size = 12
    x, w = np.polynomial.legendre.leggauss(40)
    covariance = sum(
        0.5 * t * wi * 2 * noise * expm(2 * nu * _laplacian(size) * 0.5 * t * (xi + 1))
        for xi, wi in zip(x, w, strict=True)
    )
    width2 = np.trace(covariance) / size - covariance.sum() / size**2
    assert exact.ew_width2(size, t, nu=nu, noise=noise) == pytest.approx(width2, rel=1e-12)
    modes = np.exp(-2j * np.pi * np.outer(np.arange(1, size // 2 + 1), np.arange(size)) / size)
    structure = np.einsum("ki,ij,kj->k", modes, covariance, modes.conj()).real / size
    assert np.allclose(exact.ew_structure_factor(size, t, nu=nu, noise=noise), structure, rtol=1e-12)


def test_large_lattice_is_the_infinite_one_and_grows_with_the_continuum_amplitude():
    def infinite(t):
        return quad(lambda s: 2 * ive(0, 4 * s), 0, t, epsabs=1e-12, limit=200)[0]

    for t in (1.0, 20.0):
        lacking_mean = 2 * t / 4096
        assert exact.ew_width2(4096, t) + lacking_mean == pytest.approx(infinite(t), rel=1e-9)
    t = 2000.0
    assert infinite(t) == pytest.approx(exact.ew_growth_amplitude() * np.sqrt(t), rel=2e-4)


def test_saturation_is_the_long_time_limit_and_the_bridge_variance():
    assert exact.ew_width2(64, np.inf) == pytest.approx(exact.saturation_width2(64), rel=1e-12)
    assert exact.saturation_width2(1000) == pytest.approx(1000 / 12, rel=1e-5)


def test_velocity_from_the_covariance_of_stationary_slopes():
    size, lam, nu, noise = 10, 3.0, 0.5, 0.8
    heights = noise / nu * np.linalg.pinv(-_laplacian(size))
    difference = np.roll(np.eye(size), 1, axis=1) - np.eye(size)
    slopes = difference @ heights @ difference.T
    squared = (2 * slopes[0, 0] + slopes[0, 1]) / 3
    assert exact.stationary_velocity(size, lam, nu=nu, noise=noise) == pytest.approx(lam / 2 * squared, rel=1e-12)


def test_euler_steps_of_002_explain_the_quoted_lattice_values():
    """With Euler steps the variance of mode k is (noise / nu e) (1 - (1 - nu e dt)^(2n)) / (1 - nu e dt / 2)."""
    size, dt = 64, 0.02
    e = 2 - 2 * np.cos(2 * np.pi * np.arange(1, size) / size)
    for t, quoted in [(2.0, 1.0573), (8.0, 2.0077), (1e5, 5.342)]:
        euler = np.sum((1 - (1 - e * dt) ** (2 * t / dt)) / e / (1 - e * dt / 2)) / size
        assert euler == pytest.approx(quoted, abs=6e-4)
        assert exact.ew_width2(size, t) == pytest.approx(quoted, rel=0.01)


def test_wrong_parameters():
    with pytest.raises(DomainError, match="nu is -1"):
        exact.ew_width2(64, 1.0, nu=-1.0)
    with pytest.raises(DomainError, match="size 1"):
        exact.saturation_width2(1)
