"""Regridding: exact mass, sign, order; grids fitted to where a density is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsim.density import Density, Grid, fitted_grid, from_function, gaussian, regrid
from fpsim.support.errors import DomainError


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(2, 20), min_size=1, max_size=3),
    other=st.lists(st.integers(2, 20), min_size=3, max_size=3),
    seed=st.integers(0, 10**6),
    place=st.floats(-0.99, 0.99),
    scale=st.floats(0.05, 4.0),
)
def test_mass_and_sign(shape, other, seed, place, scale):
    shift = place if place > 0.0 else place * scale  # the boxes share a part
    rng = np.random.default_rng(seed)
    ndim = len(shape)
    grid = Grid((0.0,) * ndim, (1.0,) * ndim, tuple(shape))
    values = rng.random(shape) ** 8
    density = Density(grid, values)
    there = Grid((shift,) * ndim, (shift + scale,) * ndim, tuple(other[:ndim]))
    moved = regrid(density, there)
    assert moved.values.min() >= 0.0
    assert moved.mass == pytest.approx(density.mass, rel=1e-13)


def test_seventh_order():
    sizes, errors = np.array([24, 32, 48, 64]), []
    there = Grid.box((-2.7, 2.9, 41))
    for n in sizes:
        moved = regrid(gaussian(Grid.box((-3, 3, n)), 0.1, 0.09), there)
        errors.append(np.abs(moved.values - gaussian(there, 0.1, 0.09).values).sum() * there.cell_volume)
    assert -np.polyfit(np.log(sizes), np.log(errors), 1)[0] >= 5.5


def test_exact_when_cells_merge():
    grid = Grid.box((0, 1, 12), (0, 1, 8))
    density = Density(grid, np.random.default_rng(0).random(grid.shape))
    merged = regrid(density, grid.with_shape((6, 4)))
    exact = density.values.reshape(6, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(merged.values, exact, rtol=1e-14)


def test_periodic_axis_keeps_its_period():
    grid = Grid.box((0, 1, 40), boundary="periodic")
    density = from_function(grid, lambda x: 1 + np.cos(2 * np.pi * x), order=4)
    finer = regrid(density, grid.with_shape((97,)))
    exact = from_function(finer.grid, lambda x: 1 + np.cos(2 * np.pi * x), order=4)
    np.testing.assert_allclose(finer.values, exact.values, atol=1e-7)
    with pytest.raises(DomainError, match="changes the period of axis 0"):
        regrid(density, Grid.box((0, 2, 40), boundary="periodic"))


def test_fitted_grid():
    grid = Grid.box((-10, 10, 400), (0, 1, 20), boundary=["reflecting", "periodic"])
    density = gaussian(grid, (3.0, 0.5), (0.04, 0.01))
    there = fitted_grid(density)
    assert there.shape == grid.shape
    assert (there.lower[1], there.upper[1]) == (0.0, 1.0)
    assert there.lower[0] == pytest.approx(3.0 - 1.3 * 1.5, abs=0.3)
    assert there.upper[0] == pytest.approx(3.0 + 1.3 * 1.5, abs=0.3)


def test_regrid_into_an_array():
    """Where the answer goes; the density's own array is left alone."""
    p = gaussian(Grid.box((-2, 2, 40), (-2, 2, 30)), (0.3, 0.1), 0.1)
    there, room, before = p.grid.with_box((-1.5, -1.0), (1.7, 2.5)), np.empty(1200), p.values.copy()
    moved = regrid(p, there, out=room)
    assert np.shares_memory(moved.values, room)
    np.testing.assert_array_equal(moved.values, regrid(p, there).values)
    np.testing.assert_array_equal(p.values, before)
    with pytest.raises(DomainError, match="equal cell counts"):
        regrid(p, p.grid.coarser(), out=room)
