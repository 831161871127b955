"""Selling's reduction: obtuse superbases of tensors of two and three axes, each place from its predecessor's.

A superbase are ``d + 1`` integer vectors that span the lattice and add up to zero. Where it is obtuse,
``b_i . D b_j <= 0`` for all pairs, the tensor is

    D = sum_(i < j) lambda_ij v_ij v_ij^T,        lambda_ij = -b_i . D b_j,

``v_ij`` at right angles to the other vectors: the vertex of the linear programme of :mod:`fpsim.lattice.selling` that
is optimal. A pair that is not obtuse is mended by ``b_i -> -b_i`` with ``b_i`` added to all others but ``b_j`` (in the
plane ``b_k = b_i - b_j``), which makes ``sum_i b_i . D b_i`` smaller, so that the reduction ends.

Limits: a place whose offsets are none of the given ones, or whose reduction is long (a tensor close to singular), is
left to the linear programme.

References: Selling, J. reine angew. Math. 77, 143 (1874); Conway & Sloane, Proc. R. Soc. A 436, 55 (1992).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["reduce_planar", "reduce_spatial"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST = 60
"""Exchanges after which a place is left."""

ROUNDING = 1e-13


@njit(cache=True, nogil=True)
def reduce_planar(target: Array, place: Integers, chosen: Integers) -> None:
    """Rates and offsets for rows ``(D_00, D_01, D_11)``, which become rates.

    ``place[i, j]`` is the number of the offset ``(i - r, j - r)``, negative where there is none; ``chosen`` receives
    the numbers, a row that is left to others the number -1.
    """
    reach = place.shape[0] // 2
    px, py, qx, qy, rx, ry = 1, 0, 0, 1, -1, -1  # p + q + r = 0
    for cell in range(target.shape[0]):
        a, c, b = target[cell, 0], target[cell, 1], target[cell, 2]
        small, done = ROUNDING * max(a, b, abs(c)), False
        pq = pr = qr = 0.0
        for _ in range(MOST):
            dx, dy, ex, ey = a * px + c * py, c * px + b * py, a * qx + c * qy, c * qx + b * qy
            pq, pr, qr = dx * qx + dy * qy, dx * rx + dy * ry, ex * rx + ey * ry
            if pq <= small and pr <= small and qr <= small:
                done = True
                break
            if pq >= pr and pq >= qr:
                px, py, rx, ry = -px, -py, px - qx, py - qy
            elif pr >= qr:
                px, py, qx, qy = -px, -py, px - rx, py - ry
            else:
                qx, qy, px, py = -qx, -qy, qx - rx, qy - ry
        for k in range(3):
            if k == 0:
                rate, vx, vy = -pq, -ry, rx
            elif k == 1:
                rate, vx, vy = -pr, -qy, qx
            else:
                rate, vx, vy = -qr, -py, px
            number = 0
            if rate > small:
                inside = abs(vx) <= reach and abs(vy) <= reach
                number = place[vx + reach, vy + reach] if inside else -1
                done = done and number >= 0
            chosen[cell, k] = number
            target[cell, k] = max(rate, 0.0) if done else target[cell, k]
        if not done:
            target[cell, 0], target[cell, 1], target[cell, 2], chosen[cell, 0] = a, c, b, -1
            px, py, qx, qy, rx, ry = 1, 0, 0, 1, -1, -1


@njit(cache=True, nogil=True)
def reduce_spatial(target: Array, place: Integers, chosen: Integers) -> None:
    """The same for rows ``(D_00, D_01, D_02, D_11, D_12, D_22)``."""
    base, rates, numbers = np.zeros((4, 3), np.int64), np.zeros(6), np.zeros(6, np.int64)
    _unit(base)
    _number(base, place, numbers)
    for cell in range(target.shape[0]):
        row = target[cell]
        small = ROUNDING * max(row[0], row[3], row[5], abs(row[1]), abs(row[2]), abs(row[4]))
        exchanges = _reduce(row, base, rates, small)
        if exchanges > 0:
            _number(base, place, numbers)
        done = exchanges < MOST
        for k in range(6):
            done = done and (rates[k] <= small or numbers[k] >= 0)
        if done:
            for k in range(6):
                target[cell, k], chosen[cell, k] = max(rates[k], 0.0), max(numbers[k], 0)
        else:
            chosen[cell, 0] = -1
            _unit(base)
            _number(base, place, numbers)


@njit(cache=True, nogil=True)
def _number(base: Integers, place: Integers, numbers: Integers) -> None:
    """Numbers of the offsets of all pairs i < j: at right angles to the other two vectors."""
    reach, pair = place.shape[0] // 2, 0
    for i in range(3):
        for j in range(i + 1, 4):
            k = 0 if i > 0 else (1 if j > 1 else 2)
            m = 6 - i - j - k
            x = base[k, 1] * base[m, 2] - base[k, 2] * base[m, 1]
            y = base[k, 2] * base[m, 0] - base[k, 0] * base[m, 2]
            z = base[k, 0] * base[m, 1] - base[k, 1] * base[m, 0]
            inside = abs(x) <= reach and abs(y) <= reach and abs(z) <= reach
            numbers[pair] = place[x + reach, y + reach, z + reach] if inside else -1
            pair += 1


@njit(cache=True, nogil=True)
def _unit(base: Integers) -> None:
    """The superbase of the axes."""
    for i in range(4):
        for k in range(3):
            base[i, k] = -1 if i == 3 else int(i == k)


@njit(cache=True, nogil=True)
def _reduce(row: Array, base: Integers, rates: Array, small: float) -> int:
    """Make a superbase obtuse, with the rates of its pairs; exchanges, MOST if it did not end."""
    d00, d01, d02, d11, d12, d22 = row[0], row[1], row[2], row[3], row[4], row[5]
    for exchanges in range(MOST):
        first, second, largest, pair = 0, 0, small, 0
        for i in range(3):
            x, y, z = base[i, 0], base[i, 1], base[i, 2]
            u, v, w = d00 * x + d01 * y + d02 * z, d01 * x + d11 * y + d12 * z, d02 * x + d12 * y + d22 * z
            for j in range(i + 1, 4):
                dot = u * base[j, 0] + v * base[j, 1] + w * base[j, 2]
                rates[pair] = -dot
                pair += 1
                if dot > largest:
                    first, second, largest = i, j, dot
        if largest == small:
            return exchanges
        for k in range(3):
            added = base[first, k]
            for j in range(4):
                if j not in (first, second):
                    base[j, k] += added
            base[first, k] = -added
    return MOST
