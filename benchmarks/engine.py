"""Error against time of this package and its peers, side by side in one run.

    python benchmarks/engine.py [--limit SECONDS] [--problems 0 1 2 3 4]

Every solver is offered several numbers of cells and settings, while a solve is expected to stay in the limit; what is
shown of it is the best: points that are beaten in error and time by none of its own. The first solve of a solver on a
problem is apart (it compiles); the time is the median of up to fifty more. Writes docs/engine.md and docs/engine.png.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # with more, scipy's integrators are up to thirty times slower at 128^2

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from engine_problems import PROBLEMS, Problem
from engine_solvers import SOLVERS, Solver

DOCS = Path(__file__).parent.parent / "docs"
OURS, READY = "fpsim", "fpsim, prepared"
COARSE = 0.1  # errors above are no answers
RUNS, PATIENCE = 51, 0.1  # solves after the first, and the seconds after which there are no more


@dataclass(frozen=True)
class Point:
    family: str
    cells: int
    setting: object
    error: float
    lowest: float
    seconds: float
    first: float


def measure(problem: Problem, solver: Solver, n: int, setting: object, exact: np.ndarray) -> Point | None:
    times, grid = [], problem.grid(n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            solve = solver.prepare(problem, n, setting)
            while len(times) < 2 or (len(times) <= RUNS and sum(times[1:]) < PATIENCE):
                begun = time.process_time()
                values = solve()
                times.append(time.process_time() - begun)
        except Exception as failure:  # noqa: BLE001 - a peer that gives up is a result
            print(f"  {solver.family} {n} {setting}: {type(failure).__name__}")
            return None
    error = float(np.abs(values - exact).sum() * grid.cell_volume)
    point = Point(solver.family, n, setting, error, float(values.min()), float(np.median(times[1:])), times[0])
    print(f"  {solver.family:30s} {n:4d} {setting!s:16s} {error:9.2e} {1e3 * point.seconds:9.3f} ms", flush=True)
    return point


def points_of(problem: Problem, solver: Solver, exact: dict[int, np.ndarray], limit: float) -> list[Point]:
    """Everything a solver was offered, up to the limit per setting."""
    found = []
    for setting in solver.settings:
        for n in solver.cells:
            if n not in exact:
                continue
            point = measure(problem, solver, n, setting, exact[n])
            found += [point] if point else []
            if point is None or 8.0 * point.seconds > limit:  # about what the next size would take
                break
    return found


def best(points: list[Point]) -> list[Point]:
    """Points that none beats in both error and time, coarse to fine."""
    kept: list[Point] = []
    for p in sorted(points, key=lambda p: (p.seconds, p.error)):
        if not kept or p.error < kept[-1].error:
            kept.append(p)
    return kept


def advantage(ours: list[Point], peers: list[Point]) -> tuple[float, float]:
    """Ratio of times to our fastest point that is as accurate: least over a peer's points below 0.1, at its finest."""
    ratios = []
    for peer in sorted(peers, key=lambda p: -p.error):
        better = [p.seconds for p in ours if p.error <= peer.error]
        if peer.error < COARSE and better:
            ratios.append(peer.seconds / min(better))
    return (min(ratios), ratios[-1]) if ratios else (float("nan"), float("nan"))


def section(problem: Problem, points: dict[str, list[Point]]) -> list[str]:
    equation = f"`d_t p = {problem.terms}` to t = {problem.end:g} on {problem.grid(problem.most)!r} at most."
    lines = [f"## {problem.name}", "", equation, "", "Ratio of times at equal or smaller error:", ""]
    lines += ["| peer | least | at its smallest error | prepared: least | prepared: at its smallest error |"]
    lines += ["|---|---|---|---|---|"]
    for family, found in points.items():
        if family not in (OURS, READY) and found:
            ratios = [*advantage(points[OURS], found), *advantage(points[READY], found)]
            shown = [f"{ratio:.3g}" if ratio == ratio else "-" for ratio in ratios]
            lines.append(f"| {family} | {' | '.join(shown)} |")
    lines += ["", "| solver | cells per axis | setting | L1 error | lowest value | milliseconds | first solve, s |"]
    lines.append("|---|---|---|---|---|---|---|")
    for found in points.values():
        for p in best(found):
            setting = " ".join(map(str, p.setting)) if isinstance(p.setting, tuple) else p.setting
            setting = "" if setting in (None, "explicit") else setting
            numbers = f"{p.error:.2e} | {p.lowest:.1e} | {1e3 * p.seconds:.3g} | {p.first:.2f}"
            lines.append(f"| {p.family} | {p.cells} | {setting} | {numbers} |")
    return [*lines, ""]


def draw(ax: plt.Axes, problem: Problem, points: dict[str, list[Point]]) -> None:
    families = list(dict.fromkeys(solver.family for solver in SOLVERS))
    for family, found in points.items():
        front, k = best(found), families.index(family)
        ours = {"lw": 2.2, "color": "black", "zorder": 5, "ls": "-" if family == OURS else ":"}
        style = ours if family in (OURS, READY) else {"lw": 1.2, "color": f"C{k - 2}"}
        ax.loglog([p.seconds for p in front], [p.error for p in front], marker="o", ms=4, label=family, **style)
    ax.axhline(COARSE, color="0.6", lw=0.8, ls=":")
    ax.set_title(problem.name, fontsize=10)
    ax.set(xlabel="processor seconds per solve", ylabel="L1 error", xlim=(1e-5, 50), ylim=(1e-4, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--limit", type=float, default=20.0, help="seconds that a solve may take")
    parser.add_argument("--problems", type=int, nargs="*", default=range(len(PROBLEMS)))
    options = parser.parse_args()
    chosen = [PROBLEMS[k] for k in options.problems]
    figure, axes = plt.subplots(2, 3, figsize=(11, 7), layout="constrained")
    for ax in axes.flat:
        ax.set_visible(False)
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy", "numba", "py-pde", "FiPy"))
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, {versions}"
    lines = ["# Engine benchmark", "", machine, "", INTRODUCTION, "![Error against time](engine.png)", ""]
    for problem, ax in zip(chosen, axes.flat, strict=False):
        print(problem.name)
        ndim = problem.grid(4).ndim
        exact = {
            n: problem.exact(problem.grid(n)) for n in (24, 32, 40, 48, 64, 96, 128, 256, 512, 640) if n <= problem.most
        }
        used = [s for s in SOLVERS if ndim in s.dimensions]
        points = {s.family: points_of(problem, s, exact, options.limit) for s in used}
        lines += section(problem, points)
        ax.set_visible(True)
        draw(ax, problem, points)
        legend = {label: line for a in axes.flat for line, label in zip(*a.get_legend_handles_labels(), strict=True)}
        for old in list(figure.legends):
            old.remove()
        figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=4, fontsize=9, frameon=False)
        figure.savefig(DOCS / "engine.png", dpi=130)  # after every problem: a run may be cut short
        (DOCS / "engine.md").write_text("\n".join([*lines, LIMITS]))


INTRODUCTION = """Written by `python benchmarks/engine.py`; the problems, with their starts and exact answers, are in
[engine_problems.py](../benchmarks/engine_problems.py). Every solver was offered several numbers of cells and settings;
shown is the best of each: points that none of its own beats in both error and time. Times are medians of warm solves
in one run, in processor seconds of all threads. py-pde has compiled and scipy has its rates assembled before the time
is taken; the time of fpsim includes evaluating and checking the equation, unless it is "prepared": then a `Propagator`
has done that before, and has been used before (it keeps its rates and the tables of its last steps). Ratios are taken
over all errors below 0.1 that both reach ("-": none): "least" is the worst of them. A setting is a tolerance of the
sweeps, or a method and its tolerance. "First solve" is the first in this process: kernels of fpsim, compiled once and
kept on disk, were there already. OpenBLAS has one thread: with more, py-pde and scipy are far slower.
"""

LIMITS = """## Limits

- Tolerances are of L1. Far below the peak ln p converges too, but later: for an Ornstein-Uhlenbeck process on 128 cells
  the largest error of ln p above 1e-6 of the peak is 0.7, 0.2 and 0.02 at tolerances 1e-2, 1e-3 and 1e-4, and above
  1e-8 it is 1.5, 0.5 and 0.09. Who needs log p asks for 1e-4; `method="rational"` may have zeros there, and
  `method="generator"` has every tail right.
- Where drift presses on a reflecting wall, splitting is of first order: many steps, a warning, or `method="generator"`.
  Where it carries a density into an absorbing one, what a step takes too early is measured and kept within half of the
  tolerance: short steps. Layers at walls that are thinner than a cell make the grid's error one of first order.
- Jumps of coefficients in time: name them, `FokkerPlanck(..., jumps=[0.2, 0.8])`, and steps end there (learning-rate
  schedules name theirs). Where none are named they are searched for and stepped up to; of ten or twenty within the
  evolution some hide each other, and the error is up to seven times the stated one (up to three: up to 1.7 times).
- Drifts that depend on each other's coordinates are of second order in time, like every splitting into positive parts.
- Densities narrower than two cells: the limiter of the remaps is then what errs; steps are not refined below that.
- Memory: coefficients are evaluated once, or once a step where they change, and held in their own broadcast shape; a
  tensor that turns through a grid of four dimensions meets about fifty lattice offsets, and rates take as many arrays.
  What would take more than the budget (`memory=`, else the environment variable `FPSIM_MEMORY`, else half of what is
  available) is refused before it is allocated, with the bytes, the budget and how many cells per axis would fit. The
  budget never chooses a method: that is a table of equation, grid and constants (`fpsim.evolution.method_choice`). A
  result says why its method was taken (`result.reason`), what it took and what it might have taken (`result.memory`,
  `result.budget`). How time and memory grow: [engine-scaling.md](engine-scaling.md).
"""

if __name__ == "__main__":
    main()
