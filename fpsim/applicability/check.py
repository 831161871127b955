"""Applicability of the theories to an experiment: edge of stability, skewness, sampling, dimension, validity, cost.

Nothing is trained or evolved: gradient flow from the start and sums over the data are all that is computed. What is
said to be valid is not proved so: it names the known reasons against each theory, and where none applies its error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fpsim.applicability.mean_path import FlowPaths, flow_paths
from fpsim.applicability.verdicts import Applicable, Findings, closures, orders
from fpsim.experiment import Experiment
from fpsim.support.checks import instance_of, real_number, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable
from fpsim.theory.scales import LearningRate

if TYPE_CHECKING:
    from fpsim.experiment import SGD

__all__ = ["Applicability", "check"]

Array = NDArray[np.float64]

UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, eq=False)
class Applicability(Immutable):
    """What is known of an experiment before it is run; ``print`` shows it as tables.

    Attributes
    ----------
    times : ndarray, shape (T,)
        Times along gradient flow, in the clock of training.
    weights : ndarray, shape (T, n)
        The path from the mean of the start.
    curvature : ndarray, shape (T,)
        Largest eigenvalue of the Hessian there.
    stability : ndarray, shape (T,)
        Learning rate times curvature, the larger of the mean path's and the draws'.
    limit : float
        Edge of stability ``2 (1 + mu)``.
    skewness : ndarray, shape (T,)
        Largest skewness, in size, of the mini-batch gradient along its principal directions, over all paths.
    dimension : int
        Number of trained weights.
    sampling : str
        Mode of sampling, in words.
    orders, closures : tuple of Applicable
        Each with its validity, the reason, and its cost.
    """

    times: Array
    weights: Array = field(repr=False)
    curvature: Array = field(repr=False)
    stability: Array = field(repr=False)
    limit: float
    skewness: Array = field(repr=False)
    dimension: int
    sampling: str
    orders: tuple[Applicable, ...] = field(repr=False)
    closures: tuple[Applicable, ...] = field(repr=False)

    def __post_init__(self) -> None:
        for key in ("times", "weights", "curvature", "stability", "skewness"):
            array = np.array(getattr(self, key), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, key, array)

    @property
    def stable(self) -> bool:
        """Whether learning rate times curvature stays below the edge of stability."""
        return bool(self.stability.max() < self.limit)

    def __str__(self) -> str:
        highest = int(self.stability.argmax())
        edge = f"{self.stability[highest]:.3g} at t = {self.times[highest]:g}"
        side = f"{'below' if self.stable else 'BEYOND'} {self.limit:g}"
        skewness = f"{np.abs(self.skewness).max():.3g}"
        lines = [
            f"dimension            {self.dimension} weights",
            f"sampling             {self.sampling}",
            f"edge of stability    learning rate x curvature {edge}, {side}",
            f"skewness             {skewness} of the mini-batch gradient, which no Fokker-Planck equation knows",
            "",
        ]
        for title, rows in (("order", self.orders), ("theory", self.closures)):
            lines.append(
                f"{title:<24}{'valid':<7}{'size':>9}{'memory':>9}{'seconds':>9}  error, or what stands against it"
            )
            lines += [_line(row) for row in rows]
            lines.append("")
        return "\n".join(lines[:-1])


def check(experiment: Experiment, *, time: float = 10.0, records: int = 11, draws: int = 4) -> Applicability:
    """Tell which theory applies to an experiment, before anything is run.

    Parameters
    ----------
    experiment : Experiment
    time : float, keyword-only
        End of training, sum of learning rates.
    records : int, keyword-only
        Times along the path at which curvature and skewness are looked at.
    draws : int, keyword-only
        Draws of the start that are followed beside its mean, which may be a saddle.

    Returns
    -------
    Applicability

    Raises
    ------
    DomainError
        If an argument is not accepted.
    ToleranceError
        If gradient flow diverges.

    Examples
    --------
    >>> from fpsim import SGD, BottleneckAutoEncoder, Start, datasets
    >>> start = Start.gaussian(0.0, 0.5)
    >>> told = check(Experiment(datasets.iris(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8), start), time=1.0)
    >>> told.stable, [row.valid for row in told.orders]
    (True, [True, True, True])
    """
    instance_of(experiment, Experiment, "experiment")
    end = real_number(time, "time", accepted="a positive number")
    if not 0.0 < end < np.inf:
        raise DomainError(f"time is {time}: a positive number is accepted")
    times = np.linspace(0.0, end, whole_number(records, "records", least=2))
    paths = flow_paths(experiment, times, whole_number(draws, "draws", least=0))
    sgd = experiment.sgd
    rates = _rates(sgd, times)
    stability = rates * paths.highest.max(axis=0)
    extremes = np.abs(paths.skewness).argmax(axis=0)
    n = paths.weights.shape[2]
    found = Findings(
        n=n,
        time=end,
        curvature=float(paths.highest.max()),
        stability=float(stability.max()),
        limit=2.0 * (1.0 + sgd.momentum),
        spread=_spread(experiment, paths),
        steps=float(sgd.step(end)),
        learning_rate=float(rates.max()),
    )
    return Applicability(
        times,
        paths.weights[0],
        paths.highest[0],
        stability,
        found.limit,
        paths.skewness[extremes, np.arange(len(times))],
        n,
        _sampling(experiment),
        orders(experiment, found),
        closures(experiment, found),
    )


def _spread(experiment: Experiment, paths: FlowPaths) -> float:
    width = max(float(b.max()) for _, b in experiment.start.entries(experiment.network).values())
    unstable = np.maximum(-paths.lowest[0], 0.0) / (1.0 - experiment.sgd.momentum)
    stretch = np.exp(min(float(np.trapezoid(unstable, paths.times)), 300.0))
    noise = 1e-3  # any noise at all leaves a saddle
    return (width + noise) * float(stretch) / max(float(np.abs(paths.weights[0, -1]).max()), 1e-9)


def _rates(sgd: SGD, times: Array) -> Array:
    if callable(sgd.learning_rate):
        rate = LearningRate(sgd)
        return np.array([rate(float(t)) for t in times])
    return np.full(len(times), sgd.learning_rate / sgd.svag_l)


def _sampling(experiment: Experiment) -> str:
    sgd, size = experiment.sgd, getattr(experiment.data, "size", None)
    batches = f"batches of {sgd.batch_size}" + (f" from {size} samples" if size else "")
    modes = {
        "iid": "with replacement: white noise",
        "without_replacement": f"distinct within a batch, batches independent: white noise, covariance "
        f"{experiment.batch_factor * sgd.batch_size:.3g} of that with replacement",
        "epochs": "shuffled epochs: noise is anticorrelated within an epoch",
        "fresh": "new ones from a population: white noise",
        "shared": "one sequence for all replicas: replicas are not independent",
    }
    return f"{batches}, {modes[sgd.sampling]}"


def _line(row: Applicable) -> str:
    size = memory = seconds = ""
    if row.cost is not None:
        size, memory, seconds = str(row.cost.size), _bytes(row.cost.memory), f"{row.cost.seconds:.2g}"
    return f"{row.name:<24}{'yes' if row.valid else 'no':<7}{size:>9}{memory:>9}{seconds:>9}  {row.reason}"


def _bytes(number: float) -> str:
    power = 0
    while number >= 999.5 and power < len(UNITS) - 1:
        number, power = number / 1000.0, power + 1
    return f"{number:.3g} {UNITS[power]}"
