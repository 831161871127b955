"""Limit laws against published digits, the Painleve II representation and exact identities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import airy

from fpsim.diagnostics.surface_growth.tracy_widom import limit_law
from fpsim.support.errors import DomainError

# Bornemann, Markov Processes Relat. Fields 16, 803 (2010): mean, variance, skewness, excess kurtosis.
PUBLISHED = {
    "gue": (-1.771086807411, 0.8131947928329, 0.224084203610, 0.0934480876),
    "goe": (-1.2065335745820, 1.607781034581, 0.29346452408, 0.1652429384),
}
# Praehofer & Spohn, Phys. Rev. Lett. 84, 4882 (2000), to the five digits printed.
STATIONARY = (0.0, 1.15039, 0.35941, 0.28916)


def _numbers(law):
    c = law.cumulants
    return np.array([c.mean, c.variance, c.skewness, c.kurtosis])


@pytest.mark.parametrize("name", ["gue", "goe"])
def test_cumulants_are_the_published_ones(name):
    assert np.allclose(_numbers(limit_law(name)), PUBLISHED[name], rtol=0, atol=1e-9)


def test_flat_law_is_the_orthogonal_one_in_other_units():
    expected = np.array(PUBLISHED["goe"]) * np.array([2 ** (-2 / 3), 2 ** (-4 / 3), 1, 1])
    assert np.allclose(_numbers(limit_law("flat")), expected, rtol=0, atol=1e-9)
    s = np.linspace(-4, 3, 29)
    assert np.allclose(limit_law("flat").cdf(s), limit_law("goe").cdf(2 ** (2 / 3) * s), rtol=0, atol=1e-12)


def test_stationary_law():
    assert np.allclose(_numbers(limit_law("baik-rains")), STATIONARY, rtol=0, atol=6e-6)
    assert abs(limit_law("baik-rains").cumulants.mean) < 1e-8  # exact: the stationary height has mean v t


def test_laws_are_the_painleve_ones():
    """F2 = exp(-int (x - s) q^2), F1^2 = F2 exp(-int q) with Hastings & McLeod's solution of q'' = s q + 2 q^3."""
    start, s = 8.0, np.linspace(6.0, -4.0, 41)

    def right_side(x, y):
        q, slope, _, first, _ = y
        return [slope, x * q + 2 * q**3, -first, -(q**2), -q]

    ai, slope, _, _ = airy(start)
    y0 = [ai, slope, 0.0, 0.0, 0.0]
    y = solve_ivp(right_side, (start, -4.0), y0, t_eval=s, method="DOP853", rtol=1e-13, atol=1e-20).y
    f2 = np.exp(-y[2])
    assert np.allclose(limit_law("gue").cdf(s), f2, rtol=0, atol=1e-8)
    assert np.allclose(limit_law("goe").cdf(s), np.sqrt(f2 * np.exp(-y[4])), rtol=0, atol=1e-8)
    # d/ds log F2 = int_s^inf q^2
    assert np.allclose(limit_law("gue").pdf(s), f2 * y[3], rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["gue", "goe", "flat", "baik-rains"])
def test_laws_are_laws(name):
    law = limit_law(name)
    s = np.linspace(-12, 18, 3001)
    cdf = law.cdf(s)
    assert cdf[0] == 0.0
    assert cdf[-1] == 1.0
    assert np.all(np.diff(cdf) > -1e-7)
    assert np.all(law.pdf(s) >= 0)
    assert np.trapezoid(law.pdf(s), s) == pytest.approx(1.0, abs=1e-7)
    assert np.trapezoid(s * law.pdf(s), s) == pytest.approx(law.cumulants.mean, abs=1e-5)


def test_the_laws_differ_by_far_more_than_their_errors():
    values = np.array([_numbers(limit_law(name)) for name in ("gue", "flat", "baik-rains")])
    assert np.min(np.abs(np.diff(values, axis=0))) > 0.05


def test_unknown_law():
    with pytest.raises(DomainError, match=r"gaussian.*accepted: gue, goe, flat, baik-rains"):
        limit_law("gaussian")
