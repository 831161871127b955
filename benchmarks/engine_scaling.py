"""Time per cell and step, and peak memory in arrays of the grid's size, from 64^2 to 1024^2 and in four dimensions.

python benchmarks/engine_scaling.py [--cells 16 24 32 40 48]
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import numpy as np

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.parallel import Team
from fpsim.transport import evolve
from fpsim.transport.stepper import Stepper


def per_step(equation: FokkerPlanck, grid: Grid, h: float, *, repeats: int) -> float:
    """Nanoseconds per cell and step."""
    u = gaussian(grid, 0.2, 0.06).values.ravel().copy()
    with Team() as team:
        stepper = Stepper((equation,), (grid,), False, team)
        stepper.advance((u,), 0.0, h, 1)
        best = np.inf
        for _ in range(repeats):
            begun = time.perf_counter()
            stepper.advance((u,), 0.0, h, 4)
            best = min(best, (time.perf_counter() - begun) / 4)
    return best / grid.size * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, nargs="*", default=[16, 24, 32, 40, 48])
    options = parser.parse_args()
    separable = FokkerPlanck(drift=lambda x, y: (-x, -2 * y), diffusion=0.01)
    full = FokkerPlanck(drift=lambda x, y: (-x + y, -2 * y - x), diffusion=[[0.01, 0.005], [0.005, 0.01]])
    print("cells per axis, ns per cell and step: separable, coupled drift and tensor")
    for n in (64, 128, 256, 512, 1024):
        grid = Grid.box((-2, 2, n), (-2, 2, n))
        times = [per_step(e, grid, 0.02, repeats=3) for e in (separable, full)]
        print(f"{n:5d}^2  {times[0]:7.1f}  {times[1]:7.1f}")

    a = np.diag([-1.0, -0.7, -1.2, -0.9])
    a[0, 1], a[2, 3], a[3, 0] = 0.4, -0.5, 0.3
    tensor = 0.05 * np.eye(4)
    tensor[0, 2] = tensor[2, 0] = 0.02
    joint = FokkerPlanck(
        drift=lambda *x: tuple(sum(a[i, j] * x[j] for j in range(4) if a[i, j]) for i in range(4)), diffusion=tensor
    )
    print("four dimensions: seconds to t = 0.5, ns per cell and step, peak memory in arrays beside the start")
    for n in options.cells:
        start = gaussian(Grid((-1.6,) * 4, (1.6,) * 4, (n,) * 4), [0.5, -0.4, 0.4, 0.3], 0.04)
        tracemalloc.start()
        begun = time.perf_counter()
        result = evolve(joint, start, [0.5], tolerance=5e-3, estimate_grid_error=False)
        seconds, peak = time.perf_counter() - begun, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        steps = result.steps + result.rejected
        size = start.grid.size
        print(f"{n:5d}^4  {seconds:7.2f}  {seconds / steps / size * 1e9:7.1f}  {peak / 8 / size:5.2f}")


if __name__ == "__main__":
    main()
