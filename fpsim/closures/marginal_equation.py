"""Marginal equation of one weight matrix, given conditional averages over the other.

Integrating the joint Fokker-Planck equation over the other matrix gives, exactly,

    d_t p1 = -grad_1 . (E[b_1 | W1] p1) + grad_1 grad_1 : (E[D_11 | W1] p1).

For a bottleneck network both conditional averages are linear in two statistics of the partner
(:mod:`fpsim.theory.bottleneck.averages`):

- for ``W1``: ``E[Theta | W1]`` (k, R, ...) and ``E[Theta Theta | W1]`` (k, R, k, R, ...), ``Theta = (W2^T W2, W2^T)``;
- for ``W2``: the data averages ``E[E_x[z_r h_j] | W2]`` (R, k, ...) and ``E[Cov_x(z_r h_j, z_s h_l) | W2]``.

A closure is a model of these two, a :class:`Partner`; :func:`marginal_equation` makes the equation of it, of order one
in the learning rate. Limits: networks ``f(x) = W2 phi(W1 x)``, as the type of its first argument says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.theory.bottleneck.landscape import BottleneckLandscape, Matrix, bottleneck_of
from fpsim.theory.modified_equation import scaled_noise
from fpsim.theory.weight_coordinates import Array, Coordinates, with_arguments

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["Matrix", "Partner", "bottleneck_with", "marginal_equation", "other"]

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


def marginal_equation(landscape: BottleneckLandscape, matrix: Matrix, partner: Partner) -> FokkerPlanck:
    """Fokker-Planck equation (order 1 in the learning rate) of one matrix, its partner replaced by statistics.

    Parameters
    ----------
    landscape : BottleneckLandscape
        Of the network ``f(x) = W2 phi(W1 x)``, its data and its training (:func:`fpsim.theory.bottleneck_of`).
    matrix : {"W1", "W2"}
        Whose equation; coordinates are its entries in C order.
    partner : Partner
        Model of the other matrix.

    Raises
    ------
    DomainError
        If the matrix has another name.
    """
    if matrix not in ("W1", "W2"):
        raise DomainError(f"matrix {matrix!r}: accepted are W1, W2")
    scales = landscape.scales

    def drift(x: Coordinates, t: float, p: Any) -> tuple[Array, ...]:
        return tuple(-scales.mobility * g for g in landscape.gradient_of(matrix, x, partner.first(x, t, p)))

    def diffusion(x: Coordinates, t: float, p: Any) -> list[list[Array]]:
        s = landscape.covariance_of(matrix, x, partner.first(x, t, p), partner.second(x, t, p))
        return scaled_noise(s, scales.noise(t), scales.thermal)

    return FokkerPlanck(
        drift=with_arguments(drift, of_time=partner.of_time, of_density=partner.of_density),
        diffusion=with_arguments(diffusion, of_time=partner.of_time or scales.scheduled, of_density=partner.of_density),
        jumps=scales.jumps,
    )


def bottleneck_with(experiment: Experiment, matrix: str) -> BottleneckLandscape:
    """Landscape of a bottleneck network in which ``matrix`` is trained.

    Raises
    ------
    DomainError
        For another network, or a matrix that is not trained.
    """
    if list(experiment.network.shapes) != ["W1", "W2"]:
        raise DomainError(
            f"closure: the network has matrices {', '.join(experiment.network.shapes)}; W1 and W2 are accepted"
        )
    if matrix not in experiment.network.trained:
        raise DomainError(f"matrix {matrix!r}: accepted are {', '.join(experiment.network.trained)}")
    return bottleneck_of(experiment)


def other(matrix: Matrix) -> Matrix:
    """The partner's name."""
    return "W2" if matrix == "W1" else "W1"
