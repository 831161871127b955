"""Landscape of the bottleneck network ``f(x) = W2 phi(W1 x)``: gradients and covariances of both matrices, or of one.

Weights are the entries of the matrices, ``W1`` before ``W2``, each in C order; the loss is ``L + weight_decay |W|^2 /
2``. The decoder enters the encoder's equation through two statistics only, and the encoder the decoder's
(:mod:`fpsim.theory.bottleneck.averages`): closures of one matrix replace these, and this is why they serve this network
and no other. Exact for any data and activation. Limits: two layers, a linear output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from fpsim.support.errors import DomainError
from fpsim.theory.bottleneck.averages import Averages, averages_of
from fpsim.theory.bottleneck.gradients import (
    Rows,
    cross_covariance,
    decoder_covariance,
    decoder_factors,
    decoder_gradient,
    encoder_covariance,
    encoder_gradient,
    factor_products,
)
from fpsim.theory.scales import Scales, scales_of
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["BottleneckLandscape", "Matrix", "bottleneck_of", "landscape_of"]

Matrix = Literal["W1", "W2"]
Statistics: TypeAlias = tuple[Callable[[Coordinates], Array], Callable[[Coordinates], Array]]


@dataclass(frozen=True, eq=False)
class BottleneckLandscape:
    """Gradient and covariance of a bottleneck network (a :class:`fpsim.theory.MeshLandscape`).

    Attributes
    ----------
    averages : Averages
        Averages over the data.
    scales : Scales
        Batch factor, label noise and weight decay.
    """

    averages: Averages
    scales: Scales

    @property
    def size(self) -> int:
        """Number of weights, ``n = 2 d k``."""
        return 2 * self.averages.d * self.averages.k

    def gradient(self, w: Array) -> Array:
        """``g`` (..., n) at weights (..., n)."""
        g = np.stack(np.broadcast_arrays(*self.gradient_on(_columns(w))), axis=-1)
        return g.reshape(w.shape)

    def covariance(self, w: Array) -> Array:
        """Mini-batch covariance ``S`` (..., n, n) at weights (..., n)."""
        rows = self.covariance_on(_columns(w))
        shape = (w.size // w.shape[-1],)
        s = np.stack([np.stack([np.broadcast_to(e, shape) for e in row], axis=-1) for row in rows], axis=-2)
        return s.reshape(*w.shape, w.shape[-1])

    def gradient_on(self, x: Coordinates) -> list[Array]:
        """Entries of ``g`` on an open mesh of all weights, of minimal shape."""
        w1, w2 = self._matrices(x)
        theta = decoder_factors(w2, self.averages.d, self.averages.k)
        return self.gradient_of("W1", w1, theta) + self.gradient_of("W2", w2, self.averages.decoder(w1))

    def covariance_on(self, x: Coordinates) -> Rows:
        """Entries of ``S`` on an open mesh of all weights, of minimal shape."""
        w1, w2 = self._matrices(x)
        theta, decoder = decoder_factors(w2, self.averages.d, self.averages.k), self.averages.decoder(w1)
        s11 = self.covariance_of("W1", w1, theta, factor_products(theta))
        s22 = self.covariance_of("W2", w2, decoder, self.averages.decoder_covariance(w1))
        s12 = self._cross_covariance(w1, w2, theta)
        return [row + s12[i] for i, row in enumerate(s11)] + [
            [s12[i][j] for i in range(len(w1))] + row for j, row in enumerate(s22)
        ]

    # --- one matrix, given statistics of the other -------------------------------------------------------------------

    def statistics_of_partner(self, matrix: Matrix) -> Statistics:
        """The two statistics of the other matrix on which the equation of ``matrix`` depends, as functions of it.

        For ``W1``: ``Theta(W2)`` (k, R, ...) and ``Theta Theta`` (k, R, k, R, ...), ``Theta = (W2^T W2, W2^T)``; for
        ``W2``: ``E_x[z_r h_j](W1)`` (R, k, ...) and ``Cov_x(z_r h_j, z_s h_l)`` (R, k, R, k, ...).
        """
        d, k = self.averages.d, self.averages.k
        if matrix == "W1":
            return lambda w2: decoder_factors(w2, d, k), lambda w2: factor_products(decoder_factors(w2, d, k))
        return self.averages.decoder, self.averages.decoder_covariance

    def gradient_of(self, matrix: Matrix, w: Coordinates, first: Array) -> list[Array]:
        """Entries of the gradient of one matrix, given the partner's first statistic."""
        g = encoder_gradient(first, self.averages.encoder(w)) if matrix == "W1" else decoder_gradient(w, first)
        decay = self.scales.weight_decay
        return [gi + decay * wi for gi, wi in zip(g, w, strict=True)] if decay else g

    def covariance_of(self, matrix: Matrix, w: Coordinates, first: Array, second: Array) -> Rows:
        """Entries of the mini-batch covariance of one matrix, given both statistics of its partner."""
        if matrix == "W1":
            sigma = encoder_covariance(second, self.averages.encoder_covariance(w))
        else:
            sigma = decoder_covariance(w, second)
        return self._with_label_noise(sigma, lambda: self._label_noise_of(matrix, w, first))

    # --- parts -------------------------------------------------------------------------------------------------------

    def _matrices(self, x: Coordinates) -> tuple[Coordinates, Coordinates]:
        n = self.averages.d * self.averages.k
        return x[:n], x[n:]

    def _with_label_noise(self, sigma: Rows, label_noise: Callable[[], Rows]) -> Rows:
        """``S = c_B Sigma + (label variance) E_x[J^T J]``."""
        s = [[self.scales.batch_factor * entry for entry in row] for row in sigma]
        if not self.scales.label_variance:
            return s
        return [
            [entry + self.scales.label_variance * more for entry, more in zip(*rows, strict=True)]
            for rows in zip(s, label_noise(), strict=True)
        ]

    def _label_noise_of(self, matrix: Matrix, w: Coordinates, first: Array) -> Rows:
        """``E_x[J^T J]``: ``(W2^T W2)_jl E[phi'_j x_b phi'_l x_c]`` for ``W1``, ``delta_ac E[h_j h_l]`` for ``W2``."""
        encoder, decoder = self._entries
        if matrix == "W1":
            slopes = self.averages.slopes(w)
            return [[first[j, m] * slopes[j, b, m, c] for m, c in encoder] for j, b in encoder]
        nothing = np.zeros((1,) * (first.ndim - 2))
        return [[first[j, m] if a == c else nothing for c, m in decoder] for a, j in decoder]

    def _cross_covariance(self, w1: Coordinates, w2: Coordinates, theta: Array) -> Rows:
        """``S12``; its label noise is ``W2_cj E[phi'_j x_b h_l]``."""
        encoder, decoder = self._entries

        def label_noise() -> Rows:
            features = self.averages.encoder(w1)
            return [[w2[c * self.averages.k + j] * features[m, j, b] for c, m in decoder] for j, b in encoder]

        return self._with_label_noise(cross_covariance(theta, w2, self.averages.cross_covariance(w1)), label_noise)

    @property
    def _entries(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Indices (j, b) of ``W1`` and (a, j) of ``W2`` in C order."""
        d, k = range(self.averages.d), range(self.averages.k)
        return [(j, b) for j in k for b in d], [(a, j) for a in d for j in k]


def bottleneck_of(experiment: Experiment) -> BottleneckLandscape:
    """Landscape of an experiment with a bottleneck network, of which one matrix may be frozen.

    Raises
    ------
    DomainError
        If the network is not two matrices around a bottleneck with a linear output.
    """
    return BottleneckLandscape(averages_of(experiment), scales_of(experiment))


def landscape_of(experiment: Experiment) -> BottleneckLandscape:
    """Landscape of all weights of an experiment.

    Raises
    ------
    DomainError
        If the network is not a bottleneck of two trained matrices.
    """
    landscape = bottleneck_of(experiment)
    if len(experiment.network.trained) != 2:
        raise DomainError(f"landscape: only {experiment.network.trained[0]} is trained; W1 and W2 are accepted")
    return landscape


def _columns(w: Array) -> Coordinates:
    """Weights (..., n) as n arrays of all points in a row."""
    return tuple(np.ascontiguousarray(w.reshape(-1, w.shape[-1]).T))
