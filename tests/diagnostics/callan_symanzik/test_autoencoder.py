"""The linear auto-encoder d = k = 1: closure holds early and dies at the valley; identities hold all the way."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fpsim.density import Grid, gaussian
from fpsim.diagnostics.callan_symanzik import (
    CorrelatorRun,
    Outputs,
    SampleExpectation,
    collapse,
    correlators,
    hierarchy_residual,
    lognormal,
    lognormal2,
    network_outputs,
    rates,
    tangency,
    tangent_kernel,
)
from fpsim.diagnostics.callan_symanzik.cutoff import NetworkLoss
from fpsim.equation import FokkerPlanck
from fpsim.network import BottleneckAutoEncoder

C, KAPPA, THETA, S2 = 1.0, 2.0, 0.1, 0.05
ERROR = Outputs(lambda x: [np.exp(x) - 1.0])  # output minus target at x* = 1, in x = ln w


def coefficients(w):
    """Drift and diffusion of w = u v on the balanced leaf (q = 0, R = 2 w)."""
    r, s = w - 1.0, THETA * KAPPA * (w - 1.0) ** 2
    return -2.0 * C * r * w + w * s, 2.0 * w**2 * s


def equation():
    def drift(x):
        w = np.exp(x)
        b, d = coefficients(w)
        return b / w - d / w**2

    def diffusion(x):
        return coefficients(np.exp(x))[1] / np.exp(2 * x)

    return FokkerPlanck(drift=drift, diffusion=diffusion)


def by_quadrature(mu, orders):
    """R1 of the shifted lognormal family by the trapezoidal rule and plain least squares."""
    z = np.linspace(-10.0, 10.0, 20_001)
    weight = np.exp(-0.5 * z * z)
    weight = weight / weight.sum()
    w = np.exp(mu + np.sqrt(S2) * z)
    b, d = coefficients(w)
    f, n = w - 1.0, range(1, orders + 1)
    unit = np.array([weight @ np.abs(f) ** k for k in n])
    first = np.array([weight @ (k * f ** (k - 1) * b) for k in n])
    second = np.array([weight @ (k * (k - 1) * f ** max(k - 2, 0) * d) for k in n])
    by_mu = np.array([weight @ (k * f ** (k - 1) * w) for k in n])
    by_s2 = 0.5 * (by_mu + np.array([weight @ (k * (k - 1) * f ** max(k - 2, 0) * w * w) for k in n]))
    y, span = (first + second) / unit, np.stack([by_mu, by_s2], axis=1) / unit[:, None]
    return np.linalg.norm(y - span @ np.linalg.lstsq(span, y, rcond=None)[0]) / np.linalg.norm(y)


def test_tangency_from_holding_to_failing_as_the_start_nears_the_valley():
    family, found = lognormal2(target=1.0), []
    for mu in (-3.0, -1.0, -0.3, 0.0):
        p = gaussian(Grid.box((mu - 10 * S2**0.5, mu + 10 * S2**0.5, 512)), mu, S2)
        claim = tangency(*rates(p, ERROR, equation()), family)
        assert_allclose(claim.residual, by_quadrature(mu, 4), atol=1e-5)
        found.append(claim)
    values = [claim.residual for claim in found]
    assert values == sorted(values)
    assert values[0] < 1e-3
    assert 0.05 < values[2] < 0.15
    assert values[3] > 0.9
    assert [claim.verdict for claim in found] == ["holds", "holds", "fails", "fails"]


def test_tangency_rises_along_the_evolved_density():
    from fpsim.generator import build_generator, propagate

    grid, times = Grid.box((-5.5, 1.5, 512)), [0.0, 0.5, 1.0, 2.0, 2.5, 3.0]
    densities = propagate(build_generator(equation(), grid), gaussian(grid, -3.0, S2), times)
    claims = [tangency(*rates(p, ERROR, equation(), order=5), lognormal2(target=1.0)) for p in densities]
    values = [claim.residual for claim in claims]
    assert values[0] < 1e-4
    assert values == sorted(values)
    assert values[-1] > 0.5
    assert claims[0].verdict == claims[1].verdict == "holds"
    assert claims[-1].verdict == "fails"


X = np.sqrt(np.array([[0.2], [0.5], [1.3], [2.0]]))  # mean square 1, variance of the square 0.495
K = float(np.var(X**2))
NETWORK = BottleneckAutoEncoder(1, 1)


def joint_equation(learning_rate):
    """Order-one equation of (u, v) with batches of one sample."""

    def diffusion(u, v):
        f = 0.5 * learning_rate * K * (u * v - 1) ** 2
        return [[f * v * v, f * u * v], [f * u * v, f * u * u]]

    return FokkerPlanck(drift=lambda u, v: (-(u * v - 1) * v, -(u * v - 1) * u), diffusion=diffusion)


def train(start, learning_rate, steps, rng, record):
    """Real SGD, one sample a batch; weights at the recorded steps."""
    loss, w, kept = NetworkLoss(NETWORK, X), start.copy(), []
    for k in range(steps + 1):
        if k in record:
            kept.append(w.copy())
        w = w - learning_rate * loss.gradient(w, loss.draw(rng, len(w), 1))
    return kept


def test_tangency_rises_in_an_ensemble_trained_by_sgd():
    rng = np.random.default_rng(0)
    w = np.exp(-3.0 + np.sqrt(S2) * rng.standard_normal(20_000))
    snapshots = train(np.sqrt(np.stack([w, w], axis=1)), 0.05, 64, rng, (0, 20, 64))
    error = Outputs(lambda u, v: [u * v - 1.0])
    claims = [tangency(*rates(s, error, joint_equation(0.05), order=5), lognormal2(target=1.0)) for s in snapshots]
    assert claims[0].verdict == "holds"
    assert claims[0].residual < 1e-4
    assert claims[-1].verdict == "fails"
    assert claims[-1].residual > 0.2


def sgd_run(learning_rate, batch, s2, times, rng, size=20_000):
    """n-point functions of the output through real SGD from a lognormal start on the balanced leaf."""
    loss, k, tables = NetworkLoss(NETWORK, X), 0, []
    w = np.exp(-3.0 + np.sqrt(s2) * rng.standard_normal(size))
    w = np.sqrt(np.stack([w, w], axis=1))
    for t in times:
        while k < round(t / learning_rate):
            w, k = w - learning_rate * loss.gradient(w, loss.draw(rng, size, batch)), k + 1
        tables.append(correlators(SampleExpectation(w), Outputs(lambda u, v: [u * v])))
    return CorrelatorRun(times, tables)


def test_runs_of_sgd_collapse_early_and_not_near_the_valley():
    rng = np.random.default_rng(3)
    settings = ((0.05, 1), (0.05, 2), (0.1, 2))
    early = [
        sgd_run(*s, s2, (0.0, 0.2, 0.4, 0.6, 0.8), rng) for s, s2 in zip(settings, (0.01, 0.02, 0.01), strict=True)
    ]
    claim = collapse(early, lognormal(), places=3, tolerance=1e-3)
    assert claim.verdict == "holds"
    assert claim.details["p_value"] > 0.0027
    late = [sgd_run(*s, s2, (1.6, 1.8, 2.0, 2.2, 2.4), rng) for s, s2 in zip(settings, (0.01, 0.3, 0.01), strict=True)]
    negative = collapse(late, lognormal(), places=3, tolerance=1e-3)
    assert negative.verdict == "fails"
    assert negative.details["p_value"] < 1e-6


def test_neural_tangent_kernel_moves_outputs_as_the_drift_does():
    points = list(np.random.default_rng(1).standard_normal((2, 50)))
    probes, training = network_outputs(NETWORK, [[0.7], [-1.2]]), network_outputs(NETWORK, X)
    u, v = points
    for row, x in zip(tangent_kernel(probes, training, points), (0.7, -1.2), strict=True):
        errors = [u * v * y - y for y in X[:, 0]]
        moved = -sum(k * e for k, e in zip(row, errors, strict=True)) / len(X)
        assert_allclose(moved, -x * (u * v - 1) * (u * u + v * v), rtol=1e-9)  # grad f . b, with c = 1
    kernel = tangent_kernel(probes, probes, points)
    assert_allclose(kernel[0][1], 0.7 * -1.2 * (u * u + v * v), rtol=1e-9)


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_hierarchy_holds_along_training_and_fails_with_a_wrong_noise(factor):
    rng, eta = np.random.default_rng(2), 0.01
    start = np.array([0.9, 0.6]) + 0.3 * rng.standard_normal((100_000, 2))
    record = np.arange(0, 41, 10)
    snapshots = train(start, eta, 40, rng, record)
    stated = joint_equation(eta)
    order_two = FokkerPlanck(
        drift=lambda u, v: tuple(b + c for b, c in zip(stated.drift(u, v), correction(u, v, eta), strict=True)),
        diffusion=lambda u, v: [[factor * e for e in row] for row in stated.diffusion(u, v)],
    )
    identity = hierarchy_residual(
        eta * record, [SampleExpectation(s) for s in snapshots], Outputs(lambda u, v: [u * v]), order_two
    )
    assert identity.verdict == ("holds" if factor == 1.0 else "fails")


def correction(u, v, eta):
    """Second-order drift ``-(eta / 4) grad |grad L|^2`` with ``|grad L|^2 = r^2 (u^2 + v^2)``."""
    r = u * v - 1
    return (-0.25 * eta * (2 * r * v * (u * u + v * v) + 2 * r * r * u),
            -0.25 * eta * (2 * r * u * (u * u + v * v) + 2 * r * r * v))  # fmt: skip
