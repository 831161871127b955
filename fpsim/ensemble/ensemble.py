"""Ensembles of independent replicas: weights at the recorded times, and where their training stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fpsim.experiment import Experiment
from fpsim.support.checks import instance_of, real_array, shown
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable, read_only_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.ensemble.statistics import EnsembleStatistics

__all__ = ["Divergence", "Ensemble", "State"]


@dataclass(frozen=True, eq=False)
class Divergence(Immutable):
    """Replicas whose weights grew beyond 1e10 or left the finite numbers.

    Attributes
    ----------
    steps : ndarray of int64, shape (R,)
        Step at which each replica diverged, 0 for the survivors.
    """

    steps: NDArray[np.int64] = field(repr=False)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True for the replicas that diverged, shape (R,)."""
        return self.steps > 0

    @property
    def count(self) -> int:
        """Number of replicas that diverged."""
        return int(np.count_nonzero(self.steps))

    @property
    def first_step(self) -> int | None:
        """Step of the first divergence, ``None`` if there was none."""
        return int(self.steps[self.mask].min()) if self.count else None

    def __repr__(self) -> str:
        return f"Divergence(count={self.count}, first_step={self.first_step})"


@dataclass(frozen=True, eq=False)
class State(Immutable):
    """All that is needed, besides experiment and key, to continue with the same bits.

    Attributes
    ----------
    step : int
        Steps done.
    weights : ndarray, shape (R, p)
        Entries of all trained matrices in C order, matrix after matrix.
    velocity : ndarray, shape (R, p), or None
        The momentum's ``v``; ``None`` without momentum.
    diverged : ndarray of int64, shape (R,)
        Step at which each replica diverged, or 0.
    """

    step: int
    weights: NDArray[np.float64] = field(repr=False)
    velocity: NDArray[np.float64] | None = field(repr=False)
    diverged: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Ensemble(Immutable):
    """Weights of many replicas at the recorded times: those that `fpsim.ensemble.train` gives, or a user's own.

    Attributes
    ----------
    times : ndarray, shape (T,)
        Increasing times; of training, ``t = sum of learning rates``.
    weights : mapping of str to ndarray
        ``{"W1": (T, R, k, d), ...}``, ``nan`` from the step on at which a replica diverged.
    experiment : Experiment or None
        What was run.
    steps : ndarray, shape (T,), or None
        Steps of the recorded times.
    key : int or None
        Key of all random numbers.
    first_replica : int
        Number of the first replica: replica ``r`` of any ensemble with this key is the same.
    statistics : EnsembleStatistics or None
        Streaming statistics, if they were asked for.
    divergence : Divergence
        Which replicas diverged, and when; none by default.
    state : State or None
        Where training stands, for `fpsim.ensemble.resume`.
    interrupted : bool
        Whether a keyboard interrupt ended the run before its last time; everything here is complete up to
        there.

    Raises
    ------
    DomainError
        If times do not increase, or shapes do not fit each other or the experiment's network.

    Examples
    --------
    >>> walk = np.cumsum(np.random.default_rng(1).standard_normal((5, 100, 1, 1)), axis=0)
    >>> Ensemble(times=range(5), weights={"W1": walk}).replicas
    100
    """

    times: NDArray[np.float64]
    weights: Mapping[str, NDArray[np.float64]] = field(repr=False)
    _: KW_ONLY
    experiment: Experiment | None = None
    steps: NDArray[np.int64] | None = None
    key: int | None = None
    first_replica: int = 0
    statistics: EnsembleStatistics | None = field(default=None, repr=False)
    divergence: Divergence = None  # type: ignore[assignment]
    state: State | None = field(default=None, repr=False)
    interrupted: bool = False

    def __post_init__(self) -> None:
        times = np.atleast_1d(real_array(self.times, "times"))
        if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) <= 0.0).any():
            raise DomainError(f"times are {shown(self.times)}: finite increasing times (T,) are accepted")
        instance_of(self.weights, Mapping, "weights")
        weights = {name: real_array(w, f"weights {name!r}") for name, w in self.weights.items()}
        shapes = {name: w.shape for name, w in weights.items()}
        leading = {shape[:2] for shape in shapes.values()}
        if len(leading) != 1 or any(len(shape) != 4 for shape in shapes.values()) or next(iter(leading))[1] == 0:
            raise DomainError(f"weights have shapes {shapes}: (times, replicas, rows, columns), alike, are accepted")
        if next(iter(leading))[0] != len(times):
            raise DomainError(f"weights have shapes {shapes} for {len(times)} times: as many of both are accepted")
        instance_of(self.key, (type(None), int, np.integer), "key")
        instance_of(self.experiment, (type(None), Experiment), "experiment")
        if self.experiment is not None:
            for name, shape in shapes.items():
                accepted = self.experiment.network.shapes.get(name)
                if shape[2:] != accepted:
                    raise DomainError(f"weights {name!r} have shape {shape}: (times, replicas, {accepted}) is accepted")
        if self.steps is not None and real_array(self.steps, "steps").shape != times.shape:
            raise DomainError(f"steps are {shown(self.steps)}: as many as times, {len(times)}, are accepted")
        replicas = next(iter(leading))[1]
        divergence = Divergence(np.zeros(replicas, np.int64)) if self.divergence is None else self.divergence
        instance_of(divergence, Divergence, "divergence")
        if len(divergence.steps) != replicas:
            raise DomainError(f"divergence of {len(divergence.steps)} replicas: {replicas}, as of weights, is accepted")
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "weights", read_only_mapping(weights))
        object.__setattr__(self, "divergence", divergence)

    @property
    def replicas(self) -> int:
        """Number R of replicas."""
        return int(next(iter(self.weights.values())).shape[1])
