"""Time per cell and step, and peak memory in arrays of the grid's size, from 64^2 to 1024^2 and in four dimensions.

    python benchmarks/engine_scaling.py [--cells 16 24 32 40 48]

Writes docs/engine-scaling.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import tracemalloc
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.evolution.sweeps.splitting import Splitting
from fpsim.support.threads import Team


def per_step(equation: FokkerPlanck, grid: Grid, h: float, *, repeats: int) -> float:
    """Nanoseconds per cell and step."""
    u = gaussian(grid, 0.2, 0.06).values.ravel().copy()
    with Team() as team:
        splitting = Splitting((equation,), (grid,), False, team)
        splitting.advance((u,), 0.0, h, 1)
        best = np.inf
        for _ in range(repeats):
            begun = time.perf_counter()
            splitting.advance((u,), 0.0, h, 4)
            best = min(best, (time.perf_counter() - begun) / 4)
    return best / grid.size * 1e9


def plane() -> Iterator[str]:
    """Time per step in two dimensions."""
    separable = FokkerPlanck(drift=lambda x, y: (-x, -2 * y), diffusion=0.01)
    full = FokkerPlanck(drift=lambda x, y: (-x + y, -2 * y - x), diffusion=[[0.01, 0.005], [0.005, 0.01]])
    yield "| cells | separable, ns per cell and step | coupled drift and tensor, ns per cell and step |"
    yield "|---|---|---|"
    for n in (64, 128, 256, 512, 1024):
        grid = Grid.box((-2, 2, n), (-2, 2, n))
        times = [per_step(e, grid, 0.02, repeats=5) for e in (separable, full)]
        yield f"| {n}^2 | {times[0]:.1f} | {times[1]:.1f} |"


def joint(cells: list[int]) -> Iterator[str]:
    """An evolution in four dimensions."""
    a = np.diag([-1.0, -0.7, -1.2, -0.9])
    a[0, 1], a[2, 3], a[3, 0] = 0.4, -0.5, 0.3
    tensor = 0.05 * np.eye(4)
    tensor[0, 2] = tensor[2, 0] = 0.02
    equation = FokkerPlanck(
        drift=lambda *x: tuple(sum(a[i, j] * x[j] for j in range(4) if a[i, j]) for i in range(4)), diffusion=tensor
    )
    yield "| cells | seconds to t = 0.5 | steps | ns per cell and step | peak memory, arrays of the grid's size |"
    yield "|---|---|---|---|---|"
    for n in cells:
        start = gaussian(Grid((-1.6,) * 4, (1.6,) * 4, (n,) * 4), [0.5, -0.4, 0.4, 0.3], 0.04)
        tracemalloc.start()
        begun = time.perf_counter()
        result = evolve(equation, start, [0.5], tolerance=5e-3, estimate_grid_error=False)
        seconds, peak = time.perf_counter() - begun, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        steps, size = result.steps + result.rejected, start.grid.size
        arrays = 1.0 + peak / 8 / size  # with the start
        yield f"| {n}^4 | {seconds:.2f} | {steps} | {seconds / steps / size * 1e9:.1f} | {arrays:.2f} |"


def full(ndim: int, cells: int, *, mean_field: bool, tensor: bool) -> tuple[FokkerPlanck, Grid]:
    """Coefficients that depend on every coordinate, and on the density."""

    def drift(*x, p=None):
        shift = p.mean if mean_field else np.zeros(ndim)
        return tuple(-xi * (1 + 0.1 * sum(xj**2 for xj in x)) + 0.1 * m for xi, m in zip(x, shift, strict=True))

    def diffusion(*x):
        if not tensor:
            return [0.02 * (1 + 0.05 * sum(xj**2 for xj in x))] * ndim
        v = [np.cos(0.1 * sum(x) + i) for i in range(ndim)]
        return [[0.02 * (0.1 * (i == j) + v[i] * v[j]) for j in range(ndim)] for i in range(ndim)]

    fixed = lambda *x: drift(*x)  # noqa: E731 - the density is a parameter of the other
    grid = Grid((-2.0,) * ndim, (2.0,) * ndim, (cells,) * ndim)
    return FokkerPlanck(drift=drift if mean_field else fixed, diffusion=diffusion), grid


def coefficients() -> Iterator[str]:
    """Coefficients that are as large as the grid."""
    yield "| grid | tensor | depends on the density | ns per cell and step | peak memory, arrays | MB |"
    yield "|---|---|---|---|---|---|"
    options = {"tolerance": 0.9, "method": "sweeps", "estimate_grid_error": False}
    for ndim, cells in ((2, 1200), (3, 110), (4, 36)):
        for tensor in (False, True):
            for mean_field in (False, True):
                equation, grid = full(ndim, cells, mean_field=mean_field, tensor=tensor)
                start = gaussian(grid, 0.3, 0.09)
                tracemalloc.start()
                begun = time.perf_counter()
                result = evolve(equation, start, [1e-4], **options)
                seconds, peak = time.perf_counter() - begun, 8 * grid.size + tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                kind, steps = "correlated" if tensor else "diagonal", result.steps + result.rejected
                each = f"{seconds / steps / grid.size * 1e9:.0f} | {peak / 8 / grid.size:.2f} | {peak / 1e6:.0f}"
                yield f"| {cells}^{ndim} | {kind} | {'yes' if mean_field else 'no'} | {each} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, nargs="*", default=[16, 24, 32, 40, 48])
    options = parser.parse_args()
    lines = [TITLE, f"{platform.machine()}, {os.cpu_count()} processors, numba {version('numba')}"]
    parts = {
        "Two dimensions": plane(),
        "Four dimensions": joint(options.cells),
        "Coefficients as large as the grid": coefficients(),
    }
    for heading, rows in parts.items():
        lines += ["", f"## {heading}", ""]
        for row in rows:
            print(row, flush=True)
            lines.append(row)
    (Path(__file__).parent.parent / "docs" / "engine-scaling.md").write_text("\n".join([*lines, ""]))


TITLE = """# Engine: time and memory as grids grow

Written by `python benchmarks/engine_scaling.py`. A step of the coupled drift with a correlated tensor has nine sweeps,
one of the separable drift four (in one pass per axis). Times are the best of five in two dimensions, those of a whole
evolution, with everything that it evaluates and every probe of its steps, in the other tables. Peak memory includes the
start. Coefficients as large as the grid are evaluated once and held, or once a step where they depend on the density.
The evolution takes few steps; a correlated tensor that turns through a grid of four dimensions has some fifty sweeps a
step.
"""

if __name__ == "__main__":
    main()
