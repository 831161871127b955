"""Rational approximations of the exponential with one real pole, for Markov generators of any stiffness.

``r(z)`` of degree ``m`` with the pole ``x > 0`` costs ``m`` solves with one matrix ``1 - (h / x) Q^T``, factorised
once; for a Markov generator it is an M-matrix at every step ``h`` (complex poles would need complex solves that are no
M-matrices, different poles a factorisation each). With

    s = -(1 + z / x) / (1 - z / x) = 1 - 2 u,   u = 1 / (1 - z / x),   w = 1 - u

it is ``r = c_0 + c_1 s + ... + c_m s^m``. ``s`` maps the left half plane to the unit disc, where ``|r| < 1.02``, so
that ``sum c^2 < 1.02^2`` (Parseval): sums lose no digits. The coefficients come from the form

    r = u [ L_0(x) + L_1(x) w + ... + L_{q-1}(x) w^{q-1} + w^q (a_0 + a_1 s + a_2 s^2 + ... ) ].

*At zero.* The generating function of Laguerre polynomials, ``sum_k L_k(x) w^k = exp(-x w / (1 - w)) / (1 - w)``, with
``w / (1 - w) = -z / x`` gives ``exp(z) = u sum_k L_k(x) w^k``. As ``w = O(z)``, ``r - exp = O(z^q)`` for whatever
``a``; ``r(0) = 1`` keeps mass, and ``r(infinity) = 0``.

*On the half strip* ``Re z <= 0, |Im z| <= 4`` the ``a`` make ``max |r - exp|`` as small as they can. The difference is
analytic there and vanishes at infinity, so its maximum is on the border, and by symmetry on the upper half of that.
The linear minimax problem is solved by least squares, reweighted by the errors (Lawson). Spectra of what diffuses lie
on the real axis: one step is right to the error of the fit, however stiff, rough or long it is. Imaginary parts come
with transport; 4 in the strip means that a step may carry a density by some of its widths.

*Beyond*, on the imaginary axis, ``r`` is fitted to zero with a small weight, which keeps ``|r| < 1.02`` there, and so
(maximum principle) on the left half plane.

``exp(t Q^T)`` contracts in L1. An error made in one step never grows, so that errors of steps add up at most.

Limits: ``r`` is not positive; where it makes masses negative, the caller has to mend them. Rounding ends the decrease
of errors at the highest degree, near 1e-12.

References: Norsett, SIAM J. Numer. Anal. 15, 1008 (1978), restricted Pade approximations; Andersson, J. Approx. Theory
32, 85 (1981), real poles of high multiplicity; Lawson, thesis, UCLA (1961), the reweighting.
"""

from __future__ import annotations

from math import fsum
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Polynomial
from numpy.polynomial.laguerre import lagval
from numpy.typing import NDArray

__all__ = ["ORDER", "STRIP", "ApproximationFamily", "Approximations", "evaluate", "fit"]

Array = NDArray[np.float64]

ORDER = 4
"""``q``: the first power of ``z`` in which ``r`` and ``exp`` differ."""
STRIP = 4.0
"""Half the width of the strip."""

_DEGREES = np.arange(8, 37, 2)
_RATIO = 0.85  # pole by degree; errors depend on it by a factor of two, and above 1 what lies beyond the strip grows
_ROUNDS = 12  # of reweighting; twice as many gain one per cent
_BLOCK = 128  # rows of a factorisation, few enough that linear algebra starts no threads for them


class Approximations(NamedTuple):
    """Approximations of degrees 8, 10 ... 36 by level 0, 1 ... 14, as kernels take them.

    Attributes
    ----------
    degrees : ndarray of int, shape (15,)
    poles : ndarray, shape (15,)
    coefficients : ndarray, shape (15, 2, 37)
        Of ``r`` and of its difference to the approximation of two degrees less with the same pole.
    errors : ndarray, shape (15,)
        Largest ``|r - exp|`` on the strip; nan until the level has been fitted. A level once fitted never changes.
    """

    degrees: NDArray[np.int64]
    poles: Array
    coefficients: Array
    errors: Array


class ApproximationFamily:
    """All levels of approximations in one table, each fitted when it is first required."""

    def __init__(self) -> None:
        self.table = Approximations(
            _DEGREES.astype(np.int64),
            np.array(_RATIO * _DEGREES, np.float64),
            np.zeros((_DEGREES.size, 2, _DEGREES[-1] + 1)),
            np.full(_DEGREES.size, np.nan),
        )

    def require(self, level: int) -> None:
        """Fit a level unless that has been done: some milliseconds."""
        table = self.table
        if not np.isnan(table.errors[level]):
            return
        degree, pole = int(table.degrees[level]), float(table.poles[level])
        fine, error = fit(degree, pole)
        coarse, _ = fit(degree - 2, pole)
        table.coefficients[level, :, : degree + 1] = fine
        table.coefficients[level, 1, : degree - 1] -= coarse
        table.errors[level] = error  # last: it marks the level as fitted


def fit(degree: int, pole: float) -> tuple[Array, float]:
    """Coefficients ``c`` of ``r``, and its largest error on the strip.

    Parameters
    ----------
    degree : int
        ``m > q``.
    pole : float
        ``x > 0``.

    Returns
    -------
    coefficients : ndarray, shape (degree + 1,)
    error : float
        ``max |r - exp|`` on the half strip, rounding included.

    Notes
    -----
    Least squares with weights that are multiplied by the errors each time (Lawson 1961). Points lie evenly in the angle
    of ``s`` on the unit circle, where polynomials of ``s`` oscillate evenly.
    """
    angle = np.linspace(0.0, 0.5 * np.pi, 240, endpoint=False)
    front = STRIP * np.arange(1, 80) / 80
    side = 1j * STRIP - pole * np.tan(angle) ** 2
    beyond = STRIP * np.geomspace(1.3, 2500.0, 120)
    z = np.concatenate([1j * front, side, 1j * beyond])
    strip = np.arange(z.size) < front.size + side.size
    s, w = _plane(z, pole), Polynomial([0.5, 0.5])
    known = (1.0 - w) * Polynomial(lagval(pole, np.eye(ORDER)))(w)
    free = (1.0 - w) * w**ORDER
    scale = np.where(strip, 1.0, 13.0 * 10.0 ** (-0.375 * degree))  # an error beyond may be as large as 1
    exact = np.where(strip, np.exp(z), 0.0)
    columns = free(s)[:, None] * s[:, None] ** np.arange(degree - ORDER)
    rows = np.column_stack([columns, exact - known(s)]) * scale[:, None]

    padded = np.zeros((-(-2 * z.size // _BLOCK) * _BLOCK, rows.shape[1]))
    padded[: z.size], padded[z.size : 2 * z.size] = rows.real, rows.imag
    root: Array = np.zeros(len(padded))
    weight: Array = np.ones(z.size)
    found: Array = weight
    least = np.inf
    for _ in range(_ROUNDS):
        root[: z.size] = root[z.size : 2 * z.size] = np.sqrt(weight)
        blocks = (padded * root[:, None]).reshape(-1, _BLOCK, rows.shape[1])
        upper = _upper(np.concatenate(_upper(blocks)))
        values = np.asarray(np.linalg.lstsq(upper[:-1, :-1], upper[:-1, -1], rcond=1e-15)[0], np.float64)
        errors = np.abs((rows[:, :-1] * values).sum(axis=1) - rows[:, -1])
        if errors.max() < least:
            found, least = values, float(errors.max())
        product = weight * (errors + 1e-300)
        weight = np.asarray(product / product.sum(), np.float64)
    coefficients = np.asarray((known + free * Polynomial(found)).coef, np.float64)
    coefficients[0] += 1.0 - fsum(coefficients * (-1.0) ** np.arange(degree + 1))  # s = -1 at zero: mass, to rounding
    error = np.abs(evaluate(coefficients, pole, z) - exact)[strip].max()
    return coefficients, 1.05 * float(error)  # between points it is up to 1 % more


def evaluate(coefficients: Array, pole: float, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """``r(z)`` of these coefficients."""
    return np.asarray(Polynomial(coefficients)(_plane(z, pole)))


def _plane(z: NDArray[np.complex128], pole: float) -> NDArray[np.complex128]:
    """``s``."""
    return -(1.0 + z / pole) / (1.0 - z / pole)


def _upper(rows: Array) -> Array:
    """Upper triangle ``R`` of one or more matrices ``Q R``."""
    return np.asarray(np.linalg.qr(rows, mode="r"))
