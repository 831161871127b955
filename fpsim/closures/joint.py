"""Joint: both matrices in one density, no closure at all.

Assumption: none beyond the modified equation itself; error O(eta) (``sme1``). The price is the dimension: 2 for
d = k = 1, 4 for d = 2, k = 1. For the linear network with d = k = 1 the coordinates of
:mod:`fpsim.theory.scalar_network` are far better: there the tensor is diagonal, here it has rank one everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fpsim.closures.marginal_equation import with_arguments
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.theory.bottleneck.landscape import landscape_of
from fpsim.theory.modified_equation import Order, modified_equation
from fpsim.theory.weight_coordinates import Array, Coordinates

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["joint"]


def joint(experiment: Experiment, *, order: Order = "sme1") -> FokkerPlanck:
    """Fokker-Planck equation of all weights, ``W1`` before ``W2``, each in C order.

    Parameters
    ----------
    experiment : Experiment
        Bottleneck network with both matrices trained.
    order : {"sme1", "sme2", "sme2c"}
        Order of the modified equation; beyond ``sme1`` only without momentum and with a constant learning rate.

    Raises
    ------
    DomainError
        If the network does not fit or the order does not apply to the training.
    """
    landscape = landscape_of(experiment)
    scales = landscape.scales
    if order != "sme1":
        if callable(scales.learning_rate) or scales.mobility != 1.0:
            raise DomainError(f"order {order!r} with momentum or a schedule; a constant learning rate is accepted")
        return modified_equation(
            landscape, scales.learning_rate, order=order, temperature=scales.temperature
        ).fokker_planck()

    def drift(x: Coordinates, _t: float, _p: Any) -> tuple[Array, ...]:
        return tuple(-scales.mobility * g for g in landscape.gradient_on(x))

    def diffusion(x: Coordinates, t: float, _p: Any) -> list[list[Array]]:
        factor, s = scales.noise(t), landscape.covariance_on(x)
        n = range(len(s))
        return [[factor * s[i][j] + (scales.thermal if i == j else 0.0) for j in n] for i in n]

    return FokkerPlanck(
        drift=with_arguments(drift, False, False), diffusion=with_arguments(diffusion, scales.scheduled, False)
    )
