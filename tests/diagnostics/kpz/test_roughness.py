"""Exponents: known ones come out, and others do not pass for them."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.diagnostics.surface_growth import exact
from fpsim.diagnostics.surface_growth.roughness import growth_exponent, roughness_exponent, width2
from fpsim.diagnostics.surface_growth.surface import SurfaceEnsemble, simulate_surface
from fpsim.support.errors import DomainError


def test_kpz_grows_with_one_third(flat_growth):
    """Reduced: t = 4 ... 32, a million sites. The approach to 1/3 is from above; 0.01 is granted to it."""
    beta = growth_exponent(flat_growth)
    assert beta.error < 0.008
    assert abs(beta.value - 1 / 3) < 0.01 + 4 * beta.error
    assert beta.value - 1 / 4 > 6 * beta.error


@pytest.mark.slow
def test_kpz_grows_with_one_third_within_a_hundredth(long_flat_growth):
    beta = growth_exponent(long_flat_growth)
    assert beta.error < 0.0027
    assert abs(beta.value - 1 / 3) < 0.01


def test_edwards_wilkinson_grows_with_one_quarter_and_not_one_third():
    run = simulate_surface(512, 4.0 * 2.0 ** np.arange(4), replicas=2048, rng=3)
    beta = growth_exponent(run)
    assert abs(beta.value - 1 / 4) < 4 * beta.error + 2e-3  # 2e-3: lattice correction of order 1 / t
    assert 1 / 3 - beta.value > 6 * beta.error


def test_random_deposition_grows_with_one_half():
    """Independent columns: no relaxation, variance 2 t."""
    times = 2.0 ** np.arange(5)
    draws = np.random.default_rng(4).standard_normal((5, 4000, 16)) * np.sqrt(np.diff(times, prepend=0))[:, None, None]
    beta = growth_exponent(_ensemble(times, np.cumsum(draws, axis=0)))
    assert abs(beta.value - 1 / 2) < 4 * beta.error
    assert beta.value - 1 / 3 > 10 * beta.error


def _ensemble(times, heights):
    mean = heights.mean(axis=2)
    x = heights - mean[..., None]
    central = np.stack([np.mean(x**n, axis=2) for n in (2, 3, 4)], axis=-1)
    return SurfaceEnsemble(times, mean, central, times, heights, 1.0, 0.0, 1.0, "lam-shin", 0.1)


def test_an_intrinsic_width_does_not_bend_the_exponent():
    """variance = t^(2/3) + 5 exactly in expectation; a plain log-log slope would answer 0.1."""
    times = 2.0 ** np.arange(6)
    normal = np.random.default_rng(5).standard_normal((20000, 8))
    other = np.random.default_rng(6).standard_normal((20000, 8))
    heights = times[:, None, None] ** (1 / 3) * normal + np.sqrt(5) * other
    beta = growth_exponent(_ensemble(times, heights))
    assert abs(beta.value - 1 / 3) < 4 * beta.error
    naive = np.polyfit(np.log(times), np.log(heights.var(axis=(1, 2))), 1)[0] / 2
    assert abs(naive - 1 / 3) > 0.1


def _saturated(sizes, replicas, rng, lam=3.0, factor=0.15):
    widths = [width2(simulate_surface(n, [factor * n**1.5], lam=lam, replicas=replicas, rng=rng + n)) for n in sizes]
    return [float(w.value[0]) for w in widths], [float(w.error[0]) for w in widths]


def test_kpz_roughness_is_one_half():
    sizes = [16, 32, 64, 128]
    widths, errors = _saturated(sizes, 1024, 10)
    alpha = roughness_exponent(sizes, widths, errors)
    assert alpha.error < 0.0075
    assert abs(alpha.value - 1 / 2) < 4 * alpha.error
    assert alpha.details["chi2"] < 20


@pytest.mark.slow
def test_kpz_roughness_is_one_half_within_two_hundredths():
    sizes = [32, 64, 128, 256]
    widths, errors = _saturated(sizes, 4096, 20)
    alpha = roughness_exponent(sizes, widths, errors)
    assert 4 * alpha.error < 0.02
    assert abs(alpha.value - 1 / 2) < 0.02
    assert np.allclose(widths, [exact.saturation_width2(n) for n in sizes], rtol=0.04)


def test_surfaces_that_have_not_saturated_do_not_pass_for_rough_ones():
    """At t = 4 all sizes have the same width: the fit answers an exponent near 0."""
    sizes = [64, 128, 256]
    runs = [width2(simulate_surface(n, [4.0], replicas=1024, rng=30 + n)) for n in sizes]
    alpha = roughness_exponent(sizes, [r.value[0] for r in runs], [r.error[0] for r in runs])
    assert alpha.value < 0.1
    assert 1 / 2 - alpha.value > 20 * alpha.error


def test_power_law_fit_is_the_weighted_one_and_judges_itself():
    sizes = np.array([10.0, 20.0, 40.0, 80.0])
    exact_law = roughness_exponent(sizes, 3 * sizes**1.3, 0.01 * sizes**1.3)
    assert exact_law.value == pytest.approx(0.65, abs=1e-12)
    assert exact_law.details["chi2"] < 1e-20
    bent = roughness_exponent(sizes, sizes + 0.01 * sizes**2, 0.01 * sizes)
    assert bent.details["chi2"] > 50


def test_what_cannot_be_fitted_is_refused():
    run = simulate_surface(16, [1.0, 2.0, 3.0, 4.0], replicas=16, rng=40)
    with pytest.raises(DomainError, match="constant ratio"):
        growth_exponent(run)
    saturated = simulate_surface(8, 20 * 2.0 ** np.arange(4), replicas=64, rng=41, lam=0.0)
    frozen = _ensemble(saturated.times, np.repeat(saturated.heights, 4, axis=0))
    with pytest.raises(DomainError, match="does not grow"):
        growth_exponent(frozen)
    with pytest.raises(DomainError, match="3 replicas is worthless"):
        width2(simulate_surface(8, [1.0], replicas=3, rng=42))
    with pytest.raises(DomainError, match="accepted: three times"):
        roughness_exponent([1.0, 2.0], [1.0], [1.0])
    with pytest.raises(DomainError, match="must be positive"):
        roughness_exponent([1.0, 2.0], [1.0, -1.0], [1.0, 1.0])
