"""n-point functions held to exact moments and to enumeration."""

from itertools import product
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fpsim.density import Density, Grid, gaussian
from fpsim.diagnostics.callan_symanzik import (
    Outputs,
    correlators,
    correlators_of_outputs,
    multi_indices,
    network_outputs,
)
from fpsim.support.errors import DomainError

MEAN, VARIANCE = 0.7, 0.09


def gaussian_moment(n, mean, variance):
    """E X^n by Gauss-Hermite quadrature."""
    x, w = np.polynomial.hermite_e.hermegauss(20)
    return w @ (mean + np.sqrt(variance) * x) ** n / w.sum()


def test_density_gives_exact_moments_of_a_gaussian():
    p = gaussian(Grid.box((-2, 4, 96)), MEAN, VARIANCE)
    table = correlators(p, Outputs(lambda w: [w]), order=5)
    expected = [gaussian_moment(n, MEAN, VARIANCE) for n in range(1, 6)]
    assert_allclose(table.full.value, expected, rtol=1e-12)
    assert (table.full.error < 1e-12).all()
    plain = [float(np.sum(p.values * p.grid.centers[0] ** n) * p.grid.cell_volume) for n in range(1, 6)]
    assert abs(plain[1] - expected[1]) > 1e-4  # what midpoint sums would give: the binning variance h^2 / 12


def test_error_covers_a_density_that_is_narrow_on_the_grid():
    grid = Grid.box((-2, 4, 96))
    for std in (0.05, 0.06, 0.08):  # cells of 0.0625
        table = correlators(gaussian(grid, MEAN, std**2), Outputs(lambda w: [w]))
        exact = [gaussian_moment(n, MEAN, std**2) for n in range(1, 5)]
        assert (np.abs(table.full.value - exact) <= table.full.error + 1e-13).all()
    coarse = correlators(gaussian(grid, MEAN, 0.04**2), Outputs(lambda w: [w**2 * (w > 0.6)]), order=1)
    assert coarse.full.error[0] > 1e-4  # a jump inside the box is not integrated exactly, and the error says so


def test_connected_functions_of_a_gaussian_end_at_two():
    covariance = np.array([[0.1, 0.04], [0.04, 0.08]])
    grid = Grid.box((-2, 2.5, 128), (-2.5, 2, 128))
    table = correlators(gaussian(grid, [0.3, -0.2], covariance), Outputs(lambda u, v: [u + v, u - 0.5 * v]))
    mix = np.array([[1.0, 1.0], [1.0, -0.5]])
    found = dict(zip(table.indices, table.connected.value, strict=True))
    expected = mix @ covariance @ mix.T
    for i, j in ((0, 0), (0, 1), (1, 1)):
        assert_allclose(found[i, j], expected[i, j], rtol=1e-6)
    assert max(abs(found[index]) for index in table.indices if len(index) > 2) < 1e-7


def test_full_functions_by_enumeration_of_a_discrete_law():
    support, weight = np.array([-1.0, 0.5, 2.0]), np.array([0.2, 0.5, 0.3])
    draws = np.repeat(support, (weight * 1000).astype(int))
    values = np.random.default_rng(0).permutation(np.stack([draws, draws**2], axis=1))
    table = correlators_of_outputs(values)
    for index, found in zip(table.indices, table.full.value, strict=True):
        assert_allclose(found, np.sum(weight * np.prod([support ** (1 + i) for i in index], axis=0)), rtol=1e-12)
    assert table.independent == 3  # functions on three points


def test_standard_errors_have_the_right_size():
    rng = np.random.default_rng(1)
    exact = np.array([gaussian_moment(n, MEAN, VARIANCE) for n in range(1, 5)])
    pulls = []
    for _ in range(200):
        table = correlators_of_outputs(MEAN + np.sqrt(VARIANCE) * rng.standard_normal((640, 1)))
        pulls.append((table.full.value - exact) / table.full.error)
    spread = np.std(pulls, axis=0)
    assert (np.abs(spread - 1.0) < 4.0 / np.sqrt(2 * 200) + 0.05).all()  # 32 blocks: Student's t, 3 per cent wider


def test_rank_counts_products_that_differ_as_functions():
    p = gaussian(Grid.box((-2, 4, 96)), MEAN, VARIANCE)
    assert correlators(p, Outputs(lambda w: [w])).independent == 4
    assert correlators(p, Outputs(lambda w: [w, 2.0 * w, -w])).independent == 4
    assert correlators(p, Outputs(lambda w: [w, w**2]), order=2).independent == 4  # w, w^2 (twice), w^3, w^4


def test_multi_indices_are_counted_by_combinations():
    for m, n in product((1, 2, 3), (1, 2, 4)):
        assert len(multi_indices(m, n)) == sum(comb(m + k - 1, k) for k in range(1, n + 1))


def test_network_outputs_are_those_of_the_matrices():
    from fpsim.network import BottleneckAutoEncoder

    network = BottleneckAutoEncoder(2, 1, "tanh")
    x = np.array([[0.3, -1.0], [2.0, 0.5]])
    rng = np.random.default_rng(2)
    w = rng.standard_normal((7, 4))
    outputs = network_outputs(network, x)
    values = np.stack(outputs.values(list(w.T)), axis=1).reshape(7, 2, 2)
    direct = np.einsum("ri,rn->rni", w[:, 2:], np.tanh(np.einsum("ri,ni->rn", w[:, :2], x)))
    assert_allclose(values, direct, rtol=1e-14)
    points = list(w.T)
    h = np.tanh(np.einsum("ri,i->r", w[:, :2], x[0]))
    assert_allclose(outputs.gradients(points)[0][0], w[:, 2] * (1 - h**2) * x[0, 0], rtol=1e-7)
    assert_allclose(outputs.hessians(points)[0][0][1], -2 * w[:, 2] * h * (1 - h**2) * x[0, 0] * x[0, 1], rtol=2e-6)
    assert_allclose(outputs.hessians(points)[0][0][2], (1 - h**2) * x[0, 0], rtol=1e-6)


def test_bad_input_is_named():
    p = gaussian(Grid.box((-2, 4, 96)), MEAN, VARIANCE)
    outputs = Outputs(lambda w: [w])
    with pytest.raises(DomainError, match="order is 0"):
        correlators(p, outputs, order=0)
    with pytest.raises(DomainError, match="index"):
        correlators(p, outputs, indices=[(0, 1)])
    with pytest.raises(DomainError, match="not finite"):
        correlators(np.array([[1.0], [np.nan]] * 40), outputs)
    with pytest.raises(DomainError, match="was not computed"):
        _ = correlators(p, outputs, indices=[(0, 0)]).connected
    with pytest.raises(DomainError, match="not finite at some weights"):
        correlators(Density(Grid.box((0, 1, 8)), np.ones(8)), Outputs(lambda w: [np.where(w < 0, np.nan, w)]))
