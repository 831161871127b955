"""Coefficients that are refused: what is wrong, in which coefficient, and at which place."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.equation import (
    FokkerPlanck,
    diffusion_on_cells,
    drift_at,
    drift_on_cells,
    drift_on_faces,
    potential_on_cells,
)
from fpsim.support.errors import DomainError

LINE = Grid.box((-1, 1, 20))
PLANE = Grid.box((-1, 1, 8), (-1, 1, 6))
SPACE = Grid.box(*[(0, 1, 3)] * 3)
NAN = np.nan

DIFFUSIONS = {
    "in words": (LINE, "a", "diffusion is 'a' of type .*real numbers"),
    "complex": (LINE, 1j, "real numbers"),
    "negative": (LINE, -1.0, r"entry \(0, 0\) is -1.0"),
    "negative somewhere": (PLANE, lambda x, y: [1.0, x], r"entry \(1, 1\) is -0.875"),
    "nan somewhere": (PLANE, lambda x, y: np.where(x + y > 1, NAN, 1.0), r"entry \(0, 0\) is nan at \(5, 5\)"),
    "infinite": (PLANE, [1.0, np.inf], r"entry \(1, 1\) is inf"),
    "three of two": (PLANE, [1, 1, 1], "a sequence of 3"),
    "two rows of three": (PLANE, [[1, 0, 0], [0, 1, 0]], "a number or array"),
    "ragged": (PLANE, [[1, 0], [0]], "a number or array"),
    "of another grid": (PLANE, np.ones((6, 8)), r"shape \(6, 8\)"),
    "asymmetric": (PLANE, [[1, 0.3], [0.2, 1]], r"entries \(1, 0\) and \(0, 1\) differ"),
    "asymmetric somewhere": (
        PLANE,
        lambda x, y: [[1, 0.1 + 0 * x], [0.1 + 0.1 * (x > 0.5), 1]],
        r"\(1, 0\) and \(0, 1\) differ at \(6, 0\)",
    ),
    "indefinite": (PLANE, [[1, 2], [2, 1]], "not positive semidefinite at place"),
    "indefinite somewhere": (
        PLANE,
        lambda x, y: [[1, 2.0 * (x > 0.5)], [2.0 * (x > 0.5), 1]],
        r"place \(6, 0\) \(2 of 8\): lowest eigenvalue -1",
    ),
    "asymmetric in space": (SPACE, [[1, 0.1, 0], [0.1, 1, 0], [0.2, 0, 1]], r"\(2, 0\) and \(0, 2\) differ"),
    "indefinite in space": (SPACE, [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], "not positive semidefinite"),
    "indefinite and huge": (PLANE, [[1e200, 1.1e200], [1.1e200, 1e200]], "not positive semidefinite"),
    "indefinite and tiny": (PLANE, [[1e-300, 1e-200], [1e-200, 1e-300]], "not positive semidefinite"),
    "indefinite and huge somewhere": (
        PLANE,
        lambda x, y: [[1e200, 1.1e200 * (x > 0.5)], [1.1e200 * (x > 0.5), 1e200]],
        "not positive semidefinite at place",
    ),
    "coupled to nothing": (PLANE, [[1, 0.1], [0.1, 0]], "not positive semidefinite"),
    "negative of two": (PLANE, [[1.0, 0.0], [0.0, -2.0]], r"entry \(1, 1\) is -2.0"),
    "nan beside the diagonal": (PLANE, np.array([[1.0, NAN], [NAN, 1.0]]), r"entry \(0, 1\) is nan"),
    "infinite number": (LINE, np.inf, r"entry \(0, 0\) is inf"),
    "nan": (LINE, NAN, r"entry \(0, 0\) is nan"),
    "asymmetric array": (PLANE, np.array([[1.0, 0.3], [0.2, 1.0]]), r"\(1, 0\) and \(0, 1\) differ"),
    "nothing": (LINE, lambda x: None, "diffusion"),
}


@pytest.mark.parametrize("name", DIFFUSIONS)
def test_diffusion(name):
    grid, diffusion, message = DIFFUSIONS[name]
    with pytest.raises(DomainError, match=message):
        diffusion_on_cells(FokkerPlanck(diffusion=diffusion), grid)


DRIFTS = {
    "one number": (PLANE, lambda x, y: 1.0, "drift has 1 components"),
    "one component": (PLANE, lambda x, y: (x,), "drift has 1 components"),
    "two in one dimension": (LINE, lambda x: (x, x), "drift has 2 components"),
    "of another grid": (PLANE, np.ones((2, 8, 7)), r"drift component 0 has shape \(8, 7\)"),
    "in words": (LINE, "a", "drift is 'a'"),
    "complex": (LINE, lambda x: 1j * x, "real numbers"),
    "too few coordinates": (PLANE, lambda x: x, "does not take the 2 coordinates"),
    "one array in two dimensions": (
        PLANE,
        lambda x, y: -x,
        r"drift is one array of shape \(\d, 1\): one number or array for each of 2 axes is accepted, as a tuple",
    ),
    "numbers in one array": (PLANE, np.array([1.0, 2.0]), r"one array of shape \(2,\): .* as a tuple"),
    "two in words": (PLANE, "ab", "drift is 'ab'"),
    "with an if": (
        LINE,
        lambda x: -x if x > 0 else x,
        r"<lambda> fails on arrays \(The truth value of an array .* called with arrays of places, .* np.where",
    ),
    "function of a number": (LINE, math.sin, r"sin fails on arrays .* np.sin for math.sin"),
    "function of two numbers": (PLANE, math.hypot, r"hypot fails on arrays .* np.sin for math.sin"),
    "infinite somewhere": (PLANE, lambda x, y: (x, np.where(y > 0, np.inf, y)), r"component 1 is inf at \(0, 3\)"),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_drift(name):
    grid, drift, message = DRIFTS[name]
    with pytest.raises(DomainError, match=message):
        drift_on_cells(FokkerPlanck(drift=drift), grid)
    with pytest.raises(DomainError):
        drift_on_faces(FokkerPlanck(drift=drift), grid, grid.ndim - 1)


@pytest.mark.parametrize(
    ("potential", "message"),
    [
        ("a", "potential is 'a'"),
        (np.ones(7), r"potential has shape \(7,\)"),
        (lambda x: np.where(x > 0.9, NAN, x), r"potential is nan at \(19,\)"),
        (lambda x, y: x, "does not take the 1 coordinates: a callable of 1 array is accepted"),
        (lambda x: abs(x) if x > 0 else x, "called with arrays of places"),
        (math.cos, "cos fails on arrays"),
    ],
)
def test_potential(potential, message):
    with pytest.raises(DomainError, match=message):
        potential_on_cells(FokkerPlanck(potential=potential), LINE)


def test_an_error_inside_a_coefficient_is_the_callers_own():
    with pytest.raises(TypeError, match="NoneType"):
        drift_on_cells(FokkerPlanck(drift=lambda x: x + None), LINE)

    def drift(x):
        raise ValueError("my own")

    with pytest.raises(ValueError, match="my own") as caught:
        drift_on_cells(FokkerPlanck(drift=drift), LINE)
    assert caught.type is ValueError


PLACES = (np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"drift": np.ones((2, 8, 6))}, "drift is a grid array: numbers or a callable"),
        ({"drift": np.array([1.0, 2.0])}, "drift is a grid array"),
        ({"drift": (np.ones(3), 1.0)}, "drift is a grid array"),
        ({"drift": 1.0}, "drift has 1 components"),
        ({"drift": (1.0, NAN)}, "drift component 1 is nan"),
        ({"drift": (1.0, "a")}, "drift is 'a'"),
        ({"potential": np.ones((8, 6))}, "potential is a grid array"),
        ({"potential": NAN}, "potential is nan"),
        ({"phi": np.ones(3), "diffusion": 1.0}, "phi is a grid array"),
    ],
)
def test_coefficients_at_places_that_are_no_grid(given, message):
    with pytest.raises(DomainError, match=message):
        drift_at(FokkerPlanck(**given), PLACES, spacing=(1.0, 1.0))


def test_numbers_are_constants_at_any_places():
    equation = FokkerPlanck(drift=(1.0, -2), potential=3.0, phi=4, diffusion=0.1)
    along, across = drift_at(equation, PLACES, spacing=(1.0, 1.0))
    assert (along == 1.0).all()
    assert (across == -2.0).all()
    (line,) = drift_at(FokkerPlanck(drift=-1.5), PLACES[:1], spacing=(1.0,))
    assert (line == -1.5).all()


def test_diffusion_and_calculus_that_are_no_such_thing():
    with pytest.raises(DomainError, match="diffusion is None"):
        FokkerPlanck(diffusion=None)
    with pytest.raises(DomainError, match="calculus 3: accepted are"):
        FokkerPlanck(calculus=3)  # type: ignore[arg-type]
