"""Comparison of two trained ensembles through the weights they recorded, shared random numbers noticed.

Ensembles trained with one key share the random numbers of every replica: they are closer to each other than
independent ones, and identical where nothing else differs. Replicas of the same number are then compared as pairs.
Limits: an ensemble that does not say its key is taken as independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.comparison import Comparison, compare_samples
from fpsim.support.errors import DomainError
from fpsim.support.random_streams import RNG

__all__ = ["Trained", "compare_ensembles"]

Array = NDArray[np.float64]


class Trained(Protocol):
    """What is asked of an ensemble; :class:`fpsim.ensemble.Ensemble` is one.

    ``weights`` are arrays (T, R, rows, columns), not finite where a replica diverged; ``key`` is ``None`` where it is
    not known, and replica ``i`` has the number ``first_replica + i``.
    """

    @property
    def times(self) -> Array:
        """Recorded times (T,)."""

    @property
    def weights(self) -> Mapping[str, Array]:
        """Recorded weights."""

    @property
    def key(self) -> int | None:
        """Key of all random numbers."""

    @property
    def first_replica(self) -> int:
        """Number of the first replica."""


def compare_ensembles(
    first: Trained,
    second: Trained,
    *,
    matrix: str,
    time: float | None = None,
    distance: str = "total_variation",
    rng: RNG = 0,
) -> Comparison:
    """Compare the weights of one matrix of two ensembles at a time that both recorded.

    Parameters
    ----------
    first, second : Ensemble
        If they say the same key and have replicas in common, these are compared as pairs
        (``details["paired"]``), without the others.
    matrix : str
        Such as ``"W1"``; coordinates are its entries in C order.
    time : float, optional
        The last time that both recorded, by default.
    distance : str
        Key of ``DISTANCES``.
    rng : None, int, SeedSequence or Generator
        For the resampling behind the band, and behind the floor where it has no closed form.

    Returns
    -------
    Comparison
        ``details["diverged"]`` counts the replicas (or pairs) left out because they diverged.

    Raises
    ------
    DomainError
        If the ensembles have no such time in common, did not record the matrix, or differ in its shape.
    """
    i, j = _common_time(first.times, second.times, time)
    for which, ensemble in (("first", first), ("second", second)):
        if matrix not in ensemble.weights:
            held = ", ".join(ensemble.weights) or "none"
            raise DomainError(f"matrix {matrix!r} is not recorded in the {which} ensemble: accepted are {held}")
    a, b = (np.asarray(e.weights[matrix][k], float) for e, k in ((first, i), (second, j)))
    if a.shape[1:] != b.shape[1:]:
        raise DomainError(f"{matrix} has shapes {a.shape[1:]} and {b.shape[1:]}: equal ones are accepted")
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    begin = max(first.first_replica, second.first_replica)
    end = min(first.first_replica + len(a), second.first_replica + len(b))
    paired = first.key is not None and first.key == second.key and end - begin >= 2
    alive = np.isfinite(a).all(axis=1), np.isfinite(b).all(axis=1)
    if paired:
        rows = slice(begin - first.first_replica, end - first.first_replica)
        others = slice(begin - second.first_replica, end - second.first_replica)
        both = alive[0][rows] & alive[1][others]
        a, b, diverged = a[rows][both], b[others][both], int(np.count_nonzero(~both))
    else:
        diverged = sum(int(np.count_nonzero(~keep)) for keep in alive)
        a, b = a[alive[0]], b[alive[1]]
    found = compare_samples(
        a, b, observable=matrix, distance=distance, paired=paired, time=float(first.times[i]), rng=rng
    )
    return found.with_details(paired=paired, diverged=diverged)


def _common_time(first: Array, second: Array, time: float | None) -> tuple[int, int]:
    """Places of a time that both have."""
    pairs = [(i, int(j)) for i, t in enumerate(first) for j in np.flatnonzero(np.isclose(second, t, rtol=1e-9))]
    if time is not None:
        pairs = [pair for pair in pairs if np.isclose(first[pair[0]], time, rtol=1e-9)]
    if not pairs:
        wanted = "a time" if time is None else f"the time {time:g}"
        raise DomainError(
            f"the ensembles do not have {wanted} in common: {_told(first)} and {_told(second)} are recorded"
        )
    return pairs[-1]


def _told(times: Array) -> str:
    return ", ".join(f"{t:g}" for t in times) if len(times) <= 4 else f"{len(times)} from {times[0]:g} to {times[-1]:g}"
