"""The Poisson series by diagonals: against the dense exponential, in slabs, over seams and on any number of threads."""

import numpy as np
import pytest
from generator_oracles import exponential

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator import absorbed_mass, build_generator, evolve_observable, propagate
from fpsim.generator.propagation import poisson_series as poisson
from fpsim.support.errors import DomainError

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


@pytest.mark.parametrize("slab", [1 << 14, 16])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_series_is_the_exponential(monkeypatch, ndim, boundary, slab):
    monkeypatch.setattr(poisson, "_SLAB", slab)
    generator, p = problem(ndim, boundary)
    t = 30.0 / generator.exit_rates.max()
    dense, m = exponential(t * generator.matrix.toarray()), generator.masses(p)
    later = propagate(generator, p, [0.5 * t, t])[1]
    np.testing.assert_allclose(generator.masses(later), dense.T @ m, atol=1e-14)
    assert later.values.min() >= 0.0
    lost = absorbed_mass(generator, p, [t]).value[0]
    assert lost == pytest.approx(1.0 - (dense.T @ m).sum(), abs=1e-13)
    assert later.mass + lost == pytest.approx(1.0, abs=1e-14)
    observed = evolve_observable(generator, lambda *x: sum(x), [t]).value[0].ravel()
    f = np.broadcast_to(sum(generator.grid.mesh()), generator.grid.shape).ravel()
    np.testing.assert_allclose(observed, dense @ f, atol=1e-13)


@pytest.mark.filterwarnings("ignore:the tensor needs longer jumps")
@pytest.mark.parametrize(("ndim", "boundary"), [(1, "reflecting"), (2, "periodic"), (2, "absorbing"), (3, "absorbing")])
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, ndim, boundary):
    monkeypatch.setattr("fpsim.support.threads.SMALLEST", 0)
    monkeypatch.setattr(poisson, "_SLAB", 64)
    generator, p = problem(ndim, boundary, {1: (5000,), 2: (90, 40), 3: (60, 5, 5)}[ndim])
    times = [20.0 / generator.exit_rates.max(), 70.0 / generator.exit_rates.max()]
    answers = [
        (propagate(generator, p, times, threads=k), absorbed_mass(generator, p, times, threads=k).value)
        for k in (1, 2, 3)
    ]
    for densities, lost in answers[1:]:
        for a, b in zip(densities, answers[0][0], strict=True):
            np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(lost, answers[0][1])
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
