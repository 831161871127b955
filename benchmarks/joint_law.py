"""The joint law of all weights as a Gaussian mixture, against a million SGD runs.

Experiment: digits (or irises) in d principal components, linear (or tanh) bottleneck of k units, learning rate .05,
batches of 8, temperature .002, from N(0, .5^2) ("symmetric") or, entry by entry, N((.6, .2), .1^2) ("offset"). Theory:
the modified equation of order two. Reported for every time:

- excess of the two-dimensional marginals: ``sqrt(TV^2 - floor^2)`` against 10^6 runs (whose own floor is taken out), in
  units of the floor of 50,000 runs, mean and worst of all pairs; 32 bins across four standard deviations of the
  ensemble on either side;
- the largest total variation of a pair beside the one that the evolution states;
- standard deviations over those of the ensemble, and the correlation of the first entries of both matrices;
- total variation of the loss and of an output at three probes, from 50,000 draws, beside that of two ensembles of so
  many.

Run: ``python benchmarks/joint_law.py [CASE] [--components N --width S | --tolerance TOL] [--order sme2]``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fpsim.closures import joint, joint_start
from fpsim.comparison.floors import binned_floor
from fpsim.datasets import digits, iris
from fpsim.density import Grid
from fpsim.ensemble import train
from fpsim.evolution import evolve_mixture
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder

TIMES = (0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0)
FEW, BINS, PARTS = 50_000, 32, 2
OFFSET = Start.gaussian({"W1": [[0.6, 0.2]], "W2": [[0.6], [0.2]]}, 0.1)
SYMMETRIC = Start.gaussian(0.0, 0.5)


class Case(NamedTuple):
    """Data, widths of the network, activation, start, and the mixture that is used by default."""

    data: Callable
    d: int
    k: int
    activation: str
    start: Start
    components: int
    width: float

    def experiment(self):
        network = BottleneckAutoEncoder(self.d, self.k, activation=self.activation)
        return Experiment(self.data(self.d), network, SGD(0.05, 8, temperature=0.002), self.start)


CASES = {
    "4d-symmetric": Case(digits, 2, 1, "linear", SYMMETRIC, 32768, 0.10),
    "4d-offset": Case(digits, 2, 1, "linear", OFFSET, 16384, 0.07),
    "6d": Case(digits, 3, 1, "linear", SYMMETRIC, 16384, 0.10),
    "8d": Case(digits, 2, 2, "linear", SYMMETRIC, 16384, 0.12),
    "10d": Case(digits, 5, 1, "linear", SYMMETRIC, 16384, 0.12),
    "tanh-digits": Case(digits, 2, 1, "tanh", SYMMETRIC, 8192, 0.10),
    "tanh-iris": Case(iris, 2, 1, "tanh", SYMMETRIC, 16384, 0.10),
    "iris-8d": Case(iris, 4, 1, "linear", SYMMETRIC, 16384, 0.12),
}
PROBES = ((1.0, 0.0), (0.0, 1.0), (0.7, -0.7))


def ensemble(experiment, seed, runs):
    done = train(experiment, replicas=runs, times=TIMES, rng=seed)
    return np.concatenate([done.weights[name].reshape(len(TIMES), runs, -1) for name in ("W1", "W2")], axis=2)


def floor(p, count):
    p = p[p > 0.0]
    return binned_floor(lambda a, b: 0.5 * np.abs(a - b), p, count)[0]


def marginals(density, weights):
    """Excess and noise-free total variation of every pair of coordinates."""
    middle, spread = weights.mean(axis=0), 4.0 * weights.std(axis=0)
    low, high = middle - spread, middle + spread
    inside = [
        np.clip((w - lo) / (hi - lo) * BINS, 0, BINS - 1).astype(np.int32)
        for w, lo, hi in zip(weights.T, low, high, strict=True)
    ]
    for i in range(weights.shape[1]):
        for j in range(i):
            counted = np.bincount(inside[i] * BINS + inside[j], minlength=BINS**2) / len(weights)
            names = (density.names[i], density.names[j])
            grid = Grid(tuple(low[[i, j]]), tuple(high[[i, j]]), (BINS * PARTS,) * 2, names=names)
            cells = density.on_grid(grid).values * grid.cell_volume
            found = cells.reshape(BINS, PARTS, BINS, PARTS).sum(axis=(1, 3)).ravel()
            square = (0.5 * np.abs(found - counted).sum()) ** 2 - floor(counted, len(weights)) ** 2
            shift = np.sqrt(max(square, 0.0))
            yield shift / floor(counted, FEW), shift


def observables(case, w, x):
    """Loss on the samples ``x``, and the first component of the output at every probe; tanh or linear."""
    d, k = case.d, case.k
    act = np.tanh if case.activation == "tanh" else np.asarray
    w1, w2 = w[:, : k * d].reshape(-1, k, d), w[:, k * d :].reshape(-1, d, k)
    if case.activation == "linear":
        a = w2 @ w1 - np.eye(d)
        yield "loss", 0.5 * np.einsum("mij,jk,mik->m", a, x.T @ x / len(x), a)
    else:
        loss = np.zeros(len(w))
        for sample in x:
            loss += 0.5 * ((np.squeeze(w2 @ act(w1 @ sample)[:, :, None], 2) - sample) ** 2).sum(axis=1)
        yield "loss", loss / len(x)
    for number, probe in enumerate(PROBES):
        yield f"probe {number + 1}", np.einsum("mj,mj->m", w2[:, 0], act(w1 @ np.pad(probe, (0, d - 2))))


def distance(x, y):
    edges = np.quantile(np.concatenate([x, y]), np.linspace(0.0, 1.0, 65)[1:-1])
    counts = [np.bincount(np.searchsorted(edges, v), minlength=64) / len(v) for v in (x, y)]
    return 0.5 * np.abs(counts[0] - counts[1]).sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("case", nargs="?", default="4d-symmetric", choices=CASES)
    parser.add_argument("--components", type=int)
    parser.add_argument("--width", type=float)
    parser.add_argument("--tolerance", type=float)
    parser.add_argument("--order", default="sme2")
    parser.add_argument("--runs", type=int, default=10**6, help="SGD runs of the reference")
    parser.add_argument("--no-errors", action="store_true", help="one run, without estimates of its errors")
    chosen = parser.parse_args()
    case = CASES[chosen.case]
    options = {"components": chosen.components or case.components, "width": chosen.width or case.width}
    if chosen.tolerance:
        options = {"tolerance": chosen.tolerance}
    experiment, d, k = case.experiment(), case.d, case.k
    equation, begin = joint(experiment, order=chosen.order), joint_start(experiment)
    options["estimate_errors"] = not chosen.no_errors
    evolve_mixture(equation, begin, [0.01], components=256, width=0.2, rng=0)  # compile
    cpu, wall = time.process_time(), time.perf_counter()
    result = evolve_mixture(equation, begin, TIMES, rng=1, **options)
    print(f"{chosen.case}: {time.process_time() - cpu:.1f} CPU s, {time.perf_counter() - wall:.1f} s of wall time")
    print(result, f"{result.steps} steps, {result.rejected} rejected, {result.kicks} kicks")
    cpu = time.process_time()
    runs = ensemble(experiment, 7, chosen.runs)
    print(f"{chosen.runs} SGD runs: {time.process_time() - cpu:.1f} CPU s")
    few = [ensemble(experiment, seed, FEW) for seed in (11, 12)]
    x = np.array(experiment.data.x)
    for q, (t, density) in enumerate(zip(TIMES, result.densities, strict=True)):
        excess, shift = np.array(list(marginals(density, runs[q]))).T
        ratio = density.std / runs[q].std(axis=0)
        c, r = density.covariance, np.corrcoef(runs[q][:, [0, k * d]].T)[0, 1]
        correlation = c[0, k * d] / np.sqrt(c[0, 0] * c[k * d, k * d])
        print(
            f"t = {t:4g}  excess mean {excess.mean():.2f} worst {excess.max():.2f}  TV {shift.max():.4f} stated "
            f"{result.error[q]:.4f}  std {ratio.min():.4f} ... {ratio.max():.4f}  corr {correlation:.4f} (SGD {r:.4f})"
        )
        drawn = observables(case, density.sample(FEW, rng=q), x)
        pairs = zip(drawn, observables(case, few[0][q], x), observables(case, few[1][q], x), strict=True)
        told = [f"{name} {distance(x, y):.4f} ({distance(y, z):.4f})" for (name, x), (_, y), (_, z) in pairs]
        print("          TV of", ", ".join(told))


if __name__ == "__main__":
    main()
