"""The joint law of all weights in 4, 6, 8 and 10 dimensions: how far it is from SGD, by time and by size.

A density on a grid ends at four weights; as a Gaussian mixture the joint law of the modified equation goes on.
Networks of growing size are trained, the joint law is evolved without looking at them, and every two-dimensional
marginal is held against SGD, as many draws of one as of the other. The excess is the distance freed of its sampling
floor, in units of that floor: below one, the theory is as good as a second ensemble of that size. The law's density is
judged by itself as well, by the mean of ln p over weights that it never saw; and the first-order equation stands beside
the second for the smallest network.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Literal

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from fpsim.closures import joint, joint_start
from fpsim.comparison import compare_samples
from fpsim.evolution import evolve_mixture
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.plots import plot_curves
from fpsim.scenario import (
    Column,
    Data,
    Each,
    EnsembleSize,
    Parameters,
    Results,
    Scenario,
    Section,
    Sgd,
    Table,
    Workbench,
    named,
)
from fpsim.scenario.parameters.sections import Positive, StartName
from fpsim.scenario.records import TRAINING_TIME
from fpsim.support.memory import check_memory
from fpsim.uncertainty.verdict import Claim

GOOD = 1.0
"""Excess over the floor up to which a law is as good as a second ensemble."""


class Network(Section):
    """A network, its data, and the mixture that follows its weights."""

    data: Data = Data()
    bottleneck: Annotated[int, Field(ge=1, le=16)] = 1
    activation: Literal["linear", "tanh"] = "linear"
    order: Literal["sme1", "sme2"] = "sme2"
    """Order of the modified equation."""
    mixture: Annotated[int, Field(ge=64, le=2**20)] = 16_384
    """Components of the joint law."""
    width: Positive = 0.1
    """Width that a component may have."""

    @property
    def weights(self) -> int:
        """Number of weights."""
        return 2 * self.data.components * self.bottleneck


class Dimensions(Parameters):
    """Networks of growing size from one start."""

    networks: dict[StartName, Network] = Field(
        default_factory=lambda: {
            "four": Network(),
            "four_sme1": Network(order="sme1"),
            "six": Network(data=Data(components=3), width=0.12),
            "eight": Network(bottleneck=2, width=0.12),
            "ten": Network(data=Data(components=5), width=0.15),
            "tanh": Network(activation="tanh", mixture=8192),
        },
        min_length=1,
    )
    sgd: Sgd = Sgd(temperature=0.002)
    std: Positive = 0.5
    """Standard deviation of every weight at the start, about zero."""
    times: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=50)] = (0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0)
    ensemble: EnsembleSize = EnsembleSize(replicas=100_000)

    @model_validator(mode="after")
    def _fits(self) -> Dimensions:
        steps = np.array(self.times) / self.sgd.learning_rate
        if np.any(np.diff(self.times) <= 0) or not np.allclose(steps, np.round(steps)):
            raise ValueError(
                f"times: increasing multiples of sgd.learning_rate = {self.sgd.learning_rate:g} are accepted"
            )
        return self


def check(p: Dimensions) -> None:
    """Refuse networks and ensembles that do not fit into memory."""
    for name, network in p.networks.items():
        bytes_needed = 16.0 * (len(p.times) + 2) * p.ensemble.replicas * network.weights
        check_memory(bytes_needed, f"networks.{name} with ensemble.replicas = {p.ensemble.replicas}")


def experiment_of(p: Dimensions, network: Network) -> Experiment:
    """The experiment of one network."""
    data, _ = network.data.load(rng=p.seed)
    shape = BottleneckAutoEncoder(network.data.components, network.bottleneck, network.activation)
    return Experiment(data, shape, SGD(**p.sgd.model_dump()), Start.gaussian(0.0, p.std))


def law(p: Dimensions, run: Workbench, name: str) -> xr.Dataset:
    """Distances of all two-dimensional marginals, ln p of unseen weights, widths, correlations and stated errors."""
    network, seed = p.networks[name], p.seed + 10 * list(p.networks).index(name)
    experiment = experiment_of(p, network)
    ensemble = run.train(
        experiment,
        name=f"{name} ensemble",
        replicas=p.ensemble.replicas,
        steps=[round(t / p.sgd.learning_rate) for t in p.times],
        seed=seed,
    )
    alive = ~ensemble.divergence.mask
    flat = np.concatenate(
        [w[:, alive].reshape(len(p.times), alive.sum(), -1) for w in ensemble.weights.values()], axis=2
    )
    found = evolve_mixture(
        joint(experiment, order=network.order),
        joint_start(experiment),
        p.times,
        components=network.mixture,
        width=network.width,
        rng=seed + 1,
        threads=run.threads,
        progress=run.progress(f"{name}: joint law of {network.weights} weights"),
    )
    pairs, compare = list(combinations(range(network.weights), 2)), run.progress(f"{name}: compare")
    distance, floor, spread = np.empty((3, len(p.times), len(pairs)))
    log_density = np.empty(len(p.times))
    for i, density in enumerate(found.densities):
        drawn = density.sample(flat.shape[1], rng=seed + 2 + i)
        for j, pair in enumerate(pairs):
            one = compare_samples(flat[i][:, pair], drawn[:, pair], observable=f"{pair}", time=p.times[i])
            distance[i, j], floor[i, j], spread[i, j] = one.value, one.floor, one.spread
        log_density[i] = density.log_density(flat[i][: p.ensemble.stored], threads=run.threads).mean()
        compare((i + 1) / len(p.times))
    std = np.array([density.std for density in found.densities]) / flat.std(axis=1)
    axes = ("time", "pair")
    return xr.Dataset(
        {
            "distance": (axes, distance, named("total variation between joint law and SGD")),
            "floor": (axes, floor, named("mean distance if they were the same")),
            "spread": (axes, spread, named("its standard deviation")),
            "noise": ("time", found.noise, named("stated error of the number of components")),
            "bias": ("time", found.bias, named("stated error of their width")),
            "time_error": ("time", found.time_error, named("stated error of the steps")),
            "log_density": ("time", log_density, named("mean ln p of weights that the law never saw")),
            "std_ratio": (("time", "weight"), std, named("standard deviation over SGD's")),
        },
        {"time": ("time", list(p.times), TRAINING_TIME), "pair": [f"{i}-{j}" for i, j in pairs]},
        {"weights": network.weights, "steps": found.steps, "kicks": found.kicks, "symmetries": found.symmetries},
    )


def excess(one: xr.Dataset) -> xr.DataArray:
    """Distance freed of its floor, over the floor, (time, pair)."""
    return np.sqrt(np.maximum(one["distance"] ** 2 - one["floor"] ** 2, 0.0)) / one["floor"]


def claims(p: Dimensions, run: Results) -> Iterator[Claim]:
    """Every law is as good as a second ensemble at every time."""
    for name in p.networks:
        one = run[name]
        found = excess(one)
        for i, time in enumerate(p.times):
            worst = int(np.argmax(found.values[i]))
            error = float((one["spread"] / one["floor"])[i, worst])
            yield Claim(f"{name}, t = {time:g}: excess of the worst marginal", float(found[i, worst]), error, GOOD)


def tables(p: Dimensions, run: Results) -> Iterator[Table]:
    """By network and time."""
    for name, network in p.networks.items():
        one = run[name]
        found, stated = excess(one), np.hypot(one["noise"], one["bias"]) + one["time_error"]
        yield Table(
            f"{name}: {network.weights} weights, {network.activation}, {network.order}, {network.mixture} components",
            [
                Column("time", one["time"].values),
                Column("excess, mean", found.mean("pair").values, ".2f"),
                Column("worst", found.max("pair").values, ".2f"),
                Column("total variation", one["distance"].max("pair").values, ".4f"),
                Column("floor", one["floor"].max("pair").values, ".4f"),
                Column("stated", stated.values, ".4f"),
                Column("std ratio from", one["std_ratio"].min("weight").values, ".4f"),
                Column("to", one["std_ratio"].max("weight").values, ".4f"),
                Column("ln p", one["log_density"].values, ".3f"),
            ],
            [f"{one.attrs['steps']} steps of single components, {one.attrs['symmetries']} symmetries"],
        )


def conclusions(p: Dimensions, run: Results) -> Iterator[str]:
    """How far the law reaches."""
    for name, network in p.networks.items():
        worst = float(excess(run[name]).max())
        word = "as good as a second ensemble" if worst <= GOOD else "further away than a second ensemble"
        yield f"{name}, {network.weights} weights: {word} of {p.ensemble.replicas} runs (worst excess {worst:.2f})."
    first, *others = p.networks.items()
    for name, network in others:
        if network.model_copy(update={"order": first[1].order}) == first[1]:
            one, other = (float(run[n]["distance"][0].max()) for n in (first[0], name))
            yield f"At t = {p.times[0]:g} {first[1].order} is {one:.4f} from SGD, {network.order} {other:.4f}."


def figures(p: Dimensions, run: Results) -> Iterator[tuple[str, Figure]]:
    """Worst total variation over its floor, and ln p, against time."""
    figure = Figure(figsize=(9.5, 3.8))
    left, right = figure.subplots(1, 2)
    for name, network in p.networks.items():
        one = run[name]
        label = f"{name.replace('_', ' ')}: {network.weights} weights"
        plot_curves(one["time"], {label: (one["distance"] / one["floor"]).max("pair").values}, ax=left)
        plot_curves(one["time"], {label: one["log_density"].values / network.weights}, ax=right)
    left.axhline(1.0, color="0.5", linestyle=":", label="sampling floor")
    left.set(ylim=(0.0, None), title="worst total variation over its floor")
    right.set(title="mean ln p of unseen weights, per weight")
    left.legend(fontsize=8)
    yield "dimensions", figure


scenario = Scenario(
    title="The joint law in four to ten dimensions: distance over floor, ln p, order of the equation",
    subject="Networks, theory against experiment",
    description=__doc__,
    parameters=Dimensions(),
    quick={
        "networks": {"four": {"mixture": 1024}, "six": {"data": {"components": 3}, "mixture": 1024, "width": 0.12}},
        "ensemble.replicas": 4_000,
        "times": (0.5, 2.0),
    },
    check=check,
    stages=(Each(law, over=lambda p: list(p.networks)),),
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    experiments=lambda p: {name: experiment_of(p, network) for name, network in p.networks.items()},
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
