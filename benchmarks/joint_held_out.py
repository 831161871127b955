"""Mean ln p of held-out SGD runs against CPU seconds: mixtures of the joint law, kernel estimates of paths and runs.

The four-dimensional experiment of ``joint_law.py``, symmetric start. Every density is averaged over ``W -> -W``.
Kernels are Gaussian with the sample's covariance times ``h^2``, ``h`` chosen among ten by mean ln p of 1,000 further
places of the same origin. CPU seconds are those of making the sample or the mixture, not of evaluating ln p.

Run: ``python benchmarks/joint_held_out.py``.
"""

from __future__ import annotations

import time

import numpy as np
from joint_law import CASES, TIMES, ensemble

from fpsim.closures import joint, joint_start
from fpsim.density import GaussianMixture
from fpsim.evolution import evolve_mixture

CHOSEN = (1, 2, 4, 6)
"""Indices of the times 1, 2, 5, 10."""
HELD, CHECKS, STEP = 4_000, 1_000, 0.02
BANDWIDTHS = np.geomspace(0.015, 0.4, 10)
MIXTURES = ((2048, 0.2), (8192, 0.14), (32768, 0.1))
SAMPLES = (1_000, 10_000, 100_000)
FLIP = np.array([np.eye(4), -np.eye(4)])


def kernel_estimate(x, checks):
    covariance = np.cov(np.concatenate([x, -x]).T)
    densities = [GaussianMixture(np.full(len(x), 1.0 / len(x)), x, np.broadcast_to(h**2 * covariance, (len(x), 4, 4)))
                 .symmetrised(FLIP) for h in BANDWIDTHS]  # fmt: skip
    return max(densities, key=lambda p: p.log_density(checks).mean())


def paths(equation, count, seed):
    """Euler and Maruyama; weights (4, count, 4) at the chosen times."""
    rng = np.random.default_rng(seed)
    x = 0.5 * rng.standard_normal((4, count))
    lower, kept = np.tril_indices(4), []
    drift, packed, full = np.empty_like(x), np.empty((10, count)), np.empty((count, 4, 4))
    for step in range(1, round(TIMES[-1] / STEP) + 1):
        equation.at_points(step * STEP, x, drift, packed)
        full[:, lower[0], lower[1]] = full[:, lower[1], lower[0]] = 2.0 * STEP * packed.T
        root = np.linalg.cholesky(full + 1e-12 * np.eye(4))
        x += STEP * drift + np.einsum("mij,jm->im", root, rng.standard_normal((4, count)))
        if any(abs(step * STEP - TIMES[q]) < 1e-9 for q in CHOSEN):
            kept.append(x.T.copy())
    return np.array(kept)


def main() -> None:
    experiment = CASES["4d-symmetric"].experiment()
    equation = joint(experiment, order="sme2")
    held = ensemble(experiment, 5, HELD)[list(CHOSEN)]
    more = ensemble(experiment, 6, CHECKS)[list(CHOSEN)]
    checks = paths(equation, CHECKS, 7)

    def report(name, cpu, densities):
        values = [p.log_density(x) for p, x in zip(densities, held, strict=True)]
        told = " ".join(f"{v.mean():7.3f} +- {v.std() / np.sqrt(HELD):.3f}" for v in values)
        print(f"{name:28s} {cpu:7.2f} CPU s  {told}", flush=True)

    begin = joint_start(experiment)
    evolve_mixture(equation, begin, [0.01], components=256, width=0.2, rng=0)
    for count, width in MIXTURES:
        cpu = time.process_time()
        result = evolve_mixture(equation, begin, TIMES, components=count, width=width, rng=1, estimate_errors=False)
        report(f"mixture {count}, {width}", time.process_time() - cpu, [result.densities[q] for q in CHOSEN])
    for count in SAMPLES:
        cpu = time.process_time()
        sample = paths(equation, count, 8)
        cpu = time.process_time() - cpu
        report(f"{count} paths", cpu, [kernel_estimate(x, y) for x, y in zip(sample, checks, strict=True)])
    for count in SAMPLES:
        cpu = time.process_time()
        sample = ensemble(experiment, 9, count)[list(CHOSEN)]
        cpu = time.process_time() - cpu
        report(f"{count} SGD runs", cpu, [kernel_estimate(x, y) for x, y in zip(sample, more, strict=True)])


if __name__ == "__main__":
    main()
