"""Callan-Symanzik on the linear auto-encoder: does the flow of its outputs stay in a family of two couplings?

The output ``w = W2 W1`` starts far below the valley ``w = 1``. There it grows like a geometric Brownian motion, whose
law is lognormal; towards the valley no lognormal law can follow. Densities of the output and ensembles trained by SGD
are asked by the same diagnostics: identities must hold all the way; claims hold early, are expected to fail at the
valley, and each has a control. Beta functions that are fitted early to three runs must predict a fourth of another
learning rate, batch size and start, but not one of another noise. The density follows the equation of order one, the
ensemble SGD itself: quoted errors are those of grid and sampling, and do not count that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.datasets import Dataset, digits, iris
from fpsim.density import Density, Grid, gaussian
from fpsim.diagnostics import callan_symanzik as cs
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.plots.renormalisation import draw_claim, draw_rates, draw_running, draw_scaled
from fpsim.scenario import Column, EnsembleSize, Parameters, Results, Scenario, Section, Table, Time, Workbench
from fpsim.scenario.judgement import records_of, stored_records
from fpsim.scenario.parameters.sections import Positive, StartName
from fpsim.studies import renormalisation as study
from fpsim.support.memory import check_memory
from fpsim.theory import ScalarNetwork, scales_of
from fpsim.uncertainty.verdict import Claim, Identity, control

Rows = list[tuple[cs.Correlators, cs.Estimate]]
DECAY = 0.1
"""Largest decay in one step: three times this share of what order one leaves is allowed to order two, which must be
able to fail."""
TRANSFER, COLLAPSE = 0.15, 0.03
"""Relative errors of predicted functions and of collapse up to which they count as right."""
ORDER, BLOCKS, SCALED = 5, 16, ((0, 0, 0), (0, 0, 0, 0))
"""Largest n of R1: three observables more than the family has parameters; blocks of the jackknife; scaled functions."""
AFTER, CELLS = 0.4, 512  # time and cells of the backward identity
SETS = {"digits": digits, "iris": iris}
NAMES = {"density": "Fokker-Planck", "ensemble": "SGD ensemble"}
TIME = "training time  t = steps × learning rate"


class TrainingSet(Section):
    """The training set; its leading principal component is kept, ``d = k = 1``."""

    source: Literal["digits", "iris"] = "digits"


class SgdRun(Section):
    """One run of SGD from ``W1 = W2 = sqrt(w)`` with ``ln w`` normal."""

    learning_rate: Positive = 0.05
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
    log_mean: Annotated[float, Field(ge=-6, le=-1)] = -3.0
    log_std: Annotated[float, Field(gt=0, le=1)] = 0.22


class Engine(Section):
    """Densities on a grid."""

    cells: Annotated[int, Field(ge=512, le=16_384, multiple_of=4)] = 4096
    """Cells in ``ln w``."""
    tolerance: Annotated[float, Field(gt=0, le=0.1)] = 1e-3
    """Accumulated L1 error allowed to the time stepping."""


class Couplings(Section):
    """What R1 claims to be closed."""

    family: Literal["lognormal", "gaussian"] = "lognormal"
    """Law of the output; the target is a coupling of its own."""


RUNS = {
    "reference": SgdRun(),
    "wide": SgdRun(learning_rate=0.1, batch_size=2, log_mean=-2.7, log_std=0.32),
    "narrow": SgdRun(log_mean=-3.5, log_std=0.14),
    "held_out": SgdRun(learning_rate=0.1, batch_size=2, log_mean=-2.8, log_std=0.25),
    "noisy": SgdRun(learning_rate=0.1),
}


class CallanSymanzikAutoEncoder(Parameters):
    """Does the flow of the auto-encoder's outputs stay in a family of two couplings?"""

    data: TrainingSet = TrainingSet()
    couplings: Couplings = Couplings()
    run: Annotated[dict[StartName, SgdRun], Field(min_length=4)] = RUNS
    """All but the last have one ratio of learning rate to batch size; the last but one is held out."""
    time: Time = Time(end=3.2, records=32)
    ensemble: EnsembleSize = EnsembleSize(replicas=100_000)
    theory: Engine = Engine()

    @model_validator(mode="after")
    def _fits(self) -> CallanSymanzikAutoEncoder:
        if self.time.records % 8:
            raise ValueError(f"time.records = {self.time.records}: a multiple of 8 is accepted (Simpson, and halves)")
        ratios = [r.learning_rate / r.batch_size for r in self.run.values()]
        if not np.allclose(ratios[:-1], ratios[0]) or np.isclose(ratios[-1], ratios[0]):
            said = (
                f"run: learning_rate / batch_size are {ratios}: one for all but the last and another one for the last"
            )
            raise ValueError(f"{said} are accepted")
        interval = self.time.end / self.time.records
        for name, run in self.run.items():
            steps = interval / run.learning_rate
            if round(steps) < 1 or not np.isclose(steps, round(steps)):
                key = f"run.{name}.learning_rate = {run.learning_rate}"
                raise ValueError(f"{key}: a divisor of time.end / time.records = {interval:g} is accepted")
        name, first = next(iter(self.run.items()))
        if self.decay > DECAY * (1.0 + 1e-9):
            limit = first.learning_rate * DECAY / self.decay
            said = f"run.{name}.learning_rate = {first.learning_rate:g} decays by {self.decay:.3g} in one step"
            raise ValueError(
                f"{said} at the valley, so that I2 of order two could not fail: up to {limit:.3g} is accepted"
            )
        return self

    @property
    def decay(self) -> float:
        """Decay of the error in one step of the first run at the valley, ``2 c learning_rate``."""
        return 2.0 * float(self.training_set.second_moment[0, 0]) * next(iter(self.run.values())).learning_rate

    @property
    def training_set(self) -> Dataset:
        """The training set, one component of it."""
        return SETS[self.data.source](components=1)

    @property
    def times(self) -> NDArray[np.float64]:
        """Recorded times."""
        return np.linspace(0.0, self.time.end, self.time.records + 1)

    @property
    def error_family(self) -> cs.ParametricFamily:
        """Of the error ``w - 1``, for R1."""
        return cs.lognormal2(target=1.0) if self.couplings.family == "lognormal" else cs.ornstein_uhlenbeck()

    def experiment(self, run: SgdRun) -> Experiment:
        """The network, its data and the rule of training."""
        start = Start.gaussian(float(np.exp(0.5 * run.log_mean)), 0.0)
        sgd = SGD(learning_rate=run.learning_rate, batch_size=run.batch_size)
        return Experiment(self.training_set, BottleneckAutoEncoder(1, 1), sgd, start)

    def network(self, run: SgdRun) -> ScalarNetwork:
        """The same in ``w = W2 W1`` and ``q = W1^2 - W2^2``."""
        c, kappa = self.training_set.second_moment[0, 0], self.training_set.product_covariance[0, 0, 0, 0]
        return ScalarNetwork(float(c), float(kappa), scales_of(self.experiment(run)))

    def tangencies(self, rows: Rows, source: str) -> dict[str, Claim]:
        """R1 at the start, after a quarter of the time and at the end, where it must fail."""
        start, early, end = (cs.tangency(*rows[k], self.error_family) for k in (0, (len(rows) - 1) // 4, -1))
        names = f"R1 (tangency), start, {source}", f"R1, quarter of the time, {source}"
        return {names[0]: start, names[1]: early, f"at the valley: R1, end, {source}": control(end)}

    def closure(self, rows: Rows) -> xr.Dataset:
        """R1 and the mean loss through time."""
        c = float(self.training_set.second_moment[0, 0])
        return cs.tangency_dataset(rows, self.error_family, self.times, second_moment=c)


def check(p: CallanSymanzikAutoEncoder) -> None:
    """Refuse an ensemble that does not fit into memory."""
    check_memory(48.0 * (p.time.records + 1) * p.ensemble.replicas, f"ensemble.replicas = {p.ensemble.replicas}")
    for run in p.run.values():
        p.experiment(run)


def density(p: CallanSymanzikAutoEncoder, run: Workbench) -> xr.Dataset:
    """The first run's density of ``ln w`` on the balanced leaf, on two grids."""
    (name, begun), *_ = p.run.items()
    equation = p.network(begun).log_equation()

    def start(cells: int) -> Density:
        box = Grid.box((begun.log_mean - 8.0 * begun.log_std - 1.0, 1.5, cells))
        return gaussian(box, begun.log_mean, begun.log_std**2)

    accuracy = {"cells": p.theory.cells, "tolerance": p.theory.tolerance}
    laws = study.expectations_on_two_grids(equation, start, p.times, **accuracy, run=run)
    error, whole = cs.Outputs(lambda x: [np.exp(x) - 1.0]), cs.Outputs(lambda x: [np.exp(x)])
    rows = [cs.rates(law, error, equation, order=ORDER) for law in laws]
    few, output = cs.rates(laws[-1], error, equation, order=2), cs.rates(laws[0], whole, equation, order=ORDER)
    around = Grid.box((begun.log_mean - 1.0, 0.7, CELLS))
    records: dict[str, Identity | Claim] = {
        "I1 (backward), E[f - y | w]": cs.backward_residual(equation, around, error, (0,), AFTER),
        "I2 (hierarchy), density": cs.hierarchy_residual(p.times, laws, error, equation),
        **p.tangencies(rows, "density"),
        "R1 of the output itself, start, density": cs.tangency(*output, cs.lognormal()),
        "R1 of the output, Gaussian family": control(cs.tangency(*output, cs.ornstein_uhlenbeck())),
        "R1 at the end, G_1 and G_2 only": replace(cs.tangency(*few, p.error_family), expected="trivial"),
    }
    flow = cs.flow_dataset({name: cs.exact_flow(p.times, rows, p.error_family)}, p.times)
    tables = cs.correlator_dataset({name: [table for table, _ in rows]}, p.times)
    return xr.merge([p.closure(rows), flow, tables, stored_records(records)], combine_attrs="override")


def ensemble(p: CallanSymanzikAutoEncoder, run: Workbench) -> xr.Dataset:
    """All runs trained by SGD; the first also held against its equations of order one and two."""
    error, output = cs.Outputs(lambda w, _q: [w - 1.0]), cs.Outputs(lambda w: [w])
    progress, tables, laws = run.progress("train"), {}, []
    for k, (label, one) in enumerate(p.run.items()):
        options = {"replicas": p.ensemble.replicas, "times": p.times, "seed": p.seed + k, "threads": run.threads}
        w, q = study.trained_on_the_leaf(p.experiment(one), log_mean=one.log_mean, log_std=one.log_std, **options)
        tables[label] = [cs.correlators(cs.SampleExpectation(x[:, None], BLOCKS), output) for x in w]
        laws = laws or [cs.SampleExpectation(np.stack(both, axis=1), BLOCKS) for both in zip(w, q, strict=True)]
        progress((k + 1) / len(p.run))
    network = p.network(next(iter(p.run.values())))
    rows = [cs.rates(law, error, study.scalar_equation(network), order=ORDER) for law in laws]
    runs = {label: cs.CorrelatorRun(p.times, table) for label, table in tables.items()}
    *fitted, held_out, other = (known.part(slice(0, len(p.times) // 4 + 1)) for known in runs.values())
    family, scaling = cs.lognormal(), cs.lognormal(target=1.0)
    rising, falling = cs.monotone_parts(list(runs.values()), family)
    records: dict[str, Identity | Claim] = {
        **study.hierarchy_of_orders(network, p.times, laws, error, decay=p.decay),
        **p.tangencies(rows, "ensemble"),
        "R2 (transfer) to the held-out run, early": cs.transfer(fitted, [held_out], scaling, tolerance=TRANSFER),
        "R2 to another noise, early": control(cs.transfer(fitted, [other], scaling, tolerance=TRANSFER)),
        "R3 (collapse), early": cs.collapse(rising, family, tolerance=COLLAPSE),
        "at the valley: R3, late, connected": control(cs.collapse(falling, family, connected=True, tolerance=COLLAPSE)),
    }
    flows = {label: cs.measured_flow(p.times, table, scaling) for label, table in tables.items()}
    parts = [p.closure(rows), cs.flow_dataset(flows, p.times), cs.correlator_dataset(tables, p.times)]
    parts += [cs.scaled_dataset(runs, family, SCALED, p.times), stored_records(records)]
    return xr.merge(parts, combine_attrs="override")


def claims(p: CallanSymanzikAutoEncoder, run: Results) -> Iterator[Identity | Claim]:
    """What the stages judged."""
    for source in NAMES:
        yield from records_of(run[source])


def tables(p: CallanSymanzikAutoEncoder, run: Results) -> Iterator[Table]:
    """Loss and R1 through time."""
    sources = {source: run[source].isel(time=slice(None, None, 4)) for source in NAMES}
    columns = [Column(name, sources["ensemble"][name].values, ".3g") for name in ("time", "loss")]
    for source, one in sources.items():
        columns.append(Column(f"R1, {source}", one["R1"].values, ".4f", errors=one["R1_error"].values))
    yield Table("what of the flow leaves the family", columns, notes=["errors are those of grid and sampling only"])


def conclusions(p: CallanSymanzikAutoEncoder, run: Results) -> Iterator[str]:
    """How long the family is closed, and how theory and SGD differ in that."""
    for source in NAMES:
        one = run[source]
        beyond, tolerance = (one["R1"] > one.attrs["tolerance"]).values, one.attrs["tolerance"]
        until = f"from t = {float(one['time'][int(np.argmax(beyond))]):g} on" if beyond.any() else "at no time"
        yield f"R1 of the {source} exceeds {tolerance:g} {until}; at the end it is {float(one['R1'][-1]):.3f}."
    middle = p.times.size // 2
    theory, sgd = (float(run[source]["R1"][middle]) for source in NAMES)
    error = float(np.hypot(*(float(run[source]["R1_error"][middle]) for source in NAMES)))
    yield (
        f"At t = {p.times[middle]:g} R1 of the density differs from that of the ensemble by {theory / sgd - 1.0:+.0%}, "
        f"{abs(theory - sgd) / error:.1f} quoted errors, which do not count the order of the equation."
    )


def figures(p: CallanSymanzikAutoEncoder, run: Results) -> Iterator[tuple[str, Figure]]:
    """R1 on the way to the valley, running couplings, beta functions, collapse early and late."""
    yield "closure", draw_claim({label: run[source] for source, label in NAMES.items()}, xlabel=TIME)
    flow = run["ensemble"]
    titles = {"γ = d ln Z / dt": "gamma", "g, variance of ln w": "g", "v = Z / target": "v"}
    yield "running-couplings", draw_running(flow, titles, xlabel=TIME)
    panels: dict[str, Any] = {"β of v": ("beta_v", {"fixed_points": (0.0, 1.0)}), "β of g": ("beta_g", {})}
    yield "beta-functions", draw_rates(flow, "v", panels)
    width = flow["couplings"].sel(coupling="g")
    g = np.linspace(0.0, 1.05 * float(width.max()), 100)
    curves = {"-".join("1" * n): (g, np.exp(0.5 * (n * n - 2 * n) * g)) for n in (3, 4)}
    yield "collapse", draw_scaled(flow, width, curves, xlabel="coupling  g, variance of ln w; lines: lognormal family")


scenario = Scenario(
    title="Callan-Symanzik on the auto-encoder: closed far from the valley, not at it",
    subject="Callan-Symanzik",
    description=__doc__,
    parameters=CallanSymanzikAutoEncoder(seed=20250611),
    quick={"ensemble.replicas": 50_000, "theory.cells": 2048},
    stages=(density, ensemble),
    check=check,
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=lambda _p, run: run["ensemble"][["R1", "R1_error", "loss"]],
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
