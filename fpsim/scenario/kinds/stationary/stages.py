"""Stages of a run: an ensemble against its law, then medians and growth rates over learning rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import brentq

from fpsim.experiment import Start
from fpsim.scenario.kinds.stationary.model import VARIANCE, Law, StationaryScenario, experiment_of, moments
from fpsim.scenario.records import named
from fpsim.scenario.training import train_kept
from fpsim.support.memory import check_memory
from fpsim.support.progress import Reporter
from fpsim.theory import BalancedLaw, collapse_rate, collapse_threshold, discrete_collapse_rate

if TYPE_CHECKING:
    from fpsim.storage import Checkpoint

__all__ = ["check", "stages"]

Array = NDArray[np.float64]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 60
SMALL = 1e-6
"""Weights from which growth near zero is measured."""


def check(scenario: StationaryScenario) -> None:
    """Refuse, before any work, an ensemble whose records do not fit into memory (``MemoryLimitError``)."""
    check_memory(48.0 * (scenario.time.records + 1) * scenario.ensemble.replicas, "ensemble.replicas")


def stages(
    scenario: StationaryScenario,
    done: xr.DataTree,
    *,
    threads: int | None,
    report: Reporter,
    checkpoint: Checkpoint | None = None,
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/law``, ``/collapse`` and ``/growth``."""
    if "/law" not in done.groups:
        law, size = scenario.law, scenario.ensemble
        u, v = np.resize(scenario.start.mean, 2)
        start = Start.gaussian({"W1": [[u]], "W2": [[v]]}, scenario.start.std)
        experiment = experiment_of(law, start)
        times = np.linspace(0.0, scenario.time.end, scenario.time.records + 1)
        ensemble = train_kept(
            experiment,
            replicas=size.replicas,
            steps=[experiment.sgd.step(float(t)) for t in times],
            seed=scenario.seed,
            stage="law",
            checkpoint=checkpoint,
            threads=threads,
            progress=report("train towards the law"),
        )
        one, two = (ensemble.weights[name][:, :, 0, 0] for name in ("W1", "W2"))
        yield {"/law": _against_law(law, ensemble.times, one * two, one**2 - two**2, size.stored)}
    for name, measure in (("collapse", _medians), ("growth", _growth)):
        if f"/{name}" not in done.groups:
            yield {f"/{name}": measure(scenario, threads, report(f"{name} over learning rates"))}


def _against_law(law: Law, times: Array, w: Array, q: Array, stored: int) -> xr.Dataset:
    """Density and quantiles of ``w`` at the last time, decay of ``q`` through time; diverged replicas are infinite."""
    c, kappa, s0 = moments(law)
    theta = law.learning_rate / law.batch_size
    exact, levels = BalancedLaw(c, kappa, s0, theta), np.array(LEVELS)
    last = np.where(np.isfinite(w[-1]), w[-1], np.inf)
    wanted = exact.quantile(levels)
    found = np.quantile(last, levels)
    errors = np.sqrt(levels * (1.0 - levels) / last.size) / exact.density(wanted)
    edges = np.linspace(0.0, 1.3 * float(exact.quantile(0.98)), BINS + 1)
    width = edges[1] - edges[0]
    with np.errstate(divide="ignore"):
        shares = np.log(np.abs(q / q[0]))
    alive = np.isfinite(w[-1]) & np.isfinite(shares).all(axis=0)
    decay = shares[:, alive]
    above = exact.cdf(np.maximum(edges, 1e-300))
    return xr.Dataset(
        {
            "density": ("w", np.histogram(last, edges)[0] / (last.size * width), named("density of w, SGD")),
            "exact_density": ("w", np.diff(above) / width, named("density of w, exact, averaged over the bin")),
            "quantile": ("level", found, named("quantile of w, SGD")),
            "quantile_error": ("level", errors, named("standard error of the quantile")),
            "exact_quantile": ("level", wanted, named("quantile of w, exact")),
            "z": ("level", (found - wanted) / errors, named("departure in standard errors")),
            "balance": ("time", decay.mean(axis=1), named("mean of ln|q / q(0)|, SGD")),
            "balance_error": ("time", decay.std(axis=1) / np.sqrt(decay.shape[1]), named("standard error")),
            "exact_balance": (
                "time",
                -theta * (kappa * exact.mean_square + s0) * times,
                named("mean of ln|q / q(0)| under the stationary law"),
            ),
            "sample_w": (("time", "replica"), w[:, :stored], named("w of the first replicas")),
            "sample_q": (("time", "replica"), q[:, :stored], named("q of the first replicas")),
        },
        {
            "w": ("w", 0.5 * (edges[1:] + edges[:-1]), named("w = u v")),
            "level": ("level", levels, named("probability")),
            "time": ("time", times, named("training time, steps x learning rate")),
            "replica": ("replica", np.arange(w[:, :stored].shape[1]), named("replica")),
        },
        {
            "theta": theta,
            "threshold": collapse_threshold(c, kappa, s0),
            "replicas": last.size,
            "diverged": int(np.count_nonzero(~np.isfinite(w[-1]))),
        },
    )


def _medians(scenario: StationaryScenario, threads: int | None, progress: Any) -> xr.Dataset:
    """Medians of ``|w|`` at the end of training, from ``w = 1`` on the balanced leaf."""
    law, part = scenario.law, scenario.collapse
    rates = np.array(part.learning_rates)
    medians = np.array(
        [
            np.quantile(np.abs(w), _around_half(part.replicas))
            for w in _sweep(scenario, _point(1.0), part.end, threads, progress, offset=1)
        ]
    )
    limit = collapse_threshold(*moments(law)) * law.batch_size
    curve = limit * np.linspace(0.02, 0.98, 49)

    def stationary(rate: float) -> float:
        return float(BalancedLaw(*moments(law), rate / law.batch_size).quantile(0.5)) if rate < limit else 0.0

    return xr.Dataset(
        {
            "median": ("learning_rate", medians[:, 1], named("median of |w| at the end, SGD")),
            "median_low": ("learning_rate", medians[:, 0], named("lower end of four standard errors")),
            "median_high": ("learning_rate", medians[:, 2], named("upper end of four standard errors")),
            "exact_median": (
                "learning_rate",
                [stationary(rate) for rate in rates],
                named("stationary median; 0 beyond the threshold"),
            ),
            "exact_curve": ("curve_rate", [stationary(rate) for rate in curve], named("stationary median")),
        },
        {
            "learning_rate": ("learning_rate", rates, named("learning rate")),
            "curve_rate": ("curve_rate", curve, named("learning rate")),
        },
        {"end": part.end, "threshold": limit},
    )


def _growth(scenario: StationaryScenario, threads: int | None, progress: Any) -> xr.Dataset:
    """Growth of ``ln w`` near zero: positive where replicas leave ``w = 0``, negative where it attracts them."""
    law, part = scenario.law, scenario.collapse
    rates = np.array(part.learning_rates)
    found = []
    for rate, w in zip(
        rates, _sweep(scenario, _point(SMALL), part.growth_end, threads, progress, offset=100), strict=True
    ):
        growth = np.log(np.abs(w) / SMALL**2) / (round(part.growth_end / rate) * rate)
        found.append((growth.mean(), growth.std() / np.sqrt(growth.size)))
    mean, error = np.array(found).T
    exact = [_discrete(law, rate) for rate in rates]
    return xr.Dataset(
        {
            "rate": ("learning_rate", mean, named("growth rate of ln w near w = 0, SGD")),
            "rate_error": ("learning_rate", error, named("standard error")),
            "limit": (
                "learning_rate",
                [collapse_rate(*moments(law), rate / law.batch_size) for rate in rates],
                named("growth rate of the Fokker-Planck equation"),
            ),
            "exact_rate": ("learning_rate", exact, named("growth rate of the steps, exact")),
            "z": ("learning_rate", (mean - exact) / error, named("departure from exact in standard errors")),
        },
        {"learning_rate": ("learning_rate", rates, named("learning rate"))},
        {
            "threshold": collapse_threshold(*moments(law)) * law.batch_size,
            "threshold_of_steps": _threshold_of_steps(law),
        },
    )


def _discrete(law: Law, rate: float) -> float:
    return discrete_collapse_rate(rate, law.batch_size, variance=VARIANCE, label_noise=law.label_noise)


def _threshold_of_steps(law: Law) -> float:
    """Learning rate at which steps neither leave ``w = 0`` nor are attracted; ``nan`` if it is far from the limit's."""
    limit = collapse_threshold(*moments(law)) * law.batch_size
    ends = 0.3 * limit, 1.5 * limit
    values = [_discrete(law, rate) for rate in ends]
    return float(brentq(lambda rate: _discrete(law, rate), *ends)) if values[0] > 0.0 > values[1] else float("nan")


def _sweep(
    scenario: StationaryScenario, start: Start, end: float, threads: int | None, progress: Any, *, offset: int
) -> Iterator[Array]:
    """``w`` of all replicas after the time ``end``, one learning rate after the other; diverged ones are infinite."""
    part = scenario.collapse
    for k, rate in enumerate(part.learning_rates):
        experiment = experiment_of(scenario.law, start, learning_rate=rate, noise="minibatch", svag_l=1)
        ensemble = train_kept(
            experiment,
            replicas=part.replicas,
            steps=[round(end / rate)],
            seed=scenario.seed + offset + k,
            stage=f"learning rate {k}",
            checkpoint=None,
            threads=threads,
        )
        w = (ensemble.weights["W1"] * ensemble.weights["W2"])[-1].ravel()
        progress((k + 1) / len(part.learning_rates))
        yield np.where(np.isfinite(w), w, np.inf)


def _around_half(replicas: int) -> list[float]:
    """Levels of the median and of its four standard errors."""
    return [0.5 - 2.0 / np.sqrt(replicas), 0.5, 0.5 + 2.0 / np.sqrt(replicas)]


def _point(weight: float) -> Start:
    return Start.point({"W1": [[weight]], "W2": [[weight]]})
