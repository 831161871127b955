r"""Conditional closure from the joint law: exact averages over a Gaussian mixture, without any ensemble.

The joint law of all weights as a mixture (:mod:`fpsim.closures.joint`) knows ``E[f(partner) | W]`` in closed form:
given one matrix, every component is a Gaussian of the other, and both statistics of a partner are polynomials of degree
four at most. What follows is the same marginal as that of the mixture, by another route: finite volumes on a grid of
one matrix. It is a consistency check of both methods, not a prediction of its own: mixture and grid must agree within
their stated errors, and where they do not, one of them is wrong.

Errors: those of the mixture (noise, width); interpolation between nodes, O(spacing^2), and between the given times
(cubic for the drift, linear for the diffusion), which should resolve the relaxation. Limits: matrices of up to four
entries; for ``W2`` linear networks alone, since data averages under another activation are no polynomials of ``W1``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import distance_transform_edt

from fpsim.closures.ensemble_statistics import cubic_path, linear_path
from fpsim.closures.local_regression import Nodes, interpolate
from fpsim.closures.marginal_equation import Matrix, Partner, bottleneck_with, marginal_equation, other
from fpsim.density import GaussianMixture
from fpsim.equation import FokkerPlanck
from fpsim.support.checks import real_array, whole_number
from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError
from fpsim.support.threads import Team
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["conditional_of_mixture"]

NODES = {1: 256, 2: 96, 3: 24, 4: 12}
"""Nodes per axis by entries of the matrix."""
MOST_AXES = 4
DEGREE = 4
REACH = 6.0
"""Widths of a component beyond which it counts as zero."""
THIN = 1e-6
"""Density, relative to its highest, below which a node takes the averages of its nearest neighbour."""
CHUNKS = 8
"""Parts of the components that are added apart; part of the definition of the sum."""
POLYNOMIAL = 1e-8
"""Departure of a statistic from a polynomial, relative, that passes as rounding."""


class _Component(NamedTuple):
    """One mixture, split into the matrix itself (n) and its partner (q)."""

    weights: Array
    own: Array
    """Means (N, n)."""
    widths: Array
    """Standard deviations (N, n)."""
    inverse_roots: Array
    """``L^-1`` of the own covariance (N, n, n)."""
    heights: Array
    """``w / sqrt(det(2 pi C))`` (N,)."""
    partner: Array
    """Means (N, q)."""
    gains: Array
    """Regression of the partner on the matrix (N, q, n)."""
    covariances: Array
    """Conditional covariances of the partner (N, q, q)."""


def conditional_of_mixture(
    experiment: Experiment,
    matrix: Matrix,
    times: ArrayLike,
    mixtures: Sequence[GaussianMixture],
    *,
    nodes: int | None = None,
    threads: int | None = None,
) -> FokkerPlanck:
    """Equation of one matrix with the conditional averages of the joint law.

    Parameters
    ----------
    experiment : Experiment
        Bottleneck network with both matrices trained.
    matrix : {"W1", "W2"}
        Whose equation; coordinates are its entries in C order.
    times : array_like, shape (T,)
        Two or more, increasing; before the first and after the last the averages are held.
    mixtures : sequence of GaussianMixture
        Joint densities of all weights at these times, ``W1`` before ``W2``: ``densities`` of
        :func:`fpsim.evolution.evolve_mixture` under the equation of order ``sme1``, which is that of the closure.
    nodes : int, optional, keyword-only
        Nodes along each axis at which averages are taken; 256, 96, 24, 12 for one to four entries by default.
    threads : int, optional, keyword-only
        The result does not depend on it.

    Raises
    ------
    DomainError
        If times and mixtures do not fit each other or the network, the matrix has more than four entries, or the
        statistics of its partner are no polynomials (``W2`` of a network that is not linear).
    """
    landscape = bottleneck_with(experiment, matrix)
    shapes = experiment.network.shapes
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    when = np.atleast_1d(real_array(times, "times"))
    total = sum(sizes.values())
    if when.ndim != 1 or len(when) < 2 or len(when) != len(mixtures) or not (np.diff(when) > 0.0).all():
        raise DomainError(f"{len(mixtures)} mixtures at times {when.shape}: two or more, increasing, are accepted")
    if len(experiment.network.trained) != 2 or any(p.ndim != total for p in mixtures):
        raise DomainError(f"mixtures of {mixtures[0].ndim} coordinates: {total}, both matrices trained, are accepted")
    n, q = sizes[matrix], sizes[other(matrix)]
    if n > MOST_AXES:
        raise DomainError(f"{matrix} has {n} entries: up to {MOST_AXES} are accepted")
    first, second = landscape.statistics_of_partner(matrix)
    monomials = [index for order in range(DEGREE + 1) for index in combinations_with_replacement(range(q), order)]
    factors = [_as_polynomial(statistic, monomials, q, matrix) for statistic in (first, second)]
    own = list(range(n)) if matrix == "W1" else list(range(total - n, total))
    places = _nodes(mixtures, own, NODES[n] if nodes is None else whole_number(nodes, "nodes", least=2))
    found: tuple[list[Array], list[Array]] = ([], [])
    for mixture in mixtures:
        averages = _averages(mixture, own, places, monomials, threads)
        for (shape, factor), values in zip(factors, found, strict=True):
            values.append(np.tensordot(factor, averages, 1).reshape(*shape, *places.shape))
    drift_path, noise_path = cubic_path(when, np.stack(found[0])), linear_path(when, np.stack(found[1]))

    def first_at(mesh: Coordinates, t: float, _p: Any) -> Array:
        return interpolate(places, drift_path(t), mesh)

    def second_at(mesh: Coordinates, t: float, _p: Any) -> Array:
        return interpolate(places, noise_path(t), mesh)

    return marginal_equation(landscape, matrix, Partner(first_at, second_at, of_time=True))


def _as_polynomial(
    statistic: Any, monomials: list[tuple[int, ...]], q: int, matrix: Matrix
) -> tuple[tuple[int, ...], Array]:
    """Shape of a statistic and its coefficients (entries, monomials), from its values at random partners."""
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (4 * len(monomials), q))
    values = np.asarray(statistic(tuple(np.ascontiguousarray(points.T))))
    shape = values.shape[:-1]
    flat = values.reshape(-1, len(points)).T
    basis = _products(points, monomials)
    factor = np.linalg.lstsq(basis, flat, rcond=None)[0]
    if np.abs(basis @ factor - flat).max() > POLYNOMIAL * np.abs(flat).max():
        raise DomainError(
            f"matrix {matrix!r}: averages over data are no polynomials of {other(matrix)} under this activation; 'W1', "
            "or conditional(experiment, matrix, Ensemble(times, draws of the mixture)), is accepted"
        )
    return shape, factor.T


def _products(points: Array, monomials: list[tuple[int, ...]]) -> Array:
    return np.stack([np.prod(points[:, list(index)], axis=1) for index in monomials], axis=1)


def _nodes(mixtures: Sequence[GaussianMixture], own: list[int], count: int) -> Nodes:
    """Nodes around nearly everything that any of the mixtures holds."""
    low, high = np.full(len(own), np.inf), np.full(len(own), -np.inf)
    for mixture in mixtures:
        reach = 4.0 * np.sqrt(mixture.covariances[:, own, own])
        low = np.minimum(low, (mixture.means[:, own] - reach).min(axis=0))
        high = np.maximum(high, (mixture.means[:, own] + reach).max(axis=0))
    thin = 1e-6 * (1.0 + np.abs(high))
    return Nodes(tuple(np.linspace(a, b, count) for a, b in zip(low - thin, high + thin, strict=True)))


def _averages(
    mixture: GaussianMixture, own: list[int], nodes: Nodes, monomials: list[tuple[int, ...]], threads: int | None
) -> Array:
    """Conditional averages (monomials, *nodes) of products of the partner's entries."""
    split = _split(mixture, own, nodes)
    n = len(own)
    index = np.full((len(monomials), DEGREE), -1)
    for row, entries in enumerate(monomials):
        index[row, : len(entries)] = entries
    shape = (*nodes.shape, *(1,) * (MOST_AXES - n))
    lower = np.array([a[0] for a in nodes.axes])
    spacing = np.array([a[1] - a[0] for a in nodes.axes])
    sums = np.zeros((CHUNKS, len(monomials), *shape))
    bounds = np.arange(CHUNKS + 1) * mixture.size // CHUNKS

    def work(begin: int, end: int) -> None:
        for c in range(begin, end):
            _add(split, bounds[c], bounds[c + 1], index, lower, spacing, sums[c])

    with Team(threads) as team:
        team.share(work, CHUNKS)
    total = sums.sum(axis=0).reshape(len(monomials), *nodes.shape)
    thin = total[0] < THIN * total[0].max()
    averages = total / np.where(thin, 1.0, total[0])
    nearest = distance_transform_edt(thin, return_distances=False, return_indices=True)
    return np.asarray(averages[:, *nearest])


def _split(mixture: GaussianMixture, own: list[int], nodes: Nodes) -> _Component:
    """Parts of a mixture; a component narrower than half a spacing of the nodes is widened to that along its axis."""
    rest = [i for i in range(mixture.ndim) if i not in own]
    c = mixture.covariances
    inner = np.array(c[:, own][:, :, own])
    least = np.array([0.5 * (a[1] - a[0]) for a in nodes.axes]) ** 2
    axes = np.arange(len(own))
    inner[:, axes, axes] = np.maximum(inner[:, axes, axes], least)
    inner[:, axes, axes] *= 1.0 + 1e-9
    cross = c[:, rest][:, :, own]
    root = np.linalg.cholesky(inner)
    inverse = np.linalg.inv(root)
    gains = cross @ np.swapaxes(inverse, 1, 2) @ inverse
    covariances = c[:, rest][:, :, rest] - gains @ np.swapaxes(cross, 1, 2)
    heights = mixture.weights / np.prod(np.sqrt(2.0 * np.pi) * np.diagonal(root, axis1=1, axis2=2), axis=1)
    parts = (
        mixture.weights, mixture.means[:, own], np.sqrt(inner[:, axes, axes]), inverse, heights, mixture.means[:, rest],
        gains, covariances,
    )  # fmt: skip
    return _Component(*(np.ascontiguousarray(p) for p in parts))


@njit(cache=True, nogil=True, error_model="numpy")
def _add(split, begin, end, index, lower, spacing, out):  # type: ignore[no-untyped-def]
    """Add density times conditional moments of some components at the nodes that they reach."""
    n, q = split.own.shape[1], split.partner.shape[1]
    first, last = np.zeros(4, np.int64), np.ones(4, np.int64)
    delta, mean, node = np.zeros(4), np.empty(q), np.zeros(4, np.int64)
    for k in range(begin, end):
        for a in range(n):
            reach = REACH * split.widths[k, a]
            low, high = split.own[k, a] - reach, split.own[k, a] + reach
            first[a] = max(0, int(np.ceil((low - lower[a]) / spacing[a])))
            last[a] = min(out.shape[a + 1], int(np.floor((high - lower[a]) / spacing[a])) + 1)
        c = split.covariances[k]
        for i in range(first[0], last[0]):
            node[0] = i
            for j in range(first[1], last[1]):
                node[1] = j
                for r in range(first[2], last[2]):
                    node[2] = r
                    for s in range(first[3], last[3]):
                        node[3] = s
                        exponent = 0.0
                        for a in range(n):
                            delta[a] = lower[a] + node[a] * spacing[a] - split.own[k, a]
                            z = 0.0
                            for b in range(a + 1):
                                z += split.inverse_roots[k, a, b] * delta[b]
                            exponent += 0.5 * z * z
                        if exponent > 0.5 * REACH * REACH:
                            continue
                        height = split.heights[k] * np.exp(-exponent)
                        for a in range(q):
                            mean[a] = split.partner[k, a]
                            for b in range(n):
                                mean[a] += split.gains[k, a, b] * delta[b]
                        for row in range(index.shape[0]):
                            out[row, i, j, r, s] += height * _moment(index[row], mean, c)


@njit(cache=True, nogil=True, error_model="numpy")
def _moment(index, m, c):  # type: ignore[no-untyped-def]
    """``E[y_a y_b y_c y_d]`` of a Gaussian (Isserlis), of the entries that are there (others are -1)."""
    if index[0] < 0:
        return 1.0
    i = index[0]
    if index[1] < 0:
        return m[i]
    j = index[1]
    if index[2] < 0:
        return m[i] * m[j] + c[i, j]
    r = index[2]
    if index[3] < 0:
        return m[i] * m[j] * m[r] + m[i] * c[j, r] + m[j] * c[i, r] + m[r] * c[i, j]
    s = index[3]
    return (
        m[i] * m[j] * m[r] * m[s]
        + m[i] * m[j] * c[r, s] + m[i] * m[r] * c[j, s] + m[i] * m[s] * c[j, r]
        + m[j] * m[r] * c[i, s] + m[j] * m[s] * c[i, r] + m[r] * m[s] * c[i, j]
        + c[i, j] * c[r, s] + c[i, r] * c[j, s] + c[i, s] * c[j, r]
    )  # fmt: skip
