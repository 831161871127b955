"""The result of training an ensemble of independent replicas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.ensemble.statistics import EnsembleStatistics
    from fpsim.experiment import Experiment

__all__ = ["Divergence", "Ensemble", "State"]


@dataclass(frozen=True, eq=False)
class Divergence:
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
class State:
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
class Ensemble:
    """Weights of many replicas at the recorded times.

    Attributes
    ----------
    experiment : Experiment
        What was run.
    key : int
        Key of all random numbers.
    replicas : int
        Number R of replicas.
    first_replica : int
        Number of the first of them: replica ``r`` of any ensemble with this key is the same.
    steps, times : ndarray, shape (T,)
        Steps at which weights were recorded and their times ``t = sum of learning rates``.
    weights : mapping of str to ndarray
        ``{"W1": (T, R, k, d), ...}``, ``nan`` from the step on at which a replica diverged.
    statistics : EnsembleStatistics or None
        Streaming statistics, if they were asked for.
    divergence : Divergence
        Which replicas diverged, and when.
    state : State
        Where training stands, for `fpsim.ensemble.resume`.
    interrupted : bool
        Whether a keyboard interrupt ended the run before its last time; everything here is complete up to
        there.
    """

    experiment: Experiment
    key: int
    replicas: int
    first_replica: int
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    weights: Mapping[str, NDArray[np.float64]] = field(repr=False)
    statistics: EnsembleStatistics | None = field(repr=False)
    divergence: Divergence
    state: State = field(repr=False)
    interrupted: bool = False
