"""Momentum: the underdamped (Kramers) equation of weights and velocities, and exact moments on a quadratic loss.

For ``v <- mu v - eta ghat``, ``W <- W + v`` in the clock ``tau = k sqrt(eta)``, with ``mu = 1 - gamma sqrt(eta)`` and
``u = v / sqrt(eta)``,

    dW = u dtau,   du = (-gamma u - g) dtau + eta^{1/4} S^{1/2} dB,

hence ``d_tau p = -u . grad_W p + div_u((gamma u + g) p) + (sqrt(eta) / 2) S : grad_u grad_u p`` and the effective
temperature ``eta S / (2 (1 - mu))``. Note the clock: ``tau = t / sqrt(eta)`` in terms of ``t = k eta``. The overdamped
limit (``mu`` fixed, ``eta -> 0``) is what :mod:`fpsim.theory.scales` uses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import expm, solve_continuous_lyapunov

from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.theory.landscape import Landscape
from fpsim.theory.weight_coordinates import Array

__all__ = ["effective_learning_rate", "kramers", "kramers_moments", "momentum_moments", "momentum_variance"]


def effective_learning_rate(learning_rate: float, momentum: float) -> float:
    """``eta / (1 - mu)``, the learning rate of plain SGD that momentum amounts to in its overdamped limit."""
    _check(momentum)
    return learning_rate / (1.0 - momentum)


def momentum_variance(learning_rate: float, momentum: float, curvature: float, variance: float) -> float:
    """Exact stationary variance on a scalar quadratic loss, noise ``S`` independent of the weight.

    ``eta S (1 + mu) / (lambda (1 - mu) (2 (1 + mu) - eta lambda))``.

    Parameters
    ----------
    learning_rate, momentum, curvature, variance : float
        ``eta``, ``mu``, ``lambda`` and the variance ``S`` of the mini-batch gradient.

    Raises
    ------
    DomainError
        If ``mu`` is not in [0, 1) or ``eta lambda`` not in (0, 2 (1 + mu)), where there is no stationary state.
    """
    _check(momentum)
    if not 0.0 < learning_rate * curvature < 2.0 * (1.0 + momentum):
        raise DomainError(
            f"learning_rate * curvature = {learning_rate * curvature:g}: between 0 and {2 * (1 + momentum):g} "
            "is accepted"
        )
    denominator = curvature * (1.0 - momentum) * (2.0 * (1.0 + momentum) - learning_rate * curvature)
    return learning_rate * variance * (1.0 + momentum) / denominator


def kramers(landscape: Landscape, learning_rate: float, momentum: float, *, temperature: float = 0.0) -> FokkerPlanck:
    """Underdamped equation with coordinates (weights, then velocities ``u``), in the clock ``tau``.

    Parameters
    ----------
    landscape : Landscape
        Gradient and mini-batch covariance of ``n`` weights; the density has ``2 n`` coordinates.
    learning_rate, momentum : float
        ``eta > 0`` and ``mu`` in (0, 1); error O(sqrt(eta)) at fixed ``gamma = (1 - mu) / sqrt(eta)``.
    temperature : float
        ``T`` of injected noise, which makes ``exp(-(L + u^2 / 2) / T)`` stationary.

    Raises
    ------
    DomainError
        If a number is not accepted.
    """
    _check(momentum)
    if not learning_rate > 0.0 or temperature < 0.0 or momentum == 0.0:
        raise DomainError(
            f"learning_rate = {learning_rate}, momentum = {momentum}, temperature = {temperature}: "
            "positive, in (0, 1) and nonnegative numbers are accepted"
        )
    root = np.sqrt(learning_rate)
    friction = (1.0 - momentum) / root

    def drift(*x: Array) -> tuple[Array, ...]:
        w, u = x[: len(x) // 2], x[len(x) // 2 :]
        g = np.moveaxis(landscape.gradient(_points(w)), -1, 0)
        return (*u, *(-friction * ui - gi for ui, gi in zip(u, g, strict=True)))

    def diffusion(*x: Array) -> list[list[Array | None]]:
        n = len(x) // 2
        s = landscape.covariance(_points(x[:n]))
        rows: list[list[Array | None]] = [
            [np.zeros((1,) * len(x)) if i == j else None for j in range(2 * n)] for i in range(2 * n)
        ]
        for i in range(n):
            for j in range(n):
                rows[n + i][n + j] = 0.5 * root * s[..., i, j] + (friction * temperature if i == j else 0.0)
        return rows

    return FokkerPlanck(drift=drift, diffusion=diffusion)


def momentum_moments(
    learning_rate: float, momentum: float, curvature: float, variance: float, steps: ArrayLike, *, start: float = 0.0
) -> tuple[Array, Array]:
    """Exact mean and variance of the weight through training, on a scalar quadratic loss with additive noise.

    The linear map ``(W, v) -> (W + v', v')``, ``v' = mu v - eta (lambda W + noise)``, step by step from ``W = start``,
    ``v = 0``.

    Parameters
    ----------
    learning_rate, momentum, curvature, variance : float
        ``eta``, ``mu``, ``lambda`` and the variance ``S`` of the mini-batch gradient.
    steps : array_like of int, shape (T,)
        Steps at which the moments are wanted.
    start : float
        Weight at step 0; the minimum is at zero.

    Returns
    -------
    tuple of ndarray, shape (T,)
        Mean and variance.

    Raises
    ------
    DomainError
        If the momentum is not in [0, 1).
    """
    _check(momentum)
    wanted = np.asarray(steps, dtype=np.int64)
    step = np.array([[1.0 - learning_rate * curvature, momentum], [-learning_rate * curvature, momentum]])
    mean, covariance = np.array([start, 0.0]), np.zeros((2, 2))
    means, variances = np.empty(wanted.max() + 1), np.empty(wanted.max() + 1)
    for k in range(wanted.max() + 1):
        means[k], variances[k] = mean[0], covariance[0, 0]
        mean, covariance = step @ mean, step @ covariance @ step.T + learning_rate**2 * variance
    return means[wanted], variances[wanted]


def kramers_moments(
    learning_rate: float, momentum: float, curvature: float, variance: float, steps: ArrayLike, *, start: float = 0.0
) -> tuple[Array, Array]:
    """Mean and variance of the weight under the underdamped equation :func:`kramers`, for the same problem.

    The equation is linear, so its moments close: ``m' = J m``, ``Lambda' = J Lambda + Lambda J^T + 2 D`` with
    ``J = ((0, 1), (-lambda, -gamma))``, ``D_uu = sqrt(eta) S / 2``, in the clock ``tau = k sqrt(eta)``. Parameters and
    errors as for :func:`momentum_moments`, with a momentum that is positive.
    """
    _check(momentum)
    if momentum == 0.0 or not learning_rate > 0.0:
        raise DomainError(f"momentum = {momentum}, learning rate = {learning_rate}: positive ones are accepted")
    root = np.sqrt(learning_rate)
    j = np.array([[0.0, 1.0], [-curvature, -(1.0 - momentum) / root]])
    final = solve_continuous_lyapunov(j, np.diag([0.0, -root * variance]))
    flows = [expm(j * root * k) for k in np.asarray(steps)]
    means = np.array([flow[0, 0] * start for flow in flows])
    return means, np.array([(final - flow @ final @ flow.T)[0, 0] for flow in flows])


def _points(x: tuple[Array, ...]) -> Array:
    return np.stack(np.broadcast_arrays(*x), axis=-1)


def _check(momentum: float) -> None:
    if not 0.0 <= momentum < 1.0:
        raise DomainError(f"momentum = {momentum}: a number in [0, 1) is accepted")
