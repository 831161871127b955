"""A finite training set in the coordinates the network sees, with the way back to its raw features.

Raw rows are centred, projected on their leading principal components and divided by one overall factor, so
that ``raw = mean + scale * basis @ x`` up to the components left out. Limits: samples live in memory,
``float64``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fpsim.datasets.moments import sample_product_covariance
from fpsim.support.checks import instance_of, real_array, real_number, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable
from fpsim.support.random_streams import RNG, numpy_generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Dataset", "from_array"]


@dataclass(frozen=True, eq=False)
class Dataset(Immutable):
    """Samples ``x`` and the affine map that takes them back to raw features.

    Attributes
    ----------
    name : str
        What the samples are.
    x : ndarray, shape (N, d)
        One sample a row, dimensionless; read-only.
    basis : ndarray, shape (D, d), or None
        Directions of the coordinates in raw feature space, orthonormal unless features were standardised; ``None``:
        the coordinates are the features.
    mean : ndarray, shape (D,), or None
        Raw mean that was subtracted; ``None``: nothing was.
    scale : float
        Raw length of one unit of ``x``.

    Raises
    ------
    DomainError
        If ``x`` is not a finite (N, d) array with at least one row and one column.
    """

    name: str
    x: NDArray[np.float64]
    basis: NDArray[np.float64] | None = field(default=None, repr=False)
    mean: NDArray[np.float64] | None = field(default=None, repr=False)
    scale: float = 1.0

    def __post_init__(self) -> None:
        instance_of(self.name, str, "name of a dataset")
        if not real_number(self.scale, "scale of a dataset", accepted="a positive number") > 0.0:
            raise DomainError(f"scale of dataset {self.name!r} is {self.scale}: a positive number is accepted")
        if self.x is None:
            raise DomainError(f"x of dataset {self.name!r} is None: (samples, features) is accepted")
        for key in ("x", "basis", "mean"):
            value = getattr(self, key)
            if value is None:
                continue
            array = np.array(real_array(value, f"{key} of dataset {self.name!r}"), order="C")
            if not np.all(np.isfinite(array)):
                where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                raise DomainError(
                    f"dataset {self.name!r}: {key}{list(where)} is {array[where]}; finite ones are accepted"
                )
            array.setflags(write=False)
            object.__setattr__(self, key, array)
        if self.x.ndim != 2 or 0 in self.x.shape:
            raise DomainError(f"dataset {self.name!r}: x has shape {self.x.shape}; (samples, features) is accepted")
        features = self.dimension if self.basis is None else np.shape(self.basis)[0] if np.ndim(self.basis) else 0
        if self.basis is not None and (self.basis.ndim != 2 or self.basis.shape[1] != self.dimension):
            raise DomainError(
                f"dataset {self.name!r}: basis has shape {self.basis.shape}; (features, {self.dimension}) is accepted"
            )
        if self.mean is not None and self.mean.shape != (features,):
            raise DomainError(f"dataset {self.name!r}: mean has shape {self.mean.shape}; ({features},) is accepted")

    @property
    def size(self) -> int:
        """Number of samples N."""
        return int(self.x.shape[0])

    @property
    def dimension(self) -> int:
        """Number of coordinates d of a sample."""
        return int(self.x.shape[1])

    @cached_property
    def second_moment(self) -> NDArray[np.float64]:
        """``C = mean(x x^T)``, shape (d, d)."""
        return self.x.T @ self.x / self.size

    @cached_property
    def product_covariance(self) -> NDArray[np.float64]:
        """``Q[i, j, k, l] = mean(x_i x_j x_k x_l) - C_ij C_kl``, shape (d, d, d, d)."""
        return sample_product_covariance(self.x)

    def split(self, test_share: float, *, rng: RNG = None) -> tuple[Dataset, Dataset]:
        """A training set and a test set, in the same coordinates: every sample is in one of them.

        Coordinates (mean, components, scale) stay those of the whole set.

        Parameters
        ----------
        test_share : float
            Share of the samples that is held out, in (0, 1), rounded to whole samples.
        rng : None, int, SeedSequence or Generator, keyword-only
            Chooses them; the order of the rows is kept.

        Raises
        ------
        DomainError
            If either part would be empty.
        """
        share = real_number(test_share, "test_share", accepted="a number in (0, 1)")
        held_out = round(share * self.size) if 0.0 < share < 1.0 else 0
        if not 0 < held_out < self.size:
            raise DomainError(
                f"test_share is {test_share} of {self.size} samples: a share in (0, 1) that leaves samples in both "
                "parts is accepted"
            )
        chosen = np.zeros(self.size, dtype=bool)
        chosen[numpy_generator(rng).permutation(self.size)[:held_out]] = True
        parts = (("training part", ~chosen), ("test part", chosen))
        train, test = (
            Dataset(f"{self.name}, {what}", self.x[rows], self.basis, self.mean, self.scale) for what, rows in parts
        )
        return train, test

    def reconstruct(self, y: ArrayLike) -> NDArray[np.float64]:
        """Raw features (..., D) of points ``y`` (..., d): ``mean + scale * basis @ y``."""
        raw = self.scale * real_array(y, "y")
        if raw.ndim == 0 or raw.shape[-1] != self.dimension:
            raise DomainError(f"y has shape {raw.shape}: (..., {self.dimension}) is accepted")
        if self.basis is not None:
            raw = raw @ self.basis.T
        return raw if self.mean is None else raw + self.mean

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, N={self.size}, d={self.dimension}, scale={self.scale:.6g})"


def from_array(
    x: ArrayLike,
    *,
    name: str = "array",
    components: int | None = None,
    centre: bool | None = None,
    standardise: bool = False,
    normalise: bool = False,
) -> Dataset:
    """Make a dataset of the rows of ``x``.

    Parameters
    ----------
    x : array_like, shape (N, D)
        Raw samples.
    name : str
        What they are.
    components : int, optional
        Project on so many leading principal components of the centred samples. The sign of each component is fixed:
        its entry of largest magnitude is positive.
    centre : bool, optional
        Subtract the mean; by default if there are ``components``.
    standardise : bool
        Divide every feature by its standard deviation (with 1/N) first.
    normalise : bool
        Divide by one overall factor, so that the leading principal component has variance 1 (with 1/N).

    Raises
    ------
    DomainError
        If ``x`` is not a finite matrix, ``components`` exceeds its rank bound, or all samples are equal
        where a scale is asked for.
    """
    raw = Dataset(name, np.atleast_2d(real_array(x, "x"))).x
    if components is not None and not 1 <= whole_number(components, "components", least=0) <= min(raw.shape):
        raise DomainError(f"components = {components}; 1 to {min(raw.shape)} is accepted for data of shape {raw.shape}")
    mean = raw.mean(axis=0) if (components is not None if centre is None else centre) else None
    centred = raw if mean is None else raw - mean
    basis = None
    spread = raw.std(axis=0) if standardise else np.ones(raw.shape[1])
    if standardise:
        if np.any(np.ptp(raw, axis=0) == 0.0):
            raise DomainError(
                f"dataset {name!r}: a feature is the same for all samples; standardise needs some that differ"
            )
        centred, basis = centred / spread, np.diag(spread)
    if components is not None or normalise:
        _, singular, directions = np.linalg.svd(centred - centred.mean(axis=0), full_matrices=False)
    if components is not None:
        principal = directions[:components].T
        principal = principal * np.sign(principal[np.abs(principal).argmax(axis=0), np.arange(components)])
        centred, basis = centred @ principal, spread[:, None] * principal
    scale = 1.0
    if normalise:
        scale = float(singular[0]) / raw.shape[0] ** 0.5
        if scale == 0.0:
            raise DomainError(f"dataset {name!r}: all samples are equal; normalise=True needs some that differ")
    return Dataset(name, centred / scale, basis, mean, scale)
