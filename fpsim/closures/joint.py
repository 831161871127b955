"""Joint equation of all weights: both matrices in one density, no closure at all.

Assumption: none beyond the modified equation itself; error O(eta) (``sme1``). As a Gaussian mixture
(:func:`fpsim.evolution.evolve_mixture`, from :func:`fpsim.closures.joint_start`) it has any dimension; on a grid 2 for
d = k = 1, 4 for d = 2, k = 1. For the linear network with d = k = 1 the coordinates of
:mod:`fpsim.theory.scalar_network` are far better: there the tensor is diagonal, here it has rank one everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpsim.equation import PointwiseFokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.theory.joint.points import hidden_symmetries, points_of
from fpsim.theory.joint.start import weight_names
from fpsim.theory.modified_equation import Order, modified_equation_of

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["joint"]


def joint(experiment: Experiment, *, order: Order = "sme1") -> PointwiseFokkerPlanck:
    """Fokker-Planck equation of all weights, ``W1`` before ``W2``, each in C order.

    The modified equation of the experiment's landscape; that of any other one is
    ``modified_equation(landscape, ...).fokker_planck()``.

    Parameters
    ----------
    experiment : Experiment
        Network with a landscape (:func:`fpsim.theory.landscape_of`), all matrices trained.
    order : {"sme1", "sme2"}
        Order of the modified equation; beyond ``sme1`` only without momentum and with a constant learning rate.
        ``sme2c`` is none of a density: its tensor is indefinite at almost all weights (docs/joint-law.md).

    Raises
    ------
    DomainError
        If the network does not fit, or the order is ``sme2c`` or does not apply to the training.
    """
    if order == "sme2c":
        raise DomainError(
            "order 'sme2c' of all weights: its tensor is indefinite where mini-batch noise lacks full rank, so that it "
            "has no density; sme1, sme2 are accepted"
        )
    modified = modified_equation_of(experiment, order=order)
    on_grids = modified.fokker_planck()
    return PointwiseFokkerPlanck(
        drift=on_grids.drift,
        diffusion=on_grids.diffusion,
        at_points=points_of(experiment, modified),
        names=weight_names(experiment),
        symmetries=hidden_symmetries(experiment),
        jumps=on_grids.jumps,
    )
