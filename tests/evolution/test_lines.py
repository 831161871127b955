"""Lines along an offset partition the grid; each is a run that ends at walls or closes on itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsim.density import Grid
from fpsim.evolution.sweeps.lines import line_bytes, lines_along


def cells_of(lines, line):
    if lines.order.size:
        return lines.order[line, : lines.lengths[line]]
    return lines.starts[line] + np.arange(lines.lengths[line]) * lines.stride


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    shape=st.lists(st.integers(2, 7), min_size=1, max_size=4),
)
def test_partition(data, shape):
    ndim = len(shape)
    sides = data.draw(st.lists(st.sampled_from(["reflecting", "periodic", "absorbing"]), min_size=ndim, max_size=ndim))
    offset = data.draw(st.lists(st.integers(-3, 3), min_size=ndim, max_size=ndim).filter(any))
    grid = Grid((0.0,) * ndim, (1.0,) * ndim, tuple(shape), sides)
    lines = lines_along(grid, tuple(offset))
    tables = (lines.starts, lines.lengths, lines.low_exit, lines.high_exit, lines.order)
    assert line_bytes(grid, tuple(offset)) == sum(table.nbytes for table in tables)
    seen = np.concatenate([cells_of(lines, k) for k in range(lines.count)])
    np.testing.assert_array_equal(np.sort(seen), np.arange(grid.size))
    walls = [a for a in range(ndim) if offset[a] and sides[a] != "periodic"]
    assert lines.closed == (not walls)
    for k in range(lines.count):
        places = np.array(np.unravel_index(cells_of(lines, k), grid.shape)).T
        steps = (places[1:] - places[:-1] - offset) % [
            s if b == "periodic" else 10**6 for s, b in zip(shape, sides, strict=True)
        ]
        assert not steps.any()  # neighbours on the line differ by the offset
        beyond = places[-1] + offset
        assert not walls or any(not 0 <= beyond[a] < shape[a] for a in walls)
        expected = 0.0  # of all walls that the next jump crosses, the nearest absorbing one
        for a in walls:
            depth = (shape[a] - places[-1][a] if offset[a] > 0 else places[-1][a] + 1) - 0.5
            if sides[a] == "absorbing" and depth < abs(offset[a]):
                expected = max(expected, abs(offset[a]) / depth)
        assert lines.high_exit[k] == pytest.approx(expected, rel=1e-6)


def test_long_tables_are_made_in_parts():
    grid = Grid((0.0, 0.0), (1.0, 1.0), (300, 251), "periodic")
    lines = lines_along(grid, (1, -2))
    np.testing.assert_array_equal(np.sort(lines.order.ravel()), np.arange(grid.size))
    i, j = np.unravel_index(lines.order, grid.shape)
    assert ((np.diff(i, axis=1) - 1) % 300 == 0).all()
    assert ((np.diff(j, axis=1) + 2) % 251 == 0).all()


def test_many_lines_are_made_in_parts():
    grid = Grid((0.0, 0.0), (1.0, 1.0), (256, 256), "periodic")
    lines = lines_along(grid, (1, 1))
    assert lines.count == 256
    expected = np.arange(256) * 257
    i, j = np.unravel_index(lines.order, grid.shape)
    np.testing.assert_array_equal((i - j) % 256, np.broadcast_to((i - j)[:, :1] % 256, i.shape))
    np.testing.assert_array_equal(np.sort(lines.order[0]), expected)
    np.testing.assert_array_equal(np.sort(lines.order.ravel()), np.arange(grid.size))


@pytest.mark.parametrize("offset", [(1, 2), (2, 3), (3, 0), (0, 4), (2, -2)])
def test_closed_lines_begin_at_their_first_cell(offset):
    """By brute force: repeated steps around the ring."""
    grid = Grid.box((0, 1, 6), (0, 1, 8), boundary="periodic")
    firsts = set()
    for i, j in np.ndindex(grid.shape):
        ring = {((i + k * offset[0]) % 6) * 8 + (j + k * offset[1]) % 8 for k in range(48)}
        firsts.add(min(ring))
    assert lines_along(grid, offset).starts.tolist() == sorted(firsts)
