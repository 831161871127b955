"""Error budget between SGD and a closure, at the last time of a bottleneck run.

The chain is SGD, SGD with Gaussian noise, the modified equation without any closure (:mod:`.chain`), the closure. For a
density the solver's errors are added: a solution on cells twice as wide, and one with four times the tolerance. For
outputs there is one more law before the closure: the same weights with their matrices paired at random, which is what a
closure that has one density for each matrix claims.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.comparison import Budget, Refinement, Stage, error_budget, outputs
from fpsim.density import Density
from fpsim.plots.style import LABELS
from fpsim.scenario.kinds.bottleneck.case import MATRICES, Case
from fpsim.scenario.kinds.bottleneck.chain import Link, links
from fpsim.scenario.kinds.bottleneck.model import BottleneckScenario
from fpsim.scenario.kinds.bottleneck.outputs import Outputs, matrices, outputs_of, probe_indices
from fpsim.support.progress import Reporter

__all__ = ["budget_case"]

Array = NDArray[np.float64]
CORRELATION, CLOSURE = "correlation of the matrices", "closure"
LOOSER, LOOSEST = 4.0, 0.9
"""Factor of the tolerance whose effect shows the time step's error, proportional to it; and the loosest tolerance."""
CELLS = {1: 32, 2: 64, 3: 128}
"""Cells of equal count through which densities are seen, by dimension: few, so that the floor is low."""


def budget_case(
    scenario: BottleneckScenario,
    case: Case,
    densities: Mapping[str, tuple[Density, ...]],
    *,
    seed: int,
    threads: int | None,
    report: Reporter,
) -> xr.Dataset:
    """Error budgets of all closures and observables.

    Parameters
    ----------
    densities : mapping
        By closure, the pair of densities (W1, W2) at the last time.

    Returns
    -------
    xarray.Dataset
        ``distance``, ``floor``, ``spread``, ``error``, ``share``, ``resolved`` by (closure, observable, cause), with
        ``nan`` where a cause does not apply; ``total``, ``total_floor``, ``total_spread``, ``leading`` and
        ``sentence`` by (closure, observable).
    """
    assert case.ensemble.steps is not None
    chain = links(
        case.experiment,
        replicas=scenario.ensemble.replicas,
        step=int(case.ensemble.steps[-1]),
        svag=scenario.comparison.svag,
        seed=seed,
        threads=threads,
        report=report,
    )
    laws = [Link("SGD", "", {m: case.samples[m][-1] for m in MATRICES}), *chain]
    progress, count = report(f"{case.name}: error budget"), len(densities)
    budgets: dict[str, list[Budget]] = {}
    for done, (closure, pair) in enumerate(densities.items()):
        loose = min(LOOSER * scenario.theory.tolerance, LOOSEST)
        solved = {
            "grid": case.solve(closure, tolerance=scenario.theory.tolerance, threads=threads, wider=2, last=True).final,
            "time step": case.solve(closure, tolerance=loose, threads=threads, last=True).final,
        }
        budgets[closure] = [
            *_of_densities(laws, closure, pair, solved, loose / scenario.theory.tolerance, float(case.times[-1])),
            *_of_outputs(scenario, case, laws, closure, pair, np.random.default_rng([seed, 99, done])),
        ]
        progress((done + 1) / count)
    return _record(budgets)


def _of_densities(
    laws: Sequence[Link],
    closure: str,
    pair: tuple[Density, ...],
    solved: Mapping[str, tuple[Density, ...]],
    ratio: float,
    time: float,
) -> list[Budget]:
    found = []
    for index, m in enumerate(MATRICES):
        stages = [Stage(law.name, law.weights[m], law.source) for law in laws]
        refinements = [
            Refinement("grid", solved["grid"][index]),
            Refinement("time step", solved["time step"][index], order=1.0, ratio=ratio),
        ]
        found.append(
            error_budget(
                [*stages, Stage(LABELS[closure], pair[index], CLOSURE)],
                observable=f"density {m}",
                refinements=refinements,
                time=time,
                bins=CELLS.get(pair[index].grid.ndim),
            )
        )
    return found


def _of_outputs(
    scenario: BottleneckScenario,
    case: Case,
    laws: Sequence[Link],
    closure: str,
    pair: tuple[Density, ...],
    rng: np.random.Generator,
) -> list[Budget]:
    network, most = case.experiment.network, scenario.comparison.theory_samples
    where = probe_indices(case.data, 1)

    def of(weights: tuple[Array, Array]) -> Outputs:
        return outputs_of(network, case.data, where, weights, rng)

    flat = [[law.weights[m][:most] for m in MATRICES] for law in laws]
    w1, w2 = flat[-1]
    drawn = outputs.draw_weights(dict(zip(MATRICES, pair, strict=True)), most, network=network, rng=rng)
    named = [(law.name, law.source, of(matrices(network, f))) for law, f in zip(laws, flat, strict=True)]
    named.append(("matrices paired at random", CORRELATION, of(matrices(network, [w1, rng.permutation(w2)]))))
    named.append((LABELS[closure], CLOSURE, of(drawn)))
    seen: dict[str, Callable[[Outputs], Array]] = {
        "pooled outputs": lambda o: o["pooled"],
        "output at probe 1": lambda o: o["at_probe"][:, 0],
        "loss": lambda o: o["loss"],
    }
    return [
        error_budget(
            [Stage(name, pick(found), source) for name, source, found in named],
            observable=observable,
            time=float(case.times[-1]),
            bins=CELLS[1],
            rng=rng,
        )
        for observable, pick in seen.items()
    ]


def _record(budgets: Mapping[str, Sequence[Budget]]) -> xr.Dataset:
    every = [budget for row in budgets.values() for budget in row]
    order = {row.source: None for budget in every for row in budget.rows if row.source != CLOSURE}
    numerics = [s for s in order if s in ("grid", "time step")]
    sources = [*(s for s in order if s not in numerics), CLOSURE, *numerics]
    shape = len(budgets), len(every) // len(budgets), len(sources)

    def by_source(key: str, name: str) -> tuple[tuple[str, ...], Array, dict[str, str]]:
        values = np.full(shape, np.nan)
        for i, row in enumerate(budgets.values()):
            for j, budget in enumerate(row):
                for part in budget.rows:
                    values[i, j, sources.index(part.source)] = getattr(part, key)
        return ("closure", "observable", "cause"), values, {"units": "1", "long_name": name}

    def whole(key: str, name: str) -> tuple[tuple[str, ...], Array, dict[str, str]]:
        values = np.array([[getattr(budget, key) for budget in row] for row in budgets.values()])
        return ("closure", "observable"), values, {"units": "1", "long_name": name}

    return xr.Dataset(
        {
            "distance": by_source("distance", "total variation between two neighbouring laws of the chain"),
            "floor": by_source("floor", "mean distance if they were the same"),
            "spread": by_source("spread", "standard deviation of the distance if they were the same"),
            "error": by_source("error", "distance freed of its floor"),
            "share": by_source("share", "error over the sum of all errors"),
            "resolved": by_source("resolved", "1 where the distance is three spreads above its floor"),
            "total": whole("total", "total variation between SGD and the closure"),
            "total_floor": whole("floor", "mean of the total if the closure were true"),
            "total_spread": whole("spread", "standard deviation of the total if the closure were true"),
            "leading": whole("leading", "source of the largest resolved error"),
            "sentence": whole("sentence", "the finding in words"),
        },
        coords={
            "closure": list(budgets),
            "observable": [b.observable for b in next(iter(budgets.values()))],
            "cause": sources,
        },
        attrs={"time": every[0].time},
    )
