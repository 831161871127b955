"""Claims about surfaces: what is true holds, what is false fails, what could not fail is trivial."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.diagnostics.surface_growth.claims import (
    exact_value,
    exponent,
    limit_law_claims,
    power_law,
    spectrum_identity,
)
from fpsim.diagnostics.surface_growth.cumulants import RescaledCumulants
from fpsim.diagnostics.surface_growth.roughness import roughness_exponent
from fpsim.diagnostics.surface_growth.spectrum import compare_spectrum, structure_factor
from fpsim.diagnostics.surface_growth.tracy_widom import Cumulants, limit_law
from fpsim.uncertainty.result import Result


def test_exact_value_is_judged_by_its_relative_error():
    assert exact_value("w", 5.05, 0.02, 5.0).verdict == "holds"
    assert exact_value("w", 5.10, 0.02, 5.0).verdict == "fails"
    assert exact_value("w", -5.05, 0.02, -5.0).residual == pytest.approx(0.01)


@pytest.mark.parametrize(("value", "verdict"), [(1 / 3, "holds"), (1 / 4, "fails"), (0.37, "inconclusive")])
def test_exponents_of_two_classes_are_told_apart(value, verdict):
    assert exponent("beta", Result(0.335, 0.005, ""), value, tolerance=0.04).verdict == verdict


def test_widths_on_a_power_hold_bent_ones_fail_and_two_are_trivial():
    sizes, rng = np.array([16.0, 32.0, 64.0, 128.0]), np.random.default_rng(1)
    straight = sizes * (1 + 0.005 * rng.standard_normal(4))
    bent = sizes / (1 + sizes / 20.0)  # on its way to a constant
    for widths, verdict in ((straight, "holds"), (bent, "fails")):
        fit = roughness_exponent(sizes, widths, 0.005 * widths)
        assert power_law("widths", fit, 0.005).verdict == verdict
    assert power_law("widths", roughness_exponent(sizes[:2], bent[:2], 0.01 * bent[:2]), 0.01).verdict == "trivial"


def test_limit_laws_are_told_apart():
    flat = limit_law("flat").cumulants
    near = RescaledCumulants(
        Cumulants(flat.mean * 1.01, flat.variance * 0.99, flat.skewness + 0.01, flat.kurtosis),
        Cumulants(0.005, 0.005, 0.01, 0.02),
        8.0,
        64.0,
    )
    mean, variance, skewness = limit_law_claims("flat", near, limit_law("flat"), tolerance=0.05)
    assert mean.residual == pytest.approx(0.01)
    assert variance.residual == pytest.approx(0.01)
    assert skewness.residual == pytest.approx(0.01)
    assert {c.verdict for c in (mean, variance, skewness)} == {"holds"}
    for law in ("gue", "baik-rains"):
        assert {c.verdict for c in limit_law_claims(law, near, limit_law(law), tolerance=0.05)[:2]} == {"fails"}


def test_spectrum_of_white_noise_is_white():
    measured = structure_factor(np.random.default_rng(2).standard_normal((500, 64)))
    assert spectrum_identity("white", compare_spectrum(measured, np.ones(32))).verdict == "holds"
    assert spectrum_identity("louder", compare_spectrum(measured, 1.2 * np.ones(32))).verdict == "fails"
