r"""Gaussian mixtures: probability densities in any number of dimensions.

    p(x) = sum_k w_k N(x; m_k, C_k),    w_k >= 0,  sum_k w_k = 1.

What holds: arrays are read-only and checked once; mean, covariance, moments up to order four, marginals, conditionals,
densities, scores and samples are those of the sum, without a grid. Limits: a density is smooth, so that log density and
score need positive definite covariances (a component of zero width is a point: it has moments and samples, no density);
marginals on a grid are for one or two coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density.density import Density
from fpsim.density.gaussian_mixture.evaluation import Blocks, blocks_of, log_density_and_score
from fpsim.density.gaussian_mixture.marginal import grid_averages
from fpsim.density.grid import Grid
from fpsim.density.placement import check_inside, check_place
from fpsim.support.checks import real_array, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable
from fpsim.support.memory import check_memory
from fpsim.support.random_streams import RNG, numpy_generator

__all__ = ["GaussianMixture"]

Array = NDArray[np.float64]
Axis = int | str

SUM_ERROR = 1e-9
"""Weights may miss one by so much; they are divided by their sum."""
NEGATIVE = 1e-9
"""Negative eigenvalues of a covariance that pass as rounding, relative to its trace."""


@dataclass(frozen=True, eq=False)
class GaussianMixture(Immutable):
    """A sum of ``N`` Gaussians in ``n`` dimensions; see the module's docstring.

    Parameters
    ----------
    weights : array_like, shape (N,)
        Nonnegative, of sum one.
    means : array_like, shape (N, n)
    covariances : array_like, shape (N, n, n)
        Symmetric, positive semidefinite; one (n, n) serves all components.
    names : tuple of str, optional
        Names of the coordinates; ``x0, x1, ...`` by default.

    Raises
    ------
    DomainError
        If shapes disagree, a number is not finite, a weight is negative, weights do not add up to one, or a covariance
        is not symmetric or not positive semidefinite (which one).

    Examples
    --------
    >>> pair = GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], 0.25 * np.eye(2))
    >>> pair.covariance.tolist()
    [[1.25, 0.0], [0.0, 0.25]]
    """

    weights: Array
    means: Array
    covariances: Array
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        weights, means = real_array(self.weights, "weights"), real_array(self.means, "means")
        covariances = real_array(self.covariances, "covariances")
        if means.ndim != 2 or not means.size or weights.shape != means.shape[:1]:
            raise DomainError(
                f"mixture of weights {weights.shape} and means {means.shape}: (N,) and (N, n), N, n >= 1, are accepted"
            )
        count, n = means.shape
        if covariances.shape not in ((n, n), (count, n, n)):
            raise DomainError(f"covariances have shape {covariances.shape}: {(count, n, n)} or {(n, n)} is accepted")
        for what, array in (("weight", weights), ("mean", means), ("covariance", covariances)):
            if not np.isfinite(array).all():
                where = np.argwhere(~np.isfinite(array))[0].tolist()
                raise DomainError(f"{what} {where} is {array[tuple(where)]}: finite numbers are accepted")
        if weights.min() < 0.0 or abs(weights.sum() - 1.0) > SUM_ERROR:
            raise DomainError(
                f"weights from {weights.min():.3g} add up to {weights.sum():.9g}: nonnegative ones of sum 1 "
                "are accepted"
            )
        _check_covariances(np.atleast_3d(covariances).reshape(-1, n, n))
        names = tuple(self.names) or tuple(f"x{i}" for i in range(n))
        if not len(names) == len(set(names)) == n or not all(isinstance(name, str) and name for name in names):
            raise DomainError(f"names {self.names!r}: {n} different names (strings, none empty) are accepted")
        self._take(weights / weights.sum(), means, covariances, names)

    def _take(self, weights: Array, means: Array, covariances: Array, names: tuple[str, ...]) -> None:
        whole = (len(means), means.shape[1], means.shape[1])
        parts = (("weights", weights), ("means", means), ("covariances", np.broadcast_to(covariances, whole)))
        for key, given in parts:
            array = np.array(given, dtype=np.float64, order="C")
            array.setflags(write=False)
            object.__setattr__(self, key, array)
        object.__setattr__(self, "names", names)

    @classmethod
    def gaussian(cls, mean: ArrayLike, covariance: ArrayLike, *, names: Sequence[str] = ()) -> GaussianMixture:
        """One Gaussian, with mean (n,) and covariance (n, n); a number or (n,) is a diagonal."""
        centre = np.atleast_1d(real_array(mean, "mean"))
        spread = real_array(covariance, "covariance")
        if spread.ndim < 2:
            spread = np.diag(np.broadcast_to(spread, centre.shape))
        return cls(np.ones(1), centre[None], spread, tuple(names))

    @property
    def ndim(self) -> int:
        """Number of coordinates."""
        return int(self.means.shape[1])

    @property
    def size(self) -> int:
        """Number of components."""
        return int(self.means.shape[0])

    @cached_property
    def mean(self) -> Array:
        """Mean, shape (n,)."""
        return _read_only(self.weights @ self.means)

    @cached_property
    def covariance(self) -> Array:
        """Covariance, shape (n, n)."""
        delta = self.means - self.mean
        within = np.tensordot(self.weights, self.covariances, 1)
        return _read_only(within + (self.weights[:, None] * delta).T @ delta)

    @property
    def std(self) -> Array:
        """Standard deviation of each coordinate, shape (n,)."""
        return np.sqrt(np.diag(self.covariance))

    def moment(self, *axes: Axis) -> float:
        """``E[x_i x_j ...]`` about zero of one to four coordinates, which may repeat (Isserlis)."""
        index = [self._axis(a) for a in axes]
        if not 1 <= len(index) <= 4:
            raise DomainError(f"moment of {len(index)} coordinates: one to four are accepted")
        m, c = [self.means[:, i] for i in index], self.covariances
        value = np.prod(m, axis=0)
        for i in range(len(index)):
            for j in range(i):
                others = [m[r] for r in range(len(index)) if r not in (i, j)]
                value = value + c[:, index[i], index[j]] * (np.prod(others, axis=0) if others else 1.0)
        if len(index) == 4:
            for (a, b), (r, s) in (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))):
                value = value + c[:, index[a], index[b]] * c[:, index[r], index[s]]
        return float(self.weights @ value)

    def log_density(self, points: ArrayLike, *, threads: int | None = None) -> Array:
        """``ln p`` at points (M, n), shape (M,).

        Raises
        ------
        DomainError
            If points do not fit, or a component has no width along some direction.
        """
        return log_density_and_score(self._blocks, self._places(points), score=False, threads=threads)[0]

    def score(self, points: ArrayLike, *, threads: int | None = None) -> Array:
        """``grad ln p`` at points (M, n), shape (M, n)."""
        return log_density_and_score(self._blocks, self._places(points), score=True, threads=threads)[1]

    def sample(self, size: int, *, rng: RNG = None) -> Array:
        """Samples (size, n): as many from every component as its weight asks, in random order.

        Counts of components are systematic (Kitagawa 1996), so that up to ``size`` components each is drawn about
        ``size w_k`` times: statistics of a sample are better than those of independent ones, and its members are not
        independent beyond the number of components.
        """
        size = whole_number(size, "size", least=0)
        check_memory(24.0 * size * self.ndim, f"{size} samples", "take fewer")
        gen = numpy_generator(rng)
        ends = np.cumsum(self.weights)
        which = np.minimum(np.searchsorted(ends, (np.arange(size) + gen.random()) / max(size, 1)), self.size - 1)
        which = gen.permutation(which)
        normal = gen.standard_normal((size, self.ndim))
        return self.means[which] + np.einsum("mij,mj->mi", self._roots[which], normal)

    def marginal(self, *axes: Axis) -> GaussianMixture:
        """Mixture of some coordinates, in the order given."""
        index = self._axes(axes)
        return self._made(self.weights, self.means[:, index], self._part(index, index), index)

    def on_grid(self, grid: Grid, *axes: Axis, threads: int | None = None) -> Density:
        """Density of one or two coordinates on a grid: cell averages.

        Parameters
        ----------
        grid : Grid
            Of one or two dimensions; mass outside it is left out, and a warning says how much if it is more than a
            thousandth.
        *axes : int or str
            Coordinates, one for each axis of the grid; those that the grid names by default.
        threads : int, optional, keyword-only

        Raises
        ------
        DomainError
            If the grid has other dimensions than one or two, or less than half of the mass lies in it.
        """
        index = self._axes(axes or grid.names)
        if grid.ndim > 2 or len(index) != grid.ndim:
            raise DomainError(
                f"{len(index)} coordinates on a grid of {grid.ndim} dimensions: one or two of each are accepted"
            )
        means, covariances = np.ascontiguousarray(self.means[:, index]), np.ascontiguousarray(self._part(index, index))
        check_inside(grid, self._beyond(grid, means, covariances), "mixture", becomes="left out")
        values = grid_averages(self.weights, means, covariances, grid, threads=threads)
        inside = Density(grid, values)
        if self.size == 1:
            check_place(
                grid, means[0], np.sqrt(np.diag(covariances[0])), values, f"gaussian of mean {means[0].tolist()}"
            )
        return inside

    def _beyond(self, grid: Grid, means: Array, covariances: Array) -> Array:
        """Share of the mass beyond the lower and the upper wall of every axis of a grid, shape (ndim, 2)."""
        from scipy.special import ndtr

        std = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 1e-300))
        beyond = [self.weights @ ndtr((grid.lower - means) / std), self.weights @ ndtr((means - grid.upper) / std)]
        return np.stack(beyond, axis=1)

    def conditional(self, known: Mapping[Axis, float]) -> GaussianMixture:
        """Mixture of the other coordinates, given the values of some.

        Raises
        ------
        DomainError
            If a coordinate is unknown, all are given, or the values lie where the density vanishes.
        """
        given = self._axes(tuple(known))
        rest = [i for i in range(self.ndim) if i not in given]
        if not rest:
            raise DomainError("conditional on all coordinates: some must be left")
        value = real_array(list(known.values()), "known values")
        log_weight, means, covariances = self._given(given, rest, value[None])
        top = log_weight.max()
        if not np.isfinite(top):
            raise DomainError(f"the density vanishes at {dict(known)}: values where it is positive are accepted")
        weight = np.exp(log_weight[0] - top)
        return self._made(weight / weight.sum(), means[0], covariances, rest)

    def conditional_moments(self, points: ArrayLike, *axes: Axis) -> tuple[Array, Array]:
        """Mean (M, r) and covariance (M, r, r) of the other ``r`` coordinates, given values (M, len(axes)) of some.

        Where no component reaches, the nearest one (in its own widths) counts.
        """
        given = self._axes(axes)
        rest = [i for i in range(self.ndim) if i not in given]
        x = np.atleast_2d(real_array(points, "points"))
        if x.shape[1:] != (len(given),) or not rest:
            raise DomainError(f"points have shape {x.shape}: (M, {len(given)}) is accepted, with coordinates left over")
        mean, covariance = np.empty((len(x), len(rest))), np.empty((len(x), len(rest), len(rest)))
        rows = max(1, 2**22 // (self.size * len(rest)))
        for begin in range(0, len(x), rows):
            part = slice(begin, begin + rows)
            log_weight, means, covariances = self._given(given, rest, x[part])
            weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
            weight /= weight.sum(axis=1, keepdims=True)
            mean[part] = np.einsum("mk,mki->mi", weight, means)
            delta = means - mean[part, None]
            covariance[part] = np.tensordot(weight, covariances, 1) + np.einsum(
                "mk,mki,mkj->mij", weight, delta, delta, optimize=True
            )
        return mean, covariance

    def transformed(self, matrix: ArrayLike) -> GaussianMixture:
        """Mixture of ``A x`` for a square matrix ``A``, with the same names."""
        a = real_array(matrix, "matrix")
        return self._made(self.weights, self.means @ a.T, a @ self.covariances @ a.T, list(range(self.ndim)))

    def symmetrised(self, group: Array) -> GaussianMixture:
        """Average over a finite group of matrices (G, n, n): ``G`` times as many components."""
        if len(group) == 1:
            return self
        means = np.concatenate([self.means @ a.T for a in group])
        covariances = np.concatenate([a @ self.covariances @ a.T for a in group])
        weights = np.tile(self.weights / len(group), len(group))
        return self._made(weights, means, covariances, list(range(self.ndim)))

    @classmethod
    def of_arrays(cls, weights: Array, means: Array, covariances: Array, names: tuple[str, ...]) -> GaussianMixture:
        """A mixture of arrays that are known to be one: nothing is checked."""
        out = object.__new__(cls)
        out._take(weights, means, covariances, names)
        return out

    def _made(self, weights: Array, means: Array, covariances: Array, index: Sequence[int]) -> GaussianMixture:
        return self.of_arrays(weights, means, covariances, tuple(self.names[i] for i in index))

    def _part(self, rows: list[int], columns: list[int]) -> Array:
        """Blocks (N, rows, columns) of the covariances."""
        return np.ascontiguousarray(self.covariances[:, rows][:, :, columns])

    def _given(self, given: list[int], rest: list[int], x: Array) -> tuple[Array, Array, Array]:
        """Log weights (M, N), means (M, N, r) and covariances (N, r, r) given coordinates ``x`` (M, g)."""
        inner = self._part(given, given)
        cross = self._part(rest, given)
        try:
            root = np.linalg.cholesky(inner)
        except np.linalg.LinAlgError:
            raise self._no_width() from None
        inverse = np.linalg.inv(root)
        gain = cross @ np.swapaxes(inverse, 1, 2) @ inverse
        delta = x[:, None] - self.means[:, given]
        z = np.einsum("kij,mkj->mki", inverse, delta)
        with np.errstate(divide="ignore"):
            height = np.log(self.weights) - np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
        means = self.means[:, rest] + np.einsum("kij,mkj->mki", gain, delta)
        covariances = self._part(rest, rest) - gain @ np.swapaxes(cross, 1, 2)
        return height - 0.5 * (z * z).sum(axis=2), means, covariances

    @cached_property
    def _blocks(self) -> Blocks:
        try:
            return blocks_of(self.weights, self.means, self.covariances)
        except np.linalg.LinAlgError:
            raise self._no_width() from None

    @cached_property
    def _roots(self) -> Array:
        """Symmetric roots of the covariances."""
        values, vectors = np.linalg.eigh(self.covariances)
        return (vectors * np.sqrt(np.maximum(values, 0.0))[:, None]) @ np.swapaxes(vectors, 1, 2)

    def _no_width(self) -> DomainError:
        narrow = int(np.linalg.eigvalsh(self.covariances)[:, 0].argmin())
        return DomainError(
            f"component {narrow} has no width along some direction, so that there is no density: positive definite "
            "covariances are accepted"
        )

    def _places(self, points: ArrayLike) -> Array:
        x = np.ascontiguousarray(np.atleast_2d(real_array(points, "points")))
        if x.ndim != 2 or x.shape[1] != self.ndim or not np.isfinite(x).all():
            raise DomainError(f"points have shape {np.shape(points)}: finite ones, (M, {self.ndim}), are accepted")
        return x

    def _axis(self, axis: Axis) -> int:
        if isinstance(axis, str) and axis in self.names:
            return self.names.index(axis)
        if not isinstance(axis, str) and -self.ndim <= axis < self.ndim:
            return int(axis) % self.ndim
        raise DomainError(f"coordinate {axis!r}: 0 to {self.ndim - 1}, or {', '.join(self.names)}, are accepted")

    def _axes(self, axes: Sequence[Axis]) -> list[int]:
        index = [self._axis(a) for a in axes]
        if not index or len(set(index)) != len(index):
            raise DomainError(f"coordinates {tuple(axes)}: different ones, at least one, are accepted")
        return index

    def __repr__(self) -> str:
        return f"GaussianMixture({self.size} components, {self.ndim} dimensions: {', '.join(self.names)})"


def _check_covariances(covariances: Array) -> None:
    asymmetry = np.abs(covariances - np.swapaxes(covariances, 1, 2)).max(axis=(1, 2))
    scale = np.trace(covariances, axis1=1, axis2=2)
    if (asymmetry > NEGATIVE * np.abs(scale)).any():
        raise DomainError(f"covariance {int(asymmetry.argmax())} is not symmetric: symmetric matrices are accepted")
    lowest = np.linalg.eigvalsh(covariances)[:, 0]
    if (lowest < -NEGATIVE * np.abs(scale)).any() or scale.min() < 0.0:
        k = int((lowest + NEGATIVE * np.abs(scale)).argmin())
        raise DomainError(f"covariance {k} has the eigenvalue {lowest[k]:.3g}: none below zero is accepted")


def _read_only(array: Array) -> Array:
    array.setflags(write=False)
    return array
