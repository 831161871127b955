"""The computation: environments of networks and of rugged losses, pairs of replicas, walks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim import datasets
from fpsim.diagnostics.random_environment.environment import Environment, environment, network_gradients
from fpsim.diagnostics.random_environment.random_features import feature_gradients
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.scenario.judgement import part, verdict_dataset
from fpsim.scenario.kinds.random_environment.model import RandomEnvironmentScenario
from fpsim.scenario.kinds.random_environment.pairs import pairs
from fpsim.scenario.kinds.random_environment.walks import walks
from fpsim.scenario.records import entry_names
from fpsim.support.progress import Reporter
from fpsim.uncertainty.verdict import Verdict

__all__ = ["LINEAR", "stages"]

Array = NDArray[np.float64]
LINEAR = "linear auto-encoder"
DENSITY_BINS = 80
ONE = {"units": "1"}


def stages(
    scenario: RandomEnvironmentScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/replicas``, ``/environment``, ``/pair``, ``/walk``, and ``/verdicts/...``."""
    if "/verdicts/environment" not in done.groups:
        yield _environments(scenario, threads, report)
    if "/verdicts/pair" not in done.groups:
        yield pairs(scenario, threads, report)
    if "/verdicts/walk" not in done.groups:
        yield walks(scenario, threads, report)


def _trained(
    scenario: RandomEnvironmentScenario, activation: str, sampling: str, seed: int, threads: int | None
) -> Array:
    """Flat weights (R, p) at the end of training."""
    a = scenario.autoencoder
    network = BottleneckAutoEncoder(a.components, a.bottleneck, activation)
    experiment = Experiment(
        datasets.iris(components=a.components),
        network,
        SGD(
            learning_rate=a.learning_rate,
            batch_size=a.batch_size,
            sampling=sampling,  # type: ignore[arg-type]
            temperature=a.temperature,
        ),
        Start.gaussian({n: np.full(network.shapes[n], a.start) for n in network.trained}, a.spread),
    )
    found = train(experiment, replicas=a.replicas, times=[a.end], rng=seed, threads=threads).weights
    return np.concatenate([found[n][-1].reshape(a.replicas, -1) for n in network.trained], axis=1)


def _environments(scenario: RandomEnvironmentScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """Covariance of the environment between replicas of networks and of rugged losses, and the regime of each."""
    a, f = scenario.autoencoder, scenario.features
    progress, total = report("replicas with common batches"), a.environments + 4
    rows = datasets.iris(components=a.components).x
    names = [f"environment {k + 1}" for k in range(a.environments)]
    ensembles = {}
    for k, name in enumerate(names):
        ensembles[name] = _trained(scenario, "linear", "shared", scenario.seed + k, threads)
        progress((k + 1) / total)
    ensembles["batches of their own"] = _trained(scenario, "linear", "iid", scenario.seed, threads)

    def of_network(activation: str, weights: Array, temperature: float) -> Environment:
        network = BottleneckAutoEncoder(a.components, a.bottleneck, activation)
        return environment(network_gradients(network, rows), weights, temperature=temperature, rng=scenario.seed)

    first = ensembles[names[0]]
    found = {
        LINEAR: of_network("linear", first, a.temperature),
        f"{LINEAR}, T = 0": of_network("linear", first, 0.0),
        "tanh auto-encoder": of_network(
            "tanh", _trained(scenario, "tanh", "shared", scenario.seed, threads), a.temperature
        ),
    }
    progress((total - 1) / total)
    rng = np.random.default_rng(scenario.seed)
    gradients = feature_gradients(2, length=f.length, features=f.samples, rng=rng)
    for name, width in (("random features, wide", f.wide), ("random features, narrow", f.narrow)):
        replicas = width * rng.standard_normal((512, 2))
        found[name] = environment(gradients, replicas, temperature=a.temperature, rng=scenario.seed)
    progress(1.0)
    claims = [e.claim(f"decorrelated: {name}") for name, e in found.items() if e.temperature > 0.0]
    true = "decorrelated: random features, wide"
    expected: dict[str, Verdict] = {c.name: "fails" for c in claims if c.name != true}
    return {
        "/replicas": _replicas_record(ensembles, a.components, a.bottleneck),
        "/environment": _environment_record(found, f.length, f.samples),
        "/verdicts/environment": part(verdict_dataset(claims, expected=expected), "environment"),
    }


def _replicas_record(ensembles: dict[str, Array], d: int, k: int) -> xr.Dataset:
    """Histograms of the weight that differs most between environments."""
    names = [*entry_names("W1", (k, d)), *entry_names("W2", (d, k))]
    means = np.array([w.mean(axis=0) for w in ensembles.values()])
    spread = np.array([w.std(axis=0) for w in ensembles.values()])
    chosen = int(np.argmax(np.ptp(means, axis=0) / spread.mean(axis=0)))
    column = np.concatenate([w[:, chosen] for w in ensembles.values()])
    low, high = np.quantile(column, [0.002, 0.995]).tolist()
    edges = np.linspace(low, high, DENSITY_BINS + 1)
    densities = [np.histogram(w[:, chosen], edges)[0] / (len(w) * (edges[1] - edges[0])) for w in ensembles.values()]
    return xr.Dataset(
        {
            "density": (
                ("ensemble", "weight"),
                densities,
                {"units": "weight^-1", "long_name": f"density of {names[chosen]}"},
            ),
            "mean": (("ensemble", "entry"), means, {**ONE, "long_name": "mean over replicas"}),
            "std": (("ensemble", "entry"), spread, {**ONE, "long_name": "standard deviation over replicas"}),
        },
        {
            "ensemble": list(ensembles),
            "weight": ("weight", 0.5 * (edges[1:] + edges[:-1]), {**ONE, "long_name": names[chosen]}),
            "entry": names,
        },
    )


def _environment_record(found: dict[str, Environment], length: float, samples: int) -> xr.Dataset:
    bins = max(len(e.distance) for e in found.values())

    def padded(name: str) -> list[Array]:
        columns = [np.asarray(getattr(e, name), float) for e in found.values()]
        return [np.pad(c, (0, bins - len(c)), constant_values=np.nan) for c in columns]

    every = list(found.values())
    return xr.Dataset(
        {
            "distance": (
                ("case", "bin"),
                padded("distance"),
                {"units": "weight", "long_name": "distance of two replicas"},
            ),
            "correlation": (
                ("case", "bin"),
                padded("correlation"),
                {**ONE, "long_name": "root mean square correlation of the environment"},
            ),
            "correlation_error": (("case", "bin"), padded("error"), {**ONE, "long_name": "standard error"}),
            "correlation_length": (
                "case",
                [e.correlation_length for e in every],
                {"units": "weight", "long_name": "correlation length, inf: none"},
            ),
            "support": ("case", [e.support for e in every], {"units": "weight", "long_name": "95 % of all distances"}),
            "modes": ("case", [e.modes for e in every], {**ONE, "long_name": "independent modes on the support"}),
            "temperature": ("case", [e.temperature for e in every], {**ONE, "long_name": "private noise"}),
            "regime": ("case", [e.regime for e in every], {**ONE, "long_name": "regime"}),
        },
        {"case": list(found), "bin": ("bin", np.arange(bins), {**ONE, "long_name": "bin of distances"})},
        {"feature_length": length, "floor": float(np.sqrt(2.0 / samples))},  # of 2-D random cosines, far apart
    )
