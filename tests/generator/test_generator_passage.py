"""First passage, committors and spectra against quadrature, the sinc method and closed forms."""

import numpy as np
import pytest
from generator_oracles import fitted_order, passage_moments, sinc_eigenvalues
from scipy.integrate import cumulative_simpson

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator import (
    build_generator,
    committor,
    mean_first_passage_time,
    passage_time_variance,
    quasi_stationary,
    slowest_modes,
    splitting_probability,
)

GAPS = {0.1: 3.3545e-2, 0.06: 6.3147e-3, 0.04: 8.0876e-4, 0.03: 1.0270e-4}


def potential(x):
    return (x * x - 1) ** 2 / 4


def double_well(diffusion, n=400):
    return build_generator(FokkerPlanck(potential=potential, diffusion=diffusion), Grid.box((-2.5, 2.5, n)))


@pytest.mark.parametrize("diffusion", GAPS)
def test_spectral_gap_of_the_double_well(diffusion):
    exact = sinc_eigenvalues(lambda x: x**3 - x, lambda x: 3 * x**2 - 1, diffusion, 3.0)[:4]
    assert exact[1] == pytest.approx(GAPS[diffusion], rel=2e-4)  # the published figure
    found = slowest_modes(double_well(diffusion), 4)
    assert found.eigenvalues[0] == pytest.approx(0.0, abs=1e-13)
    np.testing.assert_allclose(-found.eigenvalues[1:], exact[1:], rtol=1e-3)
    assert found.relaxation_times[0] == np.inf
    assert found.relaxation_times[1] == pytest.approx(1 / exact[1], rel=1e-3)


@pytest.mark.parametrize("diffusion", GAPS)
def test_passage_time_and_variance_of_the_double_well(diffusion):
    generator = double_well(diffusion)
    mean, variance = passage_moments(potential, diffusion, -1.0, 0.0, -2.5)
    x = generator.grid.centers[0]
    found = mean_first_passage_time(generator, lambda x: x > 0)
    assert np.interp(-1.0, x, found.value) == pytest.approx(mean, rel=1e-3)
    spread = passage_time_variance(generator, lambda x: x > 0)
    assert np.interp(-1.0, x, spread.value) == pytest.approx(variance, rel=2e-3)
    assert not found.value[x > 0].any()


def test_passage_over_thirty_orders_of_magnitude():
    def steep(x):
        return 2 * (x * x - 1) ** 2

    grid = Grid.box((-1.8, 1.8, 600))
    generator = build_generator(FokkerPlanck(potential=steep, diffusion=0.028), grid)
    mean, _ = passage_moments(steep, 0.028, -1.0, 0.0, -1.8)
    assert mean > 1e30
    found = mean_first_passage_time(generator, lambda x: x > 0).value
    assert np.interp(-1.0, grid.centers[0], found) == pytest.approx(mean, rel=1e-3)
    # exponential escape: the quasi-stationary rate is the inverse of the mean time from the well's bottom
    assert quasi_stationary(generator, lambda x: x > 0).rate.value == pytest.approx(1 / mean, rel=1e-3)


def test_passage_is_second_order():
    mean, _ = passage_moments(potential, 0.1, -1.0, 0.0, -2.5)
    errors, sizes = [], (50, 100, 200)
    for n in sizes:
        generator = double_well(0.1, n)
        value = mean_first_passage_time(generator, lambda x: x > 0).value
        errors.append(np.interp(-1.0, generator.grid.centers[0], value) - mean)
    assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.3


def test_committor_of_the_double_well():
    # q = int_a^x e^{V/D} / int_a^b e^{V/D}; the sets end on faces at -1 and 1
    generator = double_well(0.1)
    fine = np.linspace(-1, 1, 4001)
    weight = cumulative_simpson(np.exp(potential(fine) / 0.1), x=fine, initial=0.0)
    x = generator.grid.centers[0]
    found = committor(generator, lambda x: x < -1, lambda x: x > 1).value
    inside = np.abs(x) < 1
    np.testing.assert_allclose(found[inside], np.interp(x[inside], fine, weight / weight[-1]), atol=2e-4)
    np.testing.assert_array_equal(found[x > 1], 1.0)
    np.testing.assert_array_equal(found[x < -1], 0.0)


def test_splitting_probabilities_sum_to_one_and_targets_may_be_masks_or_indices():
    generator = double_well(0.2, 60)
    x = generator.grid.centers[0]
    by_mask = splitting_probability(generator, [x < -1, (x > 0) & (x < 0.1), x > 1]).value
    np.testing.assert_allclose(by_mask.sum(axis=0), 1.0, atol=1e-12)
    assert by_mask.min() >= 0.0
    index = np.flatnonzero((x > 0) & (x < 0.1))
    again = splitting_probability(generator, [lambda x: x < -1, index, lambda x: x > 1]).value
    np.testing.assert_array_equal(by_mask, again)


@pytest.mark.parametrize("tensor", [[0.1, 0.2], [[0.1, 0.08], [0.08, 0.2]]])
@pytest.mark.parametrize("wall", ["target", "absorbing"])
def test_passage_through_a_strip_does_not_see_the_other_axis(tensor, wall):
    # drift along x of x alone, y periodic: the passage in x is the one-dimensional one, whatever the correlation
    mean, _ = passage_moments(potential, 0.1, -1.0, 0.0, -2.5)
    errors, sizes = [], (50, 100, 200)
    for n in sizes:
        x = (-2.5, 2.5, n) if wall == "target" else (-2.5, 0.0, n // 2)
        sides = "reflecting" if wall == "target" else ("reflecting", "absorbing")
        grid = Grid.box(x, (0, 1, n // 10), boundary=[sides, "periodic"])
        equation = FokkerPlanck(drift=lambda x, y: (x - x**3 + 0 * y, 0.3 * np.sin(2 * np.pi * y)), diffusion=tensor)
        generator = build_generator(equation, grid)
        target = (lambda x, y: (x > 0) & (y < 2)) if wall == "target" else None
        found = mean_first_passage_time(generator, target).value
        at_start = np.array([np.interp(-1.0, grid.centers[0], column) for column in found.T])
        errors.append(np.abs(at_start / mean - 1).max())
    assert errors[-1] < 1e-3
    assert fitted_order(1.0 / np.array(sizes), errors) > 1.8


def test_eigenvalues_of_ornstein_uhlenbeck():
    errors, sizes = [], (40, 80, 160)
    for n in sizes:
        generator = build_generator(FokkerPlanck(drift=lambda x: -x, diffusion=0.2), Grid.box((-3.5, 3.5, n)))
        errors.append(np.abs(slowest_modes(generator, 4).eigenvalues + np.arange(4)).max())
    assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.2


def test_complex_eigenvalues_of_a_rotation_and_their_vectors():
    rotation = np.linalg.eigvals(np.array([[1.0, 0.8], [-0.5, 2.0]]))
    exact = [0.0, *(-rotation), -rotation.sum().real, *(-2 * rotation)]
    drift = lambda x, y: (-(x + 0.8 * y), -(-0.5 * x + 2.0 * y))  # noqa: E731
    errors, sizes = [], (32, 48, 72)
    for n in sizes:
        grid = Grid.box((-2, 2, n), (-2, 2, n))
        generator = build_generator(FokkerPlanck(drift=drift, diffusion=[0.1, 0.2]), grid)
        found = slowest_modes(generator, 6)
        errors.append(max(np.abs(found.eigenvalues - value).min() for value in exact))
    assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.2
    left, right = found.densities.reshape(6, -1), found.observables.reshape(6, -1)
    np.testing.assert_allclose(left @ right.T * grid.cell_volume, np.eye(6), atol=1e-8)
    for k, value in enumerate(found.eigenvalues):
        np.testing.assert_allclose(generator.matrix @ right[k], value * right[k], atol=1e-8)
        np.testing.assert_allclose(generator.matrix.T @ left[k], value * left[k], atol=1e-8)


def test_eigenvalues_of_drift_and_diffusion_on_a_ring():
    grid = Grid.box((0, 2 * np.pi, 200), boundary="periodic")
    generator = build_generator(FokkerPlanck(drift=lambda x: 0.7 + 0 * x, diffusion=0.5), grid)
    found = np.sort_complex(slowest_modes(generator, 5).eigenvalues)
    exact = np.sort_complex([0.0, *(-0.5 * k * k + 0.7j * k for k in (-2, -1, 1, 2))])
    np.testing.assert_allclose(found, exact, atol=2e-3)


@pytest.mark.parametrize("solver", ["lu", "iterative"])
def test_methods_of_large_grids_agree_with_elimination(solver):
    # LU and BiCGSTAB against subtraction-free elimination, each within its own estimate
    grid = Grid.box((-2, 2, 16), (-2, 2, 15))
    drift = lambda x, y: (x - x**3 + 0.5 * y, -2.0 * y - 0.5 * x)  # noqa: E731
    generator = build_generator(FokkerPlanck(drift=drift, diffusion=[[0.1, 0.05], [0.05, 0.1]]), grid)
    target = lambda x, y: (x > 0.5) & (np.abs(y) < 1)  # noqa: E731

    def analyses(solver):
        died = quasi_stationary(generator, target, solver=solver)
        return (
            mean_first_passage_time(generator, target, solver=solver),
            passage_time_variance(generator, target, solver=solver),
            committor(generator, lambda x, y: (x < -0.5) & (np.abs(y) < 1), target, solver=solver),
            died.rate,
        ), slowest_modes(generator, 4, solver=solver).eigenvalues

    exact, eigenvalues = analyses("elimination")
    again, modes = analyses(solver)
    for a, b in zip(exact, again, strict=True):
        assert a.method != b.method
        assert np.all(np.abs(np.asarray(a.value) - b.value) <= np.asarray(a.error) + b.error)
        np.testing.assert_allclose(a.value, b.value, atol=1e-9 * np.max(a.value))
    np.testing.assert_allclose(eigenvalues, modes, atol=1e-9)
