"""Drift and potential without a value at a reflecting wall: radial coordinates, Bessel processes, logarithms.

Truth: on (0, R) the density ``r^(n-1) (1 + a r^-nu J_nu(k r) exp(-D k^2 t))``, ``nu = n/2 - 1``, ``J_(nu+1)(k R) = 0``,
of a Bessel process of dimension n; Gaussians in polar coordinates; powers.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import jv

from fpsim.density import Density, Grid, from_function, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.generator import build_generator, stationary_density
from fpsim.support.errors import DomainError

D, R = 0.5, 2.0


def radial(n, form, noise=D):
    """Brownian motion in n dimensions, as its radius."""
    if form == "drift":
        return FokkerPlanck(drift=lambda r: (n - 1) * noise / r, diffusion=noise)
    if form == "phi":
        return FokkerPlanck(phi=lambda r: -(n - 1) * np.log(r), diffusion=noise)
    return FokkerPlanck(potential=lambda r: -(n - 1) * noise * np.log(r), diffusion=noise)


def averages(grid, function):
    """Cell averages by quadrature, of mass one."""
    edges = grid.edges[0]
    values = np.array([quad(function, a, b, epsrel=1e-10)[0] for a, b in pairwise(edges)])
    return Density(grid, values / values.sum() / grid.cell_volume)


def bessel(n, grid):
    """Exact density at a time, and the relaxation rate."""
    nu = n / 2 - 1
    x = np.linspace(0.5, 12, 400)
    first = int(np.flatnonzero(np.diff(np.sign(jv(nu + 1, x))))[0])
    k = brentq(lambda s: jv(nu + 1, s), x[first], x[first + 1]) / R
    scale = 0.8 / abs(1e-4**-nu * jv(nu, k * 1e-4))

    def law(t):
        return averages(grid, lambda r: r ** (n - 1) * (1 + scale * r**-nu * jv(nu, k * r) * np.exp(-D * k * k * t)))

    return law, D * k * k


def distance(a, b):
    return float(np.abs(a.values - b.values).sum()) * a.grid.cell_volume


@pytest.mark.parametrize("form", ["drift", "potential", "phi"])
@pytest.mark.parametrize("n", [2, 3, 4.5])
@pytest.mark.parametrize("method", ["auto", "generator", "rational", "sweeps"])
def test_bessel_process(method, n, form):
    grid = Grid.box((0, R, 32))
    law, rate = bessel(n, grid)
    result = evolve(radial(n, form), law(0.0), [0.5 / rate], method=method)
    error = distance(result.final, law(0.5 / rate))
    assert error <= 2.5e-3
    assert error <= 1.1 * result.error[-1]


@pytest.mark.parametrize("n", [2, 3])
def test_order_of_the_generator(n):
    errors = []
    for cells in (20, 40, 80):
        grid = Grid.box((0, R, cells))
        law, rate = bessel(n, grid)
        result = evolve(radial(n, "potential"), law(0.0), [0.5 / rate], method="generator")
        errors.append(distance(result.final, law(0.5 / rate)))
    assert (np.log2(np.divide(errors[:-1], errors[1:])) >= 1.8).all()


@pytest.mark.parametrize("form", ["drift", "potential", "phi"])
@pytest.mark.parametrize("n", [1.5, 2, 3, 5])
def test_stationary_powers(n, form):
    for cells in (40, 80):
        grid = Grid.box((0, R, cells))
        found = stationary_density(build_generator(radial(n, form), grid))
        assert distance(found, averages(grid, lambda r: r ** (n - 1))) <= 0.025 * (40 / cells) / 40


def test_wall_at_the_upper_end():
    mirrored = Grid.box((-R, 0, 32))
    law, rate = bessel(3, Grid.box((0, R, 32)))
    equation = FokkerPlanck(drift=lambda r: 2 * D / r, diffusion=D)
    result = evolve(equation, Density(mirrored, law(0.0).values[::-1]), [0.5 / rate])
    assert np.abs(result.final.values[::-1] - law(0.5 / rate).values).sum() * R / 32 <= 1.1 * result.error[-1]


@pytest.mark.parametrize("method", ["auto", "sweeps"])
def test_rotating_process_in_polar_coordinates(method):
    """Also the diffusion of the angle, D / r^2, has no value at r = 0."""
    noise, turning, t = 0.3, 1.5, 0.4
    grid = Grid.box((0, 4, 48), (0, 2 * np.pi, 48), boundary=["reflecting", "periodic"], names=("r", "angle"))

    def law(time):
        decay = np.exp(-time)
        mean, variance, at = 1.2 * decay, 0.2 * decay**2 + noise * (1 - decay**2), turning * time

        def value(r, angle):
            x, y = r * np.cos(angle) - mean * np.cos(at), r * np.sin(angle) - mean * np.sin(at)
            return r * np.exp(-(x * x + y * y) / (2 * variance))

        return from_function(grid, value, order=4)

    equation = FokkerPlanck(
        drift=lambda r, angle: (noise / r - r, turning + 0 * angle),
        diffusion=lambda r, angle: (noise + 0 * r, noise / r**2),
    )
    result = evolve(equation, law(0.0), [t], method=method)
    assert distance(result.final, law(t)) <= min(2e-3, result.error[-1])


def test_radius_of_an_ornstein_uhlenbeck_process():
    """From the origin: r exp(-r^2 / (2 s)) with s = D (1 - exp(-2 t))."""
    grid, start = Grid.box((0, 5, 100)), 0.1
    equation = FokkerPlanck(drift=lambda r: D / r - r, diffusion=D)

    def law(t):
        s = start * np.exp(-2 * t) + D * (1 - np.exp(-2 * t))
        return averages(grid, lambda r: r * np.exp(-r * r / (2 * s)))

    result = evolve(equation, law(0.0), [0.3, 2.0])
    for density, t, error in zip(result.densities, result.times, result.error, strict=True):
        assert distance(density, law(t)) <= 1.1 * error


@pytest.mark.parametrize("boundary", ["absorbing", [("reflecting", "absorbing")]])
@pytest.mark.parametrize("make", [build_generator, lambda e, g: evolve(e, gaussian(g, 0.5, 0.004), [0.1])])
def test_infinite_at_an_absorbing_wall_is_refused(make, boundary):
    grid = Grid.box((0, 1, 32), boundary=boundary)
    for equation in (
        FokkerPlanck(drift=lambda r: 1 / (1 - r), diffusion=0.1),
        FokkerPlanck(potential=lambda r: np.log(1 - r), diffusion=0.1),
    ):
        with pytest.raises(
            DomainError, match=r"at \(32,\), coordinates \(1(\.\d+)?\): finite values.*reflecting walls"
        ):
            make(equation, grid)


@pytest.mark.parametrize("make", [build_generator, lambda e, g: evolve(e, gaussian(g, 0.5, 0.004), [0.1])])
def test_infinite_in_the_interior_is_refused(make):
    for cells in (32, 33):
        with pytest.raises(DomainError, match=r"coordinates \(0.5\): finite values"):
            make(FokkerPlanck(drift=lambda r: 1 / (r - 0.5), diffusion=0.1), Grid.box((0, 1, cells)))
