"""Flows, n-point functions, fixed points and tangency as labelled arrays, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.diagnostics import callan_symanzik as cs

PROCESS = cs.OrnsteinUhlenbeck(relaxation=1.3, diffusion=0.05, target=0.5)
RUNS = {"one": (1.0, 0.05), "two": (0.7, 0.3), "three": (0.3, 0.02)}
TIMES = np.linspace(0.0, 1.6, 9)
OUTPUTS = cs.Outputs(lambda w: [w - 0.5])


@pytest.fixture(scope="module")
def rows():
    grid = Grid.box((-4.0, 5.0, 512))
    found = {name: PROCESS.densities(grid, *start, TIMES) for name, start in RUNS.items()}
    return {n: [cs.rates(law, OUTPUTS, PROCESS.equation) for law in laws] for n, laws in found.items()}


@pytest.fixture(scope="module")
def flows(rows):
    family = cs.ornstein_uhlenbeck(noise=PROCESS.noise)
    return {n: cs.exact_flow(1.3 * TIMES, r, family, speed=1.3) for n, r in rows.items()}


def moments(name, k):
    """Mean and variance of the distance from the target by hand."""
    (mean, variance), noise, decay = RUNS[name], 0.05 / 1.3, np.exp(-1.3 * TIMES[k])
    return mean * decay, noise + (variance - noise) * decay**2


def test_flows_stand_beside_their_closed_form(flows):
    exact = {name: PROCESS.rates_from(*start, TIMES) for name, start in RUNS.items()}
    table = cs.flow_dataset(flows, TIMES, exact=exact)
    assert float(np.abs(table["rates"] - table["rates_exact"]).max()) < 1e-8
    m, v = moments("two", 4)
    one = table.sel(run="two").isel(time=4)
    np.testing.assert_allclose(one["couplings"].sel(coupling=["g", "h"]), [m**2, 0.05 / 1.3] / (m**2 + v), rtol=1e-8)
    assert float(one["clock"]) == pytest.approx(1.3 * 0.8)
    assert float(one["rates"].sel(rate="gamma")) == pytest.approx(0.05 / 1.3 / (m**2 + v) - 1.0)


def test_correlators_are_those_of_a_normal_law(rows):
    tables = {name: [table for table, _ in found] for name, found in rows.items()}
    one = cs.correlator_dataset(tables, TIMES).sel(run="three").isel(time=2)
    m, v = moments("three", 2)
    assert float(one["full"].sel(index="1-1-1")) == pytest.approx(m**3 + 3 * m * v, rel=1e-8)
    assert float(one["connected"].sel(index="1-1")) == pytest.approx(v, rel=1e-8)
    assert abs(float(one["connected"].sel(index="1-1-1-1"))) < 1e-8


def test_fixed_points_and_which_of_them_are_isolated(flows):
    found = cs.beta_dataset(cs.fit_beta(list(flows.values()), degree=2), margin=0.5)
    alone = found.sel(point=found["isolated"] == 1)
    np.testing.assert_allclose(alone["fixed_point"].values, [[0.0, 1.0]], atol=1e-5)
    np.testing.assert_allclose(alone["exponent"].values, [[-2.0, -2.0]], atol=1e-4)
    line = found.sel(point=found["isolated"] == 0)
    assert line.sizes["point"] > 0
    assert float(np.abs(line["fixed_point"].sel(axis="h")).max()) < 1e-5
    terms = np.prod(np.array([0.4, 0.3]) ** found["powers"].values, axis=1) @ found["coefficients"].values
    np.testing.assert_allclose(terms, [0.3 - 1.0, -2 * 0.4 * 0.3, 2 * 0.3 * 0.7], atol=1e-6)


def test_tangency_and_loss_through_time(rows):
    family = cs.ornstein_uhlenbeck(noise=PROCESS.noise)
    table = cs.tangency_dataset(rows["one"], family, TIMES, second_moment=3.0)
    assert float(table["R1"].max()) < 1e-8
    m, v = moments("one", 5)
    assert float(table["loss"][5]) == pytest.approx(1.5 * (m**2 + v), rel=1e-8)


def test_parts_before_and_after_the_maximum_of_a_coupling():
    """``g = Var ln w`` of lognormal samples that widen and narrow again: 0.01, 0.02, .., 0.05, 0.04, .., 0.01."""
    rng = np.random.default_rng(1)
    normal = np.exp(np.sqrt([[0.01, 0.02, 0.03, 0.04, 0.05, 0.04, 0.03, 0.02, 0.01]]).T * rng.standard_normal(4000))
    output = cs.Outputs(lambda w: [w])
    tables = [cs.correlators(cs.SampleExpectation(w[:, None], 16), output) for w in normal]
    run = cs.CorrelatorRun(np.arange(9.0), tables)
    (rising,), (falling,) = cs.monotone_parts([run], cs.lognormal())
    assert list(rising.clock) == [0, 1, 2, 3, 4]
    assert list(falling.clock) == [4, 5, 6, 7, 8]
