"""The order of the modified equation: correlation of the first weights of both layers at t = .5.

The four-dimensional experiment of ``joint_law.py``, symmetric start: a million SGD runs, mixtures with ``sme1`` and
``sme2``; standard errors from eight parts (independent seeds).

Run: ``python benchmarks/joint_order.py``.
"""

from __future__ import annotations

import numpy as np
from joint_law import CASES

from fpsim.closures import joint, joint_start
from fpsim.ensemble import train
from fpsim.evolution import evolve_mixture

TIME, PARTS = 0.5, 8


def told(name, values):
    print(f"{name:5s} {np.mean(values):.5f} +- {np.std(values, ddof=1) / np.sqrt(len(values)):.5f}")


def main() -> None:
    experiment = CASES["4d-symmetric"].experiment()
    found = []
    for seed in range(PARTS):
        w = train(experiment, replicas=125_000, times=[TIME], rng=seed).weights
        found.append(np.corrcoef(w["W1"].reshape(125_000, 2)[:, 0], w["W2"].reshape(125_000, 2)[:, 0])[0, 1])
    told("SGD", found)
    for order in ("sme1", "sme2"):
        found = []
        for seed in range(PARTS):
            density = evolve_mixture(
                joint(experiment, order=order), joint_start(experiment), [TIME], components=8192, width=0.1, rng=seed,
                estimate_errors=False,
            ).final  # fmt: skip
            c = density.covariance
            found.append(c[0, 2] / np.sqrt(c[0, 0] * c[2, 2]))
        told(order, found)


if __name__ == "__main__":
    main()
