"""The three sources, one stage each: exact Gaussians, evolved densities, ensembles of paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.density import Density, Grid, gaussian, mixture
from fpsim.diagnostics import callan_symanzik as cs
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.paths import simulate
from fpsim.scenario.judgement import CONTROL, controlled_verdicts, part
from fpsim.scenario.kinds.callan_symanzik_ou.model import INPUTS, CallanSymanzikOU, RunStart
from fpsim.scenario.records import labelled
from fpsim.scenario.shared.flow_records import correlator_dataset, flow_dataset, scaled_dataset
from fpsim.support.progress import Reporter

__all__ = ["SOURCES", "stages"]

Array = NDArray[np.float64]
SCALED = ((0, 0, 0), (0, 0, 0, 0))
STEP = 0.02
"""Longest step of the sample paths, weak order 2: its bias is below a tenth of their sampling error."""
BROWNIAN = cs.GeometricBrownianMotion(growth=2.2, diffusion=0.4)
"""The auto-encoder far below its valley: second moment 1, variance of the square 2, learning rate over batch 0.1."""
ORDER = 5
BLOCKS = 16
"""Of the jackknife: standard errors to a fifth of themselves."""
AFTER = 0.3
"""Time of the conditional averages of I1."""
SOURCES = ("exact", "evolved", "ensemble")


def stages(
    scenario: CallanSymanzikOU, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/exact``, ``/evolved`` and ``/ensemble``, and ``/verdicts`` of each."""
    if f"/verdicts/{SOURCES[0]}" not in done.groups:
        yield _exact(scenario)
    if f"/verdicts/{SOURCES[1]}" not in done.groups:
        yield _evolved(scenario, threads, report)
    if f"/verdicts/{SOURCES[2]}" not in done.groups:
        yield _ensemble(scenario, report)


def _closed(scenario: CallanSymanzikOU, names: Sequence[str]) -> Array:
    """``gamma, beta_g, beta_h`` in closed form, shape (run, time, 3)."""
    rows = []
    for run in (scenario.run[name] for name in names):
        process = scenario.process_of(run)
        rows.append(process.rates(process.couplings(run.mean, run.std**2, scenario.times)))
    return np.array(rows)


def _flows(scenario: CallanSymanzikOU, flows: Mapping[str, cs.Flow]) -> xr.Dataset:
    table = flow_dataset(flows, scenario.time_coordinate)
    exact = {"long_name": "gamma or beta function in closed form", "units": "1"}
    clock = {"long_name": "s, relaxation x time", "units": "1"}
    return table.assign(rates_exact=(("run", "time", "rate"), _closed(scenario, list(flows)), exact)).assign_coords(
        clock=("time", scenario.clock, clock)
    )


def _exact(scenario: CallanSymanzikOU) -> dict[str, xr.Dataset]:
    """Closed-form Gaussians laid on the grid: what the diagnostics themselves can do."""
    grid, outputs, target = scenario.grid, scenario.outputs, scenario.process.target

    def densities(run: RunStart) -> list[Density]:
        m, p = scenario.process_of(run).moments(run.mean, run.std**2, scenario.times)
        return [gaussian(grid, target + a, b) for a, b in zip(m, p, strict=True)]

    flows = {}
    for name, run in scenario.run.items():
        found = [cs.rates(p, outputs, scenario.process_of(run).equation) for p in densities(run)]
        flows[name] = cs.exact_flow(scenario.clock, found, scenario.family_of(run), speed=scenario.process.relaxation)
    name, run = next(iter(scenario.run.items()))
    equation, laws, family = scenario.process_of(run).equation, densities(run), scenario.family_of(run)
    wrong = _with_noise(scenario, run)
    tables = {name: [cs.correlators(p, outputs) for p in laws]}
    peaks = [target - 0.6 * run.mean, target + 1.2 * run.mean]
    two = mixture(grid, [0.5, 0.5], peaks, [0.02, 0.02])
    fit = cs.fit_beta(list(flows.values()), degree=2)
    points = fit.fixed_points(margin=0.5)
    mu, s2 = -3.0, 0.04
    lognormal = gaussian(Grid.box((mu - 2.0, mu + 2.4, 400)), mu, s2)
    brownian = cs.rates(lognormal, cs.Outputs(lambda x: [np.exp(x)]), BROWNIAN.equation, order=ORDER)
    reach = abs(run.mean) + 3.0 * run.std
    backward = Grid.box((target - reach, target + reach, scenario.theory.cells))
    small = cs.rates(two, outputs, equation, order=2)
    gaussians = cs.ornstein_uhlenbeck(inputs=INPUTS)
    verdicts: dict[str, cs.Identity | cs.Claim] = {
        "I1 (backward), E[f1 f2 | w]": cs.backward_residual(equation, backward, outputs, (0, 1), AFTER),
        CONTROL + "I1 with 1.3 times the noise": cs.backward_residual(
            equation, backward, outputs, (0, 1), AFTER, against=wrong
        ),
        "I2 (hierarchy), exact densities": cs.hierarchy_residual(scenario.times, laws, outputs, equation),
        CONTROL + "I2 with 1.3 times the noise": cs.hierarchy_residual(scenario.times, laws, outputs, wrong),
        "R1 (tangency), exact densities": cs.tangency(*cs.rates(laws[-1], outputs, equation), family),
        CONTROL + "R1 of two peaks": cs.tangency(*cs.rates(two, outputs, equation), gaussians),
        CONTROL + "R1 of two peaks, G_1 and G_2 only": cs.tangency(*small, gaussians),
        "R1 geometric Brownian, one coupling": cs.tangency(*brownian, cs.lognormal(), tolerance=1e-6),
        CONTROL + "R1 geometric Brownian, pure scaling": cs.tangency(*brownian, cs.pure_scaling(brownian[0])),
    }
    beta = labelled(
        xr.Dataset(
            {
                "coefficients": (
                    ("term", "rate"),
                    fit.coefficients,
                    {"long_name": "coefficient of the fit", "units": "1"},
                ),
                "fixed_point": (("point", "coupling"), np.array([p.couplings for p in points]).reshape(-1, 2), {}),
                "exponent": (("point", "direction"), np.array([p.exponents.real for p in points]).reshape(-1, 2), {}),
                "gamma": ("point", np.array([p.gamma for p in points]), {"long_name": "anomalous dimension there"}),
            },
            {
                "term": [f"g^{a} h^{b}" for a, b in fit.powers],
                "rate": ["gamma", "beta_g", "beta_h"],
                "coupling": ["g", "h"],
                "point": np.arange(1, len(points) + 1),
                "direction": [1, 2],
            },
            {"pure_scaling_residual": BROWNIAN.pure_scaling_residual(ORDER)},
        )
    )
    return {
        "/exact/flow": _flows(scenario, flows),
        "/exact/correlators": correlator_dataset(tables, scenario.time_coordinate),
        "/exact/beta": beta,
        f"/verdicts/{SOURCES[0]}": part(controlled_verdicts(verdicts), SOURCES[0]),
    }


def _with_noise(scenario: CallanSymanzikOU, run: RunStart, factor: float = 1.3) -> FokkerPlanck:
    """The equation of a run with another noise: what must not satisfy the identities."""
    return replace(scenario.process_of(run), diffusion=factor * run.diffusion).equation


def _evolved(scenario: CallanSymanzikOU, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """The reference run through the engine, on two grids: does the error estimate cover the error?"""
    name, run = next(iter(scenario.run.items()))
    equation, outputs, grid = scenario.process_of(run).equation, scenario.outputs, scenario.grid
    pair = []
    for label, cells, tolerance in (
        ("coarse", grid.with_shape((grid.shape[0] // 2,)), 4.0 * scenario.theory.tolerance),
        ("fine", grid, scenario.theory.tolerance),
    ):
        start = gaussian(cells, scenario.process.target + run.mean, run.std**2)
        progress = report(f"evolve: {label} grid")
        pair.append(
            evolve(equation, start, scenario.times, tolerance=tolerance, threads=threads, progress=progress,
                   estimate_grid_error=False).densities
        )  # fmt: skip
    laws = [cs.DensityExpectation(fine, coarse) for coarse, fine in zip(*pair, strict=True)]
    family = scenario.family_of(run)
    found = [cs.rates(law, outputs, equation) for law in laws]
    flow = cs.exact_flow(scenario.clock, found, family, speed=scenario.process.relaxation)
    verdicts: dict[str, cs.Identity | cs.Claim] = {
        "I2 (hierarchy), evolved densities": cs.hierarchy_residual(scenario.times, laws, outputs, equation),
        "R1 (tangency), evolved densities": cs.tangency(*found[-1], family),
    }
    return {
        "/evolved/flow": _flows(scenario, {name: flow}),
        "/evolved/correlators": correlator_dataset({name: [t for t, _ in found]}, scenario.time_coordinate),
        f"/verdicts/{SOURCES[1]}": part(controlled_verdicts(verdicts), SOURCES[1]),
    }


def _ensemble(scenario: CallanSymanzikOU, report: Reporter) -> dict[str, xr.Dataset]:
    """Paths of all runs and of a two-peaked start, which no claim must survive."""
    outputs, target, size = scenario.outputs, scenario.process.target, scenario.ensemble.replicas
    streams = np.random.default_rng(scenario.seed).spawn(len(scenario.run) + 1)
    first = next(iter(scenario.run.values()))
    runs = {**scenario.run, "two-peaked": first}
    progress = report("sample paths")
    tables: dict[str, list[cs.Correlators]] = {}
    reference: list[cs.SampleExpectation] = []
    for k, ((name, run), rng) in enumerate(zip(runs.items(), streams, strict=True)):
        start = target + run.mean + run.std * rng.standard_normal((size, 1))
        if name == "two-peaked":
            start = target + run.mean * np.where(rng.random((size, 1)) < 0.8, 1.05, -0.2)
        paths = simulate(scenario.process_of(run).equation, start, scenario.times, step=STEP, rng=rng).positions
        laws = [cs.SampleExpectation(x, BLOCKS) for x in paths]
        tables[name] = [cs.correlators(law, outputs) for law in laws]
        reference = laws if k == 0 else reference
        progress((k + 1) / len(runs))
    families = {name: scenario.family_of(run) for name, run in runs.items()}
    flows = {name: cs.measured_flow(scenario.clock, tables[name], families[name]) for name in scenario.run}
    known = {name: cs.CorrelatorRun(scenario.clock, tables[name], families[name]) for name in runs}
    *fitted, held_out = (known[name] for name in scenario.run)
    family, equation = families[next(iter(runs))], scenario.process_of(first).equation
    wrong = _with_noise(scenario, first, 2.0)
    early = reference[len(reference) // 4]  # later the rates are small against their sampling error
    gaussians = cs.ornstein_uhlenbeck(inputs=INPUTS)
    all_runs = list(known.values())
    verdicts: dict[str, cs.Identity | cs.Claim] = {
        "I2 (hierarchy), ensemble": cs.hierarchy_residual(scenario.times, reference, outputs, equation),
        CONTROL + "I2, ensemble, twice the noise": cs.hierarchy_residual(scenario.times, reference, outputs, wrong),
        "R1 (tangency), ensemble": cs.tangency(*cs.rates(early, outputs, equation), family),
        "R2 (transfer) to another noise and start": cs.transfer(fitted, [held_out], family, tolerance=0.05),
        CONTROL + "R2 to a two-peaked start": cs.transfer(fitted, [known["two-peaked"]], family, tolerance=0.05),
        "R3 (collapse) over noises and starts": cs.collapse(all_runs[:-1], gaussians),
        CONTROL + "R3 with a two-peaked start": cs.collapse(all_runs, gaussians),
    }
    return {
        "/ensemble/flow": _flows(scenario, flows),
        "/ensemble/correlators": correlator_dataset(tables, scenario.time_coordinate),
        "/ensemble/scaled": scaled_dataset(known, gaussians, SCALED, scenario.time_coordinate).assign(
            g=(("run", "time"), np.array([cs.running_couplings(t, gaussians).value[:, 1] for t in tables.values()]))
        ),
        f"/verdicts/{SOURCES[2]}": part(controlled_verdicts(verdicts), SOURCES[2]),
    }
