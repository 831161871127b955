"""Callan-Symanzik where everything is known: Ornstein-Uhlenbeck processes, and geometric Brownian motion beside them.

Couplings, beta functions and claims from three sources: exact Gaussians on a grid, a density that the engine evolved,
and ensembles of paths. Gamma and both beta functions must lie on their closed form, whatever the noise and the start.
Three- and four-point functions of all runs must fall on one curve, except those of a two-peaked start, which is there
to show that collapse can fail. Geometric Brownian motion closes with one coupling; without any, as pure scaling, it
must not. Every claim is also fed a case in which it has to fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.density import Density, Grid, gaussian, mixture
from fpsim.diagnostics import callan_symanzik as cs
from fpsim.paths import simulate
from fpsim.plots.renormalisation import draw_flow_diagram, draw_rates, draw_running, draw_scaled
from fpsim.scenario import Column, EnsembleSize, Parameters, Results, Scenario, Section, Table, Time, Workbench, named
from fpsim.scenario.judgement import records_of, stored_records
from fpsim.scenario.parameters.sections import Positive, StartName
from fpsim.studies.renormalisation import expectations_on_two_grids
from fpsim.support.errors import ConfigError
from fpsim.support.memory import check_memory
from fpsim.uncertainty.verdict import Claim, Identity, control

INPUTS = (1.0, -2.0)
SCALED = ((0, 0, 0), (0, 0, 0, 0))
STEP = 0.02
"""Longest step of the sample paths, weak order 2: its bias is below a tenth of their sampling error."""
BROWNIAN = cs.GeometricBrownianMotion(growth=2.2, diffusion=0.4)
"""The auto-encoder far below its valley: second moment 1, variance of the square 2, learning rate over batch 0.1."""
ORDER, BLOCKS, AFTER = 5, 16, 0.3
"""Largest n of geometric Brownian motion; blocks of the jackknife; time of the conditional averages."""
EXACT, ROUNDING = 1e-8, 1e-10  # numerical errors of rates: of exact densities on a grid, and of rounding


class Process(Section):
    """The linear process ``dW = -relaxation (W - target) dt + sqrt(2 diffusion) dB``; the diffusion is each run's."""

    relaxation: Positive = 1.3
    target: float = 0.5


class RunStart(Section):
    """One run: where the distance from the target starts, and how strong the noise is (learning rate over batch)."""

    mean: float = 1.0
    std: Positive = 0.22
    diffusion: Positive = 0.05


RUNS = {
    "reference": RunStart(),
    "wide": RunStart(mean=0.8, std=0.5),
    "narrow": RunStart(mean=0.3, std=0.14),
    "noisy": RunStart(mean=0.7, std=0.3, diffusion=0.1),
}


class Engine(Section):
    """Densities on a grid."""

    cells: Annotated[int, Field(ge=64, le=8192, multiple_of=4)] = 512
    tolerance: Annotated[float, Field(gt=0, le=0.1)] = 1e-4
    """Accumulated L1 error allowed to the time stepping."""


class CallanSymanzikOU(Parameters):
    """Beta functions of the Ornstein-Uhlenbeck process from three sources against their closed form."""

    process: Process = Process()
    run: Annotated[dict[StartName, RunStart], Field(min_length=4)] = RUNS
    """The last one is held out: beta functions fitted to the others must predict it."""
    time: Time = Time(end=1.6, records=16)
    ensemble: EnsembleSize = EnsembleSize(replicas=100_000)
    theory: Engine = Engine()

    @model_validator(mode="after")
    def _fits(self) -> CallanSymanzikOU:
        if self.time.records % 4 or self.time.records < 8:
            raise ValueError(f"time.records = {self.time.records}: a multiple of 4 from 8 on is accepted (Simpson)")
        if any(run.mean == 0.0 for run in self.run.values()):
            raise ValueError("run.mean = 0: another number is accepted, since the sign of Z is that of the mean")
        return self

    @property
    def times(self) -> NDArray[np.float64]:
        """Recorded times."""
        return np.linspace(0.0, self.time.end, self.time.records + 1)

    def process_of(self, run: RunStart) -> cs.OrnsteinUhlenbeck:
        """The process of a run."""
        return cs.OrnsteinUhlenbeck(self.process.relaxation, run.diffusion, self.process.target)

    def family_of(self, run: RunStart) -> cs.ParametricFamily:
        """Gaussian amplitudes with the run's noise as a coupling."""
        return cs.ornstein_uhlenbeck(noise=self.process_of(run).noise, inputs=INPUTS)

    @property
    def outputs(self) -> cs.Outputs:
        """Errors ``x (w - w*)`` of a linear output at two inputs."""
        return cs.Outputs(lambda w: [x * (w - self.process.target) for x in INPUTS])

    @property
    def grid(self) -> Grid:
        """Seven standard deviations around all runs."""
        reach = max(abs(r.mean) + 7.0 * max(r.std, self.process_of(r).noise ** 0.5) for r in self.run.values())
        return Grid.box((self.process.target - reach, self.process.target + reach, self.theory.cells), names=("w",))

    def flows(self, found: Mapping[str, cs.Flow]) -> xr.Dataset:
        """Flows of runs beside their closed form."""
        runs = {name: self.run[name] for name in found}
        exact = {n: self.process_of(r).rates_from(r.mean, r.std**2, self.times) for n, r in runs.items()}
        return cs.flow_dataset(found, self.times, exact=exact)


def check(p: CallanSymanzikOU) -> None:
    """Refuse an ensemble that does not fit into memory, starts too narrow for the grid, runs that share no coupling."""
    n = (p.time.records + 1) * len(p.run)
    check_memory(16.0 * n * p.ensemble.replicas, f"ensemble.replicas = {p.ensemble.replicas}")
    h, ranges = p.grid.spacing[0], []
    for name, run in p.run.items():
        narrowest = min(run.std, p.process_of(run).noise ** 0.5)
        if narrowest < 2.0 * h:
            said = f"run.{name}: a density {narrowest:.3g} wide on cells of {h:.3g}: twice as wide or more is accepted"
            raise ConfigError(f"{said}; theory.cells makes cells smaller")
        ranges.append(p.process_of(run).couplings(run.mean, run.std**2, p.times)[[0, -1], 1])
    low, high = max(min(r) for r in ranges), min(max(r) for r in ranges)
    if not low < high:
        said = f"run: couplings g leave {low:.3g} ... {high:.3g}: runs that pass a common value are accepted"
        raise ConfigError(f"{said}; a longer time.end, or starts of similar mean over std")


def exact(p: CallanSymanzikOU, _run: Workbench) -> xr.Dataset:
    """Closed-form Gaussians laid on the grid: what the diagnostics themselves can do."""
    grid, outputs, target, relaxation = p.grid, p.outputs, p.process.target, p.process.relaxation
    first, clock = next(iter(p.run)), relaxation * p.times
    laws = {n: p.process_of(r).densities(grid, r.mean, r.std**2, p.times) for n, r in p.run.items()}
    found = {n: [cs.rates(law, outputs, p.process_of(r).equation) for law in laws[n]] for n, r in p.run.items()}
    flows = {n: cs.exact_flow(clock, found[n], p.family_of(r), speed=relaxation) for n, r in p.run.items()}
    run, gaussians, last = p.run[first], cs.ornstein_uhlenbeck(inputs=INPUTS), laws[first][-1]
    equation, wrong = p.process_of(run).equation, replace(p.process_of(run), diffusion=1.3 * run.diffusion).equation
    two = mixture(grid, [0.5, 0.5], [target - 0.6 * run.mean, target + 1.2 * run.mean], [0.02, 0.02])
    reach = abs(run.mean) + 3.0 * run.std
    backward = Grid.box((target - reach, target + reach, p.theory.cells)), outputs, (0, 1), AFTER
    lognormal = gaussian(Grid.box((-5.0, -0.6, 400)), -3.0, 0.04)
    brownian = cs.rates(lognormal, cs.Outputs(lambda x: [np.exp(x)]), BROWNIAN.equation, order=ORDER)
    empty = cs.tangency(*cs.rates(two, outputs, equation, order=2), gaussians)
    records: dict[str, Identity | Claim] = {
        "I1 (backward), E[f1 f2 | w]": cs.backward_residual(equation, *backward),
        "I1 with 1.3 times the noise": control(cs.backward_residual(equation, *backward, against=wrong)),
        "I2 (hierarchy), exact densities": cs.hierarchy_residual(p.times, laws[first], outputs, equation),
        "I2 with 1.3 times the noise": control(cs.hierarchy_residual(p.times, laws[first], outputs, wrong)),
        "R1 (tangency), exact densities": cs.tangency(*cs.rates(last, outputs, equation), p.family_of(run)),
        "R1 of two peaks": control(cs.tangency(*cs.rates(two, outputs, equation), gaussians)),
        "R1 of two peaks, G_1 and G_2 only": replace(empty, expected="trivial"),
        "R1 geometric Brownian, one coupling": cs.tangency(*brownian, cs.lognormal(), tolerance=1e-6),
        "R1 geometric Brownian, pure scaling": control(cs.tangency(*brownian, cs.pure_scaling(brownian[0]))),
    }
    tables = {name: [table for table, _ in rows] for name, rows in found.items()}
    beta = cs.beta_dataset(cs.fit_beta(list(flows.values()), degree=2), margin=0.5)
    return xr.merge([p.flows(flows), cs.correlator_dataset(tables, p.times), beta, stored_records(records)])


def evolved(p: CallanSymanzikOU, run: Workbench) -> xr.Dataset:
    """The first run through the engine, on two grids: does the error estimate cover the error?"""
    (name, begun), *_ = p.run.items()
    equation = p.process_of(begun).equation

    def start(cells: int) -> Density:
        return gaussian(p.grid.with_shape((cells,)), p.process.target + begun.mean, begun.std**2)

    accuracy = {"cells": p.theory.cells, "tolerance": p.theory.tolerance}
    laws = expectations_on_two_grids(equation, start, p.times, **accuracy, run=run)
    rows = [cs.rates(law, p.outputs, equation) for law in laws]
    records: dict[str, Identity | Claim] = {
        "I2 (hierarchy), evolved densities": cs.hierarchy_residual(p.times, laws, p.outputs, equation),
        "R1 (tangency), evolved densities": cs.tangency(*rows[-1], p.family_of(begun)),
    }
    tables = cs.correlator_dataset({name: [table for table, _ in rows]}, p.times)
    flow = cs.exact_flow(p.process.relaxation * p.times, rows, p.family_of(begun), speed=p.process.relaxation)
    return xr.merge([p.flows({name: flow}), tables, stored_records(records)])


def ensemble(p: CallanSymanzikOU, run: Workbench) -> xr.Dataset:
    """Paths of all runs and of a two-peaked start, which no claim must survive."""
    target, size, progress = p.process.target, p.ensemble.replicas, run.progress("sample paths")
    first, clock = next(iter(p.run.values())), p.process.relaxation * p.times
    runs, tables, reference = {**p.run, "two-peaked": first}, {}, []
    streams = np.random.default_rng(p.seed).spawn(len(runs))
    for k, ((name, one), rng) in enumerate(zip(runs.items(), streams, strict=True)):
        start = target + one.mean + one.std * rng.standard_normal((size, 1))
        if name == "two-peaked":
            start = target + one.mean * np.where(rng.random((size, 1)) < 0.8, 1.05, -0.2)
        paths = simulate(p.process_of(one).equation, start, p.times, step=STEP, rng=rng).positions
        laws = [cs.SampleExpectation(x, BLOCKS) for x in paths]
        tables[name] = [cs.correlators(law, p.outputs) for law in laws]
        reference = reference or laws
        progress((k + 1) / len(runs))
    families = {name: p.family_of(one) for name, one in runs.items()}
    flows = {name: cs.measured_flow(clock, tables[name], families[name]) for name in p.run}
    known = {name: cs.CorrelatorRun(clock, tables[name], families[name]) for name in runs}
    *fitted, held_out, peaked = known.values()
    family, gaussians, equation = p.family_of(first), cs.ornstein_uhlenbeck(inputs=INPUTS), p.process_of(first).equation
    early = reference[len(reference) // 4]  # later the rates are small against their sampling error
    hierarchy, twice = (p.times, reference, p.outputs), replace(p.process_of(first), diffusion=2.0 * first.diffusion)
    records: dict[str, Identity | Claim] = {
        "I2 (hierarchy), ensemble": cs.hierarchy_residual(*hierarchy, equation),
        "I2, ensemble, twice the noise": control(cs.hierarchy_residual(*hierarchy, twice.equation)),
        "R1 (tangency), ensemble": cs.tangency(*cs.rates(early, p.outputs, equation), family),
        "R2 (transfer) to another noise and start": cs.transfer(fitted, [held_out], family, tolerance=0.05),
        "R2 to a two-peaked start": control(cs.transfer(fitted, [peaked], family, tolerance=0.05)),
        "R3 (collapse) over noises and starts": cs.collapse([*fitted, held_out], gaussians),
        "R3 with a two-peaked start": control(cs.collapse([*fitted, held_out, peaked], gaussians)),
    }
    g = np.array([cs.running_couplings(rows, gaussians).value[:, 1] for rows in tables.values()])
    parts = [p.flows(flows).reindex(run=list(runs)), cs.correlator_dataset(tables, p.times), stored_records(records)]
    parts.append(
        cs.scaled_dataset(known, gaussians, SCALED, p.times).assign(g=(("run", "time"), g, named("coupling g")))
    )
    return xr.merge(parts)


def claims(p: CallanSymanzikOU, run: Results) -> Iterator[Identity | Claim]:
    """What the stages judged; and the rates of every source against their closed form, where they are worst."""
    # of ensembles at the middle of a run, where differences along the clock are central
    middle = run["ensemble"].sel(run=list(p.run)).isel(time=p.times.size // 2)
    for source, table in (("exact", run["exact"]), ("evolved", run["evolved"]), ("ensemble", middle)):
        yield from records_of(run[source])
        gap = np.abs(table["rates"] - table["rates_exact"]).values
        error = np.full_like(gap, EXACT) if source == "exact" else table["rates_error"].values + ROUNDING
        worst = int(np.argmax(gap / error))
        yield Identity(f"gamma, beta in closed form, {source}", float(gap.flat[worst]), float(error.flat[worst]))


def tables(p: CallanSymanzikOU, run: Results) -> Iterator[Table]:
    """Fixed points of the beta functions that were fitted to the exact densities."""
    alone = run["exact"]["isolated"].values == 1
    found = run["exact"].isel(point=[*np.flatnonzero(alone), *np.flatnonzero(~alone)[:1]])
    columns = [Column(name, found["fixed_point"].sel(axis=name).values, ".3f") for name in ("g", "h")]
    columns.append(Column("gamma", found["gamma"].values, ".3f"))
    columns += [Column(f"exponent {d}", found["exponent"].sel(direction=d).values, ".3f") for d in (1, 2)]
    columns.append(Column("", ["isolated" if one else "one of a line" for one in found["isolated"].values]))
    yield Table("fixed points", columns)


def conclusions(p: CallanSymanzikOU, run: Results) -> Iterator[str]:
    """Where everything ends, and what pure scaling leaves over."""
    found = run["exact"]
    ends = found["fixed_point"].values[(found["exponent"] < 0.0).all("direction").values]
    yield f"Attractive fixed points (g, h): {', '.join(f'({g:.3f}, {h:.3f})' for g, h in np.abs(ends)) or 'none'}."
    yield f"Pure scaling leaves {BROWNIAN.pure_scaling_residual(ORDER):.3f} of geometric Brownian motion's rates over."


def figures(p: CallanSymanzikOU, run: Results) -> Iterator[tuple[str, Figure]]:
    """Beta functions with fixed points, running couplings, flow diagram, collapse."""
    paths = run["ensemble"]
    flow, h, g = paths.sel(run=list(p.run)), np.linspace(0.0, 1.05, 200), np.linspace(0.0, 1.0, 200)
    panels: dict[str, tuple[str, dict[str, Any]]] = {
        "γ = h − 1": ("gamma", {"curve": (h, h - 1.0)}),
        "β of g, over g:  −2 h": ("beta_g", {"curve": (h, -2.0 * h)}),
        "β of h = 2 h (1 − h)": ("beta_h", {"curve": (h, 2.0 * h * (1.0 - h)), "fixed_points": (0.0, 1.0)}),
    }
    yield "beta-functions", draw_rates(flow, "h", panels, units={"beta_g": "g"})
    names = {"γ": "gamma", "β of g": "beta_g", "β of h": "beta_h"}
    yield "running-couplings", draw_running(flow.isel(run=[0]), names, coordinate="clock", xlabel="clock  s = λ t")
    labels = "g,  square of the mean over Z²", "h,  stationary variance over Z²"
    yield "flow-diagram", draw_flow_diagram(run["exact"], run["exact"]["couplings"], upper=(1.0, 1.3), labels=labels)
    curves = {"1-1-1": (g, np.sqrt(g) * (3.0 - 2.0 * g)), "1-1-1-1": (g, 3.0 - 2.0 * g**2)}
    yield "collapse", draw_scaled(paths, paths["g"], curves, xlabel="coupling  g", hollow=("two-peaked",))


scenario = Scenario(
    title="Callan-Symanzik, exact: couplings, beta functions and claims of Ornstein-Uhlenbeck processes",
    subject="Callan-Symanzik",
    description=__doc__,
    parameters=CallanSymanzikOU(seed=20250511),
    quick={"ensemble.replicas": 80_000},
    stages=(exact, evolved, ensemble),
    check=check,
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
