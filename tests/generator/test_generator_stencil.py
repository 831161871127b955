"""The Poisson series by diagonals: against the dense exponential, in slabs, over seams and on any number of threads."""

import numpy as np
import pytest
from generator_oracles import exponential

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator import absorbed_mass, build_generator, propagate
from fpsim.generator.propagation.poisson_series import SLAB, poisson_series, poisson_windows
from fpsim.support.errors import DomainError
from fpsim.support.threads import Team

DRIFTS = {
    1: lambda x: np.cos(2 * x),
    2: lambda x, y: (np.cos(2 * x) + y, np.sin(y - x)),
    3: lambda x, y, z: (np.cos(2 * x) + y, np.sin(y - x), z * x),
}
TENSORS = {1: 0.1, 2: [[0.1, 0.06], [0.06, 0.1]], 3: [[0.1, 0.04, 0], [0.04, 0.1, 0.03], [0, 0.03, 0.1]]}
SHAPES = {1: (90,), 2: (14, 11), 3: (6, 7, 5)}
BOUNDARIES = {
    "reflecting": "reflecting",
    "periodic": "periodic",
    "absorbing": [("absorbing", "absorbing"), "periodic", ("reflecting", "absorbing")],
}


def problem(ndim, boundary, shape=None):
    sides = BOUNDARIES[boundary]
    grid = Grid((-1.2,) * ndim, (1.0,) * ndim, shape or SHAPES[ndim], sides if isinstance(sides, str) else sides[:ndim])
    generator = build_generator(FokkerPlanck(drift=DRIFTS[ndim], diffusion=TENSORS[ndim]), grid)
    values = np.random.default_rng(ndim).random(grid.shape) ** 3
    return generator, Density(grid, values / (values.sum() * grid.cell_volume))


def series(generator, x, times, *, slab=SLAB, backward=False, threads=None):
    """States and losses of the Poisson series in slabs of a given length."""
    rate = generator.exit_rates.max()
    stencil = generator.backward_stencil if backward else generator.forward_stencil
    with Team(threads) as team:
        return poisson_series(stencil, x, poisson_windows(rate * np.array(times), 1e-14), team=team, slab=slab)


@pytest.mark.parametrize("slab", [SLAB, 16])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_series_is_the_exponential(ndim, boundary, slab):
    generator, p = problem(ndim, boundary)
    t = 30.0 / generator.exit_rates.max()
    dense, m = exponential(t * generator.matrix.toarray()), generator.masses(p)
    (_, later), (_, lost) = series(generator, m, [0.5 * t, t], slab=slab)
    np.testing.assert_allclose(later, dense.T @ m, atol=1e-14)
    assert later.min() >= 0.0
    assert lost == pytest.approx(1.0 - (dense.T @ m).sum(), abs=1e-13)
    assert later.sum() + lost == pytest.approx(1.0, abs=1e-14)
    f = np.broadcast_to(sum(generator.grid.mesh()), generator.grid.shape).ravel()
    observed = series(generator, f, [t], slab=slab, backward=True)[0][0]
    np.testing.assert_allclose(observed, dense @ f, atol=1e-13)
    # the same through the functions that users call
    np.testing.assert_allclose(generator.masses(propagate(generator, p, [t])[0]), later, rtol=1e-13, atol=1e-18)
    np.testing.assert_allclose(propagate(generator, lambda *x: sum(x), [t]).value[0].ravel(), observed, atol=1e-14)
    np.testing.assert_allclose(absorbed_mass(generator, p, [t]).value, lost, atol=1e-15)


@pytest.mark.filterwarnings("ignore:the tensor needs longer jumps")
@pytest.mark.parametrize(
    ("boundary", "shape"),
    [("reflecting", (70_000,)), ("periodic", (250, 160)), ("absorbing", (250, 160)), ("absorbing", (400, 10, 10))],
)
def test_any_number_of_threads_gives_the_same_bits(boundary, shape):
    # more cells than one thread takes, in several slabs
    generator, p = problem(len(shape), boundary, shape)
    times = [20.0 / generator.exit_rates.max(), 70.0 / generator.exit_rates.max()]
    answers = [
        (propagate(generator, p, times, threads=k), absorbed_mass(generator, p, times, threads=k).value)
        for k in (1, 2, 3)
    ]
    for densities, lost in answers[1:]:
        for a, b in zip(densities, answers[0][0], strict=True):
            np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(lost, answers[0][1])
    one, several = (series(generator, generator.masses(p), times, slab=64, threads=k) for k in (1, 3))
    for a, b in zip(one, several, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(one[0][1], generator.masses(answers[0][0][1]), rtol=1e-12, atol=1e-25)
    with pytest.raises(DomainError, match="threads is 0"):
        propagate(generator, p, times, threads=0)


def test_wraps_of_a_large_periodic_grid_are_a_list():
    # memory is that of the rates: a diagonal (of either sign) an offset, and the links that leave the box one by one
    generator, _ = problem(2, "periodic", (40, 40))
    found = generator.forward_stencil
    assert len(found.shifts) == len(generator.links)
    leaving = 0
    for link in generator.links:
        i, j = (np.arange(40) + step for step in link.offset)
        inside = ((i >= 0) & (i < 40))[:, None] & ((j >= 0) & (j < 40))
        leaving += int((~inside).sum())
    assert found.rows.size == found.cols.size == 2 * leaving > 0


def test_time_of_a_fine_one_dimensional_grid_is_that_of_few_passes():
    # work is cells times terms; a product with an index list would take several times longer
    import time

    grid = Grid.box((-2, 2, 512))
    generator = build_generator(FokkerPlanck(potential=lambda x: (x * x - 1) ** 2 / 4, diffusion=0.01), grid)
    p = Density(grid, np.exp(-((grid.centers[0] + 0.5) ** 2) / 0.08))
    propagate(generator, p, [0.01])
    best = np.inf
    for _ in range(5):
        begin = time.perf_counter()
        propagate(generator, p, [3.0])
        best = min(best, time.perf_counter() - begin)
    terms = 3.0 * generator.exit_rates.max()
    assert best < 5e-9 * terms * grid.size  # 0.8 ns on a quiet machine
