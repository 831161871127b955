"""The height equation on smoothed ensembles, with noise that depends on place and is not isotropic."""

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.diagnostics.height_equation.height_ensemble import ensemble_residual, smoothed_ensemble
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError

GRID = Grid.box((-2, 3, 128))
EQUATION = FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.05 * (1 + x * x))


def snapshots(size, seed, drift=1.0, step=0.001, skip=10):
    """Euler-Maruyama with steps far below the interval, at times 0.1 - dt, 0.1, 0.1 + dt."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(size) < 0.5, -0.4, 0.8) + 0.25 * rng.standard_normal(size)
    kept = []
    for k in range(100 + skip + 1):
        if k in (100 - skip, 100, 100 + skip):
            kept.append(x.copy())
        x = x - drift * step * x + np.sqrt(2 * step * 0.05 * (1 + x * x)) * rng.standard_normal(size)
    return kept, step * skip


def test_smoothing_gives_the_convolved_gaussian_and_its_mean_drift():
    """N(m, s2) smoothed with b is N(m, s2 + b^2); the mean of -x there is that of a Gaussian posterior."""
    rng = np.random.default_rng(0)
    x = 0.3 + 0.4 * rng.standard_normal(400_000)
    density, smoothed = smoothed_ensemble(x, EQUATION, GRID, bandwidth=0.2)
    u, total = GRID.centers[0], 0.16 + 0.04
    exact = np.exp(-((u - 0.3) ** 2) / (2 * total)) / np.sqrt(2 * np.pi * total)
    at = exact > 0.05 * exact.max()
    assert np.abs(density.values / exact - 1)[at].max() < 0.02
    posterior = (0.16 * u + 0.04 * 0.3) / total
    assert np.abs(smoothed.drift[0] + posterior)[at].max() < 0.02
    second = posterior**2 + 0.16 * 0.04 / total
    assert np.abs(smoothed.diffusion[0][0] - 0.05 * (1 + second))[at].max() < 0.005


def test_identity_holds_for_varying_noise_and_fails_for_a_wrong_equation():
    samples, interval = snapshots(200_000, 1)
    keys = {"bandwidth": 0.16, "interval": interval}
    right = ensemble_residual(samples, EQUATION, GRID, **keys)
    assert right.verdict == "holds"
    assert right.error < 0.1
    wrong = FokkerPlanck(drift=lambda x: -2.0 * x, diffusion=EQUATION.diffusion)
    assert ensemble_residual(samples, wrong, GRID, **keys).verdict == "fails"
    constant = FokkerPlanck(drift=EQUATION.drift, diffusion=0.1)
    assert ensemble_residual(samples, constant, GRID, **keys).verdict == "fails"


def test_bad_input_is_named():
    with pytest.raises(DomainError, match="bandwidth"):
        smoothed_ensemble(np.zeros(50), EQUATION, GRID, bandwidth=0.01)
    with pytest.raises(DomainError, match="finite"):
        smoothed_ensemble(np.full(50, np.nan), EQUATION, GRID, bandwidth=0.2)
    with pytest.raises(DomainError, match="three"):
        ensemble_residual([np.zeros(50)], EQUATION, GRID, bandwidth=0.2, interval=0.1)
