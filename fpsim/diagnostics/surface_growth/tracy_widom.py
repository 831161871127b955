"""Limit laws of the KPZ class, from Fredholm determinants.

The height of a growing interface is ``h = v t + sign(lam) (Gamma t)^(1/3) chi``, where the law of ``chi`` depends on
the start alone:

==============  =====================  ==================================================
law             start                  distribution
==============  =====================  ==================================================
``gue``         curved, narrow wedge   ``F2(s) = det(1 - K_Ai)`` on L2(s, inf)
``goe``                                ``F1(s) = det(1 - Ai((x + y)/2)/2)`` on L2(s, inf)
``flat``        flat                   ``F1(2^(2/3) s)``
``baik-rains``  stationary             ``d/ds [F2(s) g(s)]``
==============  =====================  ==================================================

Determinants are evaluated by Gauss-Legendre quadrature of the operator (Bornemann, Math. Comp. 79, 871 (2010),
doi:10.1090/S0025-5718-09-02280-7); the determinant for ``F1`` is that of Ferrari & Spohn (J. Phys. A 38, L557 (2005)),
``g`` that of Ferrari & Spohn (Commun. Math. Phys. 265, 1 (2006)) at zero drift.

Limits: cumulants hold to about 1e-10 (``baik-rains``: 1e-6), ``cdf`` to 1e-12 (1e-8); tails below that are noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy.special import airy

from fpsim.support.errors import DomainError

__all__ = ["Cumulants", "LawName", "LimitLaw", "limit_law"]

LawName = Literal["gue", "goe", "flat", "baik-rains"]

_NODES = 64  # quadrature nodes of a determinant
_REACH = 16.0  # Ai(16) is below 1e-19: the half line ends here
_SUPPORT = (-10.0, 14.0)  # all laws are within 1e-14 of 0 or 1 outside
_DEGREE = 150  # of the polynomial through the distribution function


@dataclass(frozen=True)
class Cumulants:
    """Mean, variance, skewness and excess kurtosis of a law, dimensionless."""

    mean: float
    variance: float
    skewness: float
    kurtosis: float


@dataclass(frozen=True)
class LimitLaw:
    """A probability law on the line.

    Attributes
    ----------
    name : str
        One of ``gue``, ``goe``, ``flat``, ``baik-rains``.
    cumulants : Cumulants
        Integrated from the distribution function.
    """

    name: str
    cumulants: Cumulants
    _series: Chebyshev

    def cdf(self, s: ArrayLike) -> NDArray[np.float64]:
        """Probability of a value up to ``s`` (any shape)."""
        points = np.asarray(s, dtype=float)
        low, high = self._series.domain
        inside = self._series(np.clip(points, low, high))
        return np.where(points < low, 0.0, np.where(points > high, 1.0, np.clip(inside, 0.0, 1.0)))

    def pdf(self, s: ArrayLike) -> NDArray[np.float64]:
        """Probability density at ``s`` (any shape)."""
        points = np.asarray(s, dtype=float)
        low, high = self._series.domain
        inside = self._series.deriv()(np.clip(points, low, high))
        return np.where((points < low) | (points > high), 0.0, np.maximum(inside, 0.0))


def _half_line(s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and square roots of weights on (s, inf), which ends where the Airy function has died out."""
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half = 0.5 * (max(-s, 0.0) + _REACH)
    return s + half * (x + 1.0), np.sqrt(half * w)


def _airy_kernel(x: NDArray[np.float64]) -> NDArray[np.float64]:
    ai, slope, _, _ = airy(x)
    difference = x[:, None] - x[None, :]
    np.fill_diagonal(difference, 1.0)
    kernel = (ai[:, None] * slope[None, :] - slope[:, None] * ai[None, :]) / difference
    np.fill_diagonal(kernel, slope**2 - x * ai**2)
    return kernel


def _gue(s: float) -> float:
    x, w = _half_line(s)
    return float(np.linalg.det(np.eye(_NODES) - w[:, None] * _airy_kernel(x) * w[None, :]))


def _goe(s: float) -> float:
    x, w = _half_line(s)
    kernel = 0.5 * airy(0.5 * (x[:, None] + x[None, :]))[0]
    return float(np.linalg.det(np.eye(_NODES) - w[:, None] * kernel * w[None, :]))


def _baik_rains_primitive(s: float) -> float:
    """``F2(s) g(s)``, whose derivative is the stationary law.

    ``g = s + int_s^inf (v - s) Ai(v) dv + <Phi, (1 - K)^-1 Psi>`` on L2(s, inf) with ``Psi(y) = 1 - int_y^inf Ai`` and
    ``Phi(x) = int_s^inf dl Ai(x - s + l) Psi(l)``: the integrals over the negative half line, which converge only
    conditionally, are taken as the one over the whole line (1) less the one over the positive half line.
    """
    x, w = _half_line(s)
    shifted = airy(x[:, None] + x[None, :] - s)[0]
    psi = 1.0 - shifted @ w**2
    phi = shifted @ (w**2 * psi)
    operator = np.eye(_NODES) - w[:, None] * _airy_kernel(x) * w[None, :]
    determinant = np.linalg.det(operator)
    # The resolvent is ill-conditioned for negative s; a rank-one update of the determinant is not.
    bracket = np.linalg.det(operator + np.outer(w * psi, w * phi)) - determinant
    return float(determinant * (s + np.sum(w**2 * (x - s) * airy(x)[0])) + bracket)


def _cumulants(cdf: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Cumulants:
    """Moments about zero by ``E X^n = n int_0^inf s^(n-1) (1 - F) - n int_-inf^0 s^(n-1) F``, then central ones."""
    x, w = np.polynomial.legendre.leggauss(200)
    low, high = _SUPPORT
    right, left = 0.5 * high * (x + 1.0), 0.5 * low * (x + 1.0)
    above, below = 0.5 * high * w * (1.0 - cdf(right)), -0.5 * low * w * cdf(left)
    m1, m2, m3, m4 = (
        n * float(np.sum(above * right ** (n - 1)) - np.sum(below * left ** (n - 1))) for n in range(1, 5)
    )
    variance = m2 - m1**2
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    return Cumulants(m1, variance, third / variance**1.5, fourth / variance**2 - 3.0)


_INTERPOLATED: dict[str, Callable[[float], float]] = {
    "gue": _gue,
    "goe": _goe,
    "baik-rains": _baik_rains_primitive,
}


@cache
def limit_law(name: LawName) -> LimitLaw:
    """One of the limit laws of the KPZ class (computed once, about a second).

    Parameters
    ----------
    name : {"gue", "goe", "flat", "baik-rains"}
        See the table of the module.

    Returns
    -------
    LimitLaw
        Distribution, density and cumulants.

    Raises
    ------
    DomainError
        If there is no such law.
    """
    if name == "flat":
        goe, factor = limit_law("goe"), 2.0 ** (-2.0 / 3.0)
        series = Chebyshev(goe._series.coef, domain=factor * goe._series.domain)
        c = goe.cumulants
        return LimitLaw(name, Cumulants(factor * c.mean, factor**2 * c.variance, c.skewness, c.kurtosis), series)
    if name not in _INTERPOLATED:
        message = f"limit law {name!r} does not exist; accepted: {', '.join(get_args(LawName))}"
        raise DomainError(message)
    exact = np.vectorize(_INTERPOLATED[name], otypes=[float])
    series = Chebyshev.interpolate(exact, _DEGREE, domain=_SUPPORT)
    if name == "baik-rains":
        series = series.deriv()
    return LimitLaw(name, _cumulants(series), series)
