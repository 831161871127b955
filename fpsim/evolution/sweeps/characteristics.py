"""Characteristics: departure points (feet) of the faces of a line of cells.

Positions along a line are in cells: face ``f`` is at ``f``. The drift is known on the faces (cells per unit time) and
smooth between them. Feet are traced back by the Lie series of the flow up to dt^4, with derivatives from five faces,
where the drift changes slowly within a step, and by Runge-Kutta steps of fourth order elsewhere. Feet keep the order
of their faces, so the remap that follows is monotone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.support.compilation import njit

__all__ = ["trace_feet"]

Array = NDArray[np.float64]

CALM = 4
"""Cells around a face in which the drift must change slowly for the series to be used where it does not everywhere."""


@njit(cache=True, nogil=True, error_model="numpy")
def _drift_at(drift: Array, s: float, n: int, periodic: bool) -> float:
    """Cubic interpolation of face values; constant beyond a wall."""
    if periodic:
        s -= np.floor(s / n) * n
        i = min(int(s), n - 1)
        x = s - i
        d0, d1, d2, d3 = drift[i - 1 if i > 0 else n - 1], drift[i], drift[i + 1], drift[i + 2 if i + 2 <= n else 1]
    else:
        s = min(max(s, 0.0), float(n))
        i = min(max(int(s), 1), n - 2)
        if n < 3:
            i = min(int(s), n - 1)
            return drift[i] + (s - i) * (drift[i + 1] - drift[i])
        x = s - i
        d0, d1, d2, d3 = drift[i - 1], drift[i], drift[i + 1], drift[i + 2]
    y, z, w = x + 1.0, x - 1.0, x - 2.0
    return -x * z * w / 6.0 * d0 + 0.5 * y * z * w * d1 - 0.5 * y * x * w * d2 + y * x * z / 6.0 * d3


@njit(cache=True, nogil=True, error_model="numpy")
def _lie_foot(f: int, m2: float, m1: float, b0: float, p1: float, p2: float, dt: float) -> float:
    """``exp(-dt b d/ds) s`` at face ``f`` up to dt^4, from the drift on five faces."""
    b1 = (8.0 * (p1 - m1) - (p2 - m2)) / 12.0
    b2 = (16.0 * (p1 + m1) - (p2 + m2) - 30.0 * b0) / 12.0
    b3 = 0.5 * (p2 - m2) - (p1 - m1)
    third = b1 * b1 + b0 * b2
    fourth = b1 * b1 * b1 + 4.0 * b0 * b1 * b2 + b0 * b0 * b3
    return f - dt * b0 * (1.0 - dt / 2.0 * (b1 - dt / 3.0 * (third - dt / 4.0 * fourth)))


@njit(cache=True, nogil=True, error_model="numpy")
def _lie_series(b: Array, dt: float, n: int, periodic: bool, foot: Array) -> None:
    for f in range(2, n - 1):
        foot[f] = _lie_foot(f, b[f - 2], b[f - 1], b[f], b[f + 1], b[f + 2], dt)
    if periodic:
        for f in (0, 1, n - 1, n):
            foot[f] = _lie_foot(f, b[(f - 2) % n], b[(f - 1) % n], b[f], b[(f + 1) % n], b[(f + 2) % n], dt)
    else:  # beyond a wall the drift goes on as a parabola
        for w, e in ((0, 1), (n, -1)):
            out1 = 3.0 * b[w] - 3.0 * b[w + e] + b[w + 2 * e]
            out2 = 6.0 * b[w] - 8.0 * b[w + e] + 3.0 * b[w + 2 * e]
            c0, c1, c2, c3 = b[w], b[w + e], b[w + 2 * e], b[w + 3 * e]
            if e > 0:
                foot[0] = _lie_foot(0, out2, out1, c0, c1, c2, dt)
                foot[1] = _lie_foot(1, out1, c0, c1, c2, c3, dt)
            else:
                foot[n] = _lie_foot(n, c2, c1, c0, out1, out2, dt)
                foot[n - 1] = _lie_foot(n - 1, c3, c2, c1, c0, out1, dt)


@njit(cache=True, nogil=True, error_model="numpy")
def _runge_kutta(b: Array, dt: float, n: int, periodic: bool, stages: int, f: int) -> float:
    """Foot of one face by fourth-order steps."""
    h, s = -dt / stages, float(f)
    for _ in range(stages):
        k1 = _drift_at(b, s, n, periodic)
        k2 = _drift_at(b, s + 0.5 * h * k1, n, periodic)
        k3 = _drift_at(b, s + 0.5 * h * k2, n, periodic)
        k4 = _drift_at(b, s + h * k3, n, periodic)
        s += h / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)
    return s


@njit(cache=True, nogil=True, error_model="numpy")
def trace_feet(drift: Array, dt: float, n: int, periodic: bool, low: bool, high: bool, foot: Array) -> None:
    """Feet of the ``n + 1`` faces of a line after tracing back over ``dt``.

    ``low`` and ``high`` say whether the walls absorb: then the wall's own foot is traced, else it stays.
    """
    steepest = 0.0
    for f in range(n):
        steepest = max(steepest, abs(drift[f + 1] - drift[f]))
    gentle = steepest * dt <= 0.2
    if n >= 5:
        _lie_series(drift, dt, n, periodic, foot)
    if n < 5 or not gentle:
        stages = min(int(4.0 * steepest * dt) + 1, 64)
        for f in range(n + 1):
            # calm as far as the face was carried, and one cell more: the series holds there
            first, last = max(f - CALM, 0), min(f + CALM, n)
            calm = n >= 5 and abs(foot[f] - f) < CALM - 1
            for m in range(first, last):
                calm = calm and abs(drift[m + 1] - drift[m]) * dt <= 0.2
            if not calm:
                foot[f] = _runge_kutta(drift, dt, n, periodic, stages, f)
    if periodic:
        foot[n] = foot[0] + n
    else:
        foot[0] = max(foot[0], 0.0) if low else 0.0
        foot[n] = min(foot[n], float(n)) if high else float(n)
    for f in range(1, n):
        foot[f] = min(max(foot[f], foot[f - 1]), foot[n])
