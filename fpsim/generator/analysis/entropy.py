"""Entropy production of a density under a generator, by Schnakenberg's formula.

Over all pairs of cells with jumps ``k_ab``, ``k_ba``:

    Pi = sum (k_ab m_a - k_ba m_b) ln(k_ab m_a / (k_ba m_b))  >= 0        (nats / time),

zero in detailed balance. In the stationary state of a resolved diffusion it tends to ``int J^T D^-1 J / p dx``; away
from it, it is the total production of system and bath.

Limits: where the noise is singular some jumps have no return, and the production is infinite; so it is with walls that
absorb, which is refused.

Reference: Schnakenberg, Rev. Mod. Phys. 48, 571 (1976).
"""

from __future__ import annotations

import numpy as np

from fpsim.density import Density
from fpsim.generator.generator import Generator, require_generator
from fpsim.generator.results import without_grid_error
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["entropy_production"]


@require_generator
def entropy_production(generator: Generator, density: Density) -> Result:
    """Schnakenberg's entropy production of a density, per unit mass (nats / time).

    Returns
    -------
    Result
        ``value`` is infinite if probability flows along a link that has no return; ``details["one_way"]`` counts them.
        ``error`` is rounding; see :func:`fpsim.generator.with_grid_error`.

    Raises
    ------
    DomainError
        If a wall absorbs.
    """
    if generator.absorbing:
        raise DomainError(
            "entropy production with absorbing walls is infinite: reflecting or periodic ones are accepted"
        )
    masses = generator.masses(density)
    total, error, one_way = 0.0, 0.0, 0
    for link in generator.links:
        there, back = link.forward * masses[link.tail], link.backward * masses[link.head]
        alone = (there > 0.0) != (back > 0.0)
        one_way += int(alone.sum())
        both = (there > 0.0) & (back > 0.0)
        there, back = there[both], back[both]
        near = np.abs(there - back) < 0.5 * (there + back)
        ratio = np.log(there) - np.log(back)
        ratio[near] = np.log(there[near] / back[near])  # has the sign of there - back, so no term is negative
        total += float(np.sum((there - back) * ratio))
        error += 4.0 * float(np.finfo(float).eps) * float(np.sum((there + back) * np.abs(ratio) + np.abs(there - back)))
    mass = float(masses.sum())
    value = np.inf if one_way else total / mass
    return without_grid_error(value, error / mass, "Schnakenberg sum over links", {"one_way": one_way})
