"""Two stages: the density of the output on the balanced leaf, and ensembles trained by SGD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.density import Grid, gaussian
from fpsim.diagnostics import callan_symanzik as cs
from fpsim.ensemble import State, train
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.scenario.judgement import CONTROL, controlled_verdicts, part
from fpsim.scenario.kinds.callan_symanzik_autoencoder.model import CallanSymanzikAutoEncoder, SgdRun
from fpsim.scenario.shared.flow_records import correlator_dataset, flow_dataset, scaled_dataset
from fpsim.support.progress import Reporter

__all__ = ["SOURCES", "stages"]

Array = NDArray[np.float64]
SOURCES = ("density", "ensemble")
AT_VALLEY = "at the valley: "
TRANSFER = 0.15
"""Relative error of predicted functions, early, up to which the flow counts as carried to another run."""
ORDER = 5
"""Largest n of R1: three observables more than the family has parameters."""
BLOCKS = 16
"""Of the jackknife: standard errors to a fifth of themselves."""
AFTER, CELLS = 0.4, 512
"""Time and cells of I1."""
SCALED = ((0, 0, 0), (0, 0, 0, 0))


def stages(
    scenario: CallanSymanzikAutoEncoder, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/density`` and ``/ensemble``, and ``/verdicts`` of each."""
    if f"/verdicts/{SOURCES[0]}" not in done.groups:
        yield _density(scenario, threads, report)
    if f"/verdicts/{SOURCES[1]}" not in done.groups:
        yield _ensemble(scenario, threads, report)


def _density(scenario: CallanSymanzikAutoEncoder, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    name, run = next(iter(scenario.run.items()))
    equation, family = scenario.leaf_equation(run), scenario.error_family
    error = cs.Outputs(lambda x: [np.exp(x) - 1.0])
    box, variance = (run.log_mean - 8.0 * run.log_std - 1.0, 1.5), run.log_std**2
    pair = []
    for label, cells in (("coarse", scenario.theory.cells // 2), ("fine", scenario.theory.cells)):
        pair.append(
            evolve(
                equation,
                gaussian(Grid.box((*box, cells)), run.log_mean, variance),
                scenario.times,
                tolerance=scenario.theory.tolerance * (4.0 if label == "coarse" else 1.0),
                threads=threads,
                progress=report(f"evolve: {label} grid"),
                estimate_grid_error=False,
            ).densities
        )
    laws = [cs.DensityExpectation(fine, coarse) for coarse, fine in zip(*pair, strict=True)]
    found = [cs.rates(law, error, equation, order=ORDER) for law in laws]
    few = cs.rates(laws[-1], error, equation, order=2)
    whole = cs.rates(laws[0], cs.Outputs(lambda x: [np.exp(x)]), equation, order=ORDER)
    around = Grid.box((run.log_mean - 1.0, 0.7, CELLS))
    verdicts: dict[str, cs.Identity | cs.Claim] = {
        "I1 (backward), E[f - y | w]": cs.backward_residual(equation, around, error, (0,), AFTER),
        "I2 (hierarchy), density": cs.hierarchy_residual(scenario.times, laws, error, equation),
        **_tangencies("density", scenario, found),
        "R1 of the output itself, start, density": cs.tangency(*whole, cs.lognormal()),
        CONTROL + "R1 of the output, Gaussian family": cs.tangency(*whole, cs.ornstein_uhlenbeck()),
        CONTROL + "R1 at the end, G_1 and G_2 only": cs.tangency(*few, family),
    }
    return {
        "/density/flow": flow_dataset({name: cs.exact_flow(scenario.times, found, family)}, scenario.time_coordinate),
        "/density/correlators": correlator_dataset({name: [t for t, _ in found]}, scenario.time_coordinate),
        "/density/closure": _closure(scenario, found),
        f"/verdicts/{SOURCES[0]}": part(controlled_verdicts(verdicts, failing=(CONTROL, AT_VALLEY)), SOURCES[0]),
    }


def _ensemble(scenario: CallanSymanzikAutoEncoder, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    output, times = cs.Outputs(lambda w: [w]), scenario.times
    error = cs.Outputs(lambda w, _q: [w - 1.0])
    progress = report("train")
    tables, name = {}, next(iter(scenario.run))
    for k, (label, run) in enumerate(scenario.run.items()):
        w, q = _trained(scenario, run, scenario.seed + k, threads)
        tables[label] = [cs.correlators(cs.SampleExpectation(x[:, None], BLOCKS), output) for x in w]
        if label == name:
            laws = [cs.SampleExpectation(np.stack(pair, axis=1), BLOCKS) for pair in zip(w, q, strict=True)]
        progress((k + 1) / len(scenario.run))
    network = scenario.network(scenario.run[name])
    equations = {
        order: FokkerPlanck(
            drift=lambda w, q, order=order: network.drift(w, q, order=order),
            diffusion=lambda w, q: list(network.diffusion(w, q)),
        )
        for order in ("sme1", "sme2")
    }
    found = [cs.rates(law, error, equations["sme2"], order=ORDER) for law in laws]
    orders = [cs.hierarchy_residual(times, laws, error, equation) for equation in equations.values()]
    louder = FokkerPlanck(
        drift=equations["sme2"].drift, diffusion=lambda w, q: [4.0 * d for d in network.diffusion(w, q)]
    )
    scaling = cs.lognormal(target=1.0)
    runs = {label: cs.CorrelatorRun(times, t) for label, t in tables.items()}
    quarter = {label: _part(run, slice(0, len(times) // 4 + 1)) for label, run in runs.items()}
    *fitted, held_out, other = runs
    rising, falling = _monotone(runs)
    one = cs.lognormal()
    verdicts: dict[str, cs.Identity | cs.Claim] = {
        "I2 (hierarchy), ensemble, order two": _of_order_two(scenario.decay, *orders),
        CONTROL + "I2, ensemble, order one": orders[0],
        CONTROL + "I2, ensemble, four times the noise": cs.hierarchy_residual(times, laws, error, louder),
        **_tangencies("ensemble", scenario, found),
        "R2 (transfer) to the held-out run, early": cs.transfer(
            [quarter[r] for r in fitted], [quarter[held_out]], scaling, tolerance=TRANSFER
        ),
        CONTROL + "R2 to another noise, early": cs.transfer(
            [quarter[r] for r in fitted], [quarter[other]], scaling, tolerance=TRANSFER
        ),
        "R3 (collapse), early": cs.collapse(rising, one, tolerance=0.03),
        AT_VALLEY + "R3, late, connected": cs.collapse(falling, one, connected=True, tolerance=0.03),
    }
    flows = {label: cs.measured_flow(times, t, scaling) for label, t in tables.items()}
    return {
        "/ensemble/flow": flow_dataset(flows, scenario.time_coordinate),
        "/ensemble/correlators": correlator_dataset(tables, scenario.time_coordinate),
        "/ensemble/scaled": scaled_dataset(runs, one, SCALED, scenario.time_coordinate),
        "/ensemble/closure": _closure(scenario, found),
        f"/verdicts/{SOURCES[1]}": part(controlled_verdicts(verdicts, failing=(CONTROL, AT_VALLEY)), SOURCES[1]),
    }


def _trained(scenario: CallanSymanzikAutoEncoder, run: SgdRun, seed: int, threads: int | None) -> tuple[Array, Array]:
    """``w`` and ``q`` of all replicas through SGD, shape (T, R) each, from a lognormal start on the balanced leaf."""
    size = scenario.ensemble.replicas
    normal = np.random.default_rng(seed).standard_normal(size)
    root = np.exp(0.5 * (run.log_mean + run.log_std * normal))
    begin = State(0, np.stack([root, root], axis=1), None, np.zeros(size, dtype=np.int64))
    ensemble = train(
        scenario.experiment(run), replicas=size, times=scenario.times.tolist(), rng=seed, state=begin, threads=threads
    )
    kept = ~ensemble.divergence.mask
    u, v = (ensemble.weights[m][:, kept, 0, 0] for m in ("W1", "W2"))
    return u * v, u * u - v * v


def _of_order_two(decay: float, one: cs.Identity, two: cs.Identity) -> cs.Identity:
    """SGD obeys its equation of order two up to the next order: what order one leaves, times the decay in one step at
    the valley.
    """
    return replace(two, error=float(np.hypot(two.error, decay * one.residual)))


def _tangencies(
    source: str, scenario: CallanSymanzikAutoEncoder, found: list[tuple[cs.Correlators, cs.Estimate]]
) -> dict[str, cs.Claim]:
    last = len(found) - 1
    names = {0: "R1 (tangency), start", last // 4: "R1, quarter of the time", last: AT_VALLEY + "R1, end"}
    return {f"{name}, {source}": cs.tangency(*found[k], scenario.error_family) for k, name in names.items()}


def _closure(scenario: CallanSymanzikAutoEncoder, found: list[tuple[cs.Correlators, cs.Estimate]]) -> xr.Dataset:
    """R1 through time, and the mean loss."""
    claims = [cs.tangency(*pair, scenario.error_family) for pair in found]
    c = scenario.second_moment
    loss = [0.5 * c * float(table[0, 0].value) for table, _ in found]
    return xr.Dataset(
        {
            "R1": ("time", [k.residual for k in claims], {"long_name": "tangency residual", "units": "1"}),
            "R1_error": ("time", [k.error for k in claims], {"long_name": "its error", "units": "1"}),
            "loss": ("time", loss, {"long_name": "mean loss", "units": "1"}),
        },
        {"time": scenario.time_coordinate},
        {"tolerance": claims[0].tolerance},
    )


def _monotone(runs: Mapping[str, cs.CorrelatorRun]) -> tuple[list[cs.CorrelatorRun], list[cs.CorrelatorRun]]:
    """Runs before the first and after the last maximum of the coupling, where it can be an abscissa."""
    family = cs.lognormal()
    tops = [int(np.argmax(cs.running_couplings(run.tables, family).value[:, 1])) for run in runs.values()]
    before, after = max(min(tops), 2), min(max(tops), len(next(iter(runs.values())).tables) - 3)
    return (
        [_part(run, slice(0, before + 1)) for run in runs.values()],
        [_part(run, slice(after, None)) for run in runs.values()],
    )


def _part(run: cs.CorrelatorRun, times: slice) -> cs.CorrelatorRun:
    return cs.CorrelatorRun(np.asarray(run.clock)[times], run.tables[times])
