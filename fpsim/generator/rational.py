"""Rational approximations of the exponential with one real pole, for Markov generators of any stiffness.

``r(z)`` of degree ``m`` with the pole ``x > 0`` costs ``m`` solves with one matrix ``1 - (h / x) Q^T``, factorised
once; for a Markov generator it is an M-matrix at every step ``h`` (complex poles would need complex solves that are no
M-matrices, different poles a factorisation each). With

    u = 1 / (1 - z / x),   w = 1 - u,   s = 1 - 2 u = -(1 + z / x) / (1 - z / x)

it is written as

    r = u [ L_0(x) + L_1(x) w + ... + L_{q-1}(x) w^{q-1} + w^q (a_0 + a_1 s + a_2 s^2 + ...) ].

*At zero.* The generating function of Laguerre polynomials, ``sum_k L_k(x) w^k = exp(-x w / (1 - w)) / (1 - w)``, with
``w / (1 - w) = -z / x`` says that ``exp(z) = u sum_k L_k(x) w^k``. As ``w = O(z)``, ``r - exp = O(z^q)`` for whatever
``a``; ``r(0) = 1`` keeps mass, and ``r(infinity) = 0``.

*On the half strip* ``Re z <= 0, |Im z| <= 4`` the ``a`` make ``max |r - exp|`` as small as they can. The difference is
analytic there and vanishes at infinity, so its maximum is on the border, and by symmetry on the upper half of that.
The linear minimax problem is solved by least squares, reweighted by the errors (Lawson). Spectra of what diffuses lie
on the real axis: one step is right to the error of the fit, however stiff, rough or long it is. Imaginary parts come
with transport; 4 in the strip means that a step may carry a density by some of its widths.

*Beyond*, on the imaginary axis, ``r`` is fitted to zero with a small weight. This keeps ``|r| < 1.01`` on the left half
plane (the maximum is on the axis), where ``s`` maps to the unit disc, so that sums in powers of it lose no digits.

``exp(t Q^T)`` contracts in L1. An error made in one step never grows, so that errors of steps add up at most.

Limits: ``r`` is not positive; where it makes masses negative, the caller has to mend them. Rounding of the terms, of
the size of their coefficients, is part of the errors stated; it ends their decrease at the highest degree.

References: Norsett, SIAM J. Numer. Anal. 15, 1008 (1978), restricted Pade approximations; Andersson, J. Approx. Theory
32, 85 (1981), real poles of high multiplicity; Lawson, thesis, UCLA (1961), the reweighting.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial.laguerre import lagval
from numpy.typing import NDArray

__all__ = ["ORDER", "STRIP", "Family", "evaluate", "fit"]

Array = NDArray[np.float64]

ORDER = 4
"""``q``: the first power of ``z`` in which ``r`` and ``exp`` differ."""
STRIP = 4.0
"""Half the width of the strip."""

_DEGREES = np.arange(8, 37, 2)
_RATIO = 0.85  # pole by degree; the least error is within 10 % of it for all degrees
_ROUNDS = 12  # of reweighting; more gain a few per cent
_BLOCK = 128  # rows of a factorisation, few enough that linear algebra starts no threads for them


@dataclass(frozen=True, eq=False)
class Family:
    """Approximations of degrees 8, 10 ... 36 by level 0, 1 ... 14, as kernels want them; fitted when first asked for.

    Attributes
    ----------
    degrees : ndarray of int, shape (15,)
    poles : ndarray, shape (15,)
    coefficients : ndarray, shape (15, 2, 36)
        Of ``r`` and of its difference to the approximation of two degrees less with the same pole.
    errors : ndarray, shape (15,)
        Largest ``|r - exp|`` on the strip; nan until the level has been fitted. What is there never changes.
    """

    degrees: NDArray[np.int64] = field(default_factory=_DEGREES.copy)
    poles: Array = field(default_factory=lambda: np.array(_RATIO * _DEGREES, np.float64))
    coefficients: Array = field(default_factory=lambda: np.zeros((_DEGREES.size, 2, _DEGREES[-1])))
    errors: Array = field(default_factory=lambda: np.asarray(np.nan * _DEGREES))

    def require(self, level: int) -> None:
        """Fit a level if it is not there: some milliseconds."""
        if not np.isnan(self.errors[level]):
            return
        degree, pole = int(self.degrees[level]), float(self.poles[level])
        fine, error = fit(degree, pole)
        coarse, _ = fit(degree - 2, pole)
        self.coefficients[level, :, :degree] = fine
        self.coefficients[level, 1, : degree - 2] -= coarse
        self.errors[level] = error  # last: it says that the level is there


def fit(degree: int, pole: float) -> tuple[Array, float]:
    """Coefficients ``L_0(x) ... L_{q-1}(x), a_0, a_1 ...`` of ``r``, and its largest error on the strip.

    Parameters
    ----------
    degree : int
        ``m > q``, of ``u``.
    pole : float
        ``x > 0``.

    Returns
    -------
    coefficients : ndarray, shape (degree,)
    error : float
        ``max |r - exp|`` on the half strip, and of rounding the unit roundoff times the sum of all coefficients.

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
    terms, known = _terms(z, degree, pole), lagval(pole, np.eye(ORDER))
    scale = np.where(strip, 1.0, 13.0 * 10.0 ** (-0.375 * degree))  # an error beyond may be as large as 1
    gap = np.where(strip, np.exp(z), 0.0) - terms[:, :ORDER] @ known
    rows = np.column_stack([terms[:, ORDER:], gap]) * scale[:, None]

    padded = np.zeros((-(-2 * z.size // _BLOCK) * _BLOCK, rows.shape[1]))
    padded[: z.size], padded[z.size : 2 * z.size] = rows.real, rows.imag
    root: Array = np.zeros(len(padded))
    weight: Array = np.ones(z.size)
    found: Array = np.zeros(degree - ORDER)
    least = np.inf
    for _ in range(_ROUNDS):
        root[: z.size] = root[z.size : 2 * z.size] = np.sqrt(weight)
        blocks = (padded * root[:, None]).reshape(-1, _BLOCK, rows.shape[1])
        upper = _upper(np.concatenate(_upper(blocks)))
        values = np.linalg.lstsq(upper[:-1, :-1], upper[:-1, -1], rcond=1e-15)[0]
        errors = np.abs((rows[:, :-1] * values).sum(axis=1) - rows[:, -1])
        if errors.max() < least:
            found, least = values, float(errors.max())
        weight *= errors + 1e-300
        weight /= weight.sum()
    coefficients = np.concatenate([known, found])
    return coefficients, least + 0.5 * np.finfo(float).eps * float(np.abs(coefficients).sum())


def evaluate(coefficients: Array, pole: float, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """``r(z)`` of these coefficients at places of shape (places,)."""
    return _terms(z, coefficients.size, pole) @ coefficients


def _upper(rows: Array) -> Array:
    """Upper triangle ``R`` of one or more matrices ``Q R``."""
    return np.asarray(np.linalg.qr(rows, mode="r"))


def _terms(z: NDArray[np.complex128], degree: int, pole: float) -> NDArray[np.complex128]:
    """``u w^k`` for ``k < q``, then ``u w^q s^j``, shape (places, degree)."""
    u = 1.0 / (1.0 - z[:, None] / pole)
    k = np.arange(degree)
    return u * (1.0 - u) ** np.minimum(k, ORDER) * (1.0 - 2.0 * u) ** np.maximum(k - ORDER, 0)
