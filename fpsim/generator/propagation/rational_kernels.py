"""Kernels of the rational approximation: solves with the M-matrix ``1 - g Q^T``, polynomials of them, mending.

The generator is that of a birth-death chain; ``rates`` has shape (2, n): to the left and to the right neighbour.
Eliminations have no subtraction, so that every solution of a non-negative right-hand side is non-negative and right to
rounding in every entry, whatever the rates.

Reference: Grassmann, Taksar & Heyman, Oper. Res. 33, 1107 (1985).
"""

from __future__ import annotations

from fpsim.support.compilation import njit

__all__ = ["apply_rational", "distance", "factor", "mend"]


@njit(cache=True, nogil=True)
def factor(rates, g, factors):  # type: ignore[no-untyped-def]
    """Eliminate ``1 - g Q^T`` from the left (rows 0-2) and from the right (rows 3-5), without a subtraction.

    ``left`` and ``right`` are what remains of a column's sum: the pivot is that plus ``g`` times the rate onwards
    (Grassmann, Taksar & Heyman). Rows hold the share passed on by elimination, the inverse pivot, the factor of back
    substitution.
    """
    n = rates.shape[1]
    left, right, share_left, share_right = 1.0, 1.0, 0.0, 0.0
    for i in range(n):
        j = n - 1 - i
        left, right = 1.0 + g * rates[0, i] * share_left, 1.0 + g * rates[1, j] * share_right
        factors[1, i], factors[4, j] = 1.0 / (g * rates[1, i] + left), 1.0 / (g * rates[0, j] + right)
        share_left, share_right = left * factors[1, i], right * factors[4, j]
    factors[0, 0] = factors[5, 0] = factors[3, n - 1] = factors[2, n - 1] = 0.0
    for i in range(1, n):
        onwards, back = g * rates[1, i - 1], g * rates[0, i]
        factors[0, i], factors[5, i] = onwards * factors[1, i - 1], onwards * factors[4, i]
        factors[3, i - 1], factors[2, i - 1] = back * factors[4, i], back * factors[1, i - 1]


@njit(cache=True, nogil=True, fastmath={"contract"})
def apply_rational(factors, masses, coefficients, v, y, out, gap):  # type: ignore[no-untyped-def]
    """``r`` times masses into ``out``; the L1 norm of its difference to two degrees less.

    Solves alternate in direction, so that the back substitution of one and the elimination of the next run in one pass,
    whose time is the latency of one multiply-add per cell. ``v`` is ``s^k`` times masses.
    """
    n = masses.size
    share_l, pivot_l, back_l, share_r, pivot_r, back_r = factors
    a, b, eliminated = coefficients[0, 0], coefficients[1, 0], 0.0
    for i in range(n):
        v[i], out[i], gap[i] = masses[i], a * masses[i], b * masses[i]
        eliminated = masses[i] + share_l[i] * eliminated
        y[i] = eliminated * pivot_l[i]
    for k in range(1, coefficients.shape[1]):
        a, b = coefficients[0, k], coefficients[1, k]
        solved, eliminated = 0.0, 0.0
        if k % 2 == 1:
            for i in range(n - 1, -1, -1):
                solved = y[i] + back_l[i] * solved
                v[i] -= 2.0 * solved
                eliminated = v[i] + share_r[i] * eliminated
                y[i] = eliminated * pivot_r[i]
                out[i] += a * v[i]
                gap[i] += b * v[i]
        else:
            for i in range(n):
                solved = y[i] + back_r[i] * solved
                v[i] -= 2.0 * solved
                eliminated = v[i] + share_l[i] * eliminated
                y[i] = eliminated * pivot_l[i]
                out[i] += a * v[i]
                gap[i] += b * v[i]
    total = 0.0
    for i in range(n):
        total += abs(gap[i])
    return total


@njit(cache=True, nogil=True)
def mend(masses, out):  # type: ignore[no-untyped-def]
    """Copy without what is negative: deficits go to the next cells that have mass. How much was negative.

    The first pass goes to the right, the second takes to the left what is left over; only if no cell between has mass
    does the one of the absorbed mass beyond the last cell pay.
    """
    n, negative, debt = masses.size, 0.0, 0.0
    for i in range(n - 1):
        negative -= min(masses[i], 0.0)
        left = masses[i] + debt
        debt = min(left, 0.0)
        out[i] = left - debt
    negative -= min(masses[n - 1], 0.0)
    debt += min(masses[n - 1], 0.0)
    out[n - 1] = max(masses[n - 1], 0.0)
    for i in range(n - 2, -1, -1):
        if debt == 0.0:
            break
        left = out[i] + debt
        debt = min(left, 0.0)
        out[i] = left - debt
    out[n - 1] = max(out[n - 1] + debt, 0.0)
    return negative


@njit(cache=True, nogil=True)
def distance(a, b):  # type: ignore[no-untyped-def]
    """L1 distance."""
    total = 0.0
    for i in range(a.size):
        total += abs(a[i] - b[i])
    return total
