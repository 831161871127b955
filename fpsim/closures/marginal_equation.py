"""What all closures share: the exact equation of one matrix, given the conditional averages over the other one.

Integrating the joint Fokker-Planck equation over the other matrix gives, exactly,

    d_t p1 = -grad_1 . (E[b_1 | W1] p1) + grad_1 grad_1 : (E[D_11 | W1] p1).

Both conditional averages are linear in two statistics of the partner (:mod:`fpsim.theory.bottleneck.averages`):

- for ``W1``: ``E[Theta | W1]`` (k, R, ...) and ``E[Theta Theta | W1]`` (k, R, k, R, ...), ``Theta = (W2^T W2, W2^T)``;
- for ``W2``: the data averages ``E[E_x[z_r h_j] | W2]`` (R, k, ...) and ``E[Cov_x(z_r h_j, z_s h_l) | W2]``.

A closure is a model of these two, a :class:`Partner`; :func:`marginal_equation` makes the equation of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.theory.bottleneck.averages import Averages, averages_of
from fpsim.theory.bottleneck.gradients import decoder_gradient, decoder_noise, encoder_gradient, encoder_noise
from fpsim.theory.scales import Scales, scales_of
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["Matrix", "Partner", "checked_matrix", "marginal_equation", "other", "with_arguments"]

Matrix = Literal["W1", "W2"]
Statistic = Callable[[Coordinates, float, Any], Array]


@dataclass(frozen=True)
class Partner:
    """Statistics of the other matrix, as functions of (own coordinates, t, p).

    Attributes
    ----------
    first, second : callable
        The two statistics of the module's docstring; what does not depend on the coordinates has length one along them
        (or no trailing axes at all).
    of_time, of_density : bool
        Whether they depend on ``t``, and on ``p`` (the pair of densities of ``W1`` and ``W2``).
    """

    first: Statistic
    second: Statistic
    of_time: bool = False
    of_density: bool = False


def marginal_equation(experiment: Experiment, matrix: Matrix, partner: Partner) -> FokkerPlanck:
    """Fokker-Planck equation (order 1 in the learning rate) of one matrix, its partner replaced by statistics.

    Parameters
    ----------
    experiment : Experiment
        Bottleneck network ``f(x) = W2 phi(W1 x)``, its data and its training.
    matrix : {"W1", "W2"}
        Whose equation; coordinates are its entries in C order.
    partner : Partner
        Model of the other matrix.

    Raises
    ------
    DomainError
        If the matrix is not a trained one of a bottleneck network.
    """
    checked_matrix(experiment, matrix)
    averages, scales = averages_of(experiment), scales_of(experiment)
    rule = _encoder if matrix == "W1" else _decoder
    gradient, noise = rule(averages, scales, partner)

    def drift(x: Coordinates, t: float, p: Any) -> tuple[Array, ...]:
        return tuple(
            -scales.mobility * (g + scales.weight_decay * w) for g, w in zip(gradient(x, t, p), x, strict=True)
        )

    def diffusion(x: Coordinates, t: float, p: Any) -> list[list[Array]]:
        factor, s = scales.noise(t), noise(x, t, p)
        n = range(len(s))
        return [[factor * s[i][j] + (scales.thermal if i == j else 0.0) for j in n] for i in n]

    return FokkerPlanck(
        drift=with_arguments(drift, partner.of_time, partner.of_density),
        diffusion=with_arguments(diffusion, partner.of_time or scales.scheduled, partner.of_density),
    )


def _encoder(averages: Averages, scales: Scales, partner: Partner) -> tuple[Any, Any]:
    def gradient(x: Coordinates, t: float, p: Any) -> list[Array]:
        return encoder_gradient(partner.first(x, t, p), averages.encoder(x))

    def noise(x: Coordinates, t: float, p: Any) -> list[list[Array]]:
        s = encoder_noise(partner.second(x, t, p), averages.encoder_covariance(x))
        scaled = [[scales.batch_factor * entry for entry in row] for row in s]
        if scales.label_variance:
            gram, slopes = partner.first(x, t, p)[:, : averages.k], averages.slopes(x)
            index = [(j, b) for j in range(averages.k) for b in range(averages.d)]
            for m, (j, b) in enumerate(index):
                for n, (i, c) in enumerate(index):
                    scaled[m][n] = scaled[m][n] + scales.label_variance * gram[j, i] * slopes[j, b, i, c]
        return scaled

    return gradient, noise


def _decoder(averages: Averages, scales: Scales, partner: Partner) -> tuple[Any, Any]:
    k = averages.k

    def gradient(x: Coordinates, t: float, p: Any) -> list[Array]:
        return decoder_gradient(x, partner.first(x, t, p))

    def noise(x: Coordinates, t: float, p: Any) -> list[list[Array]]:
        s = decoder_noise(x, partner.second(x, t, p))
        scaled = [[scales.batch_factor * entry for entry in row] for row in s]
        if scales.label_variance:
            gram = partner.first(x, t, p)[:k]  # E[h_j h_l]
            for a in range(averages.d):
                for j in range(k):
                    for m in range(k):
                        row, col = a * k + j, a * k + m
                        scaled[row][col] = scaled[row][col] + scales.label_variance * gram[j, m]
        return scaled

    return gradient, noise


def with_arguments(
    function: Callable[[Coordinates, float, Any], Any], of_time: bool, of_density: bool
) -> Callable[..., Any]:
    """Coefficient of open-mesh coordinates with a parameter ``t`` and ``p`` only where it depends on them."""
    if of_time and of_density:
        return lambda *x, t, p: function(x, t, p)
    if of_time:
        return lambda *x, t: function(x, t, None)
    if of_density:
        return lambda *x, p: function(x, 0.0, p)
    return lambda *x: function(x, 0.0, None)


def other(matrix: Matrix) -> Matrix:
    """The partner's name."""
    return "W2" if matrix == "W1" else "W1"


def checked_matrix(experiment: Experiment, matrix: str) -> None:
    """``DomainError`` unless ``matrix`` is a trained matrix of a network ``f(x) = W2 phi(W1 x)``."""
    if list(experiment.network.shapes) != ["W1", "W2"]:
        raise DomainError(
            f"closure: the network has matrices {', '.join(experiment.network.shapes)}; W1 and W2 are accepted"
        )
    if matrix not in experiment.network.trained:
        raise DomainError(f"matrix {matrix!r}: accepted are {', '.join(experiment.network.trained)}")
