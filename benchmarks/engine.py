"""Error against time of this package and its peers, side by side in one run.

    python benchmarks/engine.py [--limit SECONDS] [--problems 0 1 2 3 4]

Every solver gets every size until one solve takes longer than the limit. The first solve of a solver on a problem is
reported apart (it compiles); the time is the best of up to five more. Writes docs/engine.md and docs/engine.png.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from engine_problems import PROBLEMS, Problem
from engine_solvers import SOLVERS

DOCS = Path(__file__).parent.parent / "docs"


def measure(problem: Problem, name: str, n: int, limit: float) -> dict | None:
    grid = problem.grid(n)
    begun = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = SOLVERS[name](problem, n)
    except Exception as failure:  # noqa: BLE001 - a peer that gives up is a result
        print(f"  {name} {n}: {type(failure).__name__}")
        return None
    first, best = time.perf_counter() - begun, np.inf
    for _ in range(5):
        if best < np.inf and time.perf_counter() - begun - first > limit:
            break
        again = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            SOLVERS[name](problem, n)
        best = min(best, time.perf_counter() - again)
    error = float(np.abs(values - problem.exact(grid)).sum() * grid.cell_volume)
    row = {"solver": name, "n": n, "error": error, "least": float(values.min()), "seconds": best, "first": first}
    print(f"  {name:28s} {n:4d}  L1 {error:8.2e}  min {row['least']:9.1e}  {best:9.4f} s  first {first:7.3f} s")
    return row


def advantage(rows: list[dict]) -> float:
    """Least ratio of times, over peers' points with an error below 0.1, to our fastest point that is as accurate."""
    ours = [r for r in rows if r["solver"].startswith("fpsim")]
    ratios = []
    for peer in rows:
        if not peer["solver"].startswith("fpsim") and peer["error"] < 0.1:
            better = [r["seconds"] for r in ours if r["error"] <= peer["error"]]
            if better:
                ratios.append(peer["seconds"] / min(better))
    return min(ratios, default=float("nan"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--limit", type=float, default=20.0, help="seconds after which a solver gets no larger size")
    parser.add_argument("--problems", type=int, nargs="*", default=range(len(PROBLEMS)))
    options = parser.parse_args()
    chosen = [PROBLEMS[k] for k in options.problems]
    figure, axes = plt.subplots(1, len(chosen), figsize=(4.2 * len(chosen), 4), squeeze=False)
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy", "numba", "py-pde", "FiPy"))
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, {versions}"
    lines = ["# Engine benchmark", "", machine, "", "Times are the best of up to five warm solves.", ""]
    for problem, ax in zip(chosen, axes[0], strict=True):
        print(problem.name)
        rows = []
        for name in SOLVERS:
            for n in (32, 48, *problem.sizes) if name.startswith("fpsim") else problem.sizes:
                row = measure(problem, name, n, options.limit)
                if row is None:
                    break
                rows.append(row)
                if row["seconds"] > options.limit:
                    break
            points = [r for r in rows if r["solver"] == name]
            ax.loglog([r["seconds"] for r in points], [r["error"] for r in points], "o-", ms=4, label=name)
        ax.set(title=problem.name, xlabel="seconds", ylabel="L1 error", ylim=(None, 2))
        lines += [
            f"## {problem.name}",
            "",
            f"At equal or smaller error (below 0.1), at least {advantage(rows):.3g} times faster.",
            "",
        ]
        lines += [
            "| solver | cells per axis | L1 error | lowest value | seconds | first solve |",
            "|---|---|---|---|---|---|",
        ]
        for r in rows:
            numbers = f"{r['error']:.2e} | {r['least']:.1e} | {r['seconds']:.4f} | {r['first']:.2f}"
            lines.append(f"| {r['solver']} | {r['n']} | {numbers} |")
        lines.append("")
        axes[0][0].legend(fontsize=7)
        figure.tight_layout()
        figure.savefig(DOCS / "engine.png", dpi=130)  # after every problem: a run may be cut short
        (DOCS / "engine.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
