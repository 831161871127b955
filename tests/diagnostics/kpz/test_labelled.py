"""Surfaces, height budgets, pairs and walks as labelled arrays, against what is exact of them."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.diagnostics.height_equation.height import height_budget
from fpsim.diagnostics.height_equation.labelled import TERMS, height_budget_dataset
from fpsim.diagnostics.random_environment.common_batches import RegressionPair
from fpsim.diagnostics.random_environment.labelled import pair_dataset, walk_dataset
from fpsim.diagnostics.random_environment.random_walk import StepProbability
from fpsim.diagnostics.surface_growth.labelled import growth_dataset, one_point_dataset
from fpsim.diagnostics.surface_growth.surface import simulate_surface
from fpsim.equation import FokkerPlanck


def test_linear_surfaces_beside_their_exact_width():
    run = simulate_surface(64, [1.0, 2.0, 4.0, 8.0], nu=1.0, lam=0.0, noise=1.0, replicas=2000, rng=1)
    table = growth_dataset(run)
    z = (table["width2"] - table["exact_width2"]) / table["width2_error"]
    assert float(np.abs(z).max()) < 4.0
    k = table["wavenumber"].values
    np.testing.assert_allclose(table["stationary_structure_factor"], 1.0 / (4.0 * np.sin(k / 2) ** 2), rtol=1e-9)
    assert "missing" not in table.attrs


def test_surfaces_that_do_not_grow_say_so():
    run = simulate_surface(8, [100.0, 200.0, 400.0, 800.0], nu=1.0, lam=0.0, noise=1.0, replicas=64, rng=1)
    still = run.__class__(**{**vars(run), "central": run.central[:, ::-1].copy(), "mean": 0.0 * run.mean})
    table = growth_dataset(still)
    assert np.isnan(table.attrs["growth_exponent"])
    assert "does not grow" in table.attrs["missing"]
    assert bool(np.isnan(table["local_exponent"]).all())


def test_law_of_one_site_is_normalised():
    run = simulate_surface(64, [2.0, 4.0], nu=1.0, lam=3.0, noise=1.0, replicas=200, rng=2)
    table = one_point_dataset(run, t_min=2.0)
    assert int(table["count"].sum()) == 200 * 64
    width = float(table["bin"][1] - table["bin"][0])
    assert float(table["flat_density"].sum()) * width == pytest.approx(1.0, abs=1e-4)
    assert float((table["flat_density"] * table["bin"] ** 2).sum()) * width == pytest.approx(1.0, abs=2e-3)
    assert float(table["law_cumulant"].sel(law="gue", cumulant="mean")) == pytest.approx(-1.7710868, abs=1e-6)


def test_budget_of_a_spreading_gaussian():
    """``h = -r^2 / 2 s - ln(2 pi s)``, ``s = 1 + 2 nu t``: the nonlinear term is ``nu r^2 / s^2``."""
    nu, times = 0.1, np.array([0.5, 1.0])
    equation = FokkerPlanck(drift=lambda x, y: [0.0 * x, 0.0 * y], diffusion=nu)

    def budgets(cells):
        grid = Grid.box((-5.0, 5.0, cells), (-5.0, 5.0, cells), names=("x", "y"))
        three = [[gaussian(grid, 0.0, 1.0 + 2 * nu * (t + d)) for d in (-0.01, 0.0, 0.01)] for t in times]
        found = [height_budget(*rows, equation, interval=0.01, floor=1e-3) for rows in three]
        return found, [rows[1] for rows in three]

    (coarse, _), (fine, densities) = budgets(40), budgets(80)
    table = height_budget_dataset(times, {40: coarse, 80: fine}, densities, nu)
    assert list(table["term"].values) == list(TERMS)
    assert float(table["relative_residual"].sel(cells=80).max()) < 1e-3
    x, s = fine[0].grid.centers[0], 1.0 + 2 * nu * 0.5
    y = table.attrs["cut"]
    cut = table["term_cut"].isel(time=0).sel(term="nonlinear").values
    inside = np.isfinite(cut)
    np.testing.assert_allclose(cut[inside], (nu * (x**2 + y**2) / s**2)[inside], rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(table["velocity"][0].values[inside], (2 * nu * x / s)[inside], rtol=2e-3, atol=1e-6)


def test_pairs_decay_as_their_closed_form():
    eta, variance, times = 0.1, 2.0, np.array([0.0, 0.5])
    pairs = {"common": RegressionPair(eta, variance, 0.02, True), "own": RegressionPair(eta, variance, 0.02, False)}
    table = pair_dataset(pairs, times, cells=64)
    exact = {"common": np.exp(-(2 - eta * variance) * 0.5), "own": np.exp(-2 * 0.5)}
    for name, value in exact.items():
        one = table.sel(batches=name).isel(time=1)
        assert float(one["exact"]) == pytest.approx(value)
        assert abs(float(one["correlation"]) - value) < 2.0 * float(one["correlation_error"])
        steps = 1 - 2 * eta + eta**2 * (1 + variance) if name == "common" else (1 - eta) ** 2
        assert float(one["sgd"]) == pytest.approx(steps**5)


def test_walks_have_no_rescaled_tail_for_the_two_point_law():
    options = {"environments": 2000, "velocity": 0.9, "seed": 3}
    uniform = walk_dataset([4, 9], law=StepProbability("uniform"), **options)
    other = walk_dataset([4, 9], law=StepProbability("two-point", 0.3), **options)
    for table in (uniform, other):
        z = (table["std"] - table["exact_std"]) / table["std_error"]
        assert float(np.abs(z).max()) < 4.0
    assert bool(np.isfinite(uniform["chi"]).all())
    assert bool(np.isnan(other["chi"]).all())
    assert float(uniform["chi_limit"].sel(cumulant="variance")) == pytest.approx(0.8131948, abs=1e-6)
