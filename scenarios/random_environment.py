"""Random environments: replicas that share their mini-batches, and a random walk that is solved.

Replicas that see the same mini-batches move together, differently in every environment. Kardar-Parisi-Zhang
fluctuations need an environment that decorrelates well within the support and a private noise: networks are asked for
that, beside rugged losses of random cosines on a wide and on a narrow support. The density of a pair of replicas must
decay as the closed form of the two-replica equation says; SGD itself, also exact, stands beside it, since the equation
is of first order in the learning rate. For a random walk in a random environment the spread over environments is that
of two walkers, exactly, and the logarithm of a tail approaches a Tracy-Widom law.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim import datasets
from fpsim.diagnostics.random_environment.common_batches import RegressionPair
from fpsim.diagnostics.random_environment.environment import environment, network_gradients
from fpsim.diagnostics.random_environment.labelled import environment_dataset, pair_dataset, walk_dataset
from fpsim.diagnostics.random_environment.random_features import feature_correlation, feature_gradients
from fpsim.diagnostics.random_environment.random_walk import StepProbability
from fpsim.diagnostics.surface_growth.claims import exact_value
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.plots import random_environment as pictures
from fpsim.scenario import Column, Parameters, Results, Scenario, Section, Table, Workbench, named
from fpsim.scenario.judgement import records_of, stored_records
from fpsim.scenario.parameters.sections import Positive
from fpsim.scenario.records import entry_names
from fpsim.support.memory import check_memory
from fpsim.uncertainty.verdict import Claim, Identity, control

Array = NDArray[np.float64]
Steps = Annotated[int, Field(ge=4, le=1000)]
LINEAR, WIDE, OWN = "linear auto-encoder", "random features, wide", "batches of their own"
COLD = f"{LINEAR}, T = 0"
BATCHES = {"common": "common batches", "own": OWN}
DENSITY_BINS = 80
TAIL = 500.0
"""Largest negative logarithm of the probability of the tail."""


class AutoEncoder(Section):
    """Replicas of an auto-encoder on irises that share their mini-batches."""

    components: Annotated[int, Field(ge=1, le=4)] = 2
    bottleneck: Annotated[int, Field(ge=1, le=4)] = 1
    learning_rate: Positive = 0.05
    batch_size: Annotated[int, Field(ge=1, le=150)] = 4
    temperature: Positive = 1e-3
    """Private noise."""
    start: float = 0.5
    spread: Positive = 0.3
    end: Positive = 10.0
    replicas: Annotated[int, Field(ge=64, le=1_000_000)] = 20_000
    environments: Annotated[int, Field(ge=1, le=7)] = 3


class Features(Section):
    """Rugged losses in two dimensions: random cosines of a correlation length, on two supports."""

    length: Positive = 0.1
    samples: Annotated[int, Field(ge=100, le=20_000)] = 2000
    wide: Positive = 2.0
    narrow: Positive = 0.02


class Pair(Section):
    """Two replicas of a scalar regression."""

    learning_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    variance: Annotated[float, Field(gt=0, le=4)] = 2.0
    """Variance of the curvature over samples, whose mean is one."""
    temperature: Positive = 0.02
    cells: Annotated[int, Field(ge=64, le=512, multiple_of=2)] = 128
    end: Positive = 1.0
    records: Annotated[int, Field(ge=1, le=50)] = 5


class Walk(Section):
    """A random walk in a space-time random environment."""

    law: Literal["uniform", "two-point"] = "uniform"
    spread: Annotated[float, Field(gt=0, lt=0.5)] = 0.3
    """Of the two-point law."""
    steps: Annotated[tuple[Steps, ...], Field(min_length=2, max_length=8)] = (25, 50, 100, 200, 400)
    environments: Annotated[int, Field(ge=1000, le=1_000_000)] = 40_000
    velocity: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Of the tail whose logarithm is looked at."""


class RandomEnvironments(Parameters):
    """Replicas that share the mini-batch sequence, and a solvable random environment."""

    autoencoder: AutoEncoder = AutoEncoder()
    features: Features = Features()
    pair: Pair = Pair()
    walk: Walk = Walk()

    @model_validator(mode="after")
    def _fits(self) -> RandomEnvironments:
        auto, steps = self.autoencoder, self.walk.steps
        if auto.bottleneck > auto.components:
            raise ValueError(
                f"autoencoder.bottleneck = {auto.bottleneck}: at most autoencoder.components = {auto.components} "
                "are accepted"
            )
        if auto.end < auto.learning_rate:
            raise ValueError(f"autoencoder.end = {auto.end:g}: at least one step of {auto.learning_rate:g} is accepted")
        if any(b <= a for a, b in pairwise(steps)):
            raise ValueError(f"walk.steps = {list(steps)}: increasing numbers are accepted")
        rate = 1.0 - float(np.sqrt(1.0 - self.walk.velocity**2))
        if rate * steps[-1] > TAIL:
            raise ValueError(
                f"walk.velocity = {self.walk.velocity:g} with {steps[-1]} steps: a probability of "
                f"exp(-{rate * steps[-1]:.0f}) is too small; up to {int(TAIL / rate)} steps are accepted"
            )
        return self

    def network(self, activation: str = "linear") -> BottleneckAutoEncoder:
        """The auto-encoder."""
        return BottleneckAutoEncoder(self.autoencoder.components, self.autoencoder.bottleneck, activation)

    def trained(self, run: Workbench, activation: str, sampling: Literal["shared", "iid"], seed: int) -> Array:
        """Flat weights (R, p) at the end of training."""
        a, network = self.autoencoder, self.network(activation)
        sgd = SGD(a.learning_rate, a.batch_size, sampling, temperature=a.temperature)
        start = Start.gaussian({n: np.full(network.shapes[n], a.start) for n in network.trained}, a.spread)
        experiment = Experiment(datasets.iris(components=a.components), network, sgd, start)
        name = f"{activation}, {sampling} batches, seed {seed}"
        found = run.train(experiment, name=name, replicas=a.replicas, steps=[sgd.step(a.end)], seed=seed).weights
        return np.concatenate([found[n][-1].reshape(a.replicas, -1) for n in network.trained], axis=1)


def check(p: RandomEnvironments) -> None:
    """Refuse what does not fit into memory."""
    auto, walk = p.autoencoder, p.walk
    weights = 2 * auto.components * auto.bottleneck
    check_memory(40.0 * weights * auto.replicas * (auto.environments + 1), "autoencoder.replicas")
    check_memory(8.0 * 512 * 150 * weights * 4 + 8.0 * 512 * 2 * 4 * p.features.samples, "features.samples")
    check_memory(16.0 * walk.environments + 8.0 * max(walk.steps) ** 2, "walk.environments")


def replicas(p: RandomEnvironments, run: Workbench) -> xr.Dataset:
    """Means and spreads in several environments, and histograms of the weight that differs most between them."""
    count, shapes = p.autoencoder.environments, p.network().shapes
    found = {f"environment {k + 1}": p.trained(run, "linear", "shared", p.seed + k) for k in range(count)}
    found[OWN] = p.trained(run, "linear", "iid", p.seed)
    names = [name for matrix in ("W1", "W2") for name in entry_names(matrix, shapes[matrix])]
    means, spread = (np.array([getattr(w, moment)(axis=0) for w in found.values()]) for moment in ("mean", "std"))
    chosen = int(np.argmax(np.ptp(means, axis=0) / spread.mean(axis=0)))
    low, high = np.quantile(np.concatenate([w[:, chosen] for w in found.values()]), [0.002, 0.995]).tolist()
    edges = np.linspace(low, high, DENSITY_BINS + 1)
    densities = [np.histogram(w[:, chosen], edges)[0] / (len(w) * (edges[1] - edges[0])) for w in found.values()]
    return xr.Dataset(
        {
            "density": (("ensemble", "weight"), densities, {"units": "weight^-1"}),
            "mean": (("ensemble", "entry"), means, named("mean over replicas")),
            "std": (("ensemble", "entry"), spread, named("standard deviation over replicas")),
        },
        {"ensemble": list(found), "entry": names}
        | {"weight": ("weight", 0.5 * (edges[1:] + edges[:-1]), named(names[chosen]))},
    )


def regimes(p: RandomEnvironments, run: Workbench) -> xr.Dataset:
    """Covariance of the environment between replicas of networks and of rugged losses, and the regime of each."""
    f, heat, rows = p.features, p.autoencoder.temperature, datasets.iris(components=p.autoencoder.components).x
    gradients = {activation: network_gradients(p.network(activation), rows) for activation in ("linear", "tanh")}
    linear, tanh = (p.trained(run, activation, "shared", p.seed) for activation in gradients)
    found = {
        LINEAR: environment(gradients["linear"], linear, temperature=heat, rng=p.seed),
        COLD: environment(gradients["linear"], linear, temperature=0.0, rng=p.seed),
        "tanh auto-encoder": environment(gradients["tanh"], tanh, temperature=heat, rng=p.seed),
    }
    rng = np.random.default_rng(p.seed)
    rugged = feature_gradients(2, length=f.length, features=f.samples, rng=rng)
    for name, width in ((WIDE, f.wide), ("random features, narrow", f.narrow)):
        points = width * rng.standard_normal((512, 2))
        found[name] = environment(rugged, points, temperature=heat, rng=p.seed)
    asked = [e.claim(f"decorrelated: {name}") for name, e in found.items() if e.temperature > 0.0]
    records = [claim if claim.name.endswith(WIDE) else control(claim) for claim in asked]
    return environment_dataset(found).merge(stored_records(records))


def pair(p: RandomEnvironments, run: Workbench) -> xr.Dataset:
    """Correlation of two replicas from the density of the pair, against its closed form."""
    q, times = p.pair, p.pair.end * np.arange(p.pair.records + 1) / p.pair.records
    both = {n: RegressionPair(q.learning_rate, q.variance, q.temperature, n == "common") for n in BATCHES}
    return pair_dataset(both, times, cells=q.cells, threads=run.threads, progress=run.progress("pairs"))


def walk(p: RandomEnvironments, run: Workbench) -> xr.Dataset:
    """Spread over environments of the probability to be right of the origin, and of the logarithm of a tail."""
    q, law = p.walk, StepProbability(p.walk.law, p.walk.spread)
    options: dict[str, Any] = {"seed": p.seed, "threads": run.threads, "progress": run.progress("walks")}
    return walk_dataset(q.steps, law=law, environments=q.environments, velocity=q.velocity, **options)


def claims(p: RandomEnvironments, run: Results) -> Iterator[Identity | Claim]:
    """Who decorrelates, pairs and walks against closed forms; other laws fail, and no linear network is KPZ."""
    yield from records_of(run["regimes"])
    regime = str(run["regimes"]["regime"].sel(case=LINEAR).item())
    yield Claim(f"{LINEAR}: no KPZ candidate", float(regime == "KPZ candidate"), 0.0, 0.0)
    end = run["pair"].isel(time=-1)
    common, own = ({n: float(v) for n, v in end.sel(batches=b).data_vars.items()} for b in BATCHES)
    for name, one in ((BATCHES["common"], common), (BATCHES["own"], own)):
        yield exact_value(f"pair, {name}", one["correlation"], one["correlation_error"], one["exact"])
    found = common["correlation"], common["correlation_error"]
    yield control(exact_value("pair, taken for independent", *found, own["exact"]))
    walks = run["walk"]
    for steps, *numbers in zip(*(walks[n].values for n in ("steps", "std", "std_error", "exact_std")), strict=True):
        yield exact_value(f"two walkers, {steps} steps", *map(float, numbers))
    bulk = (float(walks[n][0]) for n in ("std", "std_error", "bulk_std"))
    yield control(exact_value("two walkers, taken for the bulk law", *bulk))


def tables(p: RandomEnvironments, run: Results) -> Iterator[Table]:
    """Regimes, pairs and walks."""
    found = run["regimes"]
    columns = {"correlation_length": ".3g", "support": ".3g", "modes": ".1f", "temperature": ".2g", "regime": ""}
    heads = [Column(name.replace("_", " "), found[name].values, form) for name, form in columns.items()]
    yield Table("environments", [Column("environment", found["case"].values), *heads])
    end = run["pair"].isel(time=-1)
    yield Table(
        f"E[x y] of a pair over its start, at t = {float(end['time']):g}",
        [
            Column("replicas with", [BATCHES[b] for b in end["batches"].values]),
            Column("density", end["correlation"].values, ".5f", errors=end["correlation_error"].values),
            Column("equation", end["exact"].values, ".5f"),
            Column("SGD", end["sgd"].values, ".5f"),
            Column("SGD off by", (end["sgd"] / end["exact"] - 1.0).values, "+.1%"),
        ],
        notes=["equation and SGD are exact; the error of the density is that of the grid"],
    )
    walks = run["walk"]
    std = [Column("std of P", walks["std"].values, ".5f", errors=walks["std_error"].values)]
    std += [Column(name, walks[f"{name}_std"].values, ".5f") for name in ("exact", "bulk")]
    chi = [(str(c), walks.sel(cumulant=c)) for c in walks["cumulant"].values if p.walk.law == "uniform"]
    tail = [Column(f"{n} of chi", one["chi"].values, ".3f", errors=one["chi_error"].values) for n, one in chi]
    limits = ", ".join(f"{name} {float(one['chi_limit']):.3f}" for name, one in chi)
    notes = [f"limit of chi: {limits}"] if chi else []
    yield Table("walks", [Column("steps", walks["steps"].values), *std, *tail], notes=notes)


def conclusions(p: RandomEnvironments, run: Results) -> Iterator[str]:
    """Which cases are candidates, what finite steps do to pairs, and how far tails are from their limit."""
    found, end, walks = run["regimes"], run["pair"].isel(time=-1), run["walk"].isel(steps=-1)
    cases = [str(c) for c in found["case"].values[(found["regime"] == "KPZ candidate").values]]
    yield f"Candidates for KPZ fluctuations: {', '.join(cases) or 'none'}."
    off = {b: float(end["sgd"].sel(batches=b) / end["exact"].sel(batches=b)) - 1.0 for b in BATCHES}
    yield (
        f"At t = {p.pair.end:g} SGD differs from its equation of first order by {off['common']:+.0%} with common "
        f"batches and by {off['own']:+.0%} with batches of their own."
    )
    if p.walk.law == "uniform":
        chi, limit = (float(walks[n].sel(cumulant="mean")) for n in ("chi", "chi_limit"))
        yield f"After {int(walks['steps'])} steps the mean of chi is {abs(chi / limit - 1.0):.0%} off its limit."


def figures(p: RandomEnvironments, run: Results) -> Iterator[tuple[str, Figure]]:
    """Replicas in some environments, correlation with distance, pairs, walks."""
    yield "replicas", pictures.draw_replicas(run["replicas"], run["pair"])
    cases, share = run["regimes"].drop_sel(case=COLD), np.geomspace(5e-3, 1.5, 400)
    distance = share * float(cases["support"].sel(case=WIDE))
    exact = np.abs(feature_correlation(distance, dimension=2, length=p.features.length))
    floor = float(np.sqrt(2.0 / p.features.samples))  # of random cosines in two dimensions, far apart
    yield "correlation", pictures.draw_decorrelation(cases, (share, exact), floor=floor)
    yield "walk", pictures.draw_walk(run["walk"])


scenario = Scenario(
    title="Random environments: when common mini-batches may give KPZ fluctuations",
    subject="Kardar-Parisi-Zhang",
    description=__doc__,
    parameters=RandomEnvironments(),
    quick={"autoencoder.replicas": 4_000, "features.samples": 1000}
    | {"walk.steps": (25, 50, 100), "walk.environments": 20_000},
    stages=(replicas, regimes, pair, walk),
    check=check,
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=lambda _p, run: run["walk"][["std", "std_error"]],
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
