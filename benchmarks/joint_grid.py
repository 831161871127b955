"""Joint equation of both matrices of the digits' auto-encoder (d = 2, k = 1) on a grid in four dimensions.

    python benchmarks/joint_grid.py [--cells 24] [--times 1] [--tolerance 1e-2] [--grid-error]

Prints processor and wall seconds, memory, errors, and for every time and pair of weights the total variation between
the grid's marginal and 50,000 SGD runs, over its sampling floor.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
import warnings

import numpy as np

from fpsim import datasets
from fpsim.closures import joint
from fpsim.density import Grid, gaussian
from fpsim.ensemble import train
from fpsim.evolution import evolve
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder

RUNS = 50_000
BOXES = (1.0, (0.1, -0.4), (1.35, 0.9)), (10.0, (0.2, -0.6), (1.7, 1.1))
"""Last time, lower and upper ends of (a, b) of each matrix: where the density goes, with four standard deviations."""


def experiment() -> Experiment:
    """The offset start of the main job: every matrix at (0.6, 0.2), with a standard deviation of 0.1."""
    return Experiment(
        data=datasets.digits(components=2),
        network=BottleneckAutoEncoder(d=2, k=1),
        sgd=SGD(learning_rate=0.05, batch_size=8, temperature=0.002),
        start=Start.gaussian({"W1": [[0.6, 0.2]], "W2": [[0.6], [0.2]]}, 0.1),
    )


def ratios(values: np.ndarray, grid: Grid, weights: np.ndarray) -> list[float]:
    """Total variation over its floor, pair by pair; the floor is the expected distance of the runs from their law."""
    found = []
    for pair in itertools.combinations(range(4), 2):
        rest = tuple(a for a in range(4) if a not in pair)
        p = values.sum(axis=rest) * grid.cell_volume
        few = np.histogram2d(*weights[:RUNS, pair].T, bins=[grid.edges[a] for a in pair])[0] / RUNS
        all_runs = np.histogram2d(*weights[:, pair].T, bins=[grid.edges[a] for a in pair])[0] / len(weights)
        floor = 0.5 * np.sqrt(2 * all_runs * (1 - all_runs) / np.pi / RUNS).sum()
        found.append(float(0.5 * np.abs(p - few).sum() / floor))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=24)
    parser.add_argument("--times", type=float, nargs="*", default=[1.0])
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--grid-error", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    one = experiment()
    lower, upper = next((2 * low, 2 * high) for t, low, high in BOXES if t >= options.times[-1])
    small = Grid(lower, upper, (8,) * 4)
    evolve(joint(one), gaussian(small, (0.6, 0.2, 0.6, 0.2), 0.04), [0.01], tolerance=0.1)  # compiles, or loads
    grid = Grid(lower, upper, (options.cells,) * 4)
    start = gaussian(grid, (0.6, 0.2, 0.6, 0.2), 0.01)
    wall, cpu = time.perf_counter(), time.process_time()
    result = evolve(
        joint(one), start, options.times, tolerance=options.tolerance, estimate_grid_error=options.grid_error
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    took = f"{cpu:.1f} CPU s, {wall:.1f} s, {result.steps} steps, {result.rejected} rejected"
    print(f"{options.cells}^4: {took}, stated {result.memory / 1e6:.0f} MB, peak of the process {peak:.0f} MB")
    print(f"stated errors: step {result.time_error}, grid {result.grid_error}; {'; '.join(result.warnings)}")
    ensemble = train(one, replicas=1_000_000, times=options.times, rng=5)
    for k, t in enumerate(options.times):
        weights = np.concatenate([ensemble.weights[m][k].reshape(-1, 2) for m in ("W1", "W2")], axis=1)
        found = np.round(ratios(result.densities[k].values, grid, weights), 2)
        print(f"t = {t:g}: total variation over its floor {found}")


if __name__ == "__main__":
    main()
