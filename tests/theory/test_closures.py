"""Closures against exact moments, quadrature and ensembles; their ranking where it is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from theory_oracles import normal_pair

from fpsim.closures import conditional, empirical_path, frozen, joint, leaf, linear_noise, mean_field
from fpsim.datasets import GaussianPopulation, digits, from_array
from fpsim.density import Grid, from_function, gaussian
from fpsim.ensemble import train
from fpsim.evolution import evolve
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError
from fpsim.theory import landscape_of, scalar_network, valley_density, weight_moments

MATRICES = ("W1", "W2")
TIMES = [0.0, 0.26, 0.5, 0.76, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]


def pair(mean, std, **sgd):
    """The linear network with d = k = 1, fresh Gaussian data and label noise."""
    settings = {"learning_rate": 0.02, "batch_size": 8, "sampling": "fresh", "label_noise": 0.3, **sgd}
    start = Start.gaussian({"W1": [[mean[0]]], "W2": [[mean[1]]]}, std)
    return Experiment(GaussianPopulation(1.0), BottleneckAutoEncoder(1, 1), SGD(**settings), start)


def run(equation, start, times, tolerance=3e-3):
    return evolve(equation, start, times, tolerance=tolerance, estimate_grid_error=False).densities


# --- single closures against exact answers ---------------------------------------------------------------------------


def test_frozen_partner_has_exact_moments():
    """``r = u v - 1``: ``E r' = -c v^2 E r``, ``E r^2' = (theta kappa v^4 - 2 c v^2) E r^2 + theta s0 v^4``."""
    v, e = 0.8, pair((0.0, 0.0), 0.1, label_noise=0.4, learning_rate=0.2, batch_size=4)
    theta, s0 = 0.2 / 4, 0.16
    (p,) = run(frozen(e, "W1", partner=[[v]]), gaussian(Grid((-2.0,), (3.5,), (400,)), 0.3, 0.04), [1.5])
    r1, r2 = 0.3 * v - 1, (0.3 * v - 1) ** 2 + 0.04 * v**2
    rate = 2 * theta * v**4 - 2 * v**2
    exact1 = r1 * np.exp(-(v**2) * 1.5)
    exact2 = (r2 + theta * s0 * v**4 / rate) * np.exp(rate * 1.5) - theta * s0 * v**4 / rate
    mean, variance = v * p.mean[0] - 1, v**2 * p.covariance[0, 0]
    assert mean == pytest.approx(exact1, abs=2e-4)
    assert variance + mean**2 == pytest.approx(exact2, rel=2e-3)


@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_mean_field_coefficients_are_averages_over_the_partner(activation, matrix):
    """Against Gauss-Hermite quadrature of the full landscape over an independent Gaussian partner."""
    sgd = SGD(0.05, 8, label_noise=0.3, weight_decay=0.1, temperature=0.002)
    e = Experiment(digits(2), BottleneckAutoEncoder(2, 1, activation), sgd, Start.gaussian(0.0, 0.5))
    landscape, mean, std = landscape_of(e), np.array([0.6, -0.2]), 0.15
    box = Grid((-0.6, -1.4), (1.8, 1.0), (72, 72))
    densities = (gaussian(box, mean, std**2),) * 2
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    partner = mean + std * np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    share = np.outer(weights, weights).ravel() / weights.sum() ** 2
    own = np.array([0.9, 0.3])
    fixed = np.broadcast_to(own, partner.shape)
    both = np.concatenate([fixed, partner] if matrix == "W1" else [partner, fixed], axis=1)
    block = slice(0, 2) if matrix == "W1" else slice(2, 4)
    drift = -(share @ landscape.gradient(both))[block]
    noise = np.einsum("m,mij->ij", share, landscape.covariance(both))[block, block]
    equation, at = mean_field(e, matrix), (own[:1, None], own[None, 1:])
    np.testing.assert_allclose([b.item() for b in equation.drift(*at, p=densities)], drift, rtol=1e-5)
    d = [[entry.item() for entry in row] for row in equation.diffusion(*at, p=densities)]
    np.testing.assert_allclose(d, 0.025 * noise + 0.002 * np.eye(2), rtol=1e-5)


def test_joint_tensor_is_the_landscape():
    e = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8, temperature=0.002), Start.gaussian(0.0, 0.5))
    equation, landscape = joint(e), landscape_of(e)
    mesh = tuple(np.meshgrid(*(np.linspace(-1, 1, 4),) * 4, indexing="ij", sparse=True))
    points = np.stack(np.meshgrid(*(np.linspace(-1, 1, 4),) * 4, indexing="ij"), axis=-1)
    d = np.stack([np.stack([np.broadcast_to(x, (4,) * 4) for x in row], -1) for row in equation.diffusion(*mesh)], -2)
    np.testing.assert_allclose(d, 0.025 * landscape.covariance(points) + 0.002 * np.eye(4), atol=1e-14)
    assert np.linalg.eigvalsh(d).min() > 0.0
    b = np.stack([np.broadcast_to(x, (4,) * 4) for x in equation.drift(*mesh)], -1)
    np.testing.assert_allclose(b, -landscape.gradient(points), atol=1e-14)


def test_joint_in_four_dimensions():
    """d = 2, k = 1: the 4-D density has the means, widths and correlations of the ensemble of all four weights."""
    mean = np.array([0.6, 0.2])
    start = Start.gaussian({"W1": mean[None], "W2": mean[:, None]}, 0.15)
    e = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8, temperature=0.01), start)
    weights = train(e, replicas=20_000, times=[1.0], rng=1).weights
    w = np.concatenate([weights[m][-1].reshape(-1, 2) for m in MATRICES], axis=1)
    box = Grid((0.0, -0.5) * 2, (1.5, 1.0) * 2, (20,) * 4)
    p = evolve(joint(e), gaussian(box, (*mean, *mean), 0.15**2), [1.0], tolerance=2e-2, estimate_grid_error=False).final
    np.testing.assert_allclose(p.mean, w.mean(axis=0), atol=8e-3)
    np.testing.assert_allclose(p.std, w.std(axis=0), rtol=0.02)
    correlation = p.covariance / np.outer(p.std, p.std)
    np.testing.assert_allclose(correlation, np.corrcoef(w.T), atol=0.03)
    assert correlation[1, 3] > 0.7
    assert p.mass == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("order", ["sme1", "sme2c"])
def test_linear_noise_against_narrow_ensemble(order):
    """A narrow ensemble keeps its correlation: standard deviations and correlation of (u, v)."""
    e, replicas = replace_start(pair((0.0, 0.0), 0.0), 0.6, 0.4, 0.02), 20_000
    weights = train(e, replicas=replicas, times=[2.0], rng=4).weights
    exact = np.cov(weights["W1"][-1].ravel(), weights["W2"][-1].ravel())
    path = linear_noise(e, [0.6, 0.4], 0.02**2, [0.0, 2.0], order=order)
    std, theory = np.sqrt(np.diag(exact)), np.sqrt(np.diag(path.covariance[-1]))
    allowance = 0.05 if order == "sme1" else 0.015  # O(eta), O(width^2)
    np.testing.assert_allclose(theory, std, rtol=4 / (2 * replicas) ** 0.5 + allowance)
    correlation = path.covariance[-1][0, 1] / theory.prod()
    assert correlation == pytest.approx(exact[0, 1] / std.prod(), abs=4 / replicas**0.5 + allowance)
    mean = [weights["W1"][-1].mean(), weights["W2"][-1].mean()]
    np.testing.assert_allclose(path.mean[-1], mean, atol=0.005)


def replace_start(e, u, v, std):
    return replace(e, start=Start.gaussian({"W1": [[u]], "W2": [[v]]}, std))


# --- ranking ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def relaxed():
    """An ensemble that has relaxed onto the valley ``w = 1``, with the standard deviations of both weights."""
    e = pair((0.8, 0.5), 0.13)
    ensemble = train(e, replicas=20_000, times=TIMES, rng=1)
    last = np.stack([ensemble.weights[m][-1].ravel() for m in MATRICES])
    return e, ensemble, last


def test_correlation_of_the_relaxed_ensemble(relaxed):
    assert np.corrcoef(relaxed[2])[0, 1] < -0.94


@pytest.mark.parametrize("closure", ["joint", "leaf"])
def test_closures_that_keep_the_correlation(relaxed, closure):
    e, _, last = relaxed
    grid = Grid((-0.05, -0.9), (1.75, 1.6), (240, 64))
    start = from_function(grid, lambda w, q: valley_density(normal_pair(0.8, 0.5, 0.13), w, q), order=3)
    equation = leaf(e) if closure == "leaf" else scalar_network(e).equation()
    mean, covariance = weight_moments(run(equation, start, [4.0])[-1])
    np.testing.assert_allclose(mean, last.mean(axis=1), atol=4e-3)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), last.std(axis=1), rtol=0.03)


@pytest.mark.parametrize(("index", "matrix"), list(enumerate(MATRICES)))
def test_conditional_closure_follows(relaxed, index, matrix):
    e, ensemble, last = relaxed
    start = gaussian(Grid((-0.3,), (2.1,), (300,)), (0.8, 0.5)[index], 0.13**2)
    p = run(conditional(e, matrix, ensemble), start, [4.0])[-1]
    assert p.mean[0] == pytest.approx(last[index].mean(), abs=5e-3)
    assert p.std[0] == pytest.approx(last[index].std(), rel=0.04)


def test_factorised_closures_are_several_times_too_narrow(relaxed):
    """Means right to O(width^2), widths four times and more too small; the frozen partner misses the mean as well."""
    e, ensemble, last = relaxed
    starts = tuple(gaussian(Grid((-0.3,), (2.1,), (400,)), m, 0.13**2) for m in (0.8, 0.5))
    field = run(tuple(mean_field(e, m) for m in MATRICES), starts, [4.0])[-1]
    path = tuple(run(empirical_path(e, m, ensemble), s, [4.0])[-1] for m, s in zip(MATRICES, starts, strict=True))
    for factorised in (field, path):
        for i, p in enumerate(factorised):
            assert p.mean[0] == pytest.approx(last[i].mean(), abs=2 * last[i].std() ** 2 + 4e-3)
            assert 4.0 < last[i].std() / p.std[0] < 8.0
    alone = run(
        frozen(e, "W1", partner=[[0.5]]), starts[0].__class__(Grid((-0.3,), (3.3,), (600,)), _padded(starts[0])), [4.0]
    )[-1]
    assert abs(alone.mean[0] - last[0].mean()) > 0.3


def _padded(density):
    """The density on a box of half its length again, with equal cells."""
    return np.concatenate([density.values, np.zeros(len(density.values) // 2)])


def test_symmetric_start():
    """From N(0, 0.5^2) the weights split to both sides of zero; only closures with their correlation follow."""
    e = pair((0.0, 0.0), 0.5)
    ensemble = train(e, replicas=20_000, times=TIMES, rng=2)
    u = ensemble.weights["W1"][-1].ravel()
    start = gaussian(Grid((-2.5,), (2.5,), (250,)), 0.0, 0.25)
    followed = run(conditional(e, "W1", ensemble), start, [4.0])[-1]
    histogram = np.histogram(u, followed.grid.edges[0])[0] / (len(u) * followed.grid.cell_volume)
    assert 0.5 * np.abs(histogram - followed.values).sum() * followed.grid.cell_volume < 0.08  # floor 0.035
    assert followed.std[0] == pytest.approx(u.std(), rel=0.02)
    assert followed.at([[0.0]])[0] < 0.1 * followed.values.max()  # two maxima
    field = run(tuple(mean_field(e, m) for m in MATRICES), (start, start), [4.0])[-1]
    assert field[0].std[0] < 0.4 * u.std()
    assert field[0].values.argmax() in (124, 125)  # one spurious maximum at zero


def test_mean_field_breaks_the_symmetry():
    """A bias of 0.02 in the start: the ensemble stays nearly even, mean field goes to one side."""
    e = pair((0.02, 0.02), 0.5)
    u = train(e, replicas=20_000, times=[8.0], rng=3).weights["W1"][-1].ravel()
    start = gaussian(Grid((-2.5,), (2.5,), (500,)), 0.02, 0.25)
    field = run(tuple(mean_field(e, m) for m in MATRICES), (start, start), [8.0])[-1]
    assert abs(u.mean()) < 0.1
    assert u.std() > 0.9
    assert field[0].mean[0] > 0.8


# --- the two matrices of the digits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_digits_conditional_and_mean_field(activation):
    """Both starts of the main job at reduced size: ensemble, conditional closure, mean field at t = 2."""
    times = [0.0, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0]
    network = BottleneckAutoEncoder(2, 1, activation)
    mean = np.array([0.6, 0.2])
    start = Start.gaussian({"W1": mean[None], "W2": mean[:, None]}, 0.1)
    e = Experiment(digits(2), network, SGD(0.05, 8, temperature=0.002), start)
    ensemble = train(e, replicas=10_000, times=times, rng=1)
    box = Grid((-0.3, -0.7), (1.7, 1.3), (64, 64))
    for matrix in MATRICES:
        w = ensemble.weights[matrix][-1].reshape(-1, 2)
        p = run(conditional(e, matrix, ensemble), gaussian(box, mean, 0.01), [2.0])[-1]
        np.testing.assert_allclose(p.mean, w.mean(axis=0), atol=0.03 * np.abs(w.mean(axis=0)).max())
        np.testing.assert_allclose(p.std, w.std(axis=0), rtol=0.05)


def demo(start, mean, std, box, cells, times, replicas):
    e = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8, temperature=0.002), start)
    ensemble = train(e, replicas=replicas, times=times, rng=1)
    first = gaussian(Grid(*box, (cells, cells)), mean, std**2)
    last = times[-1:]
    field = run(tuple(mean_field(e, m) for m in MATRICES), (first, first), last, 1e-2)[-1]
    followed = tuple(run(conditional(e, m, ensemble), first, last, 1e-2)[-1] for m in MATRICES)
    return {m: ensemble.weights[m][-1].reshape(-1, 2) for m in MATRICES}, field, followed


@pytest.mark.slow
def test_digits_in_full():
    """The figures of the main job at t = 10."""
    start = Start.gaussian({"W1": [[0.6, 0.2]], "W2": [[0.6], [0.2]]}, 0.1)
    times = list(np.linspace(0, 10, 21))
    w, field, followed = demo(start, (0.6, 0.2), 0.1, ((-0.6, -1.2), (2.0, 1.6)), 128, times, 50_000)
    for i, (stds, narrow) in enumerate(
        zip([(0.143, 0.167), (0.146, 0.169)], [(0.044, 0.046), (0.045, 0.062)], strict=True)
    ):
        x = w[MATRICES[i]]
        np.testing.assert_allclose(x.std(axis=0), stds, rtol=0.03)
        np.testing.assert_allclose(field[i].std, narrow, atol=0.0015)
        mean = x.mean(axis=0)
        assert np.linalg.norm(field[i].mean - mean) < 0.02 * np.linalg.norm(mean)
        np.testing.assert_allclose(field[i].mean, mean, rtol=0.03)
        np.testing.assert_allclose(followed[i].std, x.std(axis=0), rtol=0.05)
        np.testing.assert_allclose(followed[i].mean, x.mean(axis=0), rtol=0.03)
    assert np.corrcoef(w["W1"][:, 0], w["W2"][:, 0])[0, 1] == pytest.approx(-0.77, abs=0.02)


@pytest.mark.slow
def test_digits_from_the_usual_start():
    """N(0, 0.5^2): a ring, which the conditional closure follows; mean field contracts to a spurious point."""
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.1, 1.4, 1.7, 2.0]
    box = ((-2.6, -2.6), (2.6, 2.6))
    w, field, followed = demo(Start.gaussian(0.0, 0.5), (0.0, 0.0), 0.5, box, 128, times, 50_000)
    np.testing.assert_allclose(w["W1"].std(axis=0), (0.69, 0.65), atol=0.01)
    for i, m in enumerate(MATRICES):
        np.testing.assert_allclose(followed[i].std, w[m].std(axis=0), rtol=0.03)
        assert followed[i].at([[0.0, 0.0]])[0] < 0.5 * followed[i].values.max()
        assert (field[i].std < 0.6 * w[m].std(axis=0)).all()
        assert field[i].at([[0.0, 0.0]])[0] > 0.95 * field[i].values.max()


# --- bad input -------------------------------------------------------------------------------------------------------


def test_bad_input():
    e = pair((0.0, 0.0), 0.5)
    with pytest.raises(DomainError, match=r"accepted are W1, W2"):
        mean_field(e, "W3")
    with pytest.raises(DomainError, match=r"\(1, 1\) matrix"):
        frozen(e, "W1", partner=[1.0, 2.0])
    with pytest.raises(DomainError, match="both zero"):
        leaf(pair((0.0, 0.0), 0.5, temperature=0.1))
    with pytest.raises(DomainError, match="sme2"):
        joint(pair((0.0, 0.0), 0.5, momentum=0.5), order="sme2")
    with pytest.raises(DomainError, match="at least 2 of 100"):
        conditional(e, "W1", train(e, replicas=50, times=[0.0, 0.1], rng=1))
    with pytest.raises(DomainError, match=r"\(2,\)"):
        linear_noise(e, [0.0], 0.1, [0.0, 1.0])
    with pytest.raises(DomainError, match="increasing"):
        linear_noise(e, [0.0, 0.0], 0.1, [1.0, 0.0])
    half = replace(e, network=BottleneckAutoEncoder(1, 1, frozen={"W2": [[1.0]]}), start=Start.gaussian(0.0, 0.5))
    with pytest.raises(DomainError, match="accepted are W1"):
        mean_field(half, "W2")


def test_frozen_layer_is_its_own_frozen_partner():
    """A network whose decoder is not trained: the frozen closure is its exact order-1 equation."""
    data = from_array(np.random.default_rng(1).normal(size=(40, 1)))
    network = BottleneckAutoEncoder(1, 1, frozen={"W2": [[0.8]]})
    e = Experiment(data, network, SGD(0.02, 4, label_noise=0.2), Start.gaussian(0.3, 0.1))
    u = train(e, replicas=10_000, times=[1.0], rng=1).weights["W1"][-1].ravel()
    p = run(frozen(e, "W1", partner=[[0.8]]), gaussian(Grid((-0.5,), (1.5,), (200,)), 0.3, 0.01), [1.0])[-1]
    assert p.mean[0] == pytest.approx(u.mean(), abs=4 * u.std() / 100 + 0.01)
    assert p.std[0] == pytest.approx(u.std(), rel=4 / 141 + 0.02)


def test_diffusion_of_the_conditional_closure_is_semidefinite():
    e = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8), Start.gaussian(0.0, 0.5))
    ensemble = train(e, replicas=500, times=[0.0, 0.5, 1.0], rng=1)
    mesh = tuple(np.meshgrid(*(np.linspace(-3, 3, 30),) * 2, indexing="ij", sparse=True))
    for matrix in MATRICES:
        for t in (0.0, 0.3, 1.0, 7.0):
            rows = conditional(e, matrix, ensemble).diffusion(*mesh, t=t)
            d = np.stack([np.stack([np.broadcast_to(x, (30, 30)) for x in row], -1) for row in rows], -2)
            assert np.linalg.eigvalsh(d).min() > -1e-14


def test_nonlinear_moments_close():
    """The frozen closure of a tanh network: mean by its own moment equation along a narrow density."""
    data = digits(2)
    e = Experiment(data, BottleneckAutoEncoder(2, 1, "tanh"), SGD(0.05, 8), Start.gaussian(0.0, 0.5))
    b = np.array([0.9, 0.3])

    def gradient_flow(_t, a):
        h = np.tanh(data.x @ a)
        residual = h[:, None] * b - data.x
        return -np.mean((residual @ b * (1 - h**2))[:, None] * data.x, axis=0)

    exact = solve_ivp(gradient_flow, (0, 1.0), [0.5, -0.2], rtol=1e-10).y[:, -1]
    equation = frozen(e, "W1", partner=b[:, None])
    start = gaussian(Grid((-0.2, -0.6), (1.2, 0.6), (90, 90)), (0.5, -0.2), 0.03**2)
    p = run(equation, start, [1.0])[-1]
    np.testing.assert_allclose(p.mean, exact, atol=4e-3)
