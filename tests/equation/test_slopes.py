"""Slopes of callable potentials: one call or four make no difference that can be seen, and exact slopes are met."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck, drift_on_cells, drift_on_faces, slopes
from fpsim.support.errors import DomainError

GRID = Grid.box((-1.5, 1, 24), (0, 2, 20), boundary=["reflecting", "periodic"])


class Counted:
    """A potential that notes the shapes it is called with."""

    def __init__(self, function):
        self.function, self.shapes = function, []

    def __call__(self, x, y):
        self.shapes.append(np.broadcast_shapes(x.shape, y.shape))
        return self.function(x, y)


def by_four_calls(function, x, axis, h):
    """Minus the fourth-order difference, written out."""
    d = h / 16
    f = [function(*(xi + k * d if i == axis else xi for i, xi in enumerate(x))) for k in (1, -1, 2, -2)]
    return -(8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * d)


POINTWISE = {
    "polynomial": lambda x, y: (x**2 - 1) ** 2 / 4 + x * y + x**2 * y**3,
    "transcendental": lambda x, y: (
        np.exp(-x * y) + np.sin(x + 2 * y) * np.tanh(x) + np.log(3 + x) ** 1.7 * np.hypot(x, y)
    ),
    "of one coordinate": lambda x, y: np.cos(3 * y),
    "one number": lambda x, y: 2.5,
    "in Fortran order": lambda x, y: np.asfortranarray(x**3 * y),
    "not contiguous": lambda x, y: np.repeat(x * y**2, 2, axis=1)[:, ::2],
    "of whole numbers": lambda x, y: (4 * x).astype(int) + 0 * y.astype(int),
}


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("axis", [0, 1])
def test_one_call_gives_the_bits_of_four(name, axis):
    potential = Counted(POINTWISE[name])
    x, shape = GRID.mesh(faces_of=axis), tuple(n + (i == axis) for i, n in enumerate(GRID.shape))
    expected = by_four_calls(POINTWISE[name], x, axis, GRID.spacing[axis])
    for _ in range(3):
        found = slopes.downhill(potential, "potential", x, axis, GRID.spacing[axis], 0.0, None)
        assert (np.broadcast_to(found, shape) == np.broadcast_to(expected, shape)).all()
    longer = tuple(n * (4 if i == axis else 1) for i, n in enumerate(shape))
    assert potential.shapes.count(longer) == 3  # tried, compared with four others, then trusted twice
    assert potential.shapes.count(shape) == 4


CLOSED_OVER = np.random.default_rng(3).standard_normal((25, 20))

NOT_POINTWISE = {
    "a running sum": lambda x, y: np.cumsum(x**2 + 0 * y, axis=0),
    "less its least value": lambda x, y: x**2 * y - (x**2 * y).min(),
    "an array of the mesh's shape": lambda x, y: CLOSED_OVER + x**2 * y,
    "only of that many places": lambda x, y: x**2 * y if x.size == 25 else np.ones(3),
    "refuses in its own way": lambda x, y: x**2 * y if x.size == 25 else {}["more places"],
    "not a number elsewhere": lambda x, y: x**2 * y if x.size == 25 else np.full_like(x, np.nan),
}


@pytest.mark.parametrize("name", NOT_POINTWISE)
def test_functions_that_look_at_the_whole_mesh_are_called_as_ever(name):
    potential = Counted(NOT_POINTWISE[name])
    x = GRID.mesh(faces_of=0)
    expected = by_four_calls(NOT_POINTWISE[name], x, 0, GRID.spacing[0])
    for _ in range(3):
        found = slopes.downhill(potential, "potential", x, 0, GRID.spacing[0], 0.0, None)
        np.testing.assert_array_equal(found, expected)
    assert potential.shapes.count((100, 20)) == 1  # tried once, never again
    assert potential.shapes.count((25, 20)) == 12


def test_what_is_found_along_one_axis_is_not_believed_of_another():
    running = lambda x, y: np.cumsum(y**2 + 0 * x, axis=1) * x  # noqa: E731 - pointwise in x only
    for axis in (0, 1, 0, 1):
        x = GRID.mesh(faces_of=axis)
        expected = by_four_calls(running, x, axis, GRID.spacing[axis])
        found = slopes.downhill(running, "potential", x, axis, GRID.spacing[axis], 0.0, None)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "potential",
    [
        lambda x, y, t: x**2 + t * np.cumsum(x**2 + 0 * y, axis=0),
        lambda x, y, p: x**2 + p * np.cumsum(x**2 + 0 * y, axis=0),
    ],
    ids=["t", "p"],
)
def test_what_is_found_at_one_time_is_not_believed_of_another(potential):
    """The running sum does not show at the start."""
    x = GRID.mesh(faces_of=0)
    for t in (0.0, 0.0, 0.5, 0.7):
        expected = by_four_calls(lambda x, y, t=t: potential(x, y, t), x, 0, GRID.spacing[0])
        found = slopes.downhill(potential, "potential", x, 0, GRID.spacing[0], t, t)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("calculus", ["klimontovich", "stratonovich"])
def test_corrections_of_tensors_are_the_same_once_trusted(calculus):
    """By hand: ``div D`` for Klimontovich's, ``D_ii'/2`` of a diagonal tensor for Stratonovich's."""
    tensors = {
        "klimontovich": lambda x, y: [[1 + x**2, x * y / 2], [x * y / 2, 2 + y]],
        "stratonovich": lambda x, y: [[1 + x**2, 0.0], [0.0, 2 + np.sin(y)]],
    }
    exact = {
        "klimontovich": (lambda x, y: 2 * x + x / 2, lambda x, y: y / 2 + 1),
        "stratonovich": (lambda x, y: x, lambda x, y: np.cos(y) / 2),
    }
    tensor = Counted(tensors[calculus])
    equation = FokkerPlanck(diffusion=tensor, calculus=calculus)
    for _ in range(3):
        for axis in (0, 1):
            shape = tuple(n + (i == axis) for i, n in enumerate(GRID.shape))
            expected = np.broadcast_to(exact[calculus][axis](*GRID.mesh(faces_of=axis)), shape)
            np.testing.assert_allclose(drift_on_faces(equation, GRID, axis), expected, atol=1e-7)
        used, tensor.shapes = tensor.shapes, []
    assert set(used) >= {(100, 20), (25, 80), (96, 21), (24, 84)}
    assert len(used) <= 6  # at the third time, once for every axis of the two meshes


def test_a_tensor_that_looks_at_the_whole_mesh():
    """A running sum over y: its slope is the running sum of slopes."""
    tensor = Counted(lambda x, y: 5 + np.cumsum(0.1 * y**2, axis=1) + 0 * x)
    equation = FokkerPlanck(diffusion=tensor, calculus="klimontovich")
    y = GRID.edges[1]
    for _ in range(3):
        np.testing.assert_allclose(drift_on_faces(equation, GRID, 1)[0], np.cumsum(0.2 * y), atol=1e-9)


def test_potentials_that_cannot_be_remembered():
    class Bare:
        __slots__ = ()  # no weak reference

        def __call__(self, x, y):
            return x**2 * y

    x, y = GRID.mesh()
    for _ in range(2):
        np.testing.assert_allclose(drift_on_cells(FokkerPlanck(potential=Bare()), GRID)[0], -2 * x * y, atol=1e-9)


def test_places_of_errors_are_those_of_the_mesh_also_once_trusted():
    limit = [np.inf]
    equation = FokkerPlanck(potential=lambda x, y: np.where(x + y > limit[0], np.nan, x * y))
    for _ in range(2):
        drift_on_faces(equation, GRID, 1)
    limit[0] = 2.9
    with pytest.raises(DomainError, match=r"potential is nan at \(23, 20\), coordinates .*: finite"):
        drift_on_faces(equation, GRID, 1)


def test_a_mesh_too_large_is_never_lengthened():
    grid = Grid.box((-1, 1, 80), (-1, 1, 70))
    potential = Counted(lambda x, y: x**2 * y)
    x, _ = grid.mesh()
    for _ in range(2):
        np.testing.assert_allclose(drift_on_cells(FokkerPlanck(potential=potential), grid)[1], -(x**2), atol=1e-9)
    assert set(potential.shapes) == {(80, 70)}


def test_slopes_are_of_fourth_order():
    """Small grids, where four calls are one: error against the exact slope as the cell shrinks."""
    sizes = np.array([6, 12, 24, 48])
    errors = []
    for n in sizes:
        grid = Grid.box((0, 30, int(n)))
        equation = FokkerPlanck(potential=lambda x: np.sin(3 * x))
        for _ in range(2):
            found = drift_on_faces(equation, grid, 0)
        errors.append(np.abs(found + 3 * np.cos(3 * grid.edges[0])).max())
    order = -np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert 3.9 <= order <= 4.3


def test_what_a_coefficient_writes_into_its_coordinates_stays_there():
    def drift(x, y):
        x *= -1.0
        y *= -2.0
        return x, y

    before = GRID.mesh(faces_of=0)
    for _ in range(2):
        np.testing.assert_array_equal(drift_on_faces(FokkerPlanck(drift=drift), GRID, 0), -before[0])
    np.testing.assert_array_equal(GRID.mesh(faces_of=0)[0], before[0])


def test_answers_of_a_coefficient_are_its_own():
    """A drift that answers an array it keeps: the equation's is another one."""
    kept = np.linspace(-1, 1, 25)[:, None]
    equation = FokkerPlanck(drift=lambda x, y: (kept, 0.0))
    found = drift_on_faces(equation, GRID, 0)
    found += 1.0
    np.testing.assert_array_equal(kept[:, 0], np.linspace(-1, 1, 25))
