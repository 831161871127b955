"""Identities on exact densities and through the generator, with negatives that must fail."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fpsim.density import Grid, gaussian
from fpsim.diagnostics.callan_symanzik import (
    Claim,
    Identity,
    Outputs,
    backward_residual,
    conditional_correlators,
    hierarchy_residual,
)
from fpsim.diagnostics.callan_symanzik import rates as rates_of
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import jackknife, propagate_errors, stack

LAMBDA, D = 1.3, 0.05
EQUATION = FokkerPlanck(drift=lambda w: -LAMBDA * w, diffusion=D)
OUTPUTS = Outputs(lambda w: [w, 2.0 * w])
GRID = Grid.box((-3, 3, 256))


def exact(t, grid=GRID):
    return gaussian(grid, np.exp(-LAMBDA * t), D / LAMBDA + (0.05 - D / LAMBDA) * np.exp(-2 * LAMBDA * t))


def test_hierarchy_holds_on_exact_densities_and_fails_for_a_wrong_noise():
    times = np.linspace(0.0, 0.4, 9)
    laws = [exact(t) for t in times]
    right = hierarchy_residual(times, laws, OUTPUTS, EQUATION)
    assert right.verdict == "holds"
    finer = np.linspace(0.0, 0.4, 17)
    half = hierarchy_residual(finer, [exact(t) for t in finer], OUTPUTS, EQUATION)
    assert 12.0 < right.residual / half.residual < 20.0  # Simpson
    wrong = hierarchy_residual(times, laws, OUTPUTS, FokkerPlanck(drift=lambda w: -LAMBDA * w, diffusion=1.05 * D))
    assert wrong.verdict == "fails"


def test_rates_with_a_state_dependent_tensor_by_hand():
    """``A(u v) = b_u v + b_v u + 2 D_uv`` and ``A(u^2) = 2 u b_u + 2 D_uu``, averaged by quadrature."""
    equation = FokkerPlanck(
        drift=lambda u, v: (-u + v, u * v), diffusion=lambda u, v: [[1 + u * u, u * v / 2], [u * v / 2, 1 + v * v]]
    )
    grid = Grid.box((-4, 4, 96), (-4, 4, 96))
    p = gaussian(grid, [0.2, -0.3], [0.16, 0.2])
    _, rate = rates_of(p, Outputs(lambda u, v: [u, v]), equation, order=2)
    z, w = np.polynomial.hermite_e.hermegauss(20)
    u, v = np.meshgrid(0.2 + 0.4 * z, -0.3 + np.sqrt(0.2) * z, indexing="ij")
    weight = np.outer(w, w) / w.sum() ** 2
    expected = [-u + v, u * v, 2 * u * (v - u) + 2 * (1 + u * u), (v - u) * v + u * v * u + u * v,
                2 * v * u * v + 2 * (1 + v * v)]  # fmt: skip
    assert_allclose(rate.value, [np.sum(weight * e) for e in expected], rtol=1e-9, atol=1e-9)


def test_rates_convert_the_calculus():
    """Stratonovich noise ``sigma(w) = w sqrt(2 d)`` adds ``sigma sigma' / 2 = d w``: d_t E w = d E w, d_t E w^2 = 4 d E
    w^2."""
    d = 0.3
    equation = FokkerPlanck(diffusion=lambda w: d * w * w, calculus="stratonovich")
    table, rate = rates_of(gaussian(GRID, 0.8, 0.04), Outputs(lambda w: [w]), equation, order=2)
    assert_allclose(rate.value / table.full.value, [d, 4 * d], rtol=1e-7)


def test_conditional_functions_of_the_linear_process():
    """E[W_t^2 | w] = w^2 e^{-2 lambda t} + (D / lambda)(1 - e^{-2 lambda t})."""
    t, gaps = 0.3, []
    decay = np.exp(-2 * LAMBDA * t)
    for n in (64, 128, 256):
        grid = Grid.box((-3, 3, n))
        w, inner = grid.centers[0], slice(n // 4, -n // 4)
        found = conditional_correlators(EQUATION, grid, OUTPUTS, (0, 1), [t])[0]
        gaps.append(np.abs(found - 2 * (w**2 * decay + D / LAMBDA * (1 - decay)))[inner].max())
    assert gaps[-1] < 0.01
    assert 1.7 < np.log2(gaps[0] / gaps[2]) / 2 < 2.3


def test_backward_identity_converges_and_fails_for_another_equation():
    grid = Grid.box((-3, 3, 512))
    right = backward_residual(EQUATION, grid, OUTPUTS, (0, 0, 1), 0.3)
    assert right.verdict == "holds"
    assert right.residual < 1e-3
    assert 1.7 < np.log2(right.details["coarse_residual"] / right.residual) < 2.3
    other = FokkerPlanck(drift=lambda w: -LAMBDA * w, diffusion=1.3 * D)
    assert backward_residual(EQUATION, grid, OUTPUTS, (0, 0, 1), 0.3, against=other).verdict == "fails"


def test_backward_identity_with_a_tensor_in_two_dimensions():
    equation = FokkerPlanck(
        drift=lambda u, v: (-u + 0.3 * v, -0.5 * v), diffusion=np.array([[0.1, 0.04], [0.04, 0.06]])
    )
    grid = Grid.box((-2, 2, 64), (-2, 2, 64))
    outputs = Outputs(lambda u, v: [np.tanh(u) * v])
    right = backward_residual(equation, grid, outputs, (0,), 0.2)
    assert right.verdict == "holds"
    untilted = FokkerPlanck(drift=equation.drift, diffusion=[0.1, 0.06])
    assert backward_residual(equation, grid, outputs, (0,), 0.2, against=untilted).verdict == "fails"


def test_estimates_propagate_errors():
    rng = np.random.default_rng(3)
    x = 2.0 + rng.standard_normal((40, 500))
    y = 3.0 + 2.0 * rng.standard_normal((40, 500))
    count = np.full(40, 500)
    a, b = jackknife(x.sum(axis=1), count), jackknife(y.sum(axis=1), count)
    assert_allclose(a.error, 1 / np.sqrt(x.size), rtol=0.5)
    ratio = propagate_errors(lambda p, q: p / q, a, b)
    assert_allclose(ratio.error, np.hypot(a.error / 3.0, 2.0 * b.error / 9.0), rtol=0.02)
    same = stack([a, a]).map(lambda v: v[0] - v[1])
    assert same.error == 0.0
    assert propagate_errors(lambda p, q: p - q, a, a).error > 0.0  # taken as independent
    with pytest.raises(DomainError, match="replicates"):
        stack([a, jackknife(x[:20].sum(axis=1), count[:20])])


def test_verdicts():
    def claim(residual, error, freedom=1):
        return Claim("c", residual, error, 0.1, freedom).verdict

    assert claim(0.01, 0.01) == "holds"
    assert claim(0.5, 0.01) == "fails"
    assert claim(0.09, 0.01) == claim(0.12, 0.01) == "inconclusive"
    assert claim(0.0, 0.0, freedom=0) == "trivial"
    assert claim(float("nan"), 0.0) == "inconclusive"
    assert Identity("i", 1e-3, 1e-3).verdict == "holds"
    assert Identity("i", 1e-3, 1e-4).verdict == "fails"
    with pytest.raises(DomainError, match="tolerance"):
        Claim("c", 0.0, 0.0, -1.0)


def test_bad_input_is_named():
    with pytest.raises(DomainError, match="4 n \\+ 1"):
        hierarchy_residual([0.0, 0.1], [exact(0.0), exact(0.1)], OUTPUTS, EQUATION)
    with pytest.raises(DomainError, match="grid array"):
        rates_of(exact(0.0), OUTPUTS, FokkerPlanck(drift=np.ones(256), diffusion=D))
    with pytest.raises(DomainError, match="depends on the density"):
        rates_of(exact(0.0), OUTPUTS, FokkerPlanck(drift=lambda w, p: -w, diffusion=D))
    with pytest.raises(DomainError, match="even cell counts"):
        backward_residual(EQUATION, Grid.box((-3, 3, 33)), OUTPUTS, (0,), 0.3)
