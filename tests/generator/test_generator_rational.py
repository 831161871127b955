"""Approximations of the exponential with one real pole, evaluated by their definition."""

import numpy as np
import pytest
from generator_oracles import fitted_order

from fpsim.generator.propagation.rational_approximation import STRIP, ApproximationFamily, evaluate, fit

FAMILY = ApproximationFamily()
TABLE = FAMILY.table
LEVELS = range(TABLE.degrees.size)


def approximation(level, z, row=0):
    """``sum_k c_k s^k`` with ``s = 1 - 2 / (1 - z / x)``."""
    FAMILY.require(level)
    return np.polyval(TABLE.coefficients[level, row, ::-1], 1 - 2 / (1 - z / TABLE.poles[level]))


def places(rng):
    """Border of the strip in many more points than the fit uses, and the inside at random."""
    away = -np.concatenate([np.linspace(0, 30, 3001), np.geomspace(30, 1e8, 3000)])
    border = np.concatenate([1j * STRIP * np.linspace(0, 1, 3001), 1j * STRIP + away, away])
    inside = -(10.0 ** rng.uniform(-3, 5, 3000)) + 1j * STRIP * rng.uniform(-1, 1, 3000)
    return np.concatenate([border, inside])


@pytest.mark.parametrize("level", LEVELS)
def test_error_stated_holds_on_the_strip(level):
    z = places(np.random.default_rng(level))
    error = np.abs(approximation(level, z) - np.exp(z)).max()
    assert 0.8 * TABLE.errors[level] < error < TABLE.errors[level]


def test_errors_fall_with_the_degree():
    for level in LEVELS:
        FAMILY.require(level)
    errors = TABLE.errors
    assert np.all(errors[2:] < errors[:-2] / 8)
    assert errors[0] < 0.015
    assert errors[-1] < 2e-12  # rounding of the fit ends it


@pytest.mark.parametrize("level", LEVELS)
def test_mass_is_kept_and_nothing_grows(level):
    assert approximation(level, 0.0) == pytest.approx(1.0, abs=1e-15)
    assert approximation(level, 0.0, row=1) == pytest.approx(0.0, abs=1e-15)
    axis = 1j * np.geomspace(1e-3, 1e8, 20000)
    assert np.abs(approximation(level, axis)).max() < (1.006 if level < 2 else 1.0005)
    rng = np.random.default_rng(level)
    half_plane = -(10.0 ** rng.uniform(-4, 4, 5000)) + 1j * 10.0 ** rng.uniform(-4, 4, 5000)
    assert np.abs(approximation(level, half_plane)).max() < 1.006
    assert abs(approximation(level, -1e18)) < 1e-12
    assert np.sum(TABLE.coefficients[level, 0] ** 2) < 1.01


@pytest.mark.parametrize("level", [0, 2, 4])
def test_agreement_at_zero_up_to_the_third_power(level):
    sizes = np.geomspace(0.03, 0.3, 8)
    errors = [np.abs(approximation(level, z) - np.exp(z)) for z in sizes * np.exp(2j)]
    assert 3.85 < fitted_order(sizes, errors) < 4.15


@pytest.mark.parametrize("level", [0, 4, 9, 13])
def test_second_row_is_the_difference_to_two_degrees_less(level):
    z = places(np.random.default_rng(level))
    coarse = np.abs(approximation(level, z) - approximation(level, z, row=1) - np.exp(z)).max()
    FAMILY.require(level)
    assert 3 < coarse / TABLE.errors[level] < 30
    assert not TABLE.coefficients[level, :, TABLE.degrees[level] + 1 :].any()


def test_levels_are_fitted_when_asked_for():
    family = ApproximationFamily()
    assert np.isnan(family.table.errors).all()
    family.require(3)
    assert np.isnan(family.table.errors).sum() == family.table.errors.size - 1
    coefficients, error = fit(14, family.table.poles[3])
    assert error == family.table.errors[3]
    np.testing.assert_array_equal(family.table.coefficients[3, 0, :15], coefficients)
    z = np.array([0.5j - 1.0, -3.0 + 0j])
    np.testing.assert_allclose(evaluate(coefficients, family.table.poles[3], z), np.exp(z), atol=error)
