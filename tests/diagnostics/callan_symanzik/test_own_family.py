"""A coupling family of the user's own: uniform laws, which a linear drift without noise keeps and noise does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from fpsim.density import Grid, from_function
from fpsim.diagnostics.callan_symanzik import Outputs, ParametricFamily, correlators, exact_flow, rates, tangency
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError

LAMBDA, MEAN, HALF = 0.7, 0.5, 0.4
OUTPUTS = Outputs(lambda w: [w])
GRID = Grid.box((-1, 2, 240))


def uniform_moment(theta, n):
    """E phi^n of the uniform law on [m - a, m + a]."""
    m, a = theta
    return ((m + a) ** (n + 1) - (m - a) ** (n + 1)) / (2 * a * (n + 1))


FAMILY = ParametricFamily(
    ("g",),
    uniform_moment,
    lambda first, second: np.array([first, np.sqrt(3 * (second - first**2))]),
    lambda theta: np.array([np.sqrt(uniform_moment(theta, 2)), theta[0] ** 2 / uniform_moment(theta, 2)]),
)


def density():
    """Walls of the law on faces of the grid, so that cell averages are exact."""
    return from_function(GRID, lambda w: (np.abs(w - MEAN) < HALF).astype(float))


def test_family_of_the_user_holds_where_it_is_kept_and_fails_where_it_is_not():
    law = density()
    kept = tangency(*rates(law, OUTPUTS, FokkerPlanck(drift=lambda w: -LAMBDA * w)), FAMILY)
    assert kept.verdict == "holds"
    assert kept.residual < 1e-4
    spread = tangency(*rates(law, OUTPUTS, FokkerPlanck(drift=lambda w: -LAMBDA * w, diffusion=0.1)), FAMILY)
    assert spread.verdict == "fails"
    table, rate = rates(law, OUTPUTS, FokkerPlanck(drift=lambda w: -LAMBDA * w, diffusion=0.1), order=2)
    assert tangency(table, rate, FAMILY).verdict == "trivial"


def test_flow_in_a_family_of_the_user():
    """Linear contraction moves Z and leaves the shape: gamma = -lambda, beta = 0."""
    flow = exact_flow([0.0], [rates(density(), OUTPUTS, FokkerPlanck(drift=lambda w: -LAMBDA * w))], FAMILY)
    np.testing.assert_allclose(flow.gamma, -LAMBDA, rtol=1e-8)
    np.testing.assert_allclose(flow.beta, 0.0, atol=1e-8)


def test_any_object_with_the_four_members_is_a_family():
    @dataclass(frozen=True)
    class Centred:
        """``phi ~ N(0, Z^2)``: no coupling."""

        names: tuple[str, ...] = ()

        def read(self, indices, full):
            return np.array([np.sqrt(full[list(indices).index((0, 0))])])

        def correlators(self, theta, indices):
            return np.array([{1: 0, 2: 1, 3: 0, 4: 3}[len(i)] * theta[0] ** len(i) for i in indices], float)

        def couplings(self, theta):
            return theta

    p = from_function(Grid.box((-6, 6, 240)), lambda w: np.exp(-0.5 * w**2 / 0.8) / np.sqrt(2 * np.pi * 0.8))
    linear = FokkerPlanck(drift=lambda w: -LAMBDA * w, diffusion=0.3)
    assert tangency(*rates(p, OUTPUTS, linear), Centred()).verdict == "holds"
    pushed = FokkerPlanck(drift=lambda w: 0.5 - LAMBDA * w, diffusion=0.3)
    assert tangency(*rates(p, OUTPUTS, pushed), Centred()).verdict == "fails"


def test_moments_outside_the_family_are_named():
    table = correlators(density(), OUTPUTS)
    impossible = np.where([len(i) == 2 for i in table.indices], 0.1, table.full.value)
    with np.errstate(invalid="ignore"), pytest.raises(DomainError, match="no member of the family"):
        FAMILY.read(table.indices, impossible)
