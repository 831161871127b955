"""Densities from formulas and from samples.

``gaussian`` and ``mixture`` give exact cell averages when the covariance is diagonal, and those of
:mod:`fpsim.density.gaussian_mixture` or Gauss-Legendre averages otherwise. Along periodic axes they are wrapped. What
lies outside the box is cut and the rest normalised to mass one: of more than a thousandth a warning tells, more than
half is refused (:mod:`fpsim.density.placement`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density.density import Density
from fpsim.density.grid import Grid
from fpsim.density.placement import check_inside, check_place
from fpsim.support.checks import answer, real_array, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.memory import check_memory

__all__ = ["from_function", "from_samples", "gaussian", "mixture"]

Array = NDArray[np.float64]

IMAGES = 8.5
"""Standard deviations within which a Gaussian is wrapped around a ring; what lies beyond is less than rounding."""

MOST_IMAGES = 200
"""Images of a wrapped Gaussian, per axis."""


def _check_grid(grid: object, *, arrays: int) -> None:
    """A grid on which that many arrays of its size fit into the machine."""
    if not isinstance(grid, Grid):
        raise DomainError(f"grid is a {type(grid).__name__}: a Grid is accepted")
    check_memory(8.0 * (arrays * grid.size + 4 * sum(grid.shape)), f"a density on {grid.shape} cells", "take fewer")


def _interval(lower: Array, upper: Array) -> Array:
    """P(lower < Z < upper) of a standard normal, to relative accuracy in both tails."""
    from scipy.special import ndtr  # half of the time that importing fpsim.density would take

    flip = lower > 0.0
    a, b = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
    return ndtr(b) - ndtr(a)


def _covariance(covariance: ArrayLike, ndim: int) -> Array:
    cov = real_array(covariance, "covariance")
    full = cov * np.eye(ndim) if cov.ndim == 0 else np.diag(cov) if cov.ndim == 1 else cov
    if full.shape != (ndim, ndim):
        raise DomainError(f"covariance has shape {cov.shape}: a number, ({ndim},) or ({ndim}, {ndim}) are accepted")
    if not np.isfinite(cov).all():
        raise DomainError("covariance is not finite: finite numbers are accepted")
    if not np.allclose(full, full.T, atol=1e-12 * float(np.abs(full).max())) or np.linalg.eigvalsh(full)[0] <= 0.0:
        raise DomainError("covariance is not symmetric positive definite")
    return full


def _mean(mean: ArrayLike, grid: Grid) -> Array:
    mu = real_array(mean, "mean")
    if mu.shape not in ((), (grid.ndim,)) or not np.isfinite(mu).all():
        raise DomainError(f"mean is {mu.tolist()}: a finite number or ({grid.ndim},) of them is accepted")
    return np.broadcast_to(mu, (grid.ndim,))


def _gaussian_values(grid: Grid, mu: Array, cov: Array) -> Array:
    """Probability of every cell under N(mu, cov), wrapped around periodic axes."""
    shifts = [_images(grid, axis, float(mu[axis]), float(cov[axis, axis]) ** 0.5) for axis in range(grid.ndim)]
    if np.allclose(cov, np.diag(np.diag(cov)), rtol=0, atol=1e-15 * np.abs(cov).max()):
        values = np.ones(grid.shape)
        for axis, edges in enumerate(grid.edges):
            z = (edges - mu[axis] - shifts[axis][:, None]) / np.sqrt(cov[axis, axis])
            shape = [1] * grid.ndim
            shape[axis] = -1
            values *= _interval(z[:, :-1], z[:, 1:]).sum(axis=0).reshape(shape)
        return values
    precision = np.linalg.inv(cov)

    def shape_of(*x: Array) -> Array:
        total = np.zeros(())
        for image in product(*shifts):
            d = [xi - m - shift for xi, m, shift in zip(x, mu, image, strict=True)]
            quadratic = sum(precision[i, j] * d[i] * d[j] for i, j in product(range(grid.ndim), repeat=2))
            total = total + np.exp(-0.5 * np.asarray(quadratic))
        return total

    norm = grid.cell_volume / np.sqrt(np.linalg.det(2.0 * np.pi * cov))
    return norm * _cell_averages(grid, shape_of, order=4 if grid.ndim < 4 else 2)


def _images(grid: Grid, axis: int, mean: float, std: float) -> Array:
    """Shifts of the images of a Gaussian that reach into the box of an axis; zero where it is not periodic."""
    if not grid.periodic(axis):
        return np.zeros(1)
    length = grid.upper[axis] - grid.lower[axis]
    first = np.floor((grid.lower[axis] - mean - IMAGES * std) / length)
    last = np.ceil((grid.upper[axis] - mean + IMAGES * std) / length)
    if last - first > MOST_IMAGES:
        raise DomainError(
            f"a standard deviation of {std:g} on a ring of {length:g} along {grid.names[axis]}: one up to about "
            f"{MOST_IMAGES / (2 * IMAGES) * length:.3g} is accepted; it is uniform long before"
        )
    return length * np.arange(first, last + 1.0)


def _beyond(grid: Grid, mu: Array, cov: Array) -> Array:
    """Share of a Gaussian beyond the lower and the upper wall of every axis, shape (ndim, 2)."""
    from scipy.special import ndtr

    std = np.sqrt(np.diag(cov))
    beyond = np.stack([ndtr((grid.lower - mu) / std), ndtr((mu - grid.upper) / std)], axis=1)
    beyond[[grid.periodic(axis) for axis in range(grid.ndim)]] = 0.0
    return np.asarray(beyond)


def _cell_averages(grid: Grid, function: Callable[..., ArrayLike], *, order: int) -> Array:
    """Gauss-Legendre average of a function over every cell, ``order`` nodes per axis."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    mesh = grid.mesh()
    values = np.zeros(grid.shape)
    for index in product(range(order), repeat=grid.ndim):
        points = [x + 0.5 * h * nodes[i] for x, h, i in zip(mesh, grid.spacing, index, strict=True)]
        found = real_array(answer(function, points, "function"), "function")
        if found.ndim > grid.ndim or any(
            n not in (1, m) for n, m in zip(found.shape[::-1], grid.shape[::-1], strict=False)
        ):
            raise DomainError(f"function answers shape {found.shape}: what broadcasts to {grid.shape} is accepted")
        values += np.prod(0.5 * weights[list(index)]) * found
    return values


def gaussian(grid: Grid, mean: ArrayLike, covariance: ArrayLike) -> Density:
    """Normal density ``N(mean, covariance)``, cut to the box (wrapped on a ring) and normalised to mass one.

    Parameters
    ----------
    grid : Grid
    mean : array_like, shape (ndim,) or scalar
    covariance : array_like
        A variance, one variance per axis, or a matrix (ndim, ndim).

    Raises
    ------
    DomainError
        If the covariance is not positive definite or the box holds less than half of the density.
    MemoryLimitError
        If arrays of the grid's size do not fit into the machine; so for all makers of densities.
    """
    _check_grid(grid, arrays=4)
    mu, cov = _mean(mean, grid), _covariance(covariance, grid.ndim)
    what = f"gaussian of mean {mu.tolist()}"
    check_inside(grid, _beyond(grid, mu, cov), what, becomes="cut")
    values = _gaussian_values(grid, mu, cov)
    check_place(grid, mu, np.sqrt(np.diag(cov)), values, what)
    return _normalized(grid, values)


def mixture(grid: Grid, weights: ArrayLike, means: Sequence[ArrayLike], covariances: Sequence[ArrayLike]) -> Density:
    """Mixture of normal densities with the given positive weights, normalised to mass one.

    Raises
    ------
    DomainError
        If numbers of weights, means and covariances differ, a weight is negative or not finite, or all are zero; and as
        for ``gaussian``.
    """
    w = np.atleast_1d(real_array(weights, "weights"))
    try:
        counts = [len(part) for part in (w, means, covariances)]
    except TypeError:
        raise DomainError(
            f"mixture of means {means!r} and covariances {covariances!r}: a sequence of each is accepted"
        ) from None
    if len(set(counts)) != 1 or not counts[0]:
        raise DomainError(
            "mixture of {} weights, {} means, {} covariances: equal numbers of them, at least one, are accepted".format(
                *counts
            )
        )
    if w.ndim != 1 or not (np.isfinite(w) & (w >= 0.0)).all() or not w.any():
        raise DomainError(f"mixture weights are {w.tolist()}: finite weights >= 0, not all zero, are accepted")
    _check_grid(grid, arrays=4 + len(w))
    parts = [(_mean(m, grid), _covariance(c, grid.ndim)) for m, c in zip(means, covariances, strict=True)]
    beyond = np.tensordot(w / w.sum(), np.stack([_beyond(grid, *part) for part in parts]), 1)
    check_inside(grid, beyond, "mixture", becomes="cut")
    values = [_gaussian_values(grid, *part) for part in parts]
    for k, ((mu, cov), found) in enumerate(zip(parts, values, strict=True)):
        check_place(grid, mu, np.sqrt(np.diag(cov)), found, f"component {k} of the mixture")
    return _normalized(grid, np.tensordot(w, values, 1))


def from_function(grid: Grid, function: Callable[..., ArrayLike], *, order: int = 2, normalize: bool = True) -> Density:
    """Density from a callable of the coordinates, averaged over cells with ``order`` Gauss-Legendre nodes per axis.

    Raises
    ------
    DomainError
        If the function does not take the coordinates as arrays, or its answer has a wrong shape, is negative or not
        finite (with the cell), or is zero everywhere.
    """
    _check_grid(grid, arrays=5)
    if not callable(function):
        raise DomainError(f"function is a {type(function).__name__}: a callable of the coordinates is accepted")
    order = whole_number(order, "order", least=1)
    values = _cell_averages(grid, function, order=order)
    return _normalized(grid, values) if normalize else Density(grid, values)


def from_samples(grid: Grid, samples: ArrayLike, *, weights: ArrayLike | None = None) -> Density:
    """Histogram density of samples (M, ndim); its mass is the share of the samples inside the box.

    Samples are wrapped around periodic axes.

    Raises
    ------
    DomainError
        If the samples have the wrong shape, are not finite, or more than half of their weight lies outside the box.
    """
    _check_grid(grid, arrays=4)
    x = real_array(samples, "samples")
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[1] != grid.ndim:
        raise DomainError(f"samples have shape {np.shape(samples)}: (M, {grid.ndim}) is accepted")
    if not np.isfinite(x).all():
        raise DomainError("samples are not all finite: remove diverged replicas and say how many")
    total = float(len(x))
    if weights is not None:
        w = real_array(weights, "weights")
        if w.shape != (len(x),) or not (np.isfinite(w) & (w >= 0.0)).all():
            raise DomainError(f"weights have shape {w.shape}: ({len(x)},) finite numbers >= 0 are accepted")
        total = float(w.sum())
    if not total > 0.0:
        raise DomainError("samples hold nothing: at least one, of positive weight, is accepted")
    x = _wrapped(grid, x)
    share = np.full(len(x), 1.0 / total) if weights is None else w / total
    outside = np.stack([share @ (x < grid.lower), share @ (x > grid.upper)], axis=1)
    check_inside(grid, outside, "samples", becomes="left out")
    counts, _ = np.histogramdd(x, bins=[np.asarray(e) for e in grid.edges], weights=weights)
    if len(x) and not np.ptp(x, axis=0).any():
        check_place(grid, x[0], np.zeros(grid.ndim), counts, "the point of all samples")
    return Density(grid, counts / (total * grid.cell_volume))


def _wrapped(grid: Grid, x: Array) -> Array:
    """Points with their images in the box along periodic axes."""
    around = [grid.periodic(axis) for axis in range(grid.ndim)]
    if not any(around):
        return x
    length = np.subtract(grid.upper, grid.lower)
    return np.where(around, x - length * np.floor((x - grid.lower) / length), x)


def _normalized(grid: Grid, values: Array) -> Density:
    with np.errstate(over="ignore"):
        total = float(values.sum())
    if not (0.0 < total < np.inf and values.min() >= 0.0):
        if not values.any():
            raise DomainError(f"the density is zero on the whole box {grid!r}")
        return Density(grid, values)  # refused: it says which value is negative or not finite, or that the mass is
    return Density(grid, values / (total * grid.cell_volume))
