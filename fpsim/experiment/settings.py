"""Settings of stochastic gradient descent: all that defines the steps, not how they are computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from fpsim.support.checks import answer, real_array, real_number, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SGD", "Noise", "Sampling", "Schedule"]

Schedule: TypeAlias = Callable[["NDArray[np.int64]"], "NDArray[np.float64]"]
Sampling = Literal["iid", "without_replacement", "epochs", "fresh", "shared"]
Noise = Literal["minibatch", "gaussian", "svag"]


@dataclass(frozen=True)
class SGD(Immutable):
    """One rule of stochastic gradient descent, ``W <- W - learning_rate * ghat(W)`` in its plainest form.

    With momentum ``mu``: ``v <- mu v - eta ghat``, ``W <- W + v``. Weight decay adds ``weight_decay W`` to
    ``ghat``; temperature adds ``sqrt(2 eta (1 - mu) temperature) normal`` to every step (to ``v`` with
    momentum), so that the overdamped diffusion is ``temperature`` per unit of time with and without
    momentum.

    Attributes
    ----------
    learning_rate : float or callable
        ``eta``, dimensionless; or a schedule that maps an array of steps 0, 1, ... to their learning rates.
    batch_size : int
        ``B``, samples in a mini-batch.
    sampling : {"iid", "without_replacement", "epochs", "fresh", "shared"}
        Samples of a batch: independent with replacement; distinct within a batch, batches independent;
        shuffled epochs (the ``N mod B`` samples left over at an epoch's end are skipped); new ones from a
        population; one iid sequence of batches (and label noise) for all replicas, temperature and start
        staying private.
    weight_decay : float
        ``lambda`` of the added loss ``lambda |W|^2 / 2``.
    label_noise : float
        Standard deviation per component of the noise in ``y = x + label_noise * normal``, new at every use.
    temperature : float
        Injected isotropic noise.
    momentum : float
        ``mu`` in [0, 1).
    noise : {"minibatch", "gaussian", "svag"}
        Mini-batch gradients as they are; Gaussian gradients with the same mean and covariance (for a population
        in closed form for a linear bottleneck of up to 16 components, by quadrature for other networks of up to
        3, or 9 if they are linear); or the combination ``(1 + r) / 2 ghat_1 + (1 - r) / 2 ghat_2``,
        ``r = sqrt(2 l - 1)``, of two batches with learning rate ``eta / l`` (Li, Malladi & Arora 2021,
        arXiv:2102.12470), which tends to the Fokker-Planck limit as ``l`` grows.
    svag_l : int
        ``l`` of ``noise="svag"``; one step then takes the time ``eta / l``.

    Raises
    ------
    DomainError
        If a value is not accepted; the message names the key.
    """

    learning_rate: float | Schedule
    batch_size: int
    sampling: Sampling = "iid"
    weight_decay: float = 0.0
    label_noise: float = 0.0
    temperature: float = 0.0
    momentum: float = 0.0
    noise: Noise = "minibatch"
    svag_l: int = 1

    def __post_init__(self) -> None:
        if not callable(self.learning_rate) and not _positive(self.learning_rate):
            raise DomainError(f"learning_rate = {self.learning_rate!r}; a positive number or a schedule is accepted")
        for key, choices in (("sampling", get_args(Sampling)), ("noise", get_args(Noise))):
            if not isinstance(getattr(self, key), str) or getattr(self, key) not in choices:
                raise DomainError(f"{key} = {getattr(self, key)!r}; accepted: {', '.join(choices)}")
        for key in ("batch_size", "svag_l"):
            value = getattr(self, key)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise DomainError(f"{key} = {value!r}; a positive integer is accepted")
        for key in ("weight_decay", "label_noise", "temperature"):
            if not _positive(getattr(self, key), or_zero=True):
                raise DomainError(f"{key} = {getattr(self, key)!r}; zero or a positive number is accepted")
        if not (_positive(self.momentum, or_zero=True) and self.momentum < 1.0):
            raise DomainError(f"momentum = {self.momentum!r}; a number in [0, 1) is accepted")
        if self.svag_l > 1 and self.noise != "svag":
            raise DomainError(f"svag_l = {self.svag_l} with noise = {self.noise!r}; it needs noise = 'svag'")
        if self.noise != "minibatch" and self.sampling == "epochs":
            raise DomainError(f"noise = {self.noise!r} with sampling = 'epochs'; independent batches are accepted")

    def learning_rates(self, start: int, stop: int) -> NDArray[np.float64]:
        """Learning rates of steps ``start`` to ``stop - 1`` (divided by ``svag_l``), shape (stop - start,).

        Raises
        ------
        DomainError
            If a schedule gives a wrong shape or a rate that is not finite and nonnegative.
        """
        steps = np.arange(whole_number(start, "start", least=0), whole_number(stop, "stop", least=0), dtype=np.int64)
        if not callable(self.learning_rate):
            return np.full(steps.size, self.learning_rate / self.svag_l)
        rates = real_array(answer(self.learning_rate, (steps,), "learning_rate"), "learning_rate of a schedule")
        if rates.shape != steps.shape or not np.all(np.isfinite(rates)) or np.any(rates < 0.0):
            raise DomainError(
                f"learning_rate: the schedule must give {steps.size} finite nonnegative rates, one per step"
            )
        return rates / self.svag_l

    def time(self, step: int) -> float:
        """Time ``t`` at a step, the sum of the learning rates before it."""
        whole_number(step, "step", least=0)
        if not callable(self.learning_rate):
            return step * (self.learning_rate / self.svag_l)
        return float(np.sum(self.learning_rates(0, step)))

    def step(self, time: float) -> int:
        """The step whose time is nearest to ``time``.

        Raises
        ------
        DomainError
            If the schedule never gets there.
        """
        if real_number(time, "time") < 0.0:
            raise DomainError(f"time is {time}: zero or a positive number is accepted")
        if not callable(self.learning_rate):
            return round(time / (self.learning_rate / self.svag_l))
        t, start, block = 0.0, 0, 4096
        while start < 2**31:
            rates = self.learning_rates(start, start + block)
            after = t + np.cumsum(rates)
            if after[-1] >= time:
                nearest = np.abs(np.concatenate(([t], after)) - time).argmin()
                return start + int(nearest)
            if after[-1] == t and t > 0.0:
                break
            t, start, block = float(after[-1]), start + block, 2 * block
        raise DomainError(f"learning_rate: the schedule ends at t = {t:.6g}, before the time {time:.6g} asked for")


def _positive(value: object, *, or_zero: bool = False) -> bool:
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return False
    return math.isfinite(value) and bool(value > 0 or (or_zero and value == 0))
