"""Errors that are followed: densities that settle, walls that close in, tensors at walls. Steps are bounded too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import ive

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.support.errors import ValidityWarning

COUPLING, NOISE = 3.0, 0.5
RING = Grid.box((-np.pi, np.pi, 128), boundary="periodic")


def oscillators(x, p):
    """Drift of Kuramoto's oscillators, ``K int sin(y - x) p(y) dy``."""
    y, mass = p.grid.centers[0], p.values * p.grid.cell_volume
    return COUPLING * (np.sin(y) @ mass * np.cos(x) - np.cos(y) @ mass * np.sin(x))


KURAMOTO = FokkerPlanck(drift=oscillators, diffusion=NOISE)


def cell_averages(modes):
    """Of ``(1 + 2 Re sum_k conj(a_k) e^(ikx)) / (2 pi)`` on the ring."""
    k, x, h = np.arange(1, len(modes) + 1), RING.centers[0], RING.spacing[0]
    waves = np.exp(1j * np.outer(x, k)) * np.sinc(k * h / (2 * np.pi))
    return (1 + 2 * (waves @ modes.conj()).real) / (2 * np.pi)


def kuramoto(modes, times):
    """Fourier modes of the exact density, ``a_k = int e^(ikx) p dx``, from the ordinary equations they obey."""
    k = np.arange(1, len(modes) + 1)

    def change(t, a):
        below, above = np.append(1.0, a[:-1]), np.append(a[1:], 0.0)
        return k * COUPLING / 2 * (a[0] * below - a[0].conj() * above) - NOISE * k**2 * a

    return solve_ivp(change, (0.0, times[-1]), modes.astype(complex), "BDF", times, rtol=1e-9, atol=1e-12).y.T


def distance(density, values):
    return np.abs(density.values - values).sum() * density.grid.cell_volume


def test_steps_grow_when_a_density_has_settled():
    """Stationary: ``exp(K r cos(x) / D)`` with its own order parameter ``r``; steps are not those of the beginning."""
    modes = 0.3 ** np.arange(1, 41) * np.exp(0.7j * np.arange(1, 41))
    start = Density(RING, cell_averages(modes))
    result = evolve(KURAMOTO, start, [60.0])
    r = brentq(lambda r: r - ive(1, COUPLING * r / NOISE) / ive(0, COUPLING * r / NOISE), 0.1, 1.0)
    exact = cell_averages(ive(np.arange(1, 41), COUPLING * r / NOISE) / ive(0, COUPLING * r / NOISE)
                          * np.exp(0.7j * np.arange(1, 41)))  # fmt: skip
    assert distance(result.final, exact) <= 2.0 * result.error[-1] <= 4e-3
    assert result.steps + result.rejected < 8000  # 44,000 if local errors are summed up


def test_errors_that_grow_are_told():
    """From close to the uniform state, which is unstable: what is left out early grows by e^(K/2 - D) in unit time."""
    modes = np.append(1e-3, np.zeros(39))
    times = np.array([2.0, 4.0, 6.0, 12.0])
    with pytest.warns(ValidityWarning, match="errors grow by themselves"):
        result = evolve(KURAMOTO, Density(RING, cell_averages(modes)), times)
    for density, error, exact in zip(result.densities, result.error, kuramoto(modes, times), strict=True):
        assert distance(density, cell_averages(exact)) <= 2.0 * error <= 0.1
    assert result.steps + result.rejected < 3000


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3])
@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_bounds_that_close_in(speed, tolerance):
    """A decision between two bounds ``+-b(t)`` that collapse linearly, in the coordinate ``x / b``.

    Exact: ``p = b^(-1/2) exp(-b' x^2 / (4 D b) + v x / (2 D) - v^2 t / (4 D)) cos(pi x / (2 b)) exp(-pi^2 s / 4)`` with
    ``s = D t / (b(0) b(t))``.
    """
    diffusion, first, end = 0.5, 1.5, 2.0
    slope = -first / 3.0
    grid = Grid.box((-1, 1, 200), boundary="absorbing")
    nodes, weights = np.polynomial.legendre.leggauss(6)

    def bound(t):
        return first + slope * t

    def exact(t):
        b = bound(t)
        y = grid.centers[0][:, None] + 0.5 * grid.spacing[0] * nodes
        exponent = -slope * b * y**2 / (4 * diffusion) + speed * b * y / (2 * diffusion)
        exponent -= speed**2 * t / (4 * diffusion) + np.pi**2 / 4 * diffusion * t / (first * b)
        return (np.sqrt(b) * np.exp(exponent) * np.cos(np.pi * y / 2)) @ weights / 2

    equation = FokkerPlanck(
        drift=lambda y, t: (speed - slope * y) / bound(t), diffusion=lambda y, t: diffusion / bound(t) ** 2
    )
    start = Density(grid, exact(0.0))
    times = np.array([0.25, 0.5, 1.0, 1.5, end])
    result = evolve(equation, start, times, tolerance=tolerance)
    for k, t in enumerate(times):
        assert distance(result.densities[k], exact(t)) <= 2.0 * result.error[k] * start.mass
        gone = start.mass - exact(t).sum() * grid.cell_volume
        assert abs(result.absorbed[k] - gone) <= 2.0 * result.error[k] * start.mass
    assert result.time_error.max() <= 1.5 * tolerance
    assert result.steps + result.rejected < 1500  # 40,000 if local errors are summed up


@pytest.mark.parametrize("tolerance", [1e-3, 1e-4])
def test_steps_of_full_tensors_at_walls_do_not_go_with_the_cells_squared(tolerance):
    """``p = 1 + a cos(k x - k s y) exp(-k^2 (D11 - D12^2 / D22) t)``, s = D12 / D22, has no current at walls in y."""
    tensor, wave, height, end = np.array([[0.3, 0.12], [0.12, 0.36]]), np.pi, 0.5, 0.3
    slope, rate = tensor[0, 1] / tensor[1, 1], wave**2 * np.linalg.det(tensor) / tensor[1, 1]
    steps = []
    for n in (24, 48, 96):
        grid = Grid((-1, 0), (1, 1), (n, n), ("periodic", "reflecting"))
        (x, y), (hx, hy) = np.meshgrid(*grid.centers, indexing="ij"), grid.spacing
        share = np.sinc(wave * hx / (2 * np.pi)) * np.sinc(wave * slope * hy / (2 * np.pi))  # of cell averages

        def exact(t, x=x, y=y, share=share):
            return 0.5 * (1 + height * share * np.cos(wave * (x - slope * y)) * np.exp(-rate * t))

        result = evolve(
            FokkerPlanck(diffusion=tensor), Density(grid, exact(0.0)), [end], method="sweeps", tolerance=tolerance
        )
        assert distance(result.final, exact(end)) <= 2.0 * result.error[-1] <= 4.0 * tolerance
        steps.append(result.steps)
    assert steps[-1] < 8 * steps[0]  # sixteen times as many cells a side squared
