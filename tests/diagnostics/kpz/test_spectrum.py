"""The structure factor accepts Edwards-Wilkinson surfaces and rejects others."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.diagnostics.surface_growth.exact import ew_structure_factor
from fpsim.diagnostics.surface_growth.spectrum import compare_spectrum, spectral_roughness, structure_factor
from fpsim.diagnostics.surface_growth.surface import simulate_surface
from fpsim.support.errors import DomainError


@pytest.mark.parametrize("t", [1.0, 6.0, 30.0])
def test_edwards_wilkinson_is_accepted(t):
    run = simulate_surface(64, [t], replicas=2000, rng=1)
    outcome = compare_spectrum(structure_factor(run.heights[0]), ew_structure_factor(64, t))
    assert outcome.p_value > 1e-4
    assert np.max(np.abs(outcome.z)) < 4.5


def test_other_parameters_are_rejected():
    run = simulate_surface(64, [6.0], replicas=2000, rng=2)
    measured = structure_factor(run.heights[0])
    assert compare_spectrum(measured, ew_structure_factor(64, 6.0, noise=1.05)).p_value < 1e-6
    assert compare_spectrum(measured, ew_structure_factor(64, 5.0)).p_value < 1e-6


def test_kpz_growth_is_rejected_until_it_is_stationary():
    growing = simulate_surface(64, [6.0], lam=3.0, replicas=2000, rng=3)
    assert compare_spectrum(structure_factor(growing.heights[0]), ew_structure_factor(64, 6.0)).p_value < 1e-6
    saturated = simulate_surface(64, [90.0], lam=3.0, replicas=2000, rng=4)
    stationary = ew_structure_factor(64, np.inf)
    assert compare_spectrum(structure_factor(saturated.heights[0]), stationary).p_value > 1e-4
    centred = simulate_surface(64, [90.0], lam=3.0, replicas=2000, rng=4, scheme="centred")
    assert compare_spectrum(structure_factor(centred.heights[0]), stationary).p_value < 1e-6


def test_p_values_are_uniform_where_the_prediction_holds():
    """Synthetic white noise, whose structure factor is 1, analysed a hundred times."""
    draws = np.random.default_rng(5).standard_normal((100, 40, 32))
    p = [compare_spectrum(structure_factor(h), np.ones(16)).p_value for h in draws]
    assert 0.3 < np.mean(p) < 0.7
    assert np.count_nonzero(np.array(p) < 0.05) <= 13  # 4 standard deviations above 5


@pytest.mark.parametrize(("alpha", "integrations"), [(-0.5, 0), (0.5, 1), (1.5, 2)])
def test_roughness_of_surfaces_of_known_spectrum(alpha, integrations):
    """Noise, its sum and its double sum on a circle."""
    size = 128
    q = np.maximum(2 * np.abs(np.sin(np.pi * np.fft.rfftfreq(size))), 1e-9)
    noise = np.fft.rfft(np.random.default_rng(6).standard_normal((400, size)), axis=1) / q**integrations
    noise[:, 0] = 0
    fit = spectral_roughness(structure_factor(np.fft.irfft(noise, size, axis=1)))
    assert abs(fit.value - alpha) < 4 * fit.error
    assert fit.error < 0.02


def test_stationary_kpz_spectrum_has_roughness_one_half():
    run = simulate_surface(128, [220.0], lam=3.0, replicas=512, rng=7)
    fit = spectral_roughness(structure_factor(run.heights[0]))
    assert abs(fit.value - 0.5) < 4 * fit.error
    assert fit.error < 0.005


def test_wrong_arguments():
    with pytest.raises(DomainError, match=r"accepted: \(replicas, size\)"):
        structure_factor(np.zeros(10))
    measured = structure_factor(np.random.default_rng(8).standard_normal((20, 8)))
    with pytest.raises(DomainError, match=r"of shape \(4,\)"):
        compare_spectrum(measured, np.ones(3))
    with pytest.raises(DomainError, match="at least two modes"):
        spectral_roughness(measured, k_max=0.1)
