"""Laws whose couplings run: a density evolved on two grids, and an ensemble of a scalar network on the balanced leaf.

What the Callan-Symanzik scenarios share. Limits: errors of densities are those of grid and time stepping; replicas that
diverged are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density
from fpsim.diagnostics.callan_symanzik import DensityExpectation, Outputs, SampleExpectation, hierarchy_residual
from fpsim.ensemble import State, train
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.experiment import Experiment
from fpsim.scenario.results import Workbench
from fpsim.theory import ScalarNetwork
from fpsim.uncertainty.verdict import Identity, control

__all__ = ["expectations_on_two_grids", "hierarchy_of_orders", "scalar_equation", "trained_on_the_leaf"]

Array = NDArray[np.float64]


def expectations_on_two_grids(
    equation: FokkerPlanck,
    start: Callable[[int], Density],
    times: Array,
    *,
    cells: int,
    tolerance: float,
    run: Workbench,
) -> list[DensityExpectation]:
    """Expectations of an evolved density at the times, with the difference to half as many cells as their error.

    Parameters
    ----------
    start : callable
        ``start(cells)``: the density at time zero.
    cells : int
        Of the finer grid; the coarser is allowed four times the ``tolerance``.
    """
    pair = []
    for n, allowed in ((cells // 2, 4.0 * tolerance), (cells, tolerance)):
        found = evolve(
            equation,
            start(n),
            times,
            tolerance=allowed,
            threads=run.threads,
            progress=run.progress(f"evolve, {n} cells"),
            estimate_grid_error=False,
        )
        pair.append(found.densities)
    return [DensityExpectation(fine, coarse) for coarse, fine in zip(*pair, strict=True)]


def trained_on_the_leaf(
    experiment: Experiment,
    *,
    log_mean: float,
    log_std: float,
    replicas: int,
    times: Array,
    seed: int,
    threads: int | None = None,
) -> tuple[Array, Array]:
    """``w = W2 W1`` and ``q = W1^2 - W2^2`` of the replicas of a scalar network, shape (T, R) each.

    They start on the balanced leaf, ``W1 = W2 = sqrt(w)`` with ``ln w`` normal of ``log_mean`` and ``log_std``.

    Raises
    ------
    KeyboardInterrupt
        On an interrupt; the stage is done again when the run goes on.
    """
    root = np.exp(0.5 * (log_mean + log_std * np.random.default_rng(seed).standard_normal(replicas)))
    begin = State(0, np.stack([root, root], axis=1), None, np.zeros(replicas, dtype=np.int64))
    found = train(experiment, replicas=replicas, times=times.tolist(), rng=seed, state=begin, threads=threads)
    if found.interrupted:
        raise KeyboardInterrupt
    u, v = (found.weights[m][:, ~found.divergence.mask, 0, 0] for m in ("W1", "W2"))
    return u * v, u * u - v * v


def scalar_equation(network: ScalarNetwork, order: str = "sme2", *, noise: float = 1.0) -> FokkerPlanck:
    """Modified equation of a scalar network in ``(w, q)``, with ``noise`` times its diffusion."""
    return FokkerPlanck(
        drift=lambda w, q: network.drift(w, q, order=order),
        diffusion=lambda w, q: [noise * d for d in network.diffusion(w, q)],
    )


def hierarchy_of_orders(
    network: ScalarNetwork, times: Array, laws: Sequence[SampleExpectation], outputs: Outputs, *, decay: float
) -> dict[str, Identity]:
    """Hierarchy identity of an ensemble by its modified equations; order one and four times the noise must fail.

    SGD obeys its equation of order two up to the next order, which is counted as explained: what order one leaves,
    times the ``decay`` of the error in one step at the valley.
    """
    equations = *(scalar_equation(network, order) for order in ("sme1", "sme2")), scalar_equation(network, noise=4.0)
    one, two, louder = (hierarchy_residual(times, laws, outputs, equation) for equation in equations)
    return {
        "I2 (hierarchy), ensemble, order two": replace(two, error=float(np.hypot(two.error, decay * one.residual))),
        "I2, ensemble, order one": control(one),
        "I2, ensemble, four times the noise": control(louder),
    }
