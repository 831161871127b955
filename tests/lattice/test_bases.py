"""Rates from kept bases: they rebuild the tensor, are never negative, and are those of the decomposition itself."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.equation.diffusion import diffusion_field
from fpsim.lattice import lattice_diffusion
from fpsim.lattice.bases import joined, lattice_bases
from fpsim.lattice.boxes import boxes
from fpsim.lattice.selling import coupled_axes


def turning(x, smallest):
    """``smallest I + v v^T`` with a direction that turns through the grid."""
    ndim, phase = len(x), sum((1 + 0.3 * i) * xi for i, xi in enumerate(x))
    v = [np.cos(phase + i) for i in range(ndim)]
    return [[smallest * (i == j) + v[i] * v[j] for j in range(ndim)] for i in range(ndim)]


def rebuilt(grid, bases, entries):
    total = np.zeros((*grid.shape, grid.ndim, grid.ndim))
    for use in bases.used():
        rate, step = bases.rate(entries, use.offset), np.array(use.offset) * grid.spacing
        assert rate.min() >= 0.0
        assert rate.max() == pytest.approx(use.highest, rel=1e-12, abs=1e-12)
        total += np.broadcast_to(rate, grid.shape)[..., None, None] * np.outer(step, step)
    return total


@pytest.mark.parametrize(("ndim", "cells"), [(2, 40), (3, 12), (4, 6)])
def test_rates_rebuild_the_tensor(ndim, cells):
    lengths = 1.0 + 0.3 * np.arange(ndim)
    grid = Grid((0.0,) * ndim, tuple(lengths), tuple(cells + i for i in range(ndim)))
    entries = turning(grid.mesh(), 0.2)
    field = diffusion_field(entries, ndim, grid.shape)
    bases, found = lattice_bases(field, grid), lattice_diffusion(field, grid)
    added = found.added[..., None, None] * np.eye(ndim)
    np.testing.assert_allclose(rebuilt(grid, bases, entries), field.matrices(grid.shape) + added, rtol=0, atol=1e-12)
    assert bases.added_max == pytest.approx(found.added_max, abs=1e-14)
    whole = {tuple(o.tolist()): r for o, r in zip(found.offsets, found.rates, strict=True)}
    for use in bases.used():
        scale = max(rate.max() for rate in whole.values())
        np.testing.assert_allclose(bases.rate(entries, use.offset), whole[use.offset], rtol=0, atol=1e-12 * scale)
    assert {u.offset for u in bases.used()} == {o for o, r in whole.items() if r.any()}


def test_parts_share_a_table():
    """Names that were given for one part stay valid when others have added bases."""
    tables, parts = {}, []
    for k in range(4):
        grid = Grid((float(k), 0.0), (k + 1.0, 4.0), (25, 100))
        entries = turning(grid.mesh(), 0.05)
        field = diffusion_field(entries, 2, grid.shape)
        parts.append((grid, entries, field, lattice_bases(field, grid, tables=tables)))
    assert len(tables) == 1
    for grid, entries, field, bases in parts:
        np.testing.assert_allclose(rebuilt(grid, bases, entries), field.matrices(grid.shape), rtol=0, atol=1e-12)


@pytest.mark.parametrize("corner", [False, True])
def test_bases_of_parts_are_those_of_the_whole(corner):
    """Joined, and taken from there at any places; with ``corner``, axes are coupled in a corner of the grid only."""
    grid = Grid.box((0, 1, 13), (0, 1.2, 17), (0, 1, 19))

    def entries(x, y, z):
        off = 0.3 * np.cos(3 * x + y) * (((x > 0.8) & (y > 0.9)) if corner else 1.0)
        zero = 0.0 * x * y
        return [[1 + x * y, off, zero], [off, 1 - 0.2 * x, zero], [zero, zero, 2 + z]]

    whole, mesh = diffusion_field(entries(*grid.mesh()), 3, grid.shape), grid.mesh()
    tables, parts, groups = {}, [], coupled_axes(whole)
    assert groups == [(0, 1), (2,)]
    for where, box in boxes(grid):
        field = diffusion_field(entries(*box.mesh()), 3, box.shape)
        parts.append((where, lattice_bases(field, box, tables=tables, groups=groups)))
    bases, direct = joined(parts, grid.shape), lattice_bases(whole, grid)
    assert {(u.offset, u.shape) for u in bases.used()} == {(u.offset, u.shape) for u in direct.used()}
    np.testing.assert_allclose(rebuilt(grid, bases, whole.entries), whole.matrices(grid.shape), rtol=0, atol=1e-12)
    cells = np.random.default_rng(1).integers(0, grid.size, 50)
    index = np.unravel_index(cells, grid.shape)
    there = entries(*(x.ravel()[i] for x, i in zip(mesh, index, strict=True)))
    for use in direct.used():
        if bases.couples(use.offset):
            some = bases.at(lambda names: np.broadcast_to(names, grid.shape)[index])
            expected = np.broadcast_to(direct.rate(whole.entries, use.offset), grid.shape)[index]
            np.testing.assert_allclose(some.rate(there, use.offset), expected, rtol=0, atol=1e-9)
            assert not expected[~some.where(use.offset)].any()


def test_uncoupled_axes_and_missing_coordinates_keep_their_shapes():
    grid = Grid.box((0, 1, 5), (0, 2, 6), (0, 1, 7))
    x, _, z = grid.mesh()
    entries = [[1 + x, 0.5 * x, None], [0.5 * x, 1.0, None], [None, None, 2 + z]]
    bases = lattice_bases(diffusion_field(entries, 3, grid.shape), grid)
    assert {u.shape for u in bases.used()} == {(5, 1, 1), (1, 1, 7)}
    assert not bases.couples((0, 0, 1))
    assert all(bases.couples(u.offset) for u in bases.used() if not u.offset[2])
    expected = diffusion_field(entries, 3, grid.shape).matrices(grid.shape)
    np.testing.assert_allclose(rebuilt(grid, bases, entries), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_constant_tensors(ndim):
    """One place: the same table of bases may be met by many tensors."""
    rng, tables = np.random.default_rng(ndim), {}
    grid = Grid((0.0,) * ndim, tuple(1.0 + 0.2 * np.arange(ndim)), (3,) * ndim)
    for _ in range(20):
        a = rng.standard_normal((ndim, ndim))
        tensor = a @ a.T + 0.3 * np.eye(ndim)
        bases = lattice_bases(diffusion_field(tensor, ndim, grid.shape), grid, tables=tables)
        expected = tensor + bases.added_max * np.eye(ndim)
        np.testing.assert_allclose(rebuilt(grid, bases, tensor)[(0,) * ndim], expected, rtol=0, atol=1e-11)
    assert len(tables) == 1


def test_states_what_was_added():
    grid = Grid.box((0, 1, 8), (0, 1, 8))
    v = np.array([1.0, np.sqrt(2.0)])
    singular = np.outer(v, v)
    bases = lattice_bases(diffusion_field(singular, 2, grid.shape), grid)
    assert 0 < bases.added_max < 0.1
    expected = singular + bases.added_max * np.eye(2)
    np.testing.assert_allclose(rebuilt(grid, bases, singular)[0, 0], expected, rtol=0, atol=1e-12)
