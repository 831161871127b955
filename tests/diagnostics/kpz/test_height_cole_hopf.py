"""The Cole-Hopf solution against closed forms and against finite-volume densities."""

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.diagnostics.height_equation.cole_hopf import cole_hopf_height, cole_hopf_residual, schroedinger_potential
from fpsim.equation import FokkerPlanck
from fpsim.generator import build_generator, propagate
from fpsim.support.errors import DomainError

NU = 0.05


def double_well(x):
    return 0.25 * (x * x - 1) ** 2


def start(x):
    return np.exp(-((x - 0.3) ** 2) / (2 * 0.03)) / np.sqrt(2 * np.pi * 0.03)


def test_harmonic_potential_is_gaussian_for_ever():
    k, mean, variance, t = 1.2, 0.5, 0.03, 0.7
    grid = Grid.box((-2.4, 2.4, 256))
    found = cole_hopf_height(
        lambda x: 0.5 * k * x * x,
        NU,
        lambda x: np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance),
        grid,
        [t],
        steps=64,
    )
    m, p = mean * np.exp(-k * t), NU / k + (variance - NU / k) * np.exp(-2 * k * t)
    exact = -((grid.centers[0] - m) ** 2) / (2 * p) - 0.5 * np.log(2 * np.pi * p)
    near = exact > exact.max() - np.log(1e12)
    gap = np.abs(found.value[0] - exact)[near]
    assert gap.max() < 1e-7
    assert (gap <= found.error[0][near]).all()
    assert found.error[0][near].max() < 1e-5


@pytest.mark.parametrize("steps", [16, 32, 64, 256, 1024])
def test_error_covers_time_steps_and_rounding(steps):
    """Few steps: splitting; many: rounding of a psi that spans eight decades. Neither escapes the error."""
    k, mean, variance, t = 1.2, 0.5, 0.03, 0.7
    grid = Grid.box((-2.4, 2.4, 128))
    found = cole_hopf_height(
        lambda x: 0.5 * k * x * x, NU, lambda x: np.exp(-((x - mean) ** 2) / (2 * variance)), grid, [t], steps=steps
    )
    m, p = mean * np.exp(-k * t), NU / k + (variance - NU / k) * np.exp(-2 * k * t)
    exact = -((grid.centers[0] - m) ** 2) / (2 * p) + 0.5 * np.log(variance / p)
    near = exact > exact.max() - np.log(1e12)
    assert (np.abs(found.value[0] - exact)[near] <= found.error[0][near]).all()


def test_potential_by_hand():
    """V = (x^3 - x)^2 / (4 nu) - (3 x^2 - 1) / 2."""
    x = np.linspace(-2, 2, 9)
    expected = (x**3 - x) ** 2 / (4 * NU) - (3 * x**2 - 1) / 2
    np.testing.assert_allclose(schroedinger_potential(double_well, NU, [x]), expected, atol=1e-8)


def finite_volume(cells, nu=NU):
    grid = Grid.box((-2.4, 2.4, cells))
    generator = build_generator(FokkerPlanck(potential=double_well, diffusion=nu), grid)
    return propagate(generator, gaussian(grid, 0.3, 0.03), [0.5, 2.0])


def test_finite_volume_density_has_the_cole_hopf_height():
    coarse, middle, fine = (finite_volume(n) for n in (128, 256, 512))
    for k in (0, 1):
        gaps = []
        for cells, density, half in ((256, middle, coarse), (512, fine, middle)):
            h = cole_hopf_height(double_well, NU, start, density[k].grid, [0.5, 2.0])
            identity = cole_hopf_residual(h.value[k], density[k], half[k])  # where p > 1e-12 of its maximum
            assert identity.verdict == "holds"
            gaps.append((identity.residual, identity.details["largest"]))
            assert identity.details["cells"] > 0.5 * cells
        order = np.log2(np.array(gaps[0]) / gaps[1])
        assert (order > 1.7).all()
        assert (order < 2.4).all()
        assert gaps[1][0] < 5e-4
        assert gaps[1][1] < 0.06


def test_wrong_viscosity_fails():
    wrong, half = finite_volume(256, 1.02 * NU), finite_volume(128, 1.02 * NU)
    h = cole_hopf_height(double_well, NU, start, wrong[1].grid, [0.5, 2.0])
    assert cole_hopf_residual(h.value[1], wrong[1], half[1]).verdict == "fails"


def test_swept_density_has_the_cole_hopf_height_where_it_is_not_small():
    from fpsim.evolution.evolve import evolve

    grid = Grid.box((-2.4, 2.4, 256))
    equation = FokkerPlanck(potential=double_well, diffusion=NU)
    swept = evolve(equation, gaussian(grid, 0.3, 0.03), [0.5, 2.0], tolerance=1e-4).densities
    h = cole_hopf_height(double_well, NU, start, grid, [0.5, 2.0]).value
    for k in (0, 1):
        p = swept[k].values
        at = p > 1e-2 * p.max()
        assert np.abs(np.log(p[at]) - h[k][at]).max() < 0.01


def test_two_dimensions_separate():
    grid = Grid.box((-2.4, 2.4, 96), (-2.4, 2.4, 96))

    def one(x, m):
        return np.exp(-((x - m) ** 2) / 0.06) / np.sqrt(np.pi * 0.06)

    def harmonic(x):
        return 0.6 * x * x

    both = cole_hopf_height(
        lambda x, y: harmonic(x) + harmonic(y), NU, lambda x, y: one(x, 0.3) * one(y, -0.2), grid, [0.5]
    )
    line = Grid.box((-2.4, 2.4, 96))
    parts = [cole_hopf_height(harmonic, NU, lambda x, m=m: one(x, m), line, [0.5]).value[0] for m in (0.3, -0.2)]
    total = parts[0][:, None] + parts[1][None, :]
    near = total > total.max() - 20
    np.testing.assert_allclose(both.value[0][near], total[near], atol=1e-8)


def test_bad_input_is_named():
    grid = Grid.box((-2.4, 2.4, 64))
    with pytest.raises(DomainError, match="at a wall"):
        cole_hopf_height(lambda x: 0.5 * x * x, NU, lambda x: np.exp(-x * x / 4), grid, [0.5])
    with pytest.raises(DomainError, match="viscosity"):
        cole_hopf_height(double_well, -1.0, start, grid, [0.5])
    p = gaussian(grid, 0.3, 0.03)
    with pytest.raises(DomainError, match="half of"):
        cole_hopf_residual(np.zeros(64), p, p)
