"""Outputs and losses of the joint law against ensembles, judged by how far ensembles are from each other.

Experiment and mixture of ``joint_law.py``. Observables: the loss; the first output at three probes; the
pooled output, that is the first output at one sample per network, drawn at random. For every time
and observable: total variation (64 bins of equal content, fixed by the pooled ensembles) of 50,000 draws of the mixture
against each of 20 ensembles of 50,000 runs, its mean beside mean and standard deviation of 20 independent pairs of
such ensembles; and the mean loss in standard errors of one ensemble and of all.

Run: ``python benchmarks/joint_outputs.py [4d-symmetric | 4d-offset] [--components N --width S]``.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from joint_law import CASES, FEW, PROBES, TIMES, ensemble

from fpsim.closures import joint, joint_start
from fpsim.evolution import evolve_mixture

PAIRS, EDGES = 20, 64


def observed(w, d, k, data, rng):
    """Loss, outputs at the probes and the pooled output, rows (5, M)."""
    w1, w2 = w[:, : k * d].reshape(-1, k, d), w[:, k * d :].reshape(-1, d, k)
    a = w2 @ w1 - np.eye(d)
    first = w2[:, :1] @ w1
    pooled = data.x[rng.integers(len(data.x), size=len(w))]
    rows = [0.5 * np.einsum("mij,jk,mik->m", a, data.second_moment, a)]
    rows += [first[:, 0] @ np.pad(probe, (0, d - 2)) for probe in PROBES]
    rows.append(np.einsum("mi,mi->m", first[:, 0], pooled))
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("case", nargs="?", default="4d-symmetric", choices=("4d-symmetric", "4d-offset"))
    parser.add_argument("--components", type=int)
    parser.add_argument("--width", type=float)
    chosen = parser.parse_args()
    case = CASES[chosen.case]
    options = {"components": chosen.components or case.components, "width": chosen.width or case.width}
    experiment, d, k = case.experiment(), case.d, case.k
    data, rng = experiment.data, np.random.default_rng(0)
    cpu = time.process_time()
    result = evolve_mixture(
        joint(experiment, order="sme2"), joint_start(experiment), TIMES, rng=1, estimate_errors=False, **options
    )
    print(f"{chosen.case}, {options}: {time.process_time() - cpu:.1f} CPU s")
    runs = np.empty((2 * PAIRS, len(TIMES), 5, FEW))
    for number in range(2 * PAIRS):
        weights = ensemble(experiment, 100 + number, FEW)
        for q in range(len(TIMES)):
            runs[number, q] = observed(weights[q], d, k, data, rng)
    names = ["loss", "probe 1", "probe 2", "probe 3", "pooled"]
    below = []
    for q, (t, density) in enumerate(zip(TIMES, result.densities, strict=True)):
        ours = np.array([observed(density.sample(FEW, rng=PAIRS * q + i), d, k, data, rng) for i in range(PAIRS)])
        told = []
        for o, name in enumerate(names):
            edges = np.quantile(runs[:, q, o], np.linspace(0.0, 1.0, EDGES + 1)[1:-1])
            share = [
                np.array([np.bincount(np.searchsorted(edges, v), minlength=EDGES) / FEW for v in values])
                for values in (runs[:PAIRS, q, o], runs[PAIRS:, q, o], ours[:, o])
            ]
            between, found = (0.5 * np.abs(share[i] - share[0]).sum(axis=1) for i in (1, 2))
            bound = between.mean() + 2.0 * between.std(ddof=1)
            below.append((found.mean() <= bound, (found <= bound).mean()))
            told.append(f"{name} {found.mean():.4f} ({between.mean():.4f} +- {between.std(ddof=1):.4f})")
        loss, mine = runs[:, q, 0], ours[:, 0]
        shift, one = mine.mean() - loss.mean(), loss.std() / np.sqrt(FEW)
        error = one * np.sqrt(1.0 / (2 * PAIRS) + 1.0 / PAIRS)
        print(f"t = {t:4g}  " + ", ".join(told))
        print(f"          mean loss {mine.mean():.5f} (SGD {loss.mean():.5f}): {shift / one:+.2f} standard errors of "
              f"{FEW} runs, {shift / error:+.2f} of all runs and draws")  # fmt: skip
    mean, single = np.mean(below, axis=0)
    print(f"below mean + 2 sd: {mean:.3f} of times and observables, {single:.3f} of single comparisons")


if __name__ == "__main__":
    main()
