"""One equation on one grid, many starts: what is kept between evolutions changes nothing."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import Propagator, evolve
from fpsim.support.errors import DomainError, ValidityWarning

TENSOR = 0.01 * np.array([[1.0, 0.8], [0.8, 1.0]])
EQUATIONS = {
    "separable": FokkerPlanck(drift=lambda x, y: (-x, -2 * y), diffusion=0.01),
    "potential": FokkerPlanck(potential=lambda x, y: (x**2 - 1) ** 2 / 4 + x * y / 2 + y**2, diffusion=0.01),
    "rotating": FokkerPlanck(drift=lambda x, y: (-0.5 * x + 2 * y, -2 * x - 0.5 * y), diffusion=TENSOR),
    "smooth": FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=1.0),  # the generator's
}
GRID = Grid.box((-2, 2, 40), (-2, 2, 36))


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
@pytest.mark.parametrize("name", EQUATIONS)
def test_answers_are_those_of_evolve_whatever_was_asked_before(name):
    equation = EQUATIONS[name]
    flow = Propagator(equation, GRID)
    for mean, times, tolerance in (
        ((0.5, -0.5), [0.3], 1e-2),
        ((-0.7, 0.2), [0.1, 0.25], 1e-3),
        ((0.5, -0.5), [0.3], 1e-2),
    ):
        start = gaussian(GRID, mean, 0.04)
        here, there = (
            f(start, times, tolerance=tolerance) for f in (flow.evolve, lambda *a, **k: evolve(equation, *a, **k))
        )
        for a, b in zip(here.densities, there.densities, strict=True):
            np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(here.time_error, there.time_error)
        np.testing.assert_array_equal(here.grid_error, there.grid_error)
        assert (here.method, here.steps, here.warnings) == (there.method, there.steps, there.warnings)


def test_an_ornstein_uhlenbeck_process_from_many_starts():
    """Exact means and variances, from one propagator."""
    grid = Grid.box((-2, 2, 128))
    flow = Propagator(FokkerPlanck(drift=lambda x: -x, diffusion=0.01), grid)
    for mean, variance in ((1.0, 0.04), (-0.5, 0.02), (0.0, 0.09)):
        for t in (0.5, 1.0):
            p = flow.evolve(gaussian(grid, mean, variance), [t]).final
            assert p.mean[0] == pytest.approx(mean * np.exp(-t), abs=2e-5)
            exact = variance * np.exp(-2 * t) + 0.01 * (1 - np.exp(-2 * t))
            assert p.covariance[0, 0] == pytest.approx(exact, rel=2e-3)


def test_what_is_not_fixed_or_lives_elsewhere_is_refused():
    with pytest.raises(DomainError, match="depend on time or density"):
        Propagator(FokkerPlanck(drift=lambda x, y, t: (-x * t, -y), diffusion=0.01), GRID)
    with pytest.raises(DomainError, match="a FokkerPlanck on a Grid is accepted"):
        Propagator(EQUATIONS["separable"], "grid")
    flow = Propagator(EQUATIONS["separable"], GRID)
    with pytest.raises(DomainError, match="a Density on Grid"):
        flow.evolve(gaussian(Grid.box((-2, 2, 36), (-2, 2, 40)), 0.0, 0.04), [1.0])
    with pytest.raises(DomainError, match="times"):
        flow.evolve(gaussian(GRID, 0.0, 0.04), [1.0, 0.5])
    with pytest.raises(DomainError, match="nan at"):
        Propagator(FokkerPlanck(drift=lambda x, y: (0 * x / 0.0, -y), diffusion=0.01), GRID)


def test_it_shows_its_grid():
    text = repr(Propagator(EQUATIONS["rotating"], GRID))
    assert "40" in text
    assert "cell Peclet" in text


def test_threads_that_share_a_propagator():
    """Each gets its own numbers."""
    flow = Propagator(EQUATIONS["rotating"], GRID)
    starts = [gaussian(GRID, (0.1 * k - 0.4, 0.2), 0.05) for k in range(8)]
    alone = [flow.evolve(s, [0.2], tolerance=1e-2).final.values for s in starts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda s: flow.evolve(s, [0.2], tolerance=1e-2).final.values, starts * 3))
    for k, values in enumerate(together):
        np.testing.assert_array_equal(values, alone[k % 8])


def _pull(x, y):
    return -x, -2 * y


@pytest.mark.parametrize("copy", [deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_give_the_same(copy):
    flow = Propagator(FokkerPlanck(drift=_pull, diffusion=0.01), GRID)
    start = gaussian(GRID, (0.5, -0.5), 0.05)
    there = copy(flow)
    result, again = flow.evolve(start, [0.3]), there.evolve(copy(start), [0.3])
    np.testing.assert_array_equal(result.final.values, again.final.values)
    np.testing.assert_array_equal(copy(result).final.values, result.final.values)
    with pytest.raises(AttributeError):
        there.grid = None


def test_cautions_are_said_to_the_caller():
    flow = Propagator(EQUATIONS["separable"], GRID)
    with pytest.warns(ValidityWarning, match="narrower than two") as said:
        flow.evolve(gaussian(GRID, (0.0, 0.0), 0.005), [0.01])
    assert all(w.filename == __file__ for w in said)
