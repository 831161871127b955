"""Distances between a sample and a theory or two samples, by name. To add one: an instance of a family, listed here."""

from __future__ import annotations

from types import MappingProxyType

from fpsim.compare.distances.base import Distance
from fpsim.compare.distances.energy import ENERGY
from fpsim.compare.distances.hellinger import HELLINGER
from fpsim.compare.distances.kolmogorov_smirnov import KOLMOGOROV_SMIRNOV
from fpsim.compare.distances.kullback_leibler import KULLBACK_LEIBLER
from fpsim.compare.distances.moments import COVARIANCE, MEAN
from fpsim.compare.distances.total_variation import TOTAL_VARIATION
from fpsim.compare.distances.wasserstein import WASSERSTEIN
from fpsim.errors import ConfigError

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
    ConfigError
        If there is none, with the names that exist.
    """
    try:
        return DISTANCES[name]
    except KeyError:
        raise ConfigError(f"distance {name!r} is unknown: accepted are {', '.join(DISTANCES)}") from None
