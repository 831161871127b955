"""Train an ensemble of replicas."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fpsim.datasets import Dataset
from fpsim.errors import ConfigError, ValidityWarning
from fpsim.sgd.ensemble import Divergence, Ensemble

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["train"]


def train(
    experiment: Experiment,
    *,
    replicas: int,
    times: Sequence[float] | None = None,
    steps: Sequence[int] | None = None,
    seed: int | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Ensemble:
    """First, plain version: vectorised NumPy, iid/fresh batches of a two-layer network."""
    sgd, net, data = experiment.sgd, experiment.network, experiment.data
    if steps is None:
        steps = [sgd.step(t) for t in (times if times is not None else [])]
    if sgd.sampling not in ("iid", "fresh") or sgd.noise != "minibatch" or len(net.shapes) != 2:
        raise ConfigError("not yet available in this version")
    entropy = np.random.SeedSequence(seed).entropy
    rng = np.random.default_rng(entropy)
    w = {}
    for name, (a, b) in experiment.start.entries(net).items():
        kind = experiment.start.kind
        u = (
            rng.uniform(-1, 1, (replicas, *a.shape))
            if kind in ("uniform", "glorot")
            else rng.standard_normal((replicas, *a.shape))
        )
        w[name] = a + b * u
    from fpsim.network import activation  # noqa: PLC0415

    phi = activation(net.activations[0])
    v = {name: np.zeros_like(m) for name, m in w.items()}
    out: dict[str, list[np.ndarray]] = {name: [] for name in w}
    k, last = 0, max(steps)
    while True:
        for _ in range(list(steps).count(k)):
            for name in w:
                out[name].append(w[name].copy())
        if progress:
            progress(k, last)
        if k >= last:
            break
        eta = sgd.learning_rates(k, k + 1)[0]
        if isinstance(data, Dataset):
            x = data.x[rng.integers(data.size, size=(replicas, sgd.batch_size))]
        else:
            x = rng.standard_normal((replicas, sgd.batch_size, data.dimension)) @ data.root
        y = x + sgd.label_noise * rng.standard_normal(x.shape) if sgd.label_noise else x
        full = {**{n: m[None] for n, m in net.frozen.items()}, **w}
        z = np.einsum("rki,rbi->rbk", np.broadcast_to(full["W1"], (replicas, *net.shapes["W1"])), x)
        h = phi.function(z)
        w2 = np.broadcast_to(full["W2"], (replicas, *net.shapes["W2"]))
        r = np.einsum("rik,rbk->rbi", w2, h) - y
        g = {
            "W2": np.einsum("rbi,rbk->rik", r, h) / sgd.batch_size,
            "W1": np.einsum("rbk,rbi->rki", np.einsum("rik,rbi->rbk", w2, r) * phi.derivative(z), x)
            / sgd.batch_size,
        }
        for name in w:
            v[name] = sgd.momentum * v[name] - eta * (g[name] + sgd.weight_decay * w[name])
            if sgd.temperature:
                v[name] += np.sqrt(2 * eta * (1 - sgd.momentum) * sgd.temperature) * rng.standard_normal(
                    v[name].shape
                )
            w[name] = w[name] + v[name]
        k += 1
    weights = {name: np.array(values) for name, values in out.items()}
    bad = ~np.all([np.isfinite(m).all(axis=(1, 2)) for m in w.values()], axis=0)
    if bad.any():
        warnings.warn(f"{bad.sum()} of {replicas} replicas diverged", ValidityWarning, stacklevel=2)
    return Ensemble(
        experiment,
        int(np.asarray(entropy)),
        replicas,
        np.asarray(steps, dtype=np.int64),
        np.array([sgd.time(int(s)) for s in steps]),
        weights,
        Divergence(np.where(bad, last, -1)),
    )
