"""Closed moment equations of a diffusion whose drift is linear and whose tensor is quadratic in place.

For ``d_t p = -d_i(b_i p) + d_i d_j(D_ij p)`` with ``b = J x`` and ``D = D_0 + sum_ij D_ij x_i x_j`` the moments close,

    d_t m = J m,    d_t M = J M + M J^T + 2 (D_0 + sum_ij D_ij M_ij),    M = E x x^T,

a linear system whose matrix is read off the coefficients at a few points and whose flow is a matrix exponential. This
is the form of every modified equation of linear regression. Limits: coefficients of another form are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.support.errors import DomainError
from fpsim.support.random_streams import numpy_generator

__all__ = ["ClosedMoments", "closed_moments", "fitted_order"]

Array = NDArray[np.float64]
Coefficient = Callable[[Array], Array]
CHECK = 1e-6
"""Relative misfit at a random place above which coefficients are not of the form."""


@dataclass(frozen=True, eq=False)
class ClosedMoments:
    """The linear flow of the first two moments.

    Attributes
    ----------
    jacobian : ndarray, shape (n, n)
        ``J``.
    matrix : ndarray, shape (n n, n n)
        Of the second moments, flattened in C order.
    source : ndarray, shape (n, n)
        ``2 D_0``.
    """

    jacobian: Array
    matrix: Array
    source: Array

    def at(self, time: float, mean: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
        """``m`` (n,) and ``M`` (n, n) after a time, from those at time zero."""
        from scipy.linalg import expm

        n = len(self.jacobian)
        whole = np.zeros((n * n + 1, n * n + 1))
        whole[:-1, :-1], whole[:-1, -1] = self.matrix, self.source.ravel()
        state = expm(whole * time) @ np.append(np.ravel(np.asarray(second, float)), 1.0)
        return expm(self.jacobian * time) @ np.asarray(mean, float), state[:-1].reshape(n, n)

    def stationary(self) -> Array:
        """Stationary second moment (n, n).

        Raises
        ------
        DomainError
            If there is none: the second moments do not decay.
        """
        if np.linalg.eigvals(self.matrix).real.max() >= 0.0:
            raise DomainError("second moments do not decay: there is no stationary covariance")
        return np.asarray(-np.linalg.solve(self.matrix, self.source.ravel())).reshape(self.source.shape)


def closed_moments(drift: Coefficient, diffusion: Coefficient, ndim: int) -> ClosedMoments:
    """Moment equations of a diffusion.

    Parameters
    ----------
    drift, diffusion : callable
        ``b`` (..., n) and ``D`` (..., n, n) at places (..., n), about the fixed point of the drift.
    ndim : int
        Number of coordinates ``n``.

    Raises
    ------
    DomainError
        If the drift is not linear or the diffusion not an even quadratic.
    """
    unit = np.eye(ndim)
    jacobian = np.stack([0.5 * (drift(e) - drift(-e)) for e in unit], axis=-1)
    base = diffusion(np.zeros(ndim))
    single = [0.5 * (diffusion(e) + diffusion(-e)) - base for e in unit]
    products = np.zeros((ndim, ndim, ndim, ndim))
    for i in range(ndim):
        for j in range(ndim):
            together = diffusion(unit[i] + unit[j]) - base - single[i] - single[j]
            products[i, j] = single[i] if i == j else 0.5 * together
    place = numpy_generator(0).uniform(-1.0, 1.0, ndim)
    misfit_b = np.abs(drift(place) - jacobian @ place).max() / (np.abs(jacobian).max() + 1e-300)
    quadratic = base + np.einsum("ijkl,i,j->kl", products, place, place)
    misfit_d = np.abs(diffusion(place) - quadratic).max() / (np.abs(quadratic).max() + 1e-300)
    if misfit_b > CHECK or misfit_d > CHECK:
        raise DomainError(
            f"drift is not linear (misfit {misfit_b:.2g}) or diffusion not an even quadratic (misfit {misfit_d:.2g}): "
            "moments close for those only"
        )
    identity = np.eye(ndim)
    matrix = np.einsum("ik,jl->ijkl", jacobian, identity) + np.einsum("ik,jl->ijkl", identity, jacobian)
    matrix = matrix + 2.0 * np.einsum("klij->ijkl", products)
    return ClosedMoments(jacobian, matrix.reshape(ndim**2, ndim**2), 2.0 * base)


def fitted_order(steps: ArrayLike, errors: ArrayLike) -> tuple[float, float]:
    """Order of convergence: slope of ``log error`` against ``log step`` at its small end, and a band.

    Parameters
    ----------
    steps, errors : array_like, shape (m,)
        At least three, steps positive and distinct.

    Returns
    -------
    order, band : float
        Least squares over the three smallest steps; the band is how much the slopes between neighbours differ there.

    Raises
    ------
    DomainError
        If there are fewer than three pairs or numbers that are not positive.
    """
    h, e = np.asarray(steps, float), np.asarray(errors, float)
    if h.ndim != 1 or h.size < 3 or h.shape != e.shape or not (h > 0).all() or not (e > 0).all():
        raise DomainError(f"{h.size} steps and {e.size} errors: three or more positive pairs are accepted")
    few = np.argsort(h)[:3]
    x, y = np.log(h[few]), np.log(e[few])
    local = np.diff(y) / np.diff(x)
    return float(np.polyfit(x, y, 1)[0]), float(abs(local[1] - local[0]))
