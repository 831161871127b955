"""Simulated surfaces against exact statements: Edwards-Wilkinson, Cole-Hopf, the stationary measure of Lam & Shin."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.diagnostics.surface_growth import exact
from fpsim.diagnostics.surface_growth.roughness import width2
from fpsim.diagnostics.surface_growth.surface import simulate_surface
from fpsim.support.errors import DomainError, ToleranceError


def _slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def test_edwards_wilkinson_width_on_the_lattice():
    ensemble = simulate_surface(64, [0.5, 2.0, 8.0, 32.0], replicas=8192, rng=1)
    width = width2(ensemble)
    truth = exact.ew_width2(64, ensemble.times)
    assert np.all(np.abs(width.value - truth) < 4 * width.error + 3e-3 * truth)  # 3e-3: the step at t = 0.5
    assert np.all(np.abs(width.value / truth - 1) < 0.025)
    assert np.all(width.error / truth < 0.007)


@pytest.mark.slow
def test_edwards_wilkinson_width_and_amplitude_within_a_percent():
    ensemble = simulate_surface(64, [2.0, 8.0, 600.0], replicas=32768, rng=2)
    width = width2(ensemble)
    assert np.all(4 * width.error < 0.015 * width.value)
    assert np.allclose(width.value, exact.ew_width2(64, ensemble.times), rtol=0.01)
    assert width.value[-1] == pytest.approx(exact.saturation_width2(64), rel=0.01)
    wide = simulate_surface(4096, [64.0], replicas=1024, rng=3)
    assert width2(wide).value[0] == pytest.approx(exact.ew_growth_amplitude() * 8.0, rel=0.01)


def test_edwards_wilkinson_parameters_enter_as_they_should():
    nu, noise = 0.6, 2.5
    ensemble = simulate_surface(32, [3.0], nu=nu, noise=noise, replicas=8192, rng=4)
    width = width2(ensemble)
    assert abs(width.value[0] - exact.ew_width2(32, 3.0, nu=nu, noise=noise)) < 4 * width.error[0]
    assert abs(width.value[0] - exact.ew_width2(32, 3.0)) > 20 * width.error[0]


def _propagator(size, t, dt):
    """Linear map of one run without noise: unit profiles are its replicas."""
    run = simulate_surface(size, [t], noise=0.0, replicas=size, initial=np.eye(size), dt=dt)
    return run.heights[0].T


def test_time_step_bias_of_the_width_is_second_order_and_small():
    """The stationary covariance being exact, C(t) = C_inf - M C_inf M^T with the propagator M of the scheme itself."""
    size, t = 32, 2.0
    e = 2 - 2 * np.cos(2 * np.pi * np.arange(size) / size)
    modes = np.where(e > 0, 1 / np.where(e > 0, e, 1), 0)
    stationary = np.fft.ifft(modes)[(np.arange(size)[:, None] - np.arange(size)) % size].real
    steps = np.array([0.4, 0.2, 0.1, 0.05])
    bias = []
    for dt in steps:
        m = _propagator(size, t, dt)
        covariance = stationary - m @ stationary @ m.T
        covariance -= covariance.mean()
        bias.append(abs(np.trace(covariance) / size / exact.ew_width2(size, t) - 1))
    assert 1.9 < _slope(steps, bias) < 2.15
    assert bias[1] < 1e-3  # the default step


def test_long_waves_decay_at_the_exact_rate():
    size, t = 256, 40.0
    wave = np.cos(2 * np.pi * np.arange(size) / size)
    run = simulate_surface(size, [t], noise=0.0, replicas=1, initial=wave)
    rate = -np.log(run.heights[0, 0] @ wave / (wave @ wave)) / t
    assert rate == pytest.approx(2 - 2 * np.cos(2 * np.pi / size), rel=1e-4)


@pytest.mark.parametrize("scheme", ["lam-shin", "centred"])
def test_without_noise_the_surface_obeys_cole_and_hopf(scheme):
    """h = (2 nu / lam) log Z with Z_t = nu Z_xx, from h = a cos x on a circle; errors fall with the spacing squared."""
    nu, lam, a, t = 0.5, 4.0, 0.8, 0.7
    sizes, errors = np.array([32, 64, 128, 256]), []
    for size in sizes:
        x = 2 * np.pi * np.arange(size) / size
        fine = np.exp(lam * a * np.cos(2 * np.pi * np.arange(512) / 512) / (2 * nu))
        k = np.fft.fftfreq(512, 1 / 512)
        z = np.fft.ifft(np.fft.fft(fine) * np.exp(-nu * k**2 * t)).real
        truth = 2 * nu / lam * np.log(z[:: 512 // size])
        h = size / (2 * np.pi)
        run = simulate_surface(
            size, [t], nu=nu * h**2, lam=lam * h**2, noise=0.0, replicas=1, initial=a * np.cos(x), scheme=scheme
        )
        errors.append(np.max(np.abs(run.heights[0, 0] - truth)))
    assert -2.2 < _slope(sizes, errors) < -1.8
    assert errors[-1] < 1e-3


def test_lam_shin_keeps_the_stationary_width_that_centred_slopes_lose():
    """At size 64, lam 3: 5.332 against about 4.8."""
    times = 20.0 * np.arange(1, 4)
    runs = {
        scheme: simulate_surface(64, times, lam=3.0, replicas=4096, scheme=scheme, initial="stationary", rng=5)
        for scheme in ("lam-shin", "centred")
    }
    value, error = {}, {}
    for scheme, run in runs.items():
        samples = run.central[..., 0].mean(axis=0)
        value[scheme], error[scheme] = samples.mean(), samples.std() / np.sqrt(samples.size)
    truth = exact.saturation_width2(64)
    assert error["lam-shin"] < 0.01 * truth
    assert abs(value["lam-shin"] - truth) < 4 * error["lam-shin"]
    assert value["centred"] < truth - 10 * error["centred"]
    assert 4.6 < value["centred"] < 5.0


def test_lam_shin_saturates_from_a_flat_start():
    run = simulate_surface(32, [60.0], lam=3.0, replicas=8192, rng=6)
    width = width2(run)
    assert abs(width.value[0] - exact.saturation_width2(32)) < 4 * width.error[0]
    assert width.error[0] < 0.01 * width.value[0]


def test_stationary_velocity_with_its_finite_size_part():
    size, lam, t = 16, 3.0, 100.0
    run = simulate_surface(size, [t], lam=lam, replicas=8192, initial="stationary", rng=7)
    velocity = run.mean[0].mean() / t
    error = run.mean[0].std() / t / np.sqrt(run.replicas)
    assert abs(velocity - exact.stationary_velocity(size, lam)) < 4 * error
    assert abs(velocity - lam / 3) > 20 * error  # that of the infinite lattice
    centred = simulate_surface(size, [t], lam=lam, replicas=1024, scheme="centred", initial="stationary", rng=7)
    assert abs(centred.mean[0].mean() / t - exact.stationary_velocity(size, lam)) > 40 * error


def test_slopes_stay_gaussian_with_the_exact_variance_at_the_default_step():
    """Runge-Kutta 4 damps the steepest slopes; what that takes from their variance must stay below a percent."""
    times = 4.0 * np.arange(1, 6)
    run = simulate_surface(256, times, lam=6.0, replicas=512, initial="stationary", rng=8, heights_at=times)
    slopes = np.diff(run.heights, axis=2)
    variance = np.mean(slopes**2, axis=(0, 2)) / (1 - 1 / 256)
    error = variance.std() / np.sqrt(run.replicas)
    assert error < 2.5e-3
    assert abs(variance.mean() - 1) < 4 * error
    assert abs(np.mean(slopes**4) / np.mean(slopes**2) ** 2 - 3) < 0.02


def test_results_do_not_depend_on_threads_or_on_further_replicas():
    options = {"lam": 3.0, "rng": 9, "heights_at": [1.0, 2.5]}
    one = simulate_surface(32, [1.0, 2.5], replicas=40, threads=1, **options)
    two = simulate_surface(32, [1.0, 2.5], replicas=40, threads=2, **options)
    few = simulate_surface(32, [1.0, 2.5], replicas=7, **options)
    assert np.array_equal(one.heights, two.heights)
    assert np.array_equal(one.central, two.central)
    assert np.array_equal(one.heights[:, :7], few.heights)
    start = {"lam": 3.0, "rng": 9, "initial": "stationary"}
    many = simulate_surface(32, [1.0], replicas=40, **start)
    assert np.array_equal(many.heights[:, :7], simulate_surface(32, [1.0], replicas=7, **start).heights)
    assert not np.array_equal(one.heights, simulate_surface(32, [1.0, 2.5], replicas=40, lam=3.0, rng=10).heights)


def test_moments_are_those_of_the_profiles():
    run = simulate_surface(16, [0.3, 1.0], lam=1.0, replicas=9, rng=11, heights_at=[0.3, 1.0])
    mean = run.heights.mean(axis=2)
    centred = run.heights - mean[..., None]
    assert np.allclose(run.mean, mean)
    for n in (2, 3, 4):
        assert np.allclose(run.central[..., n - 2], np.mean(centred**n, axis=2), atol=1e-13)
    assert "replicas=9, size=16, times=2" in repr(run)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"size": 7}, "size is 7; accepted: even"),
        ({"times": [2.0, 1.0]}, "times must be"),
        ({"times": [0.0, 1.0]}, "times must be"),
        ({"nu": 0.0}, "nu is 0"),
        ({"noise": -1.0}, "noise is -1"),
        ({"lam": np.inf}, "lam is inf"),
        ({"replicas": 0}, "replicas is 0"),
        ({"scheme": "upwind"}, "'upwind' does not exist; accepted: lam-shin, centred"),
        ({"initial": "rough"}, "'rough' does not exist"),
        ({"initial": np.zeros(5)}, r"initial has shape \(5,\)"),
        ({"initial": np.full(8, np.nan)}, "initial has entries"),
        ({"dt": 2.0}, "dt is 2; accepted: 0 < dt < 1/nu"),
        ({"heights_at": [0.5]}, "heights_at must be some of times"),
    ],
)
def test_wrong_arguments(arguments, says):
    defaults = {"size": 8, "times": [1.0], "replicas": 2}
    options = defaults | arguments
    with pytest.raises(DomainError, match=says):
        simulate_surface(options.pop("size"), options.pop("times"), **options)


def test_divergence_is_reported():
    with pytest.raises(ToleranceError, match=r"diverged before t=200.*smaller dt"):
        simulate_surface(64, [200.0], lam=60.0, replicas=8, dt=0.9, rng=12)
