"""What is refused, with a message that names what and where."""

import inspect

import numpy as np
import pytest

from fpsim import generator as package
from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.generator import (
    absorbed_mass,
    build_generator,
    circulation,
    committor,
    entropy_production,
    exit_probability,
    mean_first_passage_time,
    passage_time_variance,
    propagate,
    quasi_stationary,
    slowest_modes,
    splitting_probability,
    stationary_density,
)
from fpsim.support.errors import DomainError, MemoryLimitError, ValidityWarning

GRID = Grid.box((-1, 1, 20))
CLOSED = build_generator(FokkerPlanck(potential=lambda x: x**2, diffusion=0.1), GRID)
ABSORBING = build_generator(FokkerPlanck(diffusion=0.1), Grid.box((-1, 1, 20), boundary="absorbing"))
# no noise in the middle, drift away from it: two halves that never meet
SPLIT = build_generator(FokkerPlanck(drift=lambda x: x, diffusion=0.0), GRID)
START = gaussian(GRID, 0.0, 0.09)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["drift", "diffusion", "potential"])
def test_coefficients_that_are_not_finite(name, bad):
    given = {"diffusion": 0.1, name: lambda x: np.where(x > 0.5, bad, 0.2)}
    with pytest.raises(DomainError, match=rf"{name}.*(nan|inf).*at"):
        build_generator(FokkerPlanck(**given), GRID)


@pytest.mark.parametrize(
    ("diffusion", "message"),
    [
        ([[1.0, 0.3], [0.2, 1.0]], "not symmetric"),
        ([[1.0, 2.0], [2.0, 1.0]], "not positive semidefinite at place"),
        ([-0.1, 0.1], r"entry \(0, 0\).*>= 0"),
        (np.ones((3, 3)), "shape"),
    ],
)
def test_bad_tensors(diffusion, message):
    with pytest.raises(DomainError, match=message):
        build_generator(FokkerPlanck(diffusion=diffusion), Grid.box((0, 1, 4), (0, 1, 4)))


def test_wrong_shapes_and_missing_arguments():
    with pytest.raises(DomainError, match="drift has"):
        build_generator(FokkerPlanck(drift=lambda x: (x, x), diffusion=0.1), GRID)
    with pytest.raises(DomainError, match="depends on the density"):
        build_generator(FokkerPlanck(drift=lambda x, p: -x, diffusion=0.1), GRID)
    with pytest.raises(DomainError, match="finite time"):
        build_generator(FokkerPlanck(diffusion=0.1), GRID, t=np.nan)


def test_potential_that_is_not_periodic():
    equation = FokkerPlanck(potential=lambda x: np.cos(x) - 0.3 * x, diffusion=0.1)
    with pytest.raises(DomainError, match=r"over one period of axis 0.*tilt into the drift"):
        build_generator(equation, Grid.box((0, 2 * np.pi, 30), boundary="periodic"))


def test_memory_is_checked_before_anything_is_allocated():
    with pytest.raises(MemoryLimitError, match="GB"):
        build_generator(FokkerPlanck(diffusion=0.1), Grid.box(*[(0, 1, 2000)] * 4))


@pytest.mark.parametrize("times", [[1.0, 0.5], [-1.0], [np.nan], [], [[1.0]]])
def test_times(times):
    for call in (propagate, absorbed_mass):
        with pytest.raises(DomainError, match="times are"):
            call(CLOSED, START, times)
    with pytest.raises(DomainError, match="times are"):
        propagate(CLOSED, lambda x: x, times)


def test_tail_density_and_observable():
    with pytest.raises(DomainError, match="tolerance is"):
        propagate(CLOSED, START, [1.0], tolerance=0.0)
    with pytest.raises(DomainError, match="lives on"):
        propagate(ABSORBING, START, [1.0])
    with pytest.raises(DomainError, match=r"not finite at cell \(0,\)"):
        propagate(CLOSED, lambda x: np.where(x < -0.9, np.nan, x), [1.0])
    with pytest.raises(DomainError, match="shape"):
        propagate(CLOSED, np.ones(3), [1.0])


def test_stationary_density_that_does_not_exist_or_is_not_unique():
    with pytest.raises(DomainError, match=r"absorbing walls.*quasi-stationary"):
        stationary_density(ABSORBING)
    with pytest.raises(DomainError, match="2 closed sets"):
        stationary_density(SPLIT)


@pytest.mark.parametrize("call", [mean_first_passage_time, passage_time_variance, quasi_stationary])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda x: x > 5, "no cell"),
        (lambda x: x < 5, "every cell"),
        ([25], "outside the grid"),
        ([-1], "outside the grid"),
        ([[1, 2]], "indices have shape"),
        (np.ones(3, bool), "mask has shape"),
        (lambda x: 1.0 * x, "of type float64"),
        (None, "no wall absorbs"),
    ],
)
def test_targets(call, target, message):
    with pytest.raises(DomainError, match=message):
        call(CLOSED, target)


def test_targets_that_cannot_be_reached():
    with pytest.raises(DomainError, match=r"cannot be reached from cell \(0,\) \(10 such cells\)"):
        mean_first_passage_time(SPLIT, lambda x: x > 0.8)
    with pytest.raises(DomainError, match="do not communicate"):
        quasi_stationary(SPLIT, lambda x: x > 0.8)
    with pytest.raises(DomainError, match="overlap at cell"):
        committor(CLOSED, lambda x: x < 0.5, lambda x: x > -0.5)
    with pytest.raises(DomainError, match="every cell"):
        splitting_probability(CLOSED, [lambda x: x < 0, lambda x: x > 0])
    with pytest.raises(DomainError, match="no wall absorbs"):
        exit_probability(CLOSED)


def test_analyses_outside_their_domain():
    with pytest.raises(DomainError, match="count is 0: a whole number >= 1"):
        slowest_modes(CLOSED, 0)
    with pytest.raises(DomainError, match="infinite"):
        entropy_production(ABSORBING, gaussian(ABSORBING.grid, 0.0, 0.09))
    with pytest.raises(DomainError, match="in one dimension"):
        circulation(CLOSED, START)
    ring = Grid.box((0, 1, 6), (0, 1, 6), boundary=["periodic", "reflecting"])
    with pytest.raises(DomainError, match="periodic or absorbing"):
        circulation(build_generator(FokkerPlanck(diffusion=0.1), ring), gaussian(ring, 0.5, 0.02))


def test_diffusion_added_to_keep_jumps_short_is_said():
    grid = Grid.box((0, 1, 60), (0, 1, 6))
    with pytest.warns(ValidityWarning, match="isotropic diffusion was added"):
        generator = build_generator(FokkerPlanck(diffusion=[[0.5, 0.4], [0.4, 0.5]]), grid)
    assert generator.added > 0.1
    assert "isotropic diffusion added" in repr(generator)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build_generator(3, GRID), "a int on a Grid"),
        (lambda: build_generator(FokkerPlanck(diffusion=0.1), (0, 1, 4)), "on a tuple"),
        (lambda: build_generator(FokkerPlanck(diffusion=0.1), GRID, t="soon"), "t is 'soon'"),
        (lambda: build_generator(FokkerPlanck(drift=lambda x, p: x), GRID, p=3), "p is a int"),
        (lambda: absorbed_mass(CLOSED, np.ones(20), [1.0]), "density is a ndarray"),
        (lambda: propagate(CLOSED, START, "soon"), "times is 'soon'"),
        (lambda: propagate(CLOSED, START, [np.inf]), "times are"),
        (lambda: propagate(CLOSED, START, [1.0], tolerance=np.nan), "tolerance is nan"),
        (
            lambda: propagate(ABSORBING, gaussian(ABSORBING.grid, 0.0, 0.09), [1.0, 1e9]),
            r"nothing is left at t=1e\+09: all",
        ),
        (
            lambda: propagate(ABSORBING, gaussian(ABSORBING.grid, 0.0, 0.09), [1e3], method="rational"),
            "earlier times are",
        ),
        (lambda: slowest_modes(CLOSED, 2.5), "count is 2.5"),
        (lambda: slowest_modes(CLOSED, 21), "21.*20"),
        (lambda: splitting_probability(CLOSED, []), "no targets"),
        (lambda: mean_first_passage_time(CLOSED, []), "target"),
        (lambda: entropy_production(CLOSED, gaussian(Grid.box((-1, 1, 8)), 0.0, 0.09)), "lives on"),
    ],
)
def test_arguments_that_are_no_such_thing(call, message):
    with pytest.raises(DomainError, match=message):
        call()


OF_EQUATIONS = ("build_generator", "stationary_box", "with_grid_error")
FUNCTIONS = [name for name in package.__all__ if inspect.isfunction(getattr(package, name))]


@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if name not in ("build_generator", "stationary_box", "with_grid_error")]
)
def test_what_is_no_generator(name):
    function = getattr(package, name)
    _, *others = inspect.signature(function).parameters.values()
    needed = [None for argument in others if argument.default is argument.empty]
    for wrong in (3, None, CLOSED.matrix):
        with pytest.raises(DomainError, match=f"generator is a {type(wrong).__name__}: a Generator is accepted"):
            function(wrong, *needed)


def test_a_box_asks_for_an_equation_and_a_grid():
    with pytest.raises(DomainError, match=r"equation is .*FokkerPlanck is accepted"):
        package.stationary_box(CLOSED, GRID)
    with pytest.raises(DomainError, match=r"grid is .*Grid is accepted"):
        package.stationary_box(FokkerPlanck(diffusion=0.1), 3)
