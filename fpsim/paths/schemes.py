"""One step of an Ito equation ``dX = b dt + sigma dB`` with ``sigma sigma^T = 2 D``.

``euler_maruyama``: weak order 1. ``platen``: the derivative-free scheme of weak order 2 of Kloeden & Platen, Numerical
Solution of Stochastic Differential Equations (1992), eq. (15.1.3), with ``sigma`` the symmetric root of ``2 D``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["Coefficients", "euler_maruyama", "platen"]

Array = NDArray[np.float64]
Coefficients = tuple[Callable[[Array, float], Array], Callable[[Array, float], Array]]
"""Drift (M, d) and noise (M, d, d) of places (M, d) at a time."""


def euler_maruyama(x: Array, t: float, dt: float, coefficients: Coefficients, rng: Generator) -> Array:
    """``x + b dt + sigma dW``."""
    drift, noise = coefficients
    dw = rng.standard_normal(x.shape) * np.sqrt(dt)
    return x + drift(x, t) * dt + np.einsum("mij,mj->mi", noise(x, t), dw)


def platen(x: Array, t: float, dt: float, coefficients: Coefficients, rng: Generator) -> Array:
    """Second-order weak step; two-point variables stand for the double integrals."""
    drift, noise = coefficients
    d, root = x.shape[1], np.sqrt(dt)
    dw = rng.standard_normal(x.shape) * root
    coin = np.where(rng.random((*x.shape, d)) < 0.5, dt, -dt)
    upper = np.triu(np.ones((d, d), bool), 1)
    double = np.where(upper, coin, 0.0)
    double = double - np.swapaxes(double, 1, 2) - dt * np.eye(d)  # V_rj = -V_jr, V_jj = -dt
    b, sigma = drift(x, t), noise(x, t)
    ahead = x + b * dt
    change = 0.5 * dt * (drift(ahead + np.einsum("mij,mj->mi", sigma, dw), t + dt) + b)
    for r in range(d):
        kick = sigma[:, :, r] * root
        plus, minus = noise(ahead + kick, t + dt)[:, :, r], noise(ahead - kick, t + dt)[:, :, r]
        change += 0.25 * (plus + minus + 2.0 * sigma[:, :, r]) * dw[:, None, r]
        change += 0.25 / root * (plus - minus) * (dw[:, None, r] ** 2 - dt)
        if d > 1:
            plus, minus = noise(x + kick, t), noise(x - kick, t)
            for j in range(d):
                if j != r:
                    change += 0.25 * (plus[:, :, j] + minus[:, :, j] - 2.0 * sigma[:, :, j]) * dw[:, None, j]
                    pair = dw[:, None, j] * dw[:, None, r] + double[:, None, r, j]
                    change += 0.25 / root * (plus[:, :, j] - minus[:, :, j]) * pair
    return x + change
