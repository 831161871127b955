"""Averages of the linear network in closed form, from the second and fourth moments of the data.

With ``z = A x``, ``A = (W1; -I)`` and ``Q_ij,kl = E[x_i x_j x_k x_l] - C_ij C_kl`` every average of
:mod:`fpsim.theory.bottleneck.averages` is a contraction of ``C`` or ``Q`` with rows of ``A``. Exact for a training
set (its own moments) and for a Gaussian population (Isserlis), at a cost that does not depend on the number of samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.datasets import Dataset, GaussianPopulation

__all__ = ["LinearAverages"]


@dataclass(frozen=True, eq=False)
class LinearAverages:
    """See :class:`fpsim.theory.bottleneck.averages.Averages`; ``phi' = 1`` and ``h = W1 x``."""

    data: Dataset | GaussianPopulation
    k: int

    @property
    def d(self) -> int:
        """Width of the data."""
        return self.data.dimension

    @property
    def closed_form(self) -> bool:
        """Moments of the data are enough."""
        return True

    def _rows(self, w1: Coordinates) -> Array:
        """``A``, shape (..., R, d)."""
        shape = np.broadcast_shapes(*(w.shape for w in w1))
        rows = np.empty((*shape, self.k + self.d, self.d))
        for i, w in enumerate(w1):
            rows[..., i // self.d, i % self.d] = w
        rows[..., self.k :, :] = -np.eye(self.d)
        return rows

    def encoder(self, w1: Coordinates) -> Array:
        """``E[z_r x_b] = (A C)_rb`` for every ``j``."""
        first = _trailing(self._rows(w1) @ self.data.second_moment, 2)
        return np.repeat(first[:, None], self.k, axis=1)

    def decoder(self, w1: Coordinates) -> Array:
        """``E[z_r h_j] = (A C W1^T)_rj``."""
        rows = self._rows(w1)
        return _trailing(rows @ self.data.second_moment @ np.swapaxes(rows[..., : self.k, :], -1, -2), 2)

    def encoder_covariance(self, w1: Coordinates) -> Array:
        """``A_ri A_si' Q_ib,i'c`` for every ``j, l``."""
        rows = self._rows(w1)
        half = _contract(rows, self.data.product_covariance)
        full = _trailing(np.einsum("...rbic,...si->...rbsc", half, rows, optimize=True), 4)
        spread = np.broadcast_to(full[:, None, :, :, None], self._shape(full, "rjbslc"))
        return np.ascontiguousarray(spread)

    def decoder_covariance(self, w1: Coordinates) -> Array:
        """``A_ri W1_jm A_si' W1_lm' Q_im,i'm'``."""
        rows = self._rows(w1)
        w = rows[..., : self.k, :]
        half = np.einsum("...rmin,...jm->...rjin", _contract(rows, self.data.product_covariance), w, optimize=True)
        full = np.einsum("...rjin,...si,...ln->...rjsl", half, rows, w, optimize=True)
        return _trailing(full, 4)

    def cross_covariance(self, w1: Coordinates) -> Array:
        """``A_ri A_si' W1_lm' Q_ib,i'm'`` for every ``j``."""
        rows = self._rows(w1)
        half = _contract(rows, self.data.product_covariance)
        full = np.einsum("...rbin,...si,...ln->...rbsl", half, rows, rows[..., : self.k, :], optimize=True)
        moved = _trailing(full, 4)
        return np.repeat(moved[:, None], self.k, axis=1)

    def slopes(self, w1: Coordinates) -> Array:
        """``C_bc`` for every ``j, l``."""
        shape = (1,) * len(np.broadcast_shapes(*(w.shape for w in w1)))
        c = self.data.second_moment[None, :, None, :]
        return np.broadcast_to(c, (self.k, self.d, self.k, self.d)).reshape(*(self.k, self.d) * 2, *shape)

    def _shape(self, full: Array, letters: str) -> tuple[int, ...]:
        size = {"r": self.k + self.d, "s": self.k + self.d, "j": self.k, "l": self.k, "b": self.d, "c": self.d}
        return (*(size[c] for c in letters), *full.shape[4:])


def _contract(rows: Array, q: Array) -> Array:
    """``A_ri Q_ib,i'c`` -> (..., r, b, i', c)."""
    d = rows.shape[-1]
    return (rows @ q.reshape(d, d**3)).reshape(*rows.shape[:-1], d, d, d)


def _trailing(array: Array, count: int) -> Array:
    """Move the last ``count`` axes to the front."""
    return np.ascontiguousarray(np.moveaxis(array, range(-count, 0), range(count)))
