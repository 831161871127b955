"""Grid errors of evolutions where the scheme loses its order: stated errors cover the true ones, on every grid.

Truth: noncentral chi-square laws (CIR), beta laws with their first mode (Wright-Fisher), Bessel functions, an average
over rotations (turning tensor), and fine grids on which a jump lies on a face.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import jv, ndtr
from scipy.stats import beta, ncx2

from fpsim.density import Density, Grid, gaussian, regrid
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.support.errors import DomainError, ValidityWarning


def solved(equation, start, t, exact, method="auto"):
    """True and stated error, and what was warned of."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = evolve(equation, start, [t], method=method)
    error = float(np.abs(result.final.values - exact).sum()) * start.grid.cell_volume
    return error, float(result.error[-1]), " ".join(str(w.message) for w in told)


def cir(a):
    """Process of mean ``a / 2``, ``D = x / 2``, outflow index a, and its law from 0.8 as masses of cells."""

    def masses(edges, t):
        scale = (1 - np.exp(-t)) / 4
        return np.diff(ncx2.cdf(edges / scale, 2 * a, 0.8 * np.exp(-t) / scale))

    return (lambda x: a / 2 - x), (lambda x: x / 2), masses


@pytest.mark.parametrize("a", [0.1, 0.39, 0.7, 0.95, 1.0, 1.5])
@pytest.mark.parametrize("method", ["auto", "generator", "rational"])
def test_cir(a, method):
    drift, diffusion, masses = cir(a)
    for cells in (64, 200, 256):
        grid = Grid.box((0, 6, cells))
        at = [masses(grid.edges[0], t) / grid.cell_volume for t in (0.3, 1.0)]
        equation = FokkerPlanck(drift=drift, diffusion=diffusion)
        error, stated, told = solved(equation, Density(grid, at[0]), 0.7, at[1], method)
        assert error <= stated, cells
        assert ("diffusion vanishes at the lower wall" in told) == (a < 1)


def test_cir_mirrored():
    drift, diffusion, masses = cir(0.39)
    grid = Grid.box((-6, 0, 200))
    at = [masses(-grid.edges[0][::-1], t)[::-1] / grid.cell_volume for t in (0.3, 1.0)]
    equation = FokkerPlanck(drift=lambda x: -drift(-x), diffusion=lambda x: diffusion(-x))
    error, stated, told = solved(equation, Density(grid, at[0]), 0.7, at[1])
    assert error <= stated
    assert "at the upper wall" in told


@pytest.mark.parametrize("method", ["sweeps", "generator"])
@pytest.mark.parametrize("indices", [(0.39, 0.7), (1.0, 2.0)])
def test_two_coordinates(indices, method):
    parts = [cir(a) for a in indices]
    for cells in (32, 128):
        grid = Grid.box((0, 6, cells), (0, 6, cells))
        at = [np.outer(*[p[2](grid.edges[0], t) for p in parts]) / grid.cell_volume for t in (0.3, 1.0)]
        equation = FokkerPlanck(
            drift=lambda x, y: (parts[0][0](x), parts[1][0](y)), diffusion=lambda x, y: (x / 2 + 0 * y, y / 2 + 0 * x)
        )
        error, stated, told = solved(equation, Density(grid, at[0]), 0.7, at[1], method)
        assert error <= stated, cells
        assert told.count("diffusion vanishes") == sum(a < 1 for a in indices)


@pytest.mark.parametrize("shapes", [(0.3, 0.6), (0.8, 0.8), (1.0, 0.4), (0.1, 0.1), (1.2, 1.4)])
@pytest.mark.parametrize("method", ["auto", "generator"])
def test_wright_fisher(shapes, method):
    """Beta law plus its first mode, which is linear: both walls vanish."""
    u, v = 0.5 * np.array(shapes)
    mean = u / (u + v)
    for cells in (32, 64, 256):
        grid = Grid.box((0, 1, cells))
        edges = grid.edges[0]
        law = beta.cdf(edges, *shapes)
        mode = mean * (beta.cdf(edges, shapes[0] + 1, shapes[1]) - law) / max(mean, 1 - mean)
        at = [np.diff(law + 0.9 * np.exp(-(u + v) * t) * mode) * cells for t in (0, 1)]
        equation = FokkerPlanck(drift=lambda x: u * (1 - x) - v * x, diffusion=lambda x: x * (1 - x) / 2)
        error, stated, told = solved(equation, Density(grid, at[0]), 1.0, at[1], method)
        assert error <= stated, cells
        assert told.count("diffusion vanishes") == sum(a < 1 for a in shapes)


@pytest.mark.filterwarnings("ignore:.*(unless that wall is meant|narrower than two)")
def test_kimura_without_mutation_states_that_it_knows_nothing():
    """Atoms grow at both ends, which cells cannot hold: .666 and .271 of the mass by t = 3 (Kimura 1955)."""
    for cells in (64, 256):
        grid = Grid.box((0, 1, cells))
        with pytest.warns(ValidityWarning, match=r"outflow index 0 < 1: what reaches it stays on it"):
            result = evolve(FokkerPlanck(diffusion=lambda x: x * (1 - x) / 2), gaussian(grid, 0.3, 0.001), [3.0])
        ends = result.final.values[[0, -1]] * grid.cell_volume
        assert 2 * np.sum(np.array([0.666, 0.271]) - ends) <= result.error[-1] <= 2.01


@pytest.mark.parametrize("n", [0.3, 0.5, 0.8, 1.2, 1.5])
def test_bessel_process_that_reaches_the_wall(n):
    """Primitive of ``r^(n-1) (1 + a r^-nu J_nu(k r))``: ``r^n / n + a r^(n/2) J_(n/2)(k r) / k``."""
    x = np.linspace(0.3, 9, 9000)
    k = x[np.flatnonzero(np.diff(np.sign(jv(n / 2, x))))[0]]
    noise, t = 0.5, 1.0 / k**2
    for cells in (32, 64, 256):
        grid = Grid.box((0, 1, cells))
        edges = grid.edges[0]

        def law(time, edges=edges, cells=cells):
            mode = edges ** (n / 2) * jv(n / 2, k * edges) / k * np.exp(-noise * k * k * time)
            values = np.diff(edges**n / n + 0.2 * mode)
            return values / values.sum() * cells

        equation = FokkerPlanck(drift=lambda r: (n - 1) * noise / r, diffusion=noise)
        error, stated, told = solved(equation, Density(grid, law(0.0)), t, law(t))
        assert error <= stated, cells
        assert ("the drift is infinite at the lower wall" in told) == (n < 1)


def rotated(grid, noise, t, start=0.02):
    """Gaussian at (1, 0) that diffuses and is turned by Brownian angles of variance t: an average over rotations."""
    angles = np.linspace(-8, 8, 801) * np.sqrt(t)
    weights, width = np.exp(-(angles**2) / (2 * t)), np.sqrt(start + 2 * noise * t)
    out = np.zeros(grid.shape)
    for angle, weight in zip(angles, weights / weights.sum(), strict=True):
        parts = [
            np.diff(ndtr((e - m) / width)) for e, m in zip(grid.edges, (np.cos(angle), np.sin(angle)), strict=True)
        ]
        out += weight * np.outer(*parts)
    return out / grid.cell_volume


@pytest.mark.parametrize("noise", [0.2, 0.01, 1e-4, 0.0])
@pytest.mark.parametrize(("method", "cells"), [("generator", 32), ("generator", 64), ("sweeps", 32)])
def test_nearly_singular_tensor_that_turns(method, cells, noise):
    """Stratonovich rotation: drift -x / 2, D = t t^T / 2 + noise with t = (-y, x)."""
    grid = Grid.box((-3, 3, cells), (-3, 3, cells))
    equation = FokkerPlanck(
        drift=lambda x, y: (-x / 2, -y / 2),
        diffusion=lambda x, y: ((y * y / 2 + noise, -x * y / 2), (-x * y / 2, x * x / 2 + noise)),
    )
    error, stated, _ = solved(equation, gaussian(grid, (1, 0), 0.02), 0.5, rotated(grid, noise, 0.5), method)
    assert error <= stated


JUMPS = {
    "noise": FokkerPlanck(diffusion=lambda x: np.where(x < 0.1, 0.1, 0.4)),
    "large ratio": FokkerPlanck(diffusion=lambda x: np.where(x < 0.1, 0.02, 0.6)),
    "klimontovich": FokkerPlanck(diffusion=lambda x: np.where(x < 0.1, 0.1, 0.4), calculus="klimontovich"),
    "cusp": FokkerPlanck(diffusion=lambda x: np.sqrt(np.abs(x)) + 0.01),
    "drift": FokkerPlanck(drift=lambda x: -np.sign(x - 0.1), diffusion=0.2),
    "kink": FokkerPlanck(potential=lambda x: np.abs(x - 0.1), diffusion=0.2),
}


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
@pytest.mark.parametrize("what", JUMPS)
def test_coefficients_that_jump(what):
    fine = Grid.box((-2, 2, 9600))
    start, t = (0.2, 0.02), 0.6
    options = {"method": "rational", "tolerance": 1e-8, "estimate_grid_error": False}
    truth = evolve(JUMPS[what], gaussian(fine, *start), [t], **options).final
    for cells in (48, 96, 128):
        grid = Grid.box((-2, 2, cells))
        error, stated, _ = solved(JUMPS[what], gaussian(grid, *start), t, regrid(truth, grid).values)
        assert error <= 1.02 * stated, cells


@pytest.mark.parametrize("options", [{"method": "sweeps"}, {"follow": True}])
def test_derivatives_of_a_jump_are_no_drift_for_sweeps(options):
    start = gaussian(Grid.box((-2, 2, 96)), 0.2, 0.02)
    step = FokkerPlanck(potential=lambda x: np.where(x < 0.1, 0.0, 0.3), diffusion=0.2)
    for equation in (JUMPS["klimontovich"], step):
        with pytest.raises(DomainError, match="its derivative is part of the drift"):
            evolve(equation, start, [0.6], **options)


def test_derivatives_of_a_jump_in_few_cells_of_another_coordinate():
    """The method is then the generator however few cells the other coordinate has: equilibrium over a step."""
    grid = Grid.box((-2, 2, 64), (0, 1, 6))
    equation = FokkerPlanck(potential=lambda x, y: np.where(x < 0, 0.0, 0.3) + 0 * y, diffusion=0.5)
    with pytest.warns(ValidityWarning, match="unless that wall is meant"):
        result = evolve(equation, gaussian(grid, (0.5, 0.5), (0.05, 0.02)), [40.0])
    assert result.method == "generator"
    share = np.exp(-0.3 / 0.5) / (1 + np.exp(-0.3 / 0.5))
    assert result.final.values[32:].sum() * grid.cell_volume == pytest.approx(share, rel=1e-3)
