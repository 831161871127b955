"""Averages of a network with any activation: exact sums over the training set, or Gauss-Hermite quadrature.

One pass over the samples per weight gives all first and second moments of the features ``z_r phi'_j x_b``, ``z_r
h_j`` and ``phi'_j x_b``; their number grows as ``((k + d) k (d + 1))^2 / 2``, so the widths should be small (they
are those of the bottleneck). Sums run over samples in lanes of fixed length: the same bits for any number of
threads. Limit: Gauss-Hermite needs ``32^d`` nodes and is meant for ``d <= 3``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fpsim.datasets import Dataset
from fpsim.network import activation
from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError
from fpsim.support.threads import Team
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.datasets import GaussianPopulation

__all__ = ["SampleAverages"]

LANES = 64
"""Partial sums per moment; part of the definition of every sum, so never tuned to the machine."""
ROWS = 64
"""Weights at once: their hidden values stay near the processor."""


@dataclass(frozen=True, eq=False)
class SampleAverages:
    """See :class:`fpsim.theory.bottleneck.averages.Averages`.

    Attributes
    ----------
    data : Dataset or GaussianPopulation
        Samples, or a population integrated by quadrature.
    k : int
        Width of the bottleneck.
    activation : str
        Name of phi.

    Raises
    ------
    DomainError
        If a population has more than three components.
    """

    data: Dataset | GaussianPopulation
    k: int
    activation: str

    @property
    def d(self) -> int:
        """Width of the data."""
        return self.data.dimension

    @property
    def closed_form(self) -> bool:
        """Every weight needs a pass over the samples."""
        return False

    @cached_property
    def _samples(self) -> tuple[Array, Array]:
        """Samples (d, N) and weights (N,), padded with weight zero to whole lanes."""
        if isinstance(self.data, Dataset):
            x = self.data.x
            weight = np.full(len(x), 1.0 / len(x))
        else:
            if self.d > 3:
                raise DomainError(
                    f"a Gaussian population of {self.d} components under a nonlinear network; 1 to 3 are accepted"
                )
            x, weight = self.data.quadrature()
        pad = -len(x) % LANES
        return (
            np.ascontiguousarray(np.pad(x, ((0, pad), (0, 0))).T),
            np.pad(weight, (0, pad)),
        )

    def encoder(self, w1: Coordinates) -> Array:
        """``E[z_r phi'_j x_b]``."""
        first, _ = self._sums(w1, encoder=True, products=False)
        return first.reshape(self.k + self.d, self.k, self.d, *first.shape[1:])

    def decoder(self, w1: Coordinates) -> Array:
        """``E[z_r h_j]``."""
        first, _ = self._sums(w1, decoder=True, products=False)
        return first.reshape(self.k + self.d, self.k, *first.shape[1:])

    def encoder_covariance(self, w1: Coordinates) -> Array:
        """Covariance of ``z_r phi'_j x_b``."""
        covariance = _covariance(*self._sums(w1, encoder=True))
        return covariance.reshape(*(self.k + self.d, self.k, self.d) * 2, *covariance.shape[2:])

    def decoder_covariance(self, w1: Coordinates) -> Array:
        """Covariance of ``z_r h_j``."""
        covariance = _covariance(*self._sums(w1, decoder=True))
        return covariance.reshape(*(self.k + self.d, self.k) * 2, *covariance.shape[2:])

    def cross_covariance(self, w1: Coordinates) -> Array:
        """Covariance of ``z_r phi'_j x_b`` with ``z_s h_l``."""
        r, k, d = self.k + self.d, self.k, self.d
        covariance = _covariance(*self._sums(w1, encoder=True, decoder=True))[: r * k * d, r * k * d :]
        return covariance.reshape(r, k, d, r, k, *covariance.shape[2:])

    def slopes(self, w1: Coordinates) -> Array:
        """``E[phi'_j x_b phi'_l x_c]``."""
        _, second = self._sums(w1, slopes=True)
        return second.reshape(*(self.k, self.d) * 2, *second.shape[2:])

    def _sums(
        self,
        w1: Coordinates,
        *,
        encoder: bool = False,
        decoder: bool = False,
        slopes: bool = False,
        products: bool = True,
    ) -> tuple[Array, Array]:
        """First (F, ...) and second (F, F, ...) moments of the named features."""
        x, weight = self._samples
        k, d = self.k, self.d
        shape = np.broadcast_shapes(*(w.shape for w in w1))
        points = np.stack([np.broadcast_to(w, shape).ravel() for w in w1], axis=-1).reshape(-1, k, d)
        count = encoder * (k + d) * k * d + decoder * (k + d) * k + slopes * k * d
        first = np.empty((len(points), count))
        second = np.empty((len(points), count, count) if products else (0, 0, 0))
        phi = activation(self.activation)

        def work(_part: int, begin: int, end: int) -> None:
            for start in range(begin, end, ROWS):
                rows = slice(start, min(start + ROWS, end))
                z = points[rows] @ x
                hidden, slope = phi.function(z), phi.derivative(z)
                _accumulate(hidden, slope, x, weight, encoder, decoder, slopes, products, first[rows], second[rows])

        with Team() as team:
            team.run(work, len(points), len(points) * weight.size)
        return (
            np.ascontiguousarray(first.T).reshape(count, *shape),
            np.ascontiguousarray(np.moveaxis(second, 0, -1)).reshape(*second.shape[1:], *shape) if products else second,
        )


def _covariance(first: Array, second: Array) -> Array:
    return second - first[:, None] * first[None]


@njit(cache=True)
def _multiply(a, b, out):  # type: ignore[no-untyped-def]
    for n in range(LANES):
        out[n] = a[n] * b[n]


@njit(cache=True)
def _features(z, slope, x, encoder, decoder, out):  # type: ignore[no-untyped-def]
    """Features of ``LANES`` samples, (F, LANES), from ``z`` (R, LANES), ``phi'`` (k, LANES), ``x`` (d, LANES)."""
    k, d = slope.shape[0], x.shape[0]
    sx = out[out.shape[0] - k * d :]  # the last rows hold phi' x, wanted or not
    for j in range(k):
        for b in range(d):
            _multiply(slope[j], x[b], sx[j * d + b])
    i = 0
    if encoder:
        for r in range(k + d):
            for m in range(k * d):
                _multiply(z[r], sx[m], out[i])
                i += 1
    if decoder:
        for r in range(k + d):
            for j in range(k):
                _multiply(z[r], z[j], out[i])
                i += 1


@njit(cache=True, nogil=True)
def _accumulate(  # type: ignore[no-untyped-def]
    hidden, slope, x, weight, encoder, decoder, slopes, products, first, second
):
    """Weighted first and second moments of the features at every weight."""
    count, k, d = first.shape[1], hidden.shape[1], x.shape[0]
    f = np.empty((count + (0 if slopes else k * d), LANES))
    z = np.empty((k + d, LANES))
    g = np.empty(LANES)
    sums = np.empty((count, LANES))
    pairs = np.empty((count * (count + 1) // 2 if products else 0, LANES))
    for p in range(first.shape[0]):
        sums[:] = 0.0
        pairs[:] = 0.0
        for start in range(0, weight.size, LANES):
            lanes = slice(start, start + LANES)
            z[:k] = hidden[p, :, lanes]
            z[k:] = -x[:, lanes]
            _features(z, slope[p, :, lanes], x[:, lanes], encoder, decoder, f)
            m = 0
            for i in range(count):
                _multiply(weight[lanes], f[i], g)
                for n in range(LANES):
                    sums[i, n] += g[n]
                if products:
                    for j in range(i + 1):
                        for n in range(LANES):
                            pairs[m, n] += g[n] * f[j, n]
                        m += 1
        m = 0
        for i in range(count):
            first[p, i] = sums[i].sum()
            if products:
                for j in range(i + 1):
                    second[p, i, j] = second[p, j, i] = pairs[m].sum()
                    m += 1
