"""Coefficients given as arrays on the grid: a callable's answers, where the coarse grid and large grids are too."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.equation.grid_arrays import on_coarser
from fpsim.evolution import Propagator, evolve
from fpsim.support.errors import DomainError

LINE = Grid.box((-2, 2, 65))
PLANE = Grid.box((-2, 2, 41), (-2, 2, 30))
X = LINE.centers[0]
U, V = PLANE.mesh()
TENSOR = np.array([[0.1, 0.04], [0.04, 0.1]])


@pytest.mark.parametrize("method", ["sweeps", "generator"])
@pytest.mark.parametrize("form", ["line", "rows", "broadcast", "one array"])
def test_linear_drifts_have_the_answers_and_errors_of_callables(form, method):
    """Means on faces and between cells are exact for a linear drift, on an odd number of cells too."""
    drifts = {
        "line": (-X, lambda x: -x),
        "rows": ([-U + V, -2 * V - U], lambda x, y: (-x + y, -2 * y - x)),
        "broadcast": ((-U, -2 * V), lambda x, y: (-x, -2 * y)),
        "one array": (np.array([-U + V, -2 * V - U]), lambda x, y: (-x + y, -2 * y - x)),
    }
    grid = LINE if form == "line" else PLANE
    start, options = gaussian(grid, 0.4, 0.1), {"method": method, "tolerance": 1e-2}
    array, function = (evolve(FokkerPlanck(drift=d, diffusion=0.1), start, [0.2], **options) for d in drifts[form])
    np.testing.assert_allclose(array.final.values, function.final.values, atol=1e-9)
    np.testing.assert_allclose(array.grid_error, function.grid_error, atol=1e-9)


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "rows", "tensor"])
def test_diffusions_between_cells(kind):
    """Linear in place, so exact."""
    bump = 1 + U / 4 + V / 8
    forms = {
        "isotropic": bump,
        "diagonal": [1 + U / 4, bump],
        "rows": [[bump, 0.5 * bump], [0.5 * bump, 1 + V / 8 + 0 * U]],
        "tensor": bump * np.array([[1.0, 0.3], [0.3, 2.0]])[:, :, None, None],
    }
    wide = PLANE.coarser()
    u, v = wide.mesh()
    there = {
        "isotropic": 1 + u / 4 + v / 8,
        "tensor": (1 + u / 4 + v / 8) * np.array([[1.0, 0.3], [0.3, 2.0]])[:, :, None, None],
    }
    there |= {"diagonal": [1 + u / 4, there["isotropic"]]}
    there |= {"rows": [[there["isotropic"], 0.5 * there["isotropic"]], [0.5 * there["isotropic"], 1 + v / 8 + 0 * u]]}
    found, exact = on_coarser(FokkerPlanck(diffusion=forms[kind]), PLANE).diffusion, there[kind]
    for a, b in zip(found, exact, strict=True):
        for c, d in zip(a, b, strict=True):
            np.testing.assert_allclose(c, d, atol=1e-14)


def test_what_is_no_grid_array_stays():
    for equation in (FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=TENSOR), FokkerPlanck(diffusion=[0.1, 0.2])):
        assert on_coarser(equation, PLANE) is equation


@pytest.mark.parametrize("name", ["drift", "potential", "phi"])
def test_an_array_belongs_to_a_grid_that_stays(name):
    equation = FokkerPlanck(**{name: X**2, "diffusion": 0.1})
    with pytest.raises(DomainError, match=f"{name} is a grid array and the grid would move"):
        evolve(equation, gaussian(LINE, 0.4, 0.1), [0.2], follow=True)


def test_a_propagator_tells_the_error_of_its_grid():
    equation, start = FokkerPlanck(potential=X**2 / 2, diffusion=0.1), gaussian(LINE, 0.4, 0.1)
    result = Propagator(equation, LINE).evolve(start, [0.2])
    variance = 0.1
    exact = gaussian(LINE, 0.4 * np.exp(-0.2), variance)
    error = np.abs(result.final.values - exact.values).sum() * LINE.cell_volume
    assert error <= 2.0 * result.error[-1] <= 2e-2


@pytest.mark.parametrize("name", ["phi", "potential", "drift", "rows of different shapes", "correlated"])
def test_arrays_of_every_coefficient(name):
    """A drift towards zero at the same rate, in five forms."""
    given = {
        "drift": {"drift": (-0.2 * U + 0 * V, -0.2 * V + 0 * U), "diffusion": 0.1},
        "correlated": {
            "drift": (-0.2 * U, -0.2 * V),
            "diffusion": [[0.1 + 0 * U * V, 0.04 * np.cos(U + V)], [0.04 * np.cos(U + V), 0.1 + 0 * V]],
        },
        "phi": {"phi": U**2 + V**2, "diffusion": 0.1},
        "potential": {"potential": 0.1 * (U**2 + V**2), "diffusion": 0.1},
        "rows of different shapes": {
            "drift": lambda x, y: (-0.2 * x, -0.2 * y),
            "diffusion": [[0.1, 0.0 * U * V], [0.0 * U * V, 0.1 + 0 * V]],
        },
    }
    equation, start = FokkerPlanck(**given[name]), gaussian(PLANE, 0.4, 0.03)
    result = evolve(equation, start, [0.2], method="sweeps", tolerance=1e-4)
    np.testing.assert_allclose(result.final.mean, 0.4 * np.exp(-0.04), atol=2e-3)
