"""Stationary covariance of SGD around an isolated minimum: the Lyapunov equation of the linear-noise closure.

With Hessian ``H`` and mini-batch covariance ``S`` at the minimum,

    H Lambda + Lambda H = eta S                            (modified equation of leading order),
    Lambda = (1 - eta H) Lambda (1 - eta H) + eta^2 S      (the steps themselves, loss quadratic).

The first depends on learning rate and batch size through ``eta c_B`` alone; the second departs from it by
O(eta H). Both leave out the change of ``H`` and ``S`` over the width of the ensemble, a relative error O(Lambda). The
minimum must be isolated (``H`` positive definite), which for an auto-encoder needs weight decay. (Mandt, Hoffman & Blei
2017, J. Mach. Learn. Res. 18(134), for the first.)
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov
from scipy.optimize import root

from fpsim.support.errors import DomainError, ToleranceError
from fpsim.theory.landscape import Landscape, hessian
from fpsim.theory.weight_coordinates import Array

__all__ = ["minimum_near", "stationary_covariance", "steps_to_rest", "unrelaxed_share"]

FLOW_TIME = 100.0
"""Time of gradient flow before Newton's method: many relaxation times of data of unit variance."""
FARTHEST = 1e3


def minimum_near(landscape: Landscape, start: ArrayLike) -> Array:
    """The minimum (n,) to which gradient flow goes from ``start`` (n,); Newton's method takes the last steps.

    Raises
    ------
    ToleranceError
        If neither comes to rest.
    DomainError
        If where they come to rest is no isolated minimum.
    """
    x = np.asarray(start, dtype=np.float64)
    if not (np.abs(x) <= FARTHEST).all():
        raise DomainError(f"minimum near {x.tolist()}: weights of at most {FARTHEST:g} are accepted")
    flow = solve_ivp(lambda _t, w: -landscape.gradient(w), (0.0, FLOW_TIME), x, method="LSODA", rtol=1e-8, atol=1e-10)
    found = root(landscape.gradient, flow.y[:, -1], jac=lambda w: hessian(landscape, w), tol=1e-13)
    if not np.abs(landscape.gradient(found.x)).max() < 1e-10:
        raise ToleranceError(f"minimum: Newton's method after gradient flow from {x.tolist()}: {found.message}")
    lowest = float(np.linalg.eigvalsh(hessian(landscape, found.x)).min())
    if not lowest > 1e-9:
        raise DomainError(
            f"the point {np.round(found.x, 6).tolist()} has a lowest curvature of {lowest:.3g}: an isolated minimum is "
            "accepted (weight decay makes one)"
        )
    return np.asarray(found.x)


def stationary_covariance(
    landscape: Landscape, learning_rate: float, minimum: ArrayLike, *, discrete: bool = False
) -> Array:
    """Covariance (n, n) of the weights around an isolated minimum.

    Parameters
    ----------
    landscape : Landscape
        Gradient and mini-batch covariance ``S`` (which contains ``c_B``).
    learning_rate : float
        ``eta``.
    minimum : array_like, shape (n,)
        From :func:`minimum_near`.
    discrete : bool
        Whether steps are finite (second equation of the module's docstring) or not (first).

    Raises
    ------
    DomainError
        If ``eta`` is not positive, or finite steps diverge (``eta H`` beyond 2).
    """
    x = np.asarray(minimum, dtype=np.float64)
    h, s = hessian(landscape, x), landscape.covariance(x)
    highest = float(np.linalg.eigvalsh(0.5 * (h + h.T)).max())
    if not learning_rate > 0.0 or (discrete and learning_rate * highest >= 2.0):
        raise DomainError(
            f"learning_rate = {learning_rate:g} at a curvature of {highest:.4g}: above zero"
            f"{f' and below {2.0 / highest:.4g}' if discrete else ''} is accepted"
        )
    if discrete:
        return np.asarray(solve_discrete_lyapunov(np.eye(x.size) - learning_rate * h, learning_rate**2 * s))
    return np.asarray(solve_continuous_lyapunov(h, learning_rate * s))


def unrelaxed_share(hessian: Array, covariance: Array, learning_rate: float, steps: int) -> float:
    """Share of the stationary squared width that is missing after ``steps`` from a point at the minimum.

    The covariance there is ``C - M^n C M^n`` with ``M = 1 - eta H`` (steps of finite size, loss quadratic).

    Parameters
    ----------
    hessian, covariance : ndarray, shape (n, n)
        ``H`` and the stationary ``C`` of :func:`stationary_covariance` with ``discrete=True``, up to a factor.
    """
    share, decay = _modes(hessian, covariance, learning_rate)
    return float(share @ decay**steps)


def steps_to_rest(hessian: Array, covariance: Array, learning_rate: float, missing: float) -> int:
    """Fewest steps after which no more than a share ``missing`` of the squared width is missing.

    Parameters are those of :func:`unrelaxed_share`.
    """
    share, decay = _modes(hessian, covariance, learning_rate)

    def rested(steps: int) -> bool:
        return bool(share @ decay**steps <= missing)

    most = 1 + int(np.log(missing) / np.log(np.maximum(decay.max(), 1e-300)))  # the slowest mode alone
    return bisect_left(range(most), True, key=rested)


def _modes(hessian: Array, covariance: Array, learning_rate: float) -> tuple[Array, Array]:
    """Share of the squared width in every mode of the Hessian, and the factor by which a step shrinks it."""
    curvature, modes = np.linalg.eigh(0.5 * (hessian + hessian.T))
    share = np.diag(modes.T @ covariance @ modes) / np.trace(covariance)
    return share, (1.0 - learning_rate * curvature) ** 2
