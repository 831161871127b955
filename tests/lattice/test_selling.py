"""Selling's decomposition: rebuilds the tensor, rates never negative, offsets as few as theory says."""

from __future__ import annotations

from itertools import product
from math import gcd

import numpy as np
import pytest
from scipy.optimize import linprog

from fpsim.density import Grid
from fpsim.equation.diffusion import diffusion_field
from fpsim.lattice import lattice_diffusion


def rebuilt(grid, found):
    h = np.array(grid.spacing)
    total = np.zeros((*grid.shape, grid.ndim, grid.ndim))
    for e, rate in zip(found.offsets, found.rates, strict=True):
        total += np.broadcast_to(rate, grid.shape)[..., None, None] * np.outer(e * h, e * h)
    return total


def random_tensor(rng, ndim, condition):
    q, _ = np.linalg.qr(rng.standard_normal((ndim, ndim)))
    return (q * np.geomspace(1.0, 1.0 / condition, ndim)) @ q.T


@pytest.mark.parametrize("ndim", [2, 3, 4])
@pytest.mark.parametrize("condition", [1.5, 10.0, 100.0])
def test_rebuilds_random_tensors(ndim, condition):
    rng = np.random.default_rng(10 * ndim)
    for _ in range(40):
        grid = Grid((0.0,) * ndim, tuple(rng.uniform(0.5, 2.0, ndim)), (3,) * ndim)
        tensor = random_tensor(rng, ndim, condition)
        found = lattice_diffusion(diffusion_field(tensor, ndim, grid.shape), grid)
        assert all((rate >= 0).all() for rate in found.rates)
        assert len(found.rates) <= ndim * (ndim + 1) // 2
        expected = tensor + found.added_max * np.eye(ndim)
        np.testing.assert_allclose(rebuilt(grid, found)[(0,) * ndim], expected, rtol=0, atol=1e-11)
        if ndim < 4 and condition <= 10:
            assert found.added_max == 0.0


def test_field_varies_by_cell():
    grid = Grid.box((0, 1, 20), (0, 1, 30))
    x, y = grid.mesh()
    angle = 3 * x + 2 * y
    c, s = np.cos(angle), np.sin(angle)
    entries = [[c * c + 0.05 * s * s, 0.95 * c * s], [0.95 * c * s, s * s + 0.05 * c * c]]
    field = diffusion_field(entries, 2, grid.shape)
    found = lattice_diffusion(field, grid)
    assert found.added_max == 0.0
    np.testing.assert_allclose(rebuilt(grid, found), field.matrices(grid.shape), rtol=0, atol=1e-12)


def test_field_of_one_place_more_than_is_solved_at_once():
    """3 x 10923 places, of which the last comes alone."""
    grid = Grid.box((0, 1, 3), (0, 1, 10923))
    x, y = grid.mesh()
    entries = [[1 + x, 0.4 + 0.3 * np.sin(9 * x * y)], [0.4 + 0.3 * np.sin(9 * x * y), 1 + y]]
    field = diffusion_field(entries, 2, grid.shape)
    found = lattice_diffusion(field, grid)
    expected = field.matrices(grid.shape) + found.added[..., None, None] * np.eye(2)
    np.testing.assert_allclose(rebuilt(grid, found), expected, rtol=0, atol=1e-11)


def test_programmes_of_grids_of_other_cells_are_not_mixed_up():
    """What is kept of a grid belongs to its spacing and to the axes that are coupled."""
    tensor = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.0], [0.0, 0.0, 0.5]])
    for order in ((0, 1, 2), (0, 2, 1), (2, 0, 1)):
        for lengths in ((1.0, 1.0, 1.0), (1.0, 1.7, 0.6), (1.7, 1.0, 0.6)):
            grid = Grid((0.0,) * 3, lengths, (3, 3, 3))
            turned = tensor[np.ix_(order, order)]
            found = lattice_diffusion(diffusion_field(turned, 3, grid.shape), grid)
            assert found.added_max == 0.0
            np.testing.assert_allclose(rebuilt(grid, found)[0, 0, 0], turned, rtol=0, atol=1e-13)


def test_singular_tensor_states_what_was_added():
    grid = Grid.box((0, 1, 8), (0, 1, 8))
    v = np.array([1.0, np.sqrt(2.0)])
    found = lattice_diffusion(diffusion_field(np.outer(v, v), 2, grid.shape), grid, reach=3)
    assert 0 < found.added_max < 0.1
    expected = np.outer(v, v) + found.added_max * np.eye(2)
    np.testing.assert_allclose(rebuilt(grid, found)[0, 0], expected, rtol=0, atol=1e-12)
    rational = lattice_diffusion(diffusion_field(np.outer([1, 2.0], [1, 2.0]), 2, grid.shape), grid)
    assert rational.added_max == 0.0
    np.testing.assert_array_equal(rational.offsets, [[1, 2]])


def test_diagonal_keeps_minimal_shape():
    grid = Grid.box((0, 1, 4), (0, 2, 4), (0, 1, 4))
    x, _, _ = grid.mesh()
    found = lattice_diffusion(diffusion_field([1 + x, 0.0, 2.0], 3, grid.shape), grid)
    np.testing.assert_array_equal(found.offsets, [[1, 0, 0], [0, 0, 1]])
    assert [r.shape for r in found.rates] == [(4, 1, 1), (1, 1, 1)]


def test_nearly_singular_tensors_of_four_axes():
    """Rounding of earlier places must not spoil later ones: each tensor is rebuilt."""
    grid = Grid((0.0,) * 4, (1.0,) * 4, (2, 2, 2, 40))
    h, rng = np.array(grid.spacing), np.random.default_rng(1)
    k, phase = rng.uniform(0.2, 3, 4), rng.uniform(0, 6, 4)
    place = sum(k[i] * x for i, x in enumerate(grid.mesh()))
    v = [np.cos(place + p) for p in phase]
    entries = [[h[i] * h[j] * (0.01 * (i == j) + v[i] * v[j]) for j in range(4)] for i in range(4)]
    field = diffusion_field(entries, 4, grid.shape)
    found = lattice_diffusion(field, grid)
    total = -np.broadcast_to(found.added, grid.shape)[..., None, None] * np.eye(4)
    for offset, rate in zip(found.offsets, found.rates, strict=True):
        assert rate.min() >= 0.0
        total = total + np.broadcast_to(rate, grid.shape)[..., None, None] * np.outer(offset * h, offset * h)
    scaled = (total - field.matrices(grid.shape)) / np.outer(h, h)
    assert np.abs(scaled).max() <= 1e-10


@pytest.mark.parametrize(("ndim", "condition"), [(2, 3.0), (2, 60.0), (3, 3.0), (3, 20.0)])
def test_field_is_decomposed_with_the_largest_sum_of_rates(ndim, condition):
    """Places in no order, of which some are far from their predecessors; the programme solved by HiGHS."""
    rng = np.random.default_rng(ndim)
    grid = Grid((0.0,) * ndim, (1.0,) * ndim, (3,) * ndim)
    tensors = np.array([random_tensor(rng, ndim, condition) for _ in range(grid.size)]).reshape(
        (*grid.shape, ndim, ndim)
    )
    tensors *= 10.0 ** rng.uniform(-8, 8, grid.shape)[..., None, None]
    field = diffusion_field([[tensors[..., i, j] for j in range(ndim)] for i in range(ndim)], ndim, grid.shape)
    found = lattice_diffusion(field, grid)
    offsets = np.array([e for e in product(range(-5, 6), repeat=ndim) if gcd(*e) == 1])
    upper = np.triu_indices(ndim)
    columns = offsets[:, upper[0]] * offsets[:, upper[1]] / 9.0
    for place in np.ndindex(grid.shape):
        scale = np.trace(tensors[place])
        np.testing.assert_allclose(rebuilt(grid, found)[place], tensors[place], rtol=0, atol=1e-12 * scale)
        best = linprog(-np.ones(len(offsets)), A_eq=columns.T, b_eq=tensors[place][upper] / scale)
        total = sum(float(rate[place]) for rate in found.rates)
        assert total == pytest.approx(-best.fun * scale, rel=1e-7)
