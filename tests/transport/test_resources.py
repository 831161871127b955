"""Memory: at most six arrays of the grid's size, none per step; the estimate; a second process starts fast."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.parallel import Team
from fpsim.transport import evolve
from fpsim.transport.stepper import Stepper

CELLS = {2: 450, 3: 60, 4: 28}


def problem(ndim, cells=None):
    grid = Grid((-2.0,) * ndim, (2.0,) * ndim, (cells or CELLS[ndim],) * ndim)
    diffusion = 0.02 * (np.eye(ndim) + 0.3 * (np.ones((ndim, ndim)) - np.eye(ndim)))
    equation = FokkerPlanck(drift=lambda *x: tuple(-(1 + i) * xi for i, xi in enumerate(x)), diffusion=diffusion)
    return grid, equation


def peak_arrays(work, grid):
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    result = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (peak - before) / (8 * grid.size), result


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_six_arrays_at_most(ndim):
    small, equation = problem(ndim, 12)
    evolve(equation, gaussian(small, 0.3, 0.4), [0.02], tolerance=0.1, method="sweeps")  # compiles
    grid, equation = problem(ndim)
    start = gaussian(grid, 0.3, 0.04)
    arrays, result = peak_arrays(
        lambda: evolve(equation, start, [0.02], tolerance=0.1, threads=1, method="sweeps"), grid
    )
    assert arrays + 1 <= 6.0  # the start is the caller's
    assert arrays <= 1.25 * result.memory / (8 * grid.size)
    assert result.memory / (8 * grid.size) <= 6.0


def test_nothing_is_allocated_per_step():
    grid, equation = problem(2)
    u = gaussian(grid, 0.3, 0.04).values.ravel().copy()
    with Team(1) as team:
        stepper = Stepper((equation,), (grid,), False, team)
        stepper.advance((u,), 0.0, 1e-3, 2)
        arrays, _ = peak_arrays(lambda: stepper.advance((u,), 0.0, 1e-3, 20), grid)
    assert arrays < 0.05


def test_import_leaves_heavy_packages_alone():
    code = (
        "import sys, fpsim; heavy = {'numba', 'scipy', 'matplotlib', 'h5py', 'fipy'} & set(sys.modules); "
        "import fpsim.transport; heavy |= {'matplotlib', 'h5py', 'fipy', 'pde', 'fpsim.generator'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
