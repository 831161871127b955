"""Leaf closure: the balance ``q = W1^2 - W2^2`` of the linear network with d = k = 1 is frozen, ``w = W2 W1`` moves.

Assumption: ``q`` does not move; it decays at the rate ``s^2 = O(eta)`` and its variance grows as O(eta^3 t), so
that the error is O(eta t). Nearly exact for the widths, because it keeps the correlation of the matrices: on every
leaf the posterior sits on ``w = 1``. The tensor is diagonal; ``q`` enters as a parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.theory.scalar_network import frozen_leaves, scalar_network

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["leaf"]


def leaf(experiment: Experiment) -> FokkerPlanck:
    """Equation of ``P(w, q)`` with ``q`` standing still; coordinates of :mod:`fpsim.theory.scalar_network`.

    Parameters
    ----------
    experiment : Experiment
        Linear network with d = k = 1.

    Raises
    ------
    DomainError
        For another network, or with a temperature or weight decay, which move ``q``.
    """
    network = scalar_network(experiment)
    if network.scales.temperature or network.scales.weight_decay:
        raise DomainError("leaf closure with temperature or weight decay: both zero is accepted, since they move q")
    return frozen_leaves(network)
