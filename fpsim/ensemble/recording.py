"""Recording of an ensemble: steps, kept weights and tracked matrices, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from fpsim.support.checks import real_array, sequence
from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.experiment import Experiment

__all__ = ["Record", "kept_steps", "record_steps", "tracked_names"]

Record: TypeAlias = 'Literal["weights", "last"] | Sequence[int]'


def record_steps(
    experiment: Experiment,
    times: Sequence[float] | NDArray[np.float64] | None,
    steps: Sequence[int] | NDArray[np.int64] | None,
    begin: int,
) -> list[int]:
    """Steps at which the ensemble is recorded, from ``steps`` or ``times``; ``DomainError`` names what is wrong."""
    if (times is None) == (steps is None):
        raise DomainError("give either times or steps to record")
    key, values = ("times", times) if steps is None else ("steps", steps)
    array = real_array(values, key)
    if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)) or np.any(np.diff(array) <= 0):
        raise DomainError(f"{key} = {values!r}; an increasing sequence of finite numbers is accepted")
    if steps is not None and np.asarray(values).dtype.kind not in "iu":
        raise DomainError(f"steps = {values!r}; integers are accepted")
    schedule = [int(k) for k in array] if steps is not None else _steps_of(experiment, array)
    if schedule[-1] >= 2**32:
        raise DomainError(f"{key} reach step {schedule[-1]:.3g}; below 2^32 is accepted")
    if schedule[0] < begin or np.any(np.diff(schedule) <= 0):
        raise DomainError(f"{key} = {values!r} mean steps {schedule}; increasing ones from {begin} on are accepted")
    return schedule


def _steps_of(experiment: Experiment, times: NDArray[np.float64]) -> list[int]:
    """Steps of times; constant learning rates must hit them, schedules come as near as they can."""
    sgd = experiment.sgd
    schedule = [sgd.step(float(t)) for t in times]
    if not callable(sgd.learning_rate):
        eta = sgd.learning_rate / sgd.svag_l
        for t, k in zip(times, schedule, strict=True):
            if abs(k * eta - t) > 1e-6 * eta:
                below = int(np.floor(t / eta))
                raise DomainError(
                    f"times has {t:.10g}, which is no multiple of the {eta:.10g} of a step: {below * eta:.10g} or "
                    f"{(below + 1) * eta:.10g} is accepted"
                )
    return schedule


def kept_steps(record: Record, schedule: list[int]) -> list[int]:
    """Steps whose full weights are kept."""
    if isinstance(record, str) and record == "weights":
        return schedule
    if isinstance(record, str) and record == "last":
        return schedule[-1:]
    accepted = "'weights', 'last' or some of the recorded steps"
    try:
        numbers = sequence(record, "record")
    except DomainError:
        raise DomainError(f"record = {record!r}; accepted: {accepted}") from None
    if not all(isinstance(k, int | np.integer) for k in numbers):
        raise DomainError(f"record = {record!r}; accepted: {accepted}")
    if set(record) - set(schedule):
        raise DomainError(f"record = {record!r}; accepted: {accepted}")
    return [int(k) for k in record]


def tracked_names(experiment: Experiment, track: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the matrices that are kept; ``DomainError`` if one is not in the network."""
    trained = experiment.network.trained
    names = trained if track is None else sequence(track, "track")
    if not all(isinstance(name, str) for name in names) or not names or set(names) - set(trained):
        raise DomainError(f"track = {track!r}; accepted: some of {', '.join(trained)}")
    return names
