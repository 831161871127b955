"""Scales of an experiment: the factors that turn gradients and covariances into drift and diffusion.

In the clock ``t = sum of learning rates`` one step of plain SGD has the covariance ``eta^2 S``, hence

    b = -(g + weight_decay W),   D = eta S / 2 + temperature,   S = c_B Sigma + (label_noise^2 / B) E[J^T J],

``c_B`` as in docs/conventions.md (SVAG multiplies ``S`` by ``l`` and divides ``eta`` by it). Momentum ``mu`` is
taken in its overdamped limit: the drift is multiplied by ``m = 1 / (1 - mu)``, minibatch noise by ``m^2``,
temperature by ``m`` (effective learning rate ``eta / (1 - mu)``); error O(eta / (1 - mu)^2). Shuffled epochs are
not described by any ``D`` of this form: :func:`scales_of` warns (see :mod:`fpsim.theory.shuffled_epochs`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fpsim.experiment.schedules import CosineDecay, ExponentialDecay, PiecewiseConstant
from fpsim.support.errors import ValidityWarning

if TYPE_CHECKING:
    from fpsim.experiment import SGD, Experiment

__all__ = ["LearningRate", "Scales", "jumps_of", "scales_of"]


@dataclass(frozen=True)
class Scales:
    """Scales of one experiment; all dimensionless.

    Attributes
    ----------
    learning_rate : float or callable
        ``eta``, or ``eta(t)`` of a schedule.
    batch_factor : float
        Factor of ``Sigma`` in ``S``.
    label_variance : float
        Factor of ``E[J^T J]`` in ``S``.
    weight_decay, temperature : float
        As in the settings.
    mobility : float
        ``1 / (1 - mu)``.
    """

    learning_rate: float | Callable[[float], float]
    batch_factor: float
    label_variance: float = 0.0
    weight_decay: float = 0.0
    temperature: float = 0.0
    mobility: float = 1.0

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate depends on time."""
        return callable(self.learning_rate)

    @property
    def jumps(self) -> tuple[float, ...] | None:
        """Times at which the learning rate jumps; ``None`` if they are not known (:class:`LearningRate`)."""
        return jumps_of(self.learning_rate)

    def noise(self, t: float) -> float:
        """Factor ``m^2 eta(t) / 2`` of ``S`` in ``D``."""
        eta = self.learning_rate(t) if callable(self.learning_rate) else self.learning_rate
        return 0.5 * eta * self.mobility**2

    @property
    def thermal(self) -> float:
        """Isotropic part ``m T`` of ``D``."""
        return self.mobility * self.temperature


def scales_of(experiment: Experiment) -> Scales:
    """Scales of an experiment.

    Warns
    -----
    ValidityWarning
        For ``sampling="epochs"``, whose batches are anticorrelated (theory of shuffled epochs).
    """
    sgd = experiment.sgd
    if sgd.sampling == "epochs":
        warnings.warn(
            "sampling='epochs': the batches of an epoch are anticorrelated, so that the stationary variance is far "
            "below what the plain Fokker-Planck equation gives unless learning_rate * curvature * batches per epoch "
            ">> 1; compare with fpsim.theory.epoch_variance",
            ValidityWarning,
            stacklevel=3,
        )
    return Scales(
        learning_rate=LearningRate(sgd) if callable(sgd.learning_rate) else sgd.learning_rate / sgd.svag_l,
        batch_factor=experiment.batch_factor * sgd.svag_l,
        label_variance=sgd.label_noise**2 / sgd.batch_size * sgd.svag_l,
        weight_decay=sgd.weight_decay,
        temperature=sgd.temperature,
        mobility=1.0 / (1.0 - sgd.momentum),
    )


def jumps_of(learning_rate: float | Callable[[float], float]) -> tuple[float, ...] | None:
    """Times at which a learning rate jumps, if it names them: as ``jumps`` of a Fokker-Planck equation."""
    return getattr(learning_rate, "jumps", None)


class LearningRate:
    """Learning rate as a function of ``t``: ``eta_k`` from the sum of the rates before step ``k`` on.

    Parameters
    ----------
    sgd : SGD
        Settings whose learning rate is a schedule over steps.
    """

    def __init__(self, sgd: SGD) -> None:
        self.sgd = sgd
        self._rates = sgd.learning_rates(0, 1024)
        self._ends = np.cumsum(self._rates)

    @property
    def jumps(self) -> tuple[float, ...] | None:
        """Times of the boundaries of a piecewise constant schedule, none of a smooth one, ``None`` of another."""
        schedule = self.sgd.learning_rate
        if isinstance(schedule, PiecewiseConstant):
            return tuple(float(self.sgd.time(k)) for k in schedule.boundaries)
        return () if isinstance(schedule, CosineDecay | ExponentialDecay) else None

    def __call__(self, t: float) -> float:
        """``eta(t)``, dimensionless."""
        while self._ends[-1] <= t and self._rates.size < 2**24 and self._rates[-1] > 0.0:
            more = self.sgd.learning_rates(self._rates.size, 2 * self._rates.size)
            self._rates = np.concatenate([self._rates, more])
            self._ends = np.cumsum(self._rates)
        return float(self._rates[min(int(np.searchsorted(self._ends, t, side="right")), self._rates.size - 1)])
