"""Kullback-Leibler divergence of the sample from the theory (or reference sample), in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import kl_div

from fpsim.comparison.distances.binned import Binned

__all__ = ["KULLBACK_LEIBLER"]

Array = NDArray[np.float64]


def _summand(p: Array, q: Array) -> Array:
    return np.asarray(kl_div(p, q))


KULLBACK_LEIBLER = Binned("kullback_leibler", _summand, positive=True, squared=True)
"""``sum_i p_i ln(p_i / q_i)`` with ``p`` the sample and ``q`` the reference (1951); not symmetric."""
