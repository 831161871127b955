"""Edwards-Wilkinson surfaces with finite time steps: what they change in the exact statements.

Without the nonlinearity a step of :mod:`fpsim.diagnostics.surface_growth.surface` is linear, ``R_even R_odd^2 R_even``,
and couples a wave ``k`` only to ``k + pi``. With ``c = cos k``, for the amplitudes of the wave on even and odd sites,

    R_even = [[a, (1 - a) c], [0, 1]],   R_odd = [[1, 0], [(1 - a) c, a]].

Each move keeps the stationary covariance ``C``, so that from a flat start the covariance after the steps ``P`` is
``C - P C P^T``, without any sampling. Limits: ``lam = 0``, flat start.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.surface_growth.exact import ew_structure_factor
from fpsim.diagnostics.surface_growth.surface import time_steps

__all__ = ["ew_stepped_structure_factor", "ew_stepped_width2"]


def ew_stepped_structure_factor(
    size: int, times: ArrayLike, dt: float, *, nu: float = 1.0, noise: float = 1.0
) -> NDArray[np.float64]:
    """Expected ``S_k`` of a simulation with time steps up to ``dt``; of order ``dt^2`` from the exact one.

    Parameters
    ----------
    size : int
        Sites, even.
    times : array_like (T,)
        Recording times, increasing: steps end at them.
    dt : float
        Longest time step, below ``1 / nu``.
    nu, noise : float
        Surface tension and noise strength.

    Returns
    -------
    ndarray, shape (T, size // 2)
        As of :func:`fpsim.diagnostics.surface_growth.exact.ew_structure_factor`.
    """
    half = size // 2
    c = np.cos(2.0 * np.pi * np.arange(half) / size)
    zero, one = np.zeros(half), np.ones(half)
    stationary = ew_structure_factor(size, np.inf, nu=nu, noise=noise)
    # Waves k and their partners k + pi, which are waves pi - k. The mean, k = 0, has no part in its partner.
    covariance = np.zeros((half, 2, 2))
    covariance[1:, 0, 0], covariance[:, 1, 1] = stationary[:-1], stationary[::-1]
    to_waves = np.array([[1.0, 1.0], [1.0, -1.0]])
    taken, out = np.broadcast_to(np.eye(2), (half, 2, 2)), []
    for count, step in time_steps(times, dt):
        a = np.sqrt((1.0 - nu * step) / (1.0 + nu * step))
        even = np.array([[a * one, (1.0 - a) * c], [zero, one]]).transpose(2, 0, 1)
        odd = np.array([[one, zero], [(1.0 - a) * c, a * one]]).transpose(2, 0, 1)
        waves = to_waves @ (even @ odd @ odd @ even) @ to_waves / 2.0
        taken = np.linalg.matrix_power(waves, count) @ taken
        now = covariance - taken @ covariance @ taken.transpose(0, 2, 1)
        out.append(np.append(now[1:, 0, 0], now[0, 1, 1]))
    return np.array(out)


def ew_stepped_width2(
    size: int, times: ArrayLike, dt: float, *, nu: float = 1.0, noise: float = 1.0
) -> NDArray[np.float64]:
    """Expected squared width of a simulation with time steps up to ``dt``; parameters as above, shape (T,).

    What it has over :func:`fpsim.diagnostics.surface_growth.exact.ew_width2` is the bias of the time step.
    """
    modes = ew_stepped_structure_factor(size, times, dt, nu=nu, noise=noise)
    return np.asarray((2.0 * modes.sum(axis=-1) - modes[..., -1]) / size)
