"""The exactly solvable Gaussian case: ``gamma = h - 1``, ``beta_g = -2 g h``, ``beta_h = 2 h (1 - h)``."""

import numpy as np
import pytest

from fpsim.density import Grid, gaussian, mixture
from fpsim.diagnostics.callan_symanzik import (
    CorrelatorRun,
    DensityExpectation,
    Outputs,
    SampleExpectation,
    collapse,
    correlators,
    exact_flow,
    fit_beta,
    measured_flow,
    ornstein_uhlenbeck,
    rates,
    tangency,
    transfer,
)
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError

LAMBDA, D, TARGET = 1.3, 0.05, 0.5
INPUTS = (1.0, -2.0)
GRID = Grid.box((-3, 4, 512))
EQUATION = FokkerPlanck(drift=lambda w: -LAMBDA * (w - TARGET), diffusion=D)
OUTPUTS = Outputs(lambda w: [x * (w - TARGET) for x in INPUTS])
FAMILY = ornstein_uhlenbeck(noise=D / LAMBDA, inputs=INPUTS)


def moments(mean, variance, s):
    """Exact mean of phi and variance at ``s = lambda t``."""
    return mean * np.exp(-s), D / LAMBDA + (variance - D / LAMBDA) * np.exp(-2 * s)


def exact_density(mean, variance, s):
    m, p = moments(mean, variance, s)
    return gaussian(GRID, TARGET + m, p)


def expected_rates(mean, variance, s):
    """gamma, beta_g, beta_h from the exact moments."""
    m, p = moments(mean, variance, np.asarray(s))
    square = m**2 + p
    g, h = m**2 / square, D / LAMBDA / square
    return np.stack([h - 1, -2 * g * h, 2 * h * (1 - h)], axis=-1)


def run(mean, variance, s):
    return CorrelatorRun(s, [correlators(exact_density(mean, variance, x), OUTPUTS) for x in s])


def test_family_has_the_moments_of_a_gaussian():
    x, w = np.polynomial.hermite_e.hermegauss(20)
    phi = 0.4 + np.sqrt(0.07) * x
    indices = ((0,), (0, 0), (0, 0, 1), (1, 1, 1, 0))
    found = FAMILY.correlators(np.array([0.4, 0.07]), indices)
    quadrature = [w @ np.prod([INPUTS[i] * phi for i in index], axis=0) / w.sum() for index in indices]
    np.testing.assert_allclose(found, quadrature, rtol=1e-12)


def test_exact_densities_give_the_flow_to_1e8_through_the_hierarchy():
    s = np.linspace(0.0, 2.0, 9)
    found = [rates(exact_density(1.0, 0.05, x), OUTPUTS, EQUATION) for x in s]
    flow = exact_flow(s, found, FAMILY, speed=LAMBDA)
    assert np.abs(flow.rates.value - expected_rates(1.0, 0.05, s)).max() < 1e-8


def test_exact_densities_give_the_flow_to_1e8_by_differences():
    s = np.linspace(0.0, 0.3, 31)
    tables = [correlators(exact_density(1.0, 0.05, x), OUTPUTS) for x in s]
    flow = measured_flow(s, tables, FAMILY, stencil=7)
    gap = np.abs(flow.rates.value - expected_rates(1.0, 0.05, s))
    assert gap.max() < 1e-8
    assert (gap <= flow.error + 1e-10).all()


@pytest.mark.parametrize("stencil", [3, 5])
def test_differences_converge_with_the_order_of_their_stencil(stencil):
    gaps = []
    for count in (11, 21, 41):
        s = np.linspace(0.0, 2.0, count)
        flow = measured_flow(s, [correlators(exact_density(1.0, 0.05, x), OUTPUTS) for x in s], FAMILY, stencil=stencil)
        gaps.append(np.abs(flow.rates.value - expected_rates(1.0, 0.05, s)).max())
    order = np.polyfit(np.log([11, 21, 41]), np.log(gaps), 1)[0]
    assert stencil - 1.4 < -order < stencil - 0.2


def test_evolved_densities_give_the_flow_within_the_error_estimate():
    from fpsim.evolution.evolve import evolve

    grid, times = Grid.box((-2, 3, 256)), np.linspace(0.0, 1.0, 11)
    fine = evolve(EQUATION, gaussian(grid, TARGET + 1.0, 0.05), times, tolerance=1e-4)
    half = grid.with_shape((128,))
    coarse = evolve(EQUATION, gaussian(half, TARGET + 1.0, 0.05), times, tolerance=4e-4)
    laws = [DensityExpectation(p, q) for p, q in zip(fine.densities, coarse.densities, strict=True)]
    s = LAMBDA * times
    expected = expected_rates(1.0, 0.05, s)
    exact = exact_flow(s, [rates(law, OUTPUTS, EQUATION) for law in laws], FAMILY, speed=LAMBDA)
    gap = np.abs(exact.rates.value - expected)
    assert (gap <= exact.error + 1e-10).all()
    assert exact.error.max() < 1e-3  # and the estimate is worth something
    measured = measured_flow(s, [correlators(law, OUTPUTS) for law in laws], FAMILY)
    assert (np.abs(measured.rates.value - expected) <= measured.error + 1e-10).all()


def test_ensemble_gives_the_flow_within_three_standard_errors():
    rng = np.random.default_rng(7)
    s = np.linspace(0.0, 0.8, 9)
    step = s[1] - s[0]
    w = TARGET + 1.0 + np.sqrt(0.05) * rng.standard_normal(100_000)
    tables = []
    for _ in s:
        tables.append(correlators(SampleExpectation(w[:, None]), OUTPUTS, order=2))
        kick = np.sqrt(D / LAMBDA * (1 - np.exp(-2 * step)))
        w = TARGET + (w - TARGET) * np.exp(-step) + kick * rng.standard_normal(len(w))
    flow = measured_flow(s, tables, FAMILY)
    middle = len(s) // 2
    pull = (flow.rates.value - expected_rates(1.0, 0.05, s))[middle] / flow.error[middle]
    assert (np.abs(pull) < 3.0).all()
    assert (flow.error[middle] < 0.02).all()
    low, high = flow.band()
    assert (low[middle] < high[middle]).all()


def test_fixed_points_and_exponents():
    s = np.linspace(0.0, 1.0, 6)
    flows = []
    for mean, variance in ((1.0, 0.05), (0.5, 0.08), (0.3, 0.02), (0.2, 0.12), (0.05, 0.3)):
        found = [rates(exact_density(mean, variance, x), OUTPUTS, EQUATION) for x in s]
        flows.append(exact_flow(s, found, FAMILY, speed=LAMBDA))
    points = fit_beta(flows, degree=2).fixed_points(margin=0.5)
    infrared = [p for p in points if np.abs(p.couplings - [0.0, 1.0]).max() < 1e-6]
    line = [p for p in points if abs(p.couplings[1]) < 1e-6]
    assert len(infrared) == 1
    assert line
    assert abs(infrared[0].gamma) < 1e-6
    np.testing.assert_allclose(infrared[0].exponents.real, [-2.0, -2.0], atol=1e-6)
    for point in line:
        assert abs(point.gamma + 1.0) < 1e-6
        np.testing.assert_allclose(point.exponents.real, [2.0, 0.0], atol=1e-5)


def test_one_run_does_not_determine_two_dimensional_beta_functions():
    s = np.linspace(0.0, 1.0, 6)
    one = exact_flow(s[:3], [rates(exact_density(1.0, 0.05, x), OUTPUTS, EQUATION) for x in s[:3]], FAMILY)
    with pytest.raises(DomainError, match="do not determine"):
        fit_beta([one], degree=2)


def test_tangency_holds_for_gaussians_and_fails_for_a_mixture():
    table, rate = rates(exact_density(1.0, 0.05, 0.3), OUTPUTS, EQUATION)
    claim = tangency(table, rate, FAMILY)
    assert claim.verdict == "holds"
    assert claim.residual < 1e-10
    two = mixture(GRID, [0.5, 0.5], [TARGET - 0.6, TARGET + 1.2], [0.02, 0.02])
    negative = tangency(*rates(two, OUTPUTS, EQUATION), FAMILY)
    assert negative.verdict == "fails"


def test_tangency_with_as_many_couplings_as_observables_is_trivial():
    two = mixture(GRID, [0.5, 0.5], [TARGET - 0.6, TARGET + 1.2], [0.02, 0.02])
    claim = tangency(*rates(two, OUTPUTS, EQUATION, order=2), ornstein_uhlenbeck(inputs=INPUTS))
    assert claim.residual < 1e-10
    assert claim.verdict == "trivial"  # five indices, but only phi and phi^2 are independent


def test_transfer_to_other_runs_holds_and_fails_with_other_noise():
    s = np.linspace(0.0, 1.0, 11)
    fitted = [run(m, p, s) for m, p in ((1.0, 0.05), (0.5, 0.08), (0.3, 0.02))]
    claim = transfer(fitted, [run(0.7, 0.03, s)], FAMILY)
    assert claim.verdict == "holds"
    assert claim.residual < 1e-3
    slow = CorrelatorRun(
        1.6 * s, [correlators(exact_density(0.7, 0.03, x), OUTPUTS) for x in s]
    )  # runs at another pace
    assert transfer(fitted, [slow], FAMILY).verdict == "fails"


def test_many_fitted_runs_do_not_hide_one_that_is_predicted_badly():
    s = np.linspace(0.0, 1.0, 11)
    fitted = [run(m, p, s) for m, p in ((1.0, 0.05), (0.5, 0.08), (0.3, 0.02))]
    slow = CorrelatorRun(1.05 * s, [correlators(exact_density(0.7, 0.03, x), OUTPUTS) for x in s])
    few, many = transfer(fitted, [slow], FAMILY), transfer([*fitted, *fitted, *fitted], [slow], FAMILY)
    assert few.verdict == "fails"
    assert many.residual == pytest.approx(few.residual, rel=1e-3)


def test_transfer_to_another_noise_needs_that_run_s_own_coupling():
    """The beta functions are the same for every noise; ``h = D / (lambda Z^2)`` is read with each run's own ``D``."""
    s = np.linspace(0.0, 1.0, 11)
    fitted = [run(m, p, s) for m, p in ((1.0, 0.05), (0.5, 0.08), (0.3, 0.02))]
    noise = 2.0 * D / LAMBDA
    moments = [(0.6 * np.exp(-x), noise + (0.05 - noise) * np.exp(-2 * x)) for x in s]
    tables = [correlators(gaussian(GRID, TARGET + m, p), OUTPUTS) for m, p in moments]
    own = CorrelatorRun(s, tables, ornstein_uhlenbeck(noise=noise, inputs=INPUTS))
    claim = transfer(fitted, [own], FAMILY)
    assert claim.verdict == "holds"
    assert claim.residual < 1e-3
    assert transfer(fitted, [CorrelatorRun(s, tables)], FAMILY).verdict == "fails"


def test_transfer_without_anything_to_predict_is_trivial():
    s = np.linspace(0.0, 1.0, 11)
    fitted = [run(m, p, s) for m, p in ((1.0, 0.05), (0.5, 0.08), (0.3, 0.02))]
    assert transfer(fitted, [], FAMILY, orders=(1, 2)).verdict == "trivial"


def ensemble_run(rng, start, s, noise, blocks=32):
    """The same replicas through the process with noise ``noise``: other learning rate or batch size."""
    tables, w = [], start
    for step in np.diff(s, prepend=0.0):
        spread = np.sqrt(noise / LAMBDA * (1 - np.exp(-2 * step)))
        w = TARGET + (w - TARGET) * np.exp(-step) + spread * rng.standard_normal(len(w))
        tables.append(correlators(SampleExpectation(w[:, None], blocks), OUTPUTS))
    return CorrelatorRun(s, tables)


def test_transfer_between_ensembles_and_its_failure():
    rng = np.random.default_rng(12)
    s, size = np.linspace(0.0, 1.0, 7), 20_000

    def normal(mean, variance):
        return TARGET + mean + np.sqrt(variance) * rng.standard_normal(size)

    fitted = [ensemble_run(rng, normal(m, p), s, D, 10) for m, p in ((1.0, 0.05), (0.4, 0.3), (0.3, 0.02))]
    other = ensemble_run(rng, normal(0.7, 0.1), s, D, 10)
    claim = transfer(fitted, [other], FAMILY, tolerance=0.1)
    assert claim.verdict == "holds"
    assert claim.details["coverage"] == (1.0,) * 4  # the fit is not extrapolated
    skewed = ensemble_run(rng, TARGET + 0.1 + 0.5 * rng.exponential(size=size), s, D, 10)
    assert transfer(fitted, [skewed], FAMILY, tolerance=0.1).verdict == "fails"


def test_a_coupling_that_turns_back_is_no_abscissa():
    s = np.linspace(0.0, 1.0, 6)
    there = run(1.0, 0.05, s)
    back = CorrelatorRun(np.arange(6.0), [*there.tables[:3], *there.tables[2::-1]])
    with pytest.raises(DomainError, match="turns back"):
        collapse([there, back], FAMILY)


def test_collapse_over_noise_and_starts_and_its_failure():
    rng = np.random.default_rng(11)
    s, size = np.linspace(0.1, 1.5, 8), 40_000
    family = ornstein_uhlenbeck(inputs=INPUTS)

    def normal(mean, variance):
        return TARGET + mean + np.sqrt(variance) * rng.standard_normal(size)

    runs = [
        ensemble_run(rng, normal(1.0, 0.05), s, D),
        ensemble_run(rng, normal(1.0, 0.05), s, 2 * D),
        ensemble_run(rng, normal(0.7, 0.01), s, D),
    ]
    claim = collapse(runs, family)
    assert claim.verdict == "holds"
    assert claim.details["p_value"] > 0.0027
    skewed = TARGET + 0.2 + 0.9 * rng.exponential(size=size)
    negative = collapse([*runs, ensemble_run(rng, skewed, s, D)], family)
    assert negative.verdict == "fails"
    assert negative.details["p_value"] < 1e-6


def test_collapse_of_what_defines_the_couplings_is_trivial():
    s = np.linspace(0.0, 1.0, 6)
    runs = [run(1.0, 0.05, s), run(0.7, 0.03, s)]
    single = [CorrelatorRun(r.clock, [correlators(exact_density(m, p, x), Outputs(lambda w: [w - TARGET])) for x in s])
              for r, (m, p) in zip(runs, ((1.0, 0.05), (0.7, 0.03)), strict=True)]  # fmt: skip
    assert collapse(single, ornstein_uhlenbeck(), orders=(1, 2)).verdict == "trivial"
