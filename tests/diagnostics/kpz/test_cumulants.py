"""One-point cumulants: estimators on known laws, and KPZ growth against the Tracy-Widom law of flat starts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fpsim.diagnostics.surface_growth.cumulants import one_point_cumulants, rescaled_cumulants
from fpsim.diagnostics.surface_growth.exact import amplitude, stationary_velocity
from fpsim.diagnostics.surface_growth.surface import SurfaceEnsemble, simulate_surface
from fpsim.diagnostics.surface_growth.tracy_widom import limit_law
from fpsim.support.errors import DomainError


def _ensemble(times, heights, lam=1.0):
    mean = heights.mean(axis=2)
    x = heights - mean[..., None]
    central = np.stack([np.mean(x**n, axis=2) for n in (2, 3, 4)], axis=-1)
    return SurfaceEnsemble(np.asarray(times), mean, central, times, heights, 1.0, lam, 1.0, "lam-shin", 0.1)


def test_cumulants_of_gamma_distributed_heights():
    """Gamma(k): cumulants k, k, 2 k, 6 k. Sites of a replica share numbers, and the errors must see that."""
    k, rng = 4.0, np.random.default_rng(1)
    heights = np.repeat(rng.gamma(k, size=(1, 40000, 2)), 4, axis=2) + 1000.0
    c = one_point_cumulants(_ensemble([1.0], heights))
    truth = np.array([1000 + k, k, 2 * k, 6 * k])
    assert np.all(np.abs(c.value[0] - truth) < 4 * c.error[0])
    assert c.error[0, 0] == pytest.approx(np.sqrt(k / 80000), rel=0.4)
    assert abs(c.skewness[0] - 2 / np.sqrt(k)) < 4 * c.skewness_error[0]
    assert abs(c.kurtosis[0] - 6 / k) < 4 * c.kurtosis_error[0]
    assert c.skewness[0] > 10 * c.skewness_error[0]


def _law_samples(name, shape, rng):
    law = limit_law(name)
    s = np.linspace(-9, 9, 20001)
    cdf = law.cdf(s)
    used = (cdf > 1e-9) & (cdf < 1 - 1e-7)
    return np.interp(rng.uniform(size=shape), cdf[used], s[used])


def test_synthetic_growth_gives_back_its_law_and_no_other():
    """h = v t + (Gamma t)^(1/3) chi - 7 + noise, chi drawn from the flat law."""
    lam, times, rng = 2.0, 10 * 2.0 ** np.arange(5), np.random.default_rng(2)
    chi = _law_samples("flat", (40000, 2), rng)
    gamma = amplitude(lam)
    heights = lam / 3 * times[:, None, None] + np.cbrt(gamma * times)[:, None, None] * chi - 7.0
    heights = heights + rng.standard_normal(heights.shape)
    result = rescaled_cumulants(_ensemble(times, heights, lam))
    near = result.deviations(limit_law("flat"))
    assert max(abs(z) for z in (near.mean, near.variance, near.skewness, near.kurtosis)) < 4
    far = result.deviations(limit_law("gue"))
    assert abs(far.mean) > 20
    assert abs(far.variance) > 10
    assert abs(far.skewness) > 2.5


def test_flat_kpz_growth_approaches_the_tracy_widom_law(flat_growth):
    """Reduced: t = 4 ... 32, lam 3. At these times variance and mean are within 5 %, skewness within 0.05 of the limit.

    The lower bounds tell the flat law from the curved one (mean -1.77, variance 0.81) and from a Gaussian (skewness 0).
    """
    result, law = rescaled_cumulants(flat_growth), limit_law("flat").cumulants
    value, error = result.value, result.error
    assert abs(value.mean - law.mean) < 0.05 * abs(law.mean) + 4 * error.mean
    assert abs(value.variance - law.variance) < 0.05 * law.variance + 4 * error.variance
    assert abs(value.skewness - law.skewness) < 0.05 + 4 * error.skewness
    assert value.skewness > 10 * error.skewness
    assert limit_law("gue").cumulants.variance - value.variance > 8 * error.variance


@pytest.mark.slow
def test_flat_kpz_growth_reaches_the_tracy_widom_law(long_flat_growth):
    """t = 16 ... 256, eight million sites."""
    result, law = rescaled_cumulants(long_flat_growth, t_min=16.0), limit_law("flat").cumulants
    assert abs(result.value.variance / law.variance - 1) < 0.03
    assert abs(result.value.mean / law.mean - 1) < 0.02
    assert abs(result.value.skewness - law.skewness) < 0.02 + 4 * result.error.skewness
    assert abs(result.value.kurtosis - law.kurtosis) < 0.03 + 4 * result.error.kurtosis


def test_stationary_kpz_growth_follows_the_stationary_law():
    """Height gained since a stationary start; the velocity with its finite-size part makes the mean zero exactly."""
    size, lam, times, rng = 256, 3.0, 4.0 * 2.0 ** np.arange(3), np.random.default_rng(9)
    slopes = rng.standard_normal((1536, size))
    start = np.cumsum(slopes - slopes.mean(axis=1, keepdims=True), axis=1)
    run = simulate_surface(size, times, lam=lam, replicas=1536, rng=10, initial=start, heights_at=times)
    gained = _ensemble(times, run.heights - start, lam)
    result = rescaled_cumulants(gained, velocity=stationary_velocity(size, lam), gamma=amplitude(lam))
    law = limit_law("baik-rains").cumulants
    assert abs(result.value.mean) < 4 * result.error.mean
    assert abs(result.value.variance - law.variance) < 0.05 * law.variance + 4 * result.error.variance
    assert abs(result.value.skewness - law.skewness) < 0.03 + 4 * result.error.skewness
    assert result.deviations(limit_law("gue")).variance > 10
    assert result.deviations(limit_law("flat")).variance > 20


def test_growth_downwards_is_the_mirror_image():
    up = simulate_surface(64, [4.0, 8.0], lam=3.0, replicas=512, rng=4)
    down = simulate_surface(64, [4.0, 8.0], lam=-3.0, replicas=512, rng=5)
    a, b = rescaled_cumulants(up), rescaled_cumulants(down)
    for name in ("mean", "variance", "skewness", "kurtosis"):
        difference = getattr(a.value, name) - getattr(b.value, name)
        assert abs(difference) < 4 * np.hypot(getattr(a.error, name), getattr(b.error, name)), name
    assert one_point_cumulants(down).skewness[-1] < 0 < one_point_cumulants(up).skewness[-1]


def test_edwards_wilkinson_does_not_pass_for_kpz():
    run = simulate_surface(512, 4.0 * 2.0 ** np.arange(4), replicas=1024, rng=6)
    c = one_point_cumulants(run)
    assert np.all(np.abs(c.skewness) < 4 * c.skewness_error)
    result = rescaled_cumulants(run, velocity=0.0, gamma=amplitude(3.0))
    deviations = result.deviations(limit_law("flat"))
    assert abs(deviations.mean) > 10
    assert abs(deviations.variance) > 10
    with pytest.raises(DomainError, match="known only for lam != 0"):
        rescaled_cumulants(run)


def test_jackknife_error_is_the_spread_over_repetitions():
    """Two hundred small ensembles of normal heights: the mean quoted error of the variance is their actual spread."""
    rng, values, errors = np.random.default_rng(7), [], []
    for _ in range(200):
        c = one_point_cumulants(_ensemble([1.0], rng.standard_normal((1, 100, 4))))
        values.append(c.value[0, 1])
        errors.append(c.error[0, 1])
    assert np.mean(errors) == pytest.approx(np.sqrt(2 / 400), rel=0.1)
    assert np.std(values) == pytest.approx(np.mean(errors), rel=4 / np.sqrt(400))
    assert stats.kstest((np.array(values) - 1) / np.array(errors), "norm").pvalue > 1e-4


def test_too_few_times():
    run = simulate_surface(16, [1.0, 2.0], lam=1.0, replicas=16, rng=8)
    with pytest.raises(DomainError, match="1 recorded times"):
        rescaled_cumulants(run, t_min=1.5)
