"""Input that is not accepted, each with a message that says what and where; warnings; methods; the account."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

from fpsim.density import Density, Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.support.errors import DomainError, MemoryLimitError, ValidityWarning
from fpsim.support.memory import check_memory

GRID = Grid.box((-2, 2, 48), (-2, 2, 40))
START = gaussian(GRID, (0.5, 0.0), 0.1)
OU = FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.1)


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        (FokkerPlanck(drift=lambda x, y: (x / 0.0 * 0.0, y)), r"drift component 0 is nan at \(0, 0\)"),
        (FokkerPlanck(drift=lambda x, y: (x, np.where(y > 1, np.inf, y))), r"drift component 1 is inf at \(0, "),
        (FokkerPlanck(drift=lambda x, y: (x,)), "drift has 1 components"),
        (FokkerPlanck(drift=np.zeros((2, 5, 5))), r"drift component 0 has shape \(5, 5\)"),
        (FokkerPlanck(diffusion=-1.0), r"diffusion entry \(0, 0\) is -1"),
        (FokkerPlanck(diffusion=lambda x, y: x), r"diffusion entry \(0, 0\) is -"),
        (FokkerPlanck(diffusion=[[1.0, 0.5], [0.4, 1.0]]), "not symmetric"),
        (FokkerPlanck(diffusion=[[1.0, 2.0], [2.0, 1.0]]), "not positive semidefinite at place"),
        (FokkerPlanck(diffusion=[[1.0, np.nan], [np.nan, 1.0]]), r"diffusion entry \(0, 1\) is nan"),
        (FokkerPlanck(potential=lambda x, y: np.log(x)), "potential is nan at"),
    ],
)
def test_coefficients(equation, message):
    with pytest.raises(DomainError, match=message):
        evolve(equation, START, [1.0])


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1.0, 0.5], r"times\[1\] is 0.5"),
        ([0.5, 0.5], r"times\[1\] is 0.5"),
        ([-1.0], r"times\[0\] is -1"),
        ([np.nan], r"times\[0\] is nan"),
        ([], "times have shape"),
        ("soon", "times is 'soon'"),
    ],
)
def test_times(times, message):
    with pytest.raises(DomainError, match=message):
        evolve(OU, START, times)


def test_start():
    with pytest.raises(DomainError, match=r"density is -1.0 at cell \(3, 4\)"):
        Density(GRID, np.where((np.arange(48)[:, None] == 3) & (np.arange(40) == 4), -1.0, 1.0))
    with pytest.raises(DomainError, match="zero everywhere"):
        Density(GRID, np.zeros(GRID.shape))
    with pytest.raises(DomainError, match="a Density is accepted"):
        evolve(OU, START.values, [1.0])
    with pytest.raises(DomainError, match="a int as start: a Density, or"):
        evolve((OU, OU), (START, 1), [1.0])
    for equation, found in ((None, "NoneType"), ("OU", "str"), ((OU, 3), "int")):
        with pytest.raises(DomainError, match=f"a {found} as equation: a FokkerPlanck, or for a coupled"):
            evolve(equation, (START, START), [1.0])
    for start in (START, (START,)):
        with pytest.raises(DomainError, match="2 equations and 1 densities"):
            evolve((OU, OU), start, [1.0])


def test_options():
    with pytest.raises(DomainError, match="tolerance is 0"):
        evolve(OU, START, [1.0], tolerance=0.0)
    with pytest.raises(DomainError, match="tolerance is 'small'"):
        evolve(OU, START, [1.0], tolerance="small")
    with pytest.raises(DomainError, match="accepted are auto"):
        evolve(OU, START, [1.0], method="magic")
    with pytest.raises(DomainError, match="threads is 0"):
        evolve(OU, START, [1.0], threads=0)
    with pytest.raises(DomainError, match=r"threads is 1\.5: a whole number"):
        evolve(OU, START, [1.0], threads=1.5)
    with pytest.raises(DomainError, match="'generator' with a time-dependent equation"):
        evolve(FokkerPlanck(drift=lambda x, y, t: (-x, -t * y)), START, [1.0], method="generator")


def test_too_large_for_the_machine():
    with pytest.raises(MemoryLimitError, match="is accepted"):
        check_memory(10**18, "an evolution")


def test_mass_at_the_walls_is_reported():
    escaping = FokkerPlanck(drift=lambda x, y: (1.0 + 0 * x, 0 * y), diffusion=0.02)
    with pytest.warns(ValidityWarning, match="reached the outermost cells"):
        result = evolve(escaping, START, [1.0], estimate_grid_error=False, tolerance=5e-2)
    assert any("outermost" in text for text in result.warnings)


def test_unresolved_peak_is_reported():
    with pytest.warns(ValidityWarning, match="narrower than two"):
        evolve(FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=1e-6), START, [4.0], estimate_grid_error=False)


def test_progress_and_repr():
    seen = []
    result = evolve(OU, START, [0.0, 0.2], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    np.testing.assert_array_equal(result.densities[0].values, START.values)
    text = repr(result)
    for part in ("48x40 cells", "Peclet", "MB", "steps", "L1 error"):
        assert part in text


@pytest.mark.parametrize("method", ["generator", "rational"])
def test_methods_without_steps_say_when_they_are_done(method):
    grid, seen = Grid.box((-3, 3, 64)), []
    equation = FokkerPlanck(drift=lambda x: -x, diffusion=0.25)
    evolve(equation, gaussian(grid, 0.0, 0.2), [0.5], method=method, progress=seen.append)
    assert seen == [1.0]


def test_time_zero_is_the_start():
    result = evolve(OU, START, [0.0], method="sweeps")
    assert result.final.values.tobytes() == START.values.tobytes()
    assert result.steps == 0


def test_choice_of_method():
    resolved = FokkerPlanck(potential=lambda x: x**2 / 2, diffusion=0.25)
    grid = Grid.box((-3, 3, 400))
    assert evolve(resolved, gaussian(grid, 0.0, 0.2), [0.5]).method == "generator"
    assert evolve(OU, START, [0.1]).method == "sweeps"
    assert evolve(resolved, gaussian(grid, 0.0, 0.2), [0.1], method="sweeps").method == "sweeps"
    assert evolve(resolved, gaussian(grid, 0.0, 0.2), [1e6]).method == "rational"
    ring = Grid.box((-3, 3, 400), boundary="periodic")
    free = FokkerPlanck(diffusion=0.25)
    assert evolve(free, gaussian(ring, 0.0, 0.2), [1e3]).method == "generator"


def test_rational_is_for_a_single_axis_with_ends():
    for grid in (Grid.box((-2, 2, 16), (-2, 2, 16)), Grid.box((-3, 3, 400), boundary="periodic")):
        equation = FokkerPlanck(diffusion=0.25)
        with pytest.raises(DomainError, match="a single axis that is not periodic is accepted"):
            evolve(equation, gaussian(grid, 0.0, 0.2), [1.0], method="rational")


@pytest.mark.parametrize(("tolerance", "nearly_gone"), [(1e-2, 100.0), (1e-4, 150.0), (1e-7, 220.0)])
def test_rational_evolution_within_the_tolerance_at_any_time(tolerance, nearly_gone):
    """An Ornstein-Uhlenbeck process through its exact moments, an absorbing wall, and the end of time."""
    equation, grid = FokkerPlanck(drift=lambda x: -x, diffusion=0.25), Grid.box((-3, 3, 600))
    result = evolve(equation, gaussian(grid, 0.8, 0.1), [0.3, 1.0, 1e9], method="rational", tolerance=tolerance)
    for t, p, error in zip(result.times, result.densities, result.time_error, strict=True):
        assert error <= 1.5 * tolerance
        assert p.mass == pytest.approx(1.0, abs=1e-12)
        assert p.values.min() >= 0.0
        assert abs(p.mean[0] - 0.8 * np.exp(-t)) <= 3.0 * tolerance + 1e-4
        variance = 0.1 * np.exp(-2 * t) + 0.25 * (1 - np.exp(-2 * t))
        assert abs(p.covariance[0, 0] - variance) <= 9.0 * tolerance + 2e-4
        exact = gaussian(grid, 0.8 * np.exp(-t), variance).values
        assert np.abs(p.values - exact).sum() * grid.spacing[0] <= tolerance + 2e-4
    wall = Grid.box((-3, 1, 400), boundary=[("reflecting", "absorbing")])
    result = evolve(equation, gaussian(wall, 0.3, 0.02), [0.5, 5.0], method="rational", tolerance=tolerance)
    for p, absorbed in zip(result.densities, result.absorbed, strict=True):
        assert p.mass + absorbed == pytest.approx(1.0, abs=1e-12)
        assert absorbed > 0.01
    with pytest.warns(ValidityWarning, match="less than its error"):
        evolve(equation, gaussian(wall, 0.3, 0.02), [nearly_gone], method="rational", tolerance=tolerance)


@pytest.mark.parametrize(("method", "accuracy"), [("sweeps", 1e-3), ("generator", 5e-3)])
def test_methods(method, accuracy):
    """Independent discretisations of a non-gradient problem with a correlated tensor, and its exact moments."""
    a, tensor, t = np.array([[-1.0, 0.5], [-0.5, -1.0]]), np.array([[0.3, 0.1], [0.1, 0.2]]), 0.5
    equation = FokkerPlanck(drift=lambda x, y: (-x + 0.5 * y, -0.5 * x - y), diffusion=tensor)
    grid = Grid.box((-3.2, 3.2, 44), (-3.2, 3.2, 44))
    start = gaussian(grid, (0.6, -0.3), 0.15)
    final = evolve(equation, start, [t], method=method, tolerance=5e-3, estimate_grid_error=False).final
    flow, stationary = expm(a * t), solve_continuous_lyapunov(a, -2 * tensor)
    np.testing.assert_allclose(final.mean, flow @ [0.6, -0.3], atol=accuracy)
    covariance = flow @ (0.15 * np.eye(2) - stationary) @ flow.T + stationary
    np.testing.assert_allclose(final.covariance, covariance, atol=accuracy)


def test_fipy_is_an_independent_reference():
    """Not a method of `evolve`: the message says where it is."""
    with pytest.raises(DomainError, match=r"method 'fipy'.*fpsim\.validation\.fipy"):
        evolve(OU, START, [0.1], method="fipy")


def test_times_of_an_answer_are_its_own():
    when = np.array([0.0, 0.1])
    result = evolve(OU, START, when, estimate_grid_error=False)
    when[:] = 7.0
    np.testing.assert_array_equal(result.times, [0.0, 0.1])


@pytest.mark.parametrize("method", ["sweeps", "generator", "rational"])
def test_errors_are_relative_to_the_mass(method):
    """The equation is linear: three times the start is three times the answer, at the same relative error."""
    grid = Grid.box((-3, 3, 64))
    equation, start = FokkerPlanck(drift=lambda x: -x, diffusion=0.25), gaussian(grid, 0.8, 0.1)
    one, three = (
        evolve(equation, Density(grid, m * start.values), [0.5], method=method, tolerance=1e-2) for m in (1.0, 3.0)
    )
    np.testing.assert_allclose(three.final.values, 3.0 * one.final.values, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(three.time_error, one.time_error, rtol=1e-6)
    np.testing.assert_allclose(three.grid_error, one.grid_error, rtol=1e-6)


@pytest.mark.parametrize(("method", "t"), [("sweeps", 1e6), ("generator", 1e4), ("rational", 50.0)])
def test_nothing_left(method, t):
    """Between absorbing walls at D = 1/2 the density falls as exp(-pi^2 t / 2)."""
    grid = Grid.box((0, 1, 40), boundary="absorbing")
    with pytest.raises(DomainError, match=re.escape(f"nothing is left at t={t:g}")):
        evolve(FokkerPlanck(diffusion=0.5), gaussian(grid, 0.5, 0.01), [t], method=method, estimate_grid_error=False)


def test_peclet_numbers_are_not_negative_where_nothing_diffuses():
    equation = FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=lambda x, y: (0.1, -0.0 * x))
    low, high = evolve(equation, START, [0.01], method="sweeps").peclet
    assert low >= 0.0
    assert high == np.inf
