"""The two measured data sets that come with the package (origin and licence: data/README.md)."""

from __future__ import annotations

import gzip

import numpy as np

from fpsim.datasets.dataset import Dataset, from_array
from fpsim.datasets.files import read

__all__ = ["digits", "iris"]


def digits(components: int | None = 2, *, centre: bool = True) -> Dataset:
    """1797 handwritten digits (8 x 8 pixels), centred, scaled by one factor and projected.

    Parameters
    ----------
    components : int or None
        Leading principal components to keep, 1 to 64; ``None`` keeps the 64 pixels as coordinates.
    centre : bool, keyword-only
        Subtract the mean.

    Returns
    -------
    Dataset
        ``x`` of shape (1797, components), dimensionless, leading component of variance 1.

    Raises
    ------
    DomainError
        If ``components`` is not in 1 to 64.
    FileError
        If the data file is missing or damaged.
    """
    rows = gzip.decompress(read("digits.csv.gz")).decode().splitlines()
    pixels = np.array([row.split(",")[:64] for row in rows], dtype=np.float64)
    return from_array(pixels, name="digits", components=components, centre=centre, normalise=True)


def iris(components: int | None = 2, *, centre: bool = True, standardise: bool = False) -> Dataset:
    """150 irises (four lengths in cm), centred, scaled by one factor and projected.

    Parameters
    ----------
    components : int or None
        Leading principal components to keep, 1 to 4; ``None`` keeps the four lengths as coordinates.
    centre : bool, keyword-only
        Subtract the mean.
    standardise : bool, keyword-only
        Divide every length by its standard deviation first.

    Returns
    -------
    Dataset
        ``x`` of shape (150, components), dimensionless, leading component of variance 1.

    Raises
    ------
    DomainError
        If ``components`` is not in 1 to 4.
    FileError
        If the data file is missing or damaged.
    """
    rows = read("iris.csv").decode().splitlines()[1:]
    lengths = np.array([row.split(",")[:4] for row in rows], dtype=np.float64)
    return from_array(
        lengths, name="iris", components=components, centre=centre, standardise=standardise, normalise=True
    )
