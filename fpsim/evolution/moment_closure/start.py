"""Start of a closed evolution: any start that can be sampled, as components of a given width.

A Gaussian of covariance ``C`` is a sum of narrow ones whose means are normal with what the narrow ones leave of ``C``;
where ``C`` is itself narrower than the accepted width it is kept. Means are points of a scrambled Sobol sequence,
corrected to have the exact mean and covariance. Of a start that is itself a sum of Gaussians, half of the components
are shared out by weight and half evenly, and carry weights that make up for it (importance sampling with a defensive
mixture, Hesterberg 1995): light parts, as strata of a tail, are not lost. A start that is known by its samples alone
takes Gaussian kernels, and its places shrink towards their mean so that mean and covariance stay what they are; corners
of a start are rounded on the scale of the kernels.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from fpsim.density.gaussian_mixture import GaussianMixture
from fpsim.evolution.moment_closure.closure import packed
from fpsim.evolution.moment_closure.kicks import NARROW, sobol_points
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError

__all__ = ["SampledStart", "StartLike", "names_of", "start_components", "start_scale"]

Array = NDArray[np.float64]

EVEN = 0.5
"""Share of the components that goes to those of a start evenly, whatever their weights."""


@runtime_checkable
class SampledStart(Protocol):
    """A start given by a map from the unit cube, so that quasi-random numbers can be used."""

    names: tuple[str, ...]
    """Names of the coordinates."""
    uniforms: int
    """Uniform numbers that one place takes."""

    def places(self, uniform: Array) -> Array:
        """Places (M, n) of numbers (M, uniforms) in the open unit interval."""

    def invariant_under(self, matrix: Array) -> bool:
        """Whether the start is the same after a signed permutation (n, n) of its coordinates."""


StartLike = GaussianMixture | SampledStart | ArrayLike
"""A mixture, a map from the unit cube, or given places (M, n)."""


def names_of(start: StartLike) -> tuple[str, ...]:
    """Names of the coordinates of a start.

    Raises
    ------
    DomainError
        If it is none that can be sampled.
    """
    if isinstance(start, (GaussianMixture, SampledStart)):
        return tuple(start.names)
    try:
        x = real_array(start, "start")
    except DomainError:
        raise _not_sampled(start) from None
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise _not_sampled(start)
    return tuple(f"x{i}" for i in range(x.shape[1]))


def _not_sampled(start: object) -> DomainError:
    return DomainError(
        f"start is a {type(start).__name__} that cannot be sampled: a GaussianMixture, finite places (M, n), or "
        "an object with names, uniforms and places(uniform) is accepted"
    )


def start_scale(start: StartLike) -> tuple[Array, Array]:
    """Mean (n,) and standard deviation (n,) of a start."""
    if isinstance(start, GaussianMixture):
        return start.mean, start.std
    x = _places(start, 4096, (0,)) if isinstance(start, SampledStart) else real_array(start, "start")
    return x.mean(axis=0), x.std(axis=0)


def start_components(start: StartLike, count: int, width: Array, key: tuple[int, ...]) -> tuple[Array, Array]:
    """Weights (count,) and state (rows, count) of components no wider than ``NARROW * width`` (n,)."""
    kept = NARROW * width
    if not isinstance(start, GaussianMixture):
        x = _places(start, count, key)
        return np.full(count, 1.0 / count), packed(*_kernels(x, kept))
    if start.size == 1:
        mean, covariance = start.means[0], start.covariances[0]
        narrow, root = _narrow(covariance, kept)
        z = np.asarray(ndtri(sobol_points(count, max(root.shape[1], 1), key)))[:, : root.shape[1]]
        means = mean + _standardised(z) @ root.T
        return np.full(count, 1.0 / count), packed(means, np.broadcast_to(narrow, (count, *narrow.shape)))
    u = sobol_points(count, 1 + start.ndim, key)
    share = (1.0 - EVEN) * start.weights + EVEN / start.size * (start.weights > 0.0)
    ends = np.cumsum(share)
    which = np.minimum(np.searchsorted(ends, u[:, 0] * ends[-1]), start.size - 1)
    weights = start.weights[which] / share[which]
    z = np.asarray(ndtri(u[:, 1:]))
    means, covariances = start.means[which].copy(), np.empty((count, start.ndim, start.ndim))
    for k in np.unique(which):
        here = np.flatnonzero(which == k)
        narrow, root = _narrow(start.covariances[k], kept)
        covariances[here] = narrow
        means[here] += z[here, : root.shape[1]] @ root.T
    return weights / weights.sum(), packed(means, covariances)


def _places(start: StartLike, count: int, key: tuple[int, ...]) -> Array:
    if isinstance(start, SampledStart):
        x = np.asarray(start.places(sobol_points(count, start.uniforms, key)), dtype=np.float64)
        if x.shape != (count, len(start.names)) or not np.isfinite(x).all():
            raise DomainError(f"start gives places {x.shape}: finite ones, ({count}, {len(start.names)}), are accepted")
        return x
    given = real_array(start, "start")
    rng = np.random.default_rng(np.random.SeedSequence(key))
    order = rng.permutation(len(given))
    return given[
        order[np.arange(count) * len(given) // count] if count < len(given) else order[np.arange(count) % len(given)]
    ]


def _narrow(covariance: Array, kept: Array) -> tuple[Array, Array]:
    """Covariance of a component (n, n), and root (n, r) of what its mean has to carry."""
    values, vectors = np.linalg.eigh(covariance / np.outer(kept, kept))
    values = np.maximum(values, 0.0)
    wide = values > 1.0
    narrow = (vectors * np.minimum(values, 1.0)) @ vectors.T * np.outer(kept, kept)
    root = kept[:, None] * vectors[:, wide] * np.sqrt(values[wide] - 1.0)
    return narrow, root


def _standardised(z: Array) -> Array:
    """Normal numbers (M, r) with mean zero and covariance one exactly, where there are enough of them."""
    z = z - z.mean(axis=0)
    if not 0 < z.shape[1] < len(z) // 2:
        return z
    root = np.linalg.cholesky(z.T @ z / len(z))
    return np.asarray(np.linalg.solve(root, z.T).T)


def _kernels(x: Array, kept: Array) -> tuple[Array, Array]:
    """Shrunk places and kernels, so that mean and covariance are those of the places."""
    mean = x.mean(axis=0)
    covariance = np.atleast_2d(np.cov(x.T, bias=True)) if len(x) > 1 else np.zeros((x.shape[1],) * 2)
    narrow, _ = _narrow(covariance, kept)
    values, vectors = np.linalg.eigh(covariance / np.outer(kept, kept))
    shrink = np.sqrt(np.maximum(1.0 - np.minimum(1.0, 1.0 / np.maximum(values, 1e-300)), 0.0))
    shrink[values <= 1.0] = 0.0
    map_ = (kept[:, None] * vectors * shrink) @ (vectors.T / kept)
    return mean + (x - mean) @ map_.T, np.broadcast_to(narrow, (len(x), *narrow.shape))
