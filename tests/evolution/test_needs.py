"""Memory by method: what is stated is what is taken, and what is chosen takes no more than it may."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import Propagator, evolve, needs
from fpsim.evolution.needs import affordable
from fpsim.support.errors import MemoryLimitError

CELLS = {1: 40_000, 2: 200, 3: 34, 4: 14}


def constant(*x):
    n = len(x)
    return np.eye(n) + 0.3 * (np.eye(n, k=1) + np.eye(n, k=-1))


def growing(*x):
    return 1 + 0.1 * sum(xi**2 for xi in x)


def turning(*x):
    n = len(x)
    v = [np.cos(sum(x) + i) for i in range(n)]
    return [[0.1 * (i == j) + v[i] * v[j] for j in range(n)] for i in range(n)]


def peak_bytes(work):
    tracemalloc.start()
    result = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, result


CASES = [
    (1, "rational", growing, "reflecting", 1),
    (1, "rational", growing, "absorbing", 3),
    (1, "generator", growing, "reflecting", 1),
    (2, "generator", growing, "reflecting", 6),
    (2, "generator", constant, "absorbing", 1),
    (2, "generator", turning, "reflecting", 1),
    (2, "generator", turning, "periodic", 1),
    (2, "generator", growing, "periodic", 1),
    (3, "generator", growing, "absorbing", 1),
    (3, "generator", constant, "periodic", 1),
    (4, "generator", growing, "reflecting", 1),
    (4, "generator", constant, "absorbing", 1),
]


@pytest.mark.parametrize(("ndim", "method", "diffusion", "boundary", "outputs"), CASES)
def test_what_is_stated_is_what_is_taken(ndim, method, diffusion, boundary, outputs):
    equation = FokkerPlanck(drift=lambda *x: tuple(np.sin(np.pi * xi / 2) for xi in x), diffusion=diffusion)
    times = np.linspace(0.0, 1e-5, outputs + 1)[1:]
    options = {"method": method, "threads": 1, "estimate_grid_error": False}
    for cells in (12, CELLS[ndim]):  # kernels are loaded on the way
        grid = Grid((-2.0,) * ndim, (2.0,) * ndim, (cells,) * ndim, boundary)
        start = gaussian(grid, 0.3, 0.2)
        peak, result = peak_bytes(lambda s=start: evolve(equation, s, times, **options))
    assert result.method == method
    assert peak <= 1.05 * result.memory + 5e5
    assert result.memory <= 1.5 * peak


def test_the_generator_is_not_chosen_where_it_would_take_more_than_it_may(monkeypatch):
    """A short time on cells that resolve everything: the generator, but for its memory."""
    grid = Grid.box((-2, 2, 200), (-2, 2, 200))
    flow, start = Propagator(FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=1.0), grid), gaussian(grid, 0.3, 0.2)
    generator = flow.evolve(start, [1e-3])
    monkeypatch.setattr(needs, "FREE", 0.0)
    sweeps = flow.evolve(start, [1e-3])
    assert (generator.method, sweeps.method) == ("generator", "sweeps")
    assert sweeps.memory + 8 * grid.size <= 6 * 8 * grid.size < generator.memory
    distance = np.abs(sweeps.final.values - generator.final.values).sum() * grid.cell_volume
    assert distance <= sweeps.error[-1] + generator.error[-1]


def test_six_arrays_or_64_megabytes_are_affordable():
    small, large = Grid.box((0, 1, 100)), Grid.box((0, 1, 2000), (0, 1, 1000))
    assert affordable(64e6 - 800, small)
    assert not affordable(64e6, small)
    assert affordable(5 * 16e6, large)
    assert not affordable(5 * 16e6 + 1, large)


def test_every_method_is_checked_against_the_machine_before_it_allocates(monkeypatch):
    equation, grid = FokkerPlanck(diffusion=1.0), Grid.box((-2, 2, 300_000))
    start = gaussian(grid, 0.0, 0.2)
    monkeypatch.setattr("fpsim.support.memory.SHARE", 1e-12)
    for method in ("sweeps", "rational", "generator", "fipy"):
        with pytest.raises(MemoryLimitError, match=f"1 output time by {method}"):
            evolve(equation, start, [1e-9], method=method)
