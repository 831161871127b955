"""The loss landscape of an experiment: gradient and mini-batch covariance of all weights of a bottleneck network.

Weights are the entries of the trained matrices, ``W1`` before ``W2``, each in C order. Exact for any data and
activation (:mod:`fpsim.theory.bottleneck.averages`); limits: two layers, constant learning rate where one is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fpsim.support.errors import DomainError
from fpsim.theory.bottleneck.averages import Averages, averages_of
from fpsim.theory.bottleneck.gradients import (
    cross_noise,
    decoder_factors,
    decoder_gradient,
    decoder_noise,
    encoder_gradient,
    encoder_noise,
    factor_products,
)
from fpsim.theory.scales import Scales, scales_of
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["BottleneckLandscape", "landscape_of"]


@dataclass(frozen=True, eq=False)
class BottleneckLandscape:
    """Gradient and covariance of ``L + weight_decay |W|^2 / 2`` (see :class:`fpsim.theory.Landscape`).

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
        """Number of weights, ``2 d k``."""
        return 2 * self.averages.d * self.averages.k

    def gradient(self, w: Array) -> Array:
        """``g`` (..., n) at weights (..., n)."""
        g = np.stack(np.broadcast_arrays(*self.gradient_on(_columns(w))), axis=-1)
        return g.reshape(w.shape)

    def covariance(self, w: Array) -> Array:
        """Mini-batch covariance ``S`` (..., n, n)."""
        rows = self.covariance_on(_columns(w))
        shape = (w.size // w.shape[-1],)
        s = np.stack([np.stack([np.broadcast_to(e, shape) for e in row], axis=-1) for row in rows], axis=-2)
        return s.reshape(*w.shape, w.shape[-1])

    def gradient_on(self, x: Coordinates) -> list[Array]:
        """Entries of ``g`` on an open mesh of all weights, of minimal broadcast shape."""
        d, k = self.averages.d, self.averages.k
        w1, w2 = x[: d * k], x[d * k :]
        theta = decoder_factors(w2, d, k)
        g = encoder_gradient(theta, self.averages.encoder(w1)) + decoder_gradient(w2, self.averages.decoder(w1))
        return (
            [gi + self.scales.weight_decay * wi for gi, wi in zip(g, x, strict=True)] if self.scales.weight_decay else g
        )

    def covariance_on(self, x: Coordinates) -> list[list[Array]]:
        """Entries of ``S`` on an open mesh of all weights, of minimal broadcast shape."""
        d, k = self.averages.d, self.averages.k
        n = d * k
        w1, w2 = x[:n], x[n:]
        theta = decoder_factors(w2, d, k)
        s11 = encoder_noise(factor_products(theta), self.averages.encoder_covariance(w1))
        s22 = decoder_noise(w2, self.averages.decoder_covariance(w1))
        s12 = cross_noise(theta, w2, self.averages.cross_covariance(w1))
        upper = [row + s12[i] for i, row in enumerate(s11)]
        lower = [[s12[i][j] for i in range(n)] + row for j, row in enumerate(s22)]
        s = [[self.scales.batch_factor * entry for entry in row] for row in upper + lower]
        if self.scales.label_variance:
            label = self._label_noise(w1, w2, theta)
            s = [
                [entry + self.scales.label_variance * more for entry, more in zip(*rows, strict=True)]
                for rows in zip(s, label, strict=True)
            ]
        return s

    def _label_noise(self, w1: Coordinates, w2: Coordinates, theta: Array) -> list[list[Array | float]]:
        """``E_x[J^T J]``: ``G_jl E[phi'_j x_b phi'_l x_c]``, ``delta_ac E[h_j h_l]``, ``W2_cj E[phi'_j x_b h_l]``."""
        d, k = self.averages.d, self.averages.k
        slopes, encoder, decoder = self.averages.slopes(w1), self.averages.encoder(w1), self.averages.decoder(w1)
        one = [(j, b) for j in range(k) for b in range(d)]
        two = [(a, j) for a in range(d) for j in range(k)]
        rows: list[list[Array | float]] = []
        for j, b in one:
            left = [theta[j, m] * slopes[j, b, m, c] for m, c in one]
            rows.append([*left, *(w2[c * k + j] * encoder[m, j, b] for c, m in two)])
        for a, j in two:
            left = [w2[a * k + m] * encoder[j, m, c] for m, c in one]
            rows.append([*left, *(decoder[j, m] if a == c else 0.0 for c, m in two)])
        return rows


def landscape_of(experiment: Experiment) -> BottleneckLandscape:
    """Landscape of an experiment whose two matrices are both trained.

    Raises
    ------
    DomainError
        If the network is not a bottleneck of two trained matrices.
    """
    averages = averages_of(experiment)
    if len(experiment.network.trained) != 2:
        raise DomainError(f"landscape: only {experiment.network.trained[0]} is trained; W1 and W2 are accepted")
    return BottleneckLandscape(averages, scales_of(experiment))


def _columns(w: Array) -> Coordinates:
    """Weights (..., n) as n arrays of all points in a row."""
    return tuple(np.ascontiguousarray(w.reshape(-1, w.shape[-1]).T))
