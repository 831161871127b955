"""Gaussian mixtures in single precision, for files: half the bytes, and still mixtures whatever the rounding does.

Covariances are kept as triangular roots, ``C = L L^T``: the product is symmetric and positive semidefinite to the last
bit, where rounded covariances of long, thin components would not be. Errors: every stored number is rounded by up to
``2^-24`` of itself, which changes a covariance by some ``1e-7`` of its norm; a mean moves by ``6e-8`` of itself, which
counts only for components that are narrower than that. What comes from a file is checked as if anybody had written it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.density.gaussian_mixture.mixture import GaussianMixture
from fpsim.support.errors import DomainError

__all__ = ["SinglePrecision", "from_single_precision", "to_single_precision"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

SUM_ERROR = 1e-4
"""Rounded weights may miss one by so much."""


class SinglePrecision(NamedTuple):
    """Arrays of a mixture of ``N`` components in ``n`` dimensions.

    Attributes
    ----------
    weights : ndarray of float32, shape (N,)
    means : ndarray of float32, shape (N, n)
    roots : ndarray of float32, shape (N, n (n + 1) / 2)
        Lower triangles of ``L``, row by row, with a diagonal that is not negative.
    """

    weights: Single
    means: Single
    roots: Single


def to_single_precision(mixture: GaussianMixture) -> tuple[SinglePrecision, float]:
    """Rounded arrays, and the largest relative error that they make: of a covariance in norm, of a mean in widths.

    Raises
    ------
    DomainError
        If a number is too large for single precision.
    """
    n = mixture.ndim
    values, vectors = np.linalg.eigh(mixture.covariances)
    half = vectors * np.sqrt(np.maximum(values, 0.0))[:, None]
    upper = np.linalg.qr(np.swapaxes(half, 1, 2), mode="r")  # semidefinite ones have roots too
    sign = np.where(np.diagonal(upper, axis1=1, axis2=2) < 0.0, -1.0, 1.0)
    root = np.swapaxes(upper * sign[:, :, None], 1, 2)
    rows, columns = np.tril_indices(n)
    with np.errstate(over="ignore"):
        rounded = SinglePrecision(
            mixture.weights.astype(np.float32),
            mixture.means.astype(np.float32),
            root[:, rows, columns].astype(np.float32),
        )
    if not all(np.isfinite(part).all() for part in rounded):
        raise DomainError("the mixture holds numbers beyond 3e38: smaller ones are accepted in single precision")
    again = _covariances(rounded.roots, n)
    size = np.linalg.norm(mixture.covariances, axis=(1, 2))
    wide = size > 0.0
    error = np.linalg.norm(again - mixture.covariances, axis=(1, 2))[wide] / size[wide]
    shift = np.linalg.norm(rounded.means - mixture.means, axis=1)[wide] / np.sqrt(size[wide])
    return rounded, float(max(error.max(initial=0.0), shift.max(initial=0.0)))


def from_single_precision(parts: SinglePrecision, names: tuple[str, ...]) -> GaussianMixture:
    """A mixture of arrays that may come from anywhere.

    Raises
    ------
    DomainError
        If shapes disagree, a number is not finite, a weight or a diagonal entry of a root is negative, or weights do
        not add up to one.
    """
    weights, means, roots = (np.asarray(part) for part in parts)
    if weights.ndim != 1 or means.ndim != 2 or roots.ndim != 2 or any(p.dtype.kind != "f" for p in parts):
        raise DomainError(
            "weights (N,), means (N, n) and roots (N, n (n + 1) / 2) of floating-point numbers are accepted"
        )
    count, n = means.shape
    if not count or not n or weights.shape != (count,) or roots.shape != (count, n * (n + 1) // 2):
        raise DomainError(
            f"mixture of weights {weights.shape}, means {means.shape} and roots {roots.shape}: (N,), (N, n) and "
            "(N, n (n + 1) / 2) are accepted"
        )
    if not all(np.isfinite(part).all() for part in (weights, means, roots)):
        raise DomainError("mixture: finite numbers are accepted")
    diagonal = roots[:, np.cumsum(np.arange(1, n + 1)) - 1]
    if diagonal.min() < 0.0:
        raise DomainError(
            f"root {int(diagonal.min(axis=1).argmin())} has a negative diagonal: none below zero is accepted"
        )
    total = float(weights.sum(dtype=np.float64))
    if weights.min() < 0.0 or abs(total - 1.0) > SUM_ERROR:
        raise DomainError(
            f"weights add up to {total:.6g}, the least is {weights.min():.3g}: those of sum 1 are accepted"
        )
    return GaussianMixture(
        weights.astype(np.float64) / total, means.astype(np.float64), _covariances(roots, n), tuple(names)
    )


def _covariances(roots: NDArray[np.floating], n: int) -> Array:
    """``L L^T`` in double precision."""
    rows, columns = np.tril_indices(n)
    root = np.zeros((len(roots), n, n))
    root[:, rows, columns] = roots
    return np.asarray(root @ np.swapaxes(root, 1, 2))
