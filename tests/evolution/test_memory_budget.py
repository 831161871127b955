"""Memory: estimates against what is taken, refusal before anything is allocated, nothing per step."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import Propagator, evolve
from fpsim.evolution.sweeps.lines import lines_along
from fpsim.evolution.sweeps.splitting import Splitting
from fpsim.support.errors import DomainError, MemoryLimitError
from fpsim.support.memory import memory_budget
from fpsim.support.threads import Team

CELLS = {1: 40_000, 2: 240, 3: 40, 4: 16}


def constant(*x):
    n = len(x)
    return 0.02 * (np.eye(n) + 0.3 * (np.eye(n, k=1) + np.eye(n, k=-1)))


def growing(*x):
    return 0.02 * (1 + 0.1 * sum(xi**2 for xi in x))


def turning(*x):
    n = len(x)
    v = [np.cos(0.1 * sum(x) + i) for i in range(n)]
    return [[0.02 * (0.1 * (i == j) + v[i] * v[j]) for j in range(n)] for i in range(n)]


def peak_bytes(work):
    tracemalloc.start()
    result = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, result


CASES = [
    (1, "sweeps", growing, "reflecting", 1),
    (2, "sweeps", constant, "periodic", 1),
    (2, "sweeps", growing, "reflecting", 5),
    (2, "sweeps", turning, "reflecting", 1),
    (3, "sweeps", turning, "absorbing", 1),
    (3, "sweeps", constant, "periodic", 1),
    (4, "sweeps", turning, "reflecting", 1),
    (1, "rational", growing, "absorbing", 3),
    (2, "generator", growing, "reflecting", 6),
    (2, "generator", turning, "periodic", 1),
    (3, "generator", growing, "absorbing", 1),
    (3, "generator", constant, "periodic", 1),
    (4, "generator", growing, "reflecting", 1),
]


@pytest.mark.parametrize(("ndim", "method", "diffusion", "boundary", "outputs"), CASES)
def test_what_is_stated_is_what_is_taken(ndim, method, diffusion, boundary, outputs):
    equation = FokkerPlanck(drift=lambda *x: tuple(np.sin(np.pi * xi / 2) for xi in x), diffusion=diffusion)
    times = np.linspace(0.0, 1e-5, outputs + 1)[1:]
    options = {"method": method, "threads": 1, "estimate_grid_error": False, "tolerance": 0.5}
    for cells in (12, CELLS[ndim]):  # kernels are loaded on the way
        grid = Grid((-2.0,) * ndim, (2.0,) * ndim, (cells,) * ndim, boundary)
        start = gaussian(grid, 0.3, 0.2)
        lines_along.cache_clear()
        peak, result = peak_bytes(lambda s=start: evolve(equation, s, times, **options))
    assert result.method == method
    assert peak <= 1.3 * result.memory + 2e6
    assert result.memory <= 2.0 * peak
    assert result.memory < result.budget


@pytest.mark.parametrize(("ndim", "cells"), [(2, 4000), (3, 300), (4, 90)])
def test_what_does_not_fit_is_refused_before_it_is_allocated(ndim, cells):
    """With the bytes, the budget, and cells that fit; coefficients are not evaluated on the grid."""
    seen = []

    def drift(*x):
        seen.append(np.broadcast_shapes(*(xi.shape for xi in x)))
        return tuple(-xi for xi in x)

    grid = Grid((-2.0,) * ndim, (2.0,) * ndim, (cells,) * ndim)
    start = gaussian(Grid((-2.0,) * ndim, (2.0,) * ndim, (8,) * ndim), 0.0, 0.28)
    equation = FokkerPlanck(drift=drift, diffusion=turning)
    with pytest.raises(MemoryLimitError, match=r"needs about .* GB: at most 100 MB .* about .* cells fit"):
        Propagator(equation, grid, memory="100 MB")
    assert all(np.prod(shape) < 1e4 for shape in seen)
    assert evolve(equation, start, [1e-3], memory="100 MB", tolerance=0.1).budget == 100e6


def test_cells_that_are_said_to_fit_do():
    equation = FokkerPlanck(drift=lambda x, y: (-x * y, -y), diffusion=turning)
    with pytest.raises(MemoryLimitError) as refused:
        Propagator(equation, Grid.box((-2, 2, 3000), (-2, 2, 3000)), memory=50e6)
    n = int(str(refused.value).split("about ")[-1].split("x")[0])
    grid = Grid.box((-2, 2, n), (-2, 2, n))
    assert 100 < n < 3000
    result = evolve(equation, gaussian(grid, 0.3, 0.2), [1e-4], memory=50e6, method="sweeps", estimate_grid_error=False)
    assert result.memory <= 50e6


def test_the_budget_chooses_no_method():
    grid = Grid.box((-2, 2, 60), (-2, 2, 60))
    equation = FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=1.0)
    one, other = (evolve(equation, gaussian(grid, 0.3, 0.2), [1e-3], memory=m) for m in ("30 MB", "3 GB"))
    assert (one.method, one.reason) == (other.method, other.reason) == ("generator", one.reason)
    np.testing.assert_array_equal(one.final.values, other.final.values)


def test_the_budget_comes_from_the_environment_or_the_machine(monkeypatch):
    monkeypatch.setenv("FPSIM_MEMORY", "123 MB")
    assert memory_budget() == 123e6
    assert memory_budget(7e8) == 7e8
    monkeypatch.delenv("FPSIM_MEMORY")
    assert 1e8 < memory_budget() < 1e13


@pytest.mark.parametrize("raw", ["much", -1, 0, "3 furlongs", [1], float("nan"), "GB"])
def test_sizes_that_are_none(raw, monkeypatch):
    with pytest.raises(DomainError, match="memory is"):
        memory_budget(raw)
    monkeypatch.setenv("FPSIM_MEMORY", "lots")
    with pytest.raises(DomainError, match="FPSIM_MEMORY is 'lots'"):
        memory_budget()


@pytest.mark.parametrize("method", ["sweeps", "rational", "generator"])
def test_every_method_is_checked(method):
    grid = Grid.box((-2, 2, 300_000))
    with pytest.raises(MemoryLimitError, match="an evolution on 300000 cells"):
        evolve(FokkerPlanck(diffusion=1.0), gaussian(grid, 0.0, 0.2), [1e-9], method=method, memory=5e6)


def test_nothing_is_allocated_per_step():
    grid, equation = Grid.box((-2, 2, 400), (-2, 2, 400)), FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=constant)
    u = gaussian(grid, 0.3, 0.04).values.ravel().copy()
    with Team(1) as team:
        splitting = Splitting((equation,), (grid,), False, team)
        splitting.advance((u,), 0.0, 1e-3, 2)
        peak, _ = peak_bytes(lambda: splitting.advance((u,), 0.0, 1e-3, 20))
    assert peak < 0.05 * 8 * grid.size
