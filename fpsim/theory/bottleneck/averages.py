"""Averages over the data on which drift and diffusion of a bottleneck network depend.

For ``f(x) = W2 phi(W1 x)``, ``h = phi(W1 x)``, and the stacked vector ``z = (h, -x)`` of length ``R = k + d``, the
per-sample gradients of ``|f(x) - x|^2 / 2`` are linear in averages that know ``W1`` only,

    g1_jb = sum_r Theta_jr z_r phi'_j x_b,   Theta = W2^T V,
    g2_aj = sum_r V_ar z_r h_j,              V = (W2, I),

so the decoder enters the encoder's equation through ``Theta = (W2^T W2, W2^T)`` alone, and the encoder enters the
decoder's through the averages alone. A closure only has to say what replaces them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fpsim.support.errors import DomainError
from fpsim.theory.weight_coordinates import Array, Coordinates, Remembered

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["Averages", "averages_of"]


class Averages(Protocol):
    """Averages over the data as functions of ``W1``, given entry by entry; trailing axes are those of the mesh."""

    @property
    def d(self) -> int:
        """Width of the data."""

    @property
    def k(self) -> int:
        """Width of the bottleneck."""

    @property
    def closed_form(self) -> bool:
        """Whether the cost does not depend on the number of samples."""

    def encoder(self, w1: Coordinates) -> Array:
        """``E[z_r phi'_j x_b]``, shape (R, k, d, ...)."""

    def decoder(self, w1: Coordinates) -> Array:
        """``E[z_r h_j]``, shape (R, k, ...)."""

    def encoder_covariance(self, w1: Coordinates) -> Array:
        """Covariance of ``z_r phi'_j x_b`` over the data, shape (R, k, d, R, k, d, ...)."""

    def decoder_covariance(self, w1: Coordinates) -> Array:
        """Covariance of ``z_r h_j`` over the data, shape (R, k, R, k, ...)."""

    def cross_covariance(self, w1: Coordinates) -> Array:
        """Covariance of ``z_r phi'_j x_b`` with ``z_s h_l``, shape (R, k, d, R, k, ...)."""

    def slopes(self, w1: Coordinates) -> Array:
        """``E[phi'_j x_b phi'_l x_c]``, shape (k, d, k, d, ...)."""


class RememberedAverages:
    """Averages that keep their last answers: a solver asks for the same few meshes at every step."""

    def __init__(self, averages: Averages) -> None:
        self.d, self.k, self.closed_form = averages.d, averages.k, averages.closed_form
        self.encoder = Remembered(averages.encoder)
        self.decoder = Remembered(averages.decoder)
        self.encoder_covariance = Remembered(averages.encoder_covariance)
        self.decoder_covariance = Remembered(averages.decoder_covariance)
        self.cross_covariance = Remembered(averages.cross_covariance)
        self.slopes = Remembered(averages.slopes)


def averages_of(experiment: Experiment) -> Averages:
    """Averages of an experiment: closed forms of a linear network, sums over the data of any other.

    Raises
    ------
    DomainError
        If the network is not two trained or frozen matrices around a bottleneck.
    """
    from fpsim.theory.bottleneck.linear_averages import LinearAverages
    from fpsim.theory.bottleneck.sample_averages import SampleAverages

    network = experiment.network
    widths = network.widths
    if len(widths) != 3 or network.activations[1] != "linear":
        raise DomainError(
            f"theory: widths {widths} with activations {network.activations}; f(x) = W2 phi(W1 x) is accepted"
        )
    if network.activations[0] == "linear":
        return RememberedAverages(LinearAverages(experiment.data, widths[1]))
    return RememberedAverages(SampleAverages(experiment.data, widths[1], network.activations[0]))
