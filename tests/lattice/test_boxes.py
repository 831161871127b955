"""Boxes partition a grid, and lines within them are lines of the grid."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.lattice import boxes as boxes_module
from fpsim.lattice.boxes import boxes, cells_of_box, place_in, shape_with
from fpsim.lattice.lines import find_lines


@pytest.mark.parametrize("shape", [(70,), (40, 31), (9, 13, 22), (7, 8, 9, 10), (3, 2000), (2, 2, 700)])
@pytest.mark.parametrize("uncut", [(), (0,), (-1,)])
def test_boxes_partition_a_grid(shape, uncut, monkeypatch):
    monkeypatch.setattr(boxes_module, "LEAST", 64)
    ndim = len(shape)
    uncut = tuple(a % ndim for a in uncut)
    grid = Grid((-1.0,) * ndim, tuple(1.0 + a for a in range(ndim)), shape, "absorbing")
    count = np.zeros(shape, int)
    for where, box in boxes(grid, uncut=uncut):
        count[where] += 1
        assert box.shape == count[where].shape
        assert min(box.shape) >= 2
        assert box.spacing == grid.spacing
        for axis, part in enumerate(where):
            np.testing.assert_array_equal(box.centers[axis], grid.centers[axis][part])
            np.testing.assert_array_equal(box.edges[axis], grid.edges[axis][part.start : part.stop + 1])
            if axis in uncut:
                assert (box.shape[axis], box.boundary[axis]) == (shape[axis], grid.boundary[axis])
    assert (count == 1).all()
    if not uncut:
        assert max(box.size for _, box in boxes(grid)) <= 4 * cells_of_box(shape)


def test_places_in_values_of_a_broadcast_shape():
    shape = shape_with((1, 1, 1), (4, 1, 5), (8, 9, 11))
    assert shape == (8, 1, 11)
    assert shape_with(shape, (1, 3, 1), (8, 9, 11)) == (8, 9, 11)
    where = (slice(4, 8), slice(0, 3), slice(5, 10))
    assert place_in(where, shape) == (slice(4, 8), slice(0, 1), slice(5, 10))
    assert place_in(where, shape, faces_of=2) == (slice(4, 8), slice(0, 1), slice(5, 11))


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "absorbing"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_lines_of_boxes_are_lines_of_the_grid(axis, boundary, monkeypatch):
    monkeypatch.setattr(boxes_module, "LEAST", 64)
    grid = Grid((0.0,) * 3, (1.0,) * 3, (9, 10, 12), boundary)
    unit = tuple(int(a == axis) for a in range(3))
    found = {}
    for where, box in boxes(grid, uncut=(axis,)):
        lines = find_lines(box, unit).within(grid.shape, tuple(s.start for s in where))
        ends = zip(lines.low_exit, lines.high_exit, strict=True)
        found |= {int(s): (lines.stride, int(n), *e) for s, n, e in zip(lines.starts, lines.lengths, ends, strict=True)}
    whole = find_lines(grid, unit)
    ends = zip(whole.low_exit, whole.high_exit, strict=True)
    assert found == {
        int(s): (whole.stride, int(n), *e) for s, n, e in zip(whole.starts, whole.lengths, ends, strict=True)
    }


@pytest.mark.parametrize(
    ("offset", "boundary"), [((1, -1), "reflecting"), ((2, 1), "absorbing"), ((1, 2), "periodic"), ((0, 1), "periodic")]
)
def test_cells_of_some_lines(offset, boundary):
    """Portions list every cell once; each cell is followed by the one that an offset leads to, around rings too."""
    grid = Grid.box((0, 1, 7), (0, 1, 6), boundary=boundary)
    lines = find_lines(grid, offset)
    listed = []
    for begin, end in ((0, 1), (1, 3), (3, lines.count)):
        some = lines.some(begin, end)
        cells = some.cells()
        assert cells.size == some.lengths.sum()
        for line in np.split(cells, np.cumsum(some.lengths)[:-1]):
            steps = np.diff(np.array(np.unravel_index(line, grid.shape)), axis=1) - np.array(offset)[:, None]
            assert not (steps % np.array(grid.shape)[:, None] if boundary == "periodic" else steps).any()
        listed.append(cells)
    assert sorted(np.concatenate(listed).tolist()) == list(range(grid.size))
