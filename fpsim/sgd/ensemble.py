"""The result of training an ensemble of independent replicas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fpsim.experiment import Experiment

__all__ = ["Divergence", "Ensemble"]


@dataclass(frozen=True, eq=False)
class Divergence:
    """Replicas whose weights left the finite numbers.

    Attributes
    ----------
    steps : ndarray of int64, shape (R,)
        Step at which each replica diverged, -1 for the survivors.
    """

    steps: NDArray[np.int64] = field(repr=False)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True for the replicas that diverged, shape (R,)."""
        return self.steps >= 0

    @property
    def count(self) -> int:
        """Number of replicas that diverged."""
        return int(np.count_nonzero(self.steps >= 0))

    @property
    def first_step(self) -> int | None:
        """Step of the first divergence, ``None`` if there was none."""
        return int(self.steps[self.mask].min()) if self.count else None


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Weights of many replicas at the recorded times.

    Attributes
    ----------
    experiment : Experiment
        What was run.
    seed : int
        Entropy of all random numbers.
    replicas : int
        Number R of replicas.
    steps, times : ndarray, shape (T,)
        Recorded steps and their times ``t = sum of learning rates``.
    weights : mapping of str to ndarray
        ``{"W1": (T, R, k, d), ...}``, ``nan`` from the step on at which a replica diverged.
    divergence : Divergence
        Which replicas diverged, and when.
    """

    experiment: Experiment
    seed: int
    replicas: int
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    weights: Mapping[str, NDArray[np.float64]] = field(repr=False)
    divergence: Divergence = field(repr=False)
