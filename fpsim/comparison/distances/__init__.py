"""Distances by name; a new one is an instance of a family, listed here."""

from __future__ import annotations

from types import MappingProxyType

from fpsim.comparison.distances.base import Distance
from fpsim.comparison.distances.energy import ENERGY
from fpsim.comparison.distances.hellinger import HELLINGER
from fpsim.comparison.distances.kolmogorov_smirnov import KOLMOGOROV_SMIRNOV
from fpsim.comparison.distances.kullback_leibler import KULLBACK_LEIBLER
from fpsim.comparison.distances.moments import COVARIANCE, MEAN
from fpsim.comparison.distances.total_variation import TOTAL_VARIATION
from fpsim.comparison.distances.wasserstein import WASSERSTEIN
from fpsim.support.errors import DomainError

__all__ = ["DISTANCES", "Distance", "distance_named"]

DISTANCES: MappingProxyType[str, Distance] = MappingProxyType(
    {
        d.name: d
        for d in (
            TOTAL_VARIATION,
            KULLBACK_LEIBLER,
            HELLINGER,
            WASSERSTEIN,
            ENERGY,
            KOLMOGOROV_SMIRNOV,
            MEAN,
            COVARIANCE,
        )
    }
)


def distance_named(name: str) -> Distance:
    """The distance of that name.

    Raises
    ------
    DomainError
        If there is none, with the names that exist.
    """
    try:
        return DISTANCES[name]
    except KeyError:
        raise DomainError(f"distance {name!r} is unknown: accepted are {', '.join(DISTANCES)}") from None
