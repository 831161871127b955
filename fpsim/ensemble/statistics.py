"""Streaming statistics of an ensemble, at many steps without keeping the weights of any.

Observables of a replica are the entries of the tracked matrices, of ``Q = W1 W1^T - W2^T W2`` (two layers)
and, if asked for, its training loss. Sums run over tiles of 4096 replicas in fixed order, so they are the
same bits for any number of threads. Replicas that diverged are left out and counted: ``count`` says how
many remain at every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fpsim.datasets import Dataset
from fpsim.network import mean_loss
from fpsim.support.checks import instance_of, real_number, whole_number
from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fpsim.experiment import Experiment

__all__ = ["TILE", "EnsembleStatistics", "Statistics", "measure", "observable_names", "observables"]

TILE = 4096


@dataclass(frozen=True)
class Statistics(Immutable):
    """Which statistics to stream.

    Attributes
    ----------
    loss : bool
        Training loss of every replica (a pass over the training set per replica, unless the network is
        linear).
    bins : int
        Bins of the histograms of all observables; 0: none.
    low, high : float
        Range of the histograms; what lies outside is counted in two extra bins.

    Raises
    ------
    DomainError
        If the histogram has a negative number of bins or an empty range.
    """

    loss: bool = False
    bins: int = 0
    low: float = -2.0
    high: float = 2.0

    def __post_init__(self) -> None:
        instance_of(self.loss, (bool, np.bool_), "loss")
        real_number(self.low, "low"), real_number(self.high, "high")
        whole_number(self.bins, "bins", least=0)
        if not self.low < self.high:
            raise DomainError(f"statistics: bins = {self.bins}, range [{self.low}, {self.high}]; bins >= 0, low < high")


@dataclass(frozen=True, eq=False)
class EnsembleStatistics(Immutable):
    """Statistics at the recorded steps; ``m`` observables.

    Attributes
    ----------
    steps, times : ndarray, shape (T,)
        Recorded steps and times.
    names : tuple of str
        Observables: ``"W1[0,0]"``, ..., ``"Q[0,0]"``, ..., ``"loss"``.
    count : ndarray of int64, shape (T,)
        Replicas that had not diverged.
    mean : ndarray, shape (T, m)
        Means.
    covariance : ndarray, shape (T, m, m)
        Covariances, with 1/count.
    third, fourth : ndarray, shape (T, m)
        Central moments.
    edges : ndarray, shape (bins + 1,)
        Edges of the histograms' bins.
    histogram : ndarray of int64, shape (T, m, bins + 2)
        Replicas below the range, in each bin, and above.
    """

    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    names: tuple[str, ...]
    count: NDArray[np.int64] = field(repr=False)
    mean: NDArray[np.float64] = field(repr=False)
    covariance: NDArray[np.float64] = field(repr=False)
    third: NDArray[np.float64] = field(repr=False)
    fourth: NDArray[np.float64] = field(repr=False)
    edges: NDArray[np.float64] = field(repr=False)
    histogram: NDArray[np.int64] = field(repr=False)

    def index(self, name: str) -> int:
        """Position of an observable.

        Raises
        ------
        DomainError
            If there is none of this name.
        """
        if name not in self.names:
            raise DomainError(f"statistics has no observable {name!r}; accepted: {', '.join(self.names)}")
        return self.names.index(name)

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviations, shape (T, m)."""
        return np.sqrt(np.einsum("tii->ti", self.covariance))

    @property
    def mean_error(self) -> NDArray[np.float64]:
        """Standard errors of the means, shape (T, m)."""
        return self.std / np.sqrt(self.count)[:, None]

    @property
    def correlation(self) -> NDArray[np.float64]:
        """Correlations of all pairs of observables, shape (T, m, m)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.covariance / (self.std[:, :, None] * self.std[:, None, :])


def observable_names(experiment: Experiment, tracked: Sequence[str], spec: Statistics) -> tuple[str, ...]:
    """Names of the observables of an ensemble.

    Raises
    ------
    DomainError
        If the loss is asked for on a population, where it is no finite sum.
    """
    shapes = experiment.network.shapes
    entries = {name: shapes[name] for name in tracked}
    if _has_balance(experiment, tracked):
        entries["Q"] = (shapes["W1"][0],) * 2
    names = [f"{name}[{i},{j}]" for name, shape in entries.items() for i, j in np.ndindex(shape)]
    if spec.loss and not isinstance(experiment.data, Dataset):
        raise DomainError("statistics loss = True needs a training set, not a population")
    return (*names, "loss") if spec.loss else tuple(names)


def observables(
    experiment: Experiment,
    weights: Mapping[str, NDArray[np.float64]],
    tracked: Sequence[str],
    spec: Statistics,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Values (R, m) of the observables of replicas with all trained matrices given, (R, rows, columns)."""
    parts = [weights[name].reshape(len(weights[name]), -1) for name in tracked]
    if _has_balance(experiment, tracked):
        w1, w2 = weights["W1"], weights["W2"]
        q = w1 @ w1.transpose(0, 2, 1) - w2.transpose(0, 2, 1) @ w2
        parts.append(q.reshape(len(q), -1))
    if spec.loss and isinstance(experiment.data, Dataset):
        parts.append(mean_loss(experiment.network, weights, experiment.data.x, threads=threads)[:, None])
    return np.concatenate(parts, axis=1)


def _has_balance(experiment: Experiment, tracked: Sequence[str]) -> bool:
    return len(experiment.network.shapes) == 2 and set(tracked) == {"W1", "W2"}


@njit(cache=True, error_model="numpy")
def _sums(y, shift, low, width, first, second, third, fourth, histogram):  # type: ignore[no-untyped-def]
    """Add one tile's sums of ``y - shift`` and of its powers; return the number of finite rows."""
    count, m, bins = 0, y.shape[1], histogram.shape[1] - 2
    for r in range(y.shape[0]):
        if not np.all(np.isfinite(y[r])):
            continue
        count += 1
        for i in range(m):
            d = y[r, i] - shift[i]
            first[i] += d
            third[i] += d * d * d
            fourth[i] += d * d * d * d
            for j in range(i, m):
                second[i, j] += d * (y[r, j] - shift[j])
            if bins > 0:
                place = np.floor((y[r, i] - low) / width)
                histogram[i, int(min(max(place, -1.0), bins)) + 1] += 1
    return count


def measure(tiles: Iterable[NDArray[np.float64]], spec: Statistics) -> dict[str, NDArray[np.generic]]:
    """Statistics of the finite rows of all tiles (rows, m), by the names of `EnsembleStatistics`."""
    count, totals, histogram = 0, list[NDArray[np.float64]](), np.empty((0, 0), dtype=np.int64)
    shift = np.empty(0)
    width = (spec.high - spec.low) / max(spec.bins, 1)
    for y in tiles:
        m = y.shape[1]
        if not totals:
            totals = [np.zeros(m), np.zeros((m, m)), np.zeros(m), np.zeros(m)]
            histogram = np.zeros((m, spec.bins + 2), dtype=np.int64)
        if not count:
            # moments about a value near the mean lose no digits when the ensemble is narrow
            alive = np.flatnonzero(np.isfinite(y).all(axis=1))
            shift = y[alive[0]] if alive.size else np.zeros(m)
        first, second, third, fourth = (np.zeros_like(total) for total in totals)
        count += _sums(y, shift, spec.low, width, first, second, third, fourth, histogram)
        for total, part in zip(totals, (first, second, third, fourth), strict=True):
            total += part
    first, second, third, fourth = totals
    with np.errstate(invalid="ignore", divide="ignore"):
        d = first / count
        s = (np.triu(second) + np.triu(second, 1).T) / count
        square, cube = np.diag(s), third / count
        return {
            "count": np.array(count),
            "mean": shift + d,
            "covariance": s - d[:, None] * d[None, :],
            "third": cube - 3.0 * d * square + 2.0 * d**3,
            "fourth": fourth / count - 4.0 * d * cube + 6.0 * d**2 * square - 3.0 * d**4,
            "histogram": histogram,
        }
