"""Drift and diffusion of a tanh bottleneck at many weights at once: sums over data nodes, in vector lanes.

For a sample ``x``, with ``h = tanh(W1 x)``, ``r = W2 h - x``, ``e = W2^T r``, ``M = W2^T W2`` and the derivatives
``p, q, t`` of tanh, the gradient is ``(e_j p_j x_b, r_a h_j)``, the Hessian of the loss

    H11 = (M_jl p_j p_l + delta_jl e_j q_j) x_b x_c,   H22 = delta_ac h_j h_l,
    H21_(al),(jb) = (delta_jl r_a + W2_aj h_l) p_j x_b,

and ``lap g`` the gradient of its trace. Sums run over nodes in order; no lane mixes with another. Limits: no label
noise; orders ``sme1`` and ``sme2``.
"""

from __future__ import annotations

import numpy as np

from fpsim.support.compilation import njit
from fpsim.support.elementary import tanh
from fpsim.theory.joint.linear_lanes import LANES

__all__ = ["fill_tanh"]


@njit(cache=True, nogil=True, error_model="numpy")
def fill_tanh(nodes, weights, k, factors, x, drift, diffusion):  # type: ignore[no-untyped-def]
    """Drift (n, P) and packed lower triangle of the diffusion (n (n + 1) / 2, P) at weights ``x`` (n, P)."""
    d = nodes.shape[1]
    n, points = x.shape
    rows = n * (n + 1) // 2
    w, h, p = np.empty((n, LANES)), np.empty((k, LANES)), np.empty((k, LANES))
    q, e, r, m = np.empty((k, LANES)), np.empty((k, LANES)), np.empty((d, LANES)), np.empty((k * k, LANES))
    sample, g, second = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((rows, LANES))
    hessian, laplacian = np.empty((rows, LANES)), np.empty((n, LANES))
    curved = factors.second != 0.0 or factors.hessian != 0.0
    thermal = factors.second != 0.0 and factors.temperature != 0.0
    for begin in range(0, points, LANES):
        count = min(LANES, points - begin)
        for i in range(n):
            for v in range(LANES):
                w[i, v] = x[i, begin + (v if v < count else 0)]
        g[:], second[:], hessian[:], laplacian[:], m[:] = 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(k):
            for other in range(k):
                for a in range(d):
                    for v in range(LANES):
                        m[j * k + other, v] += w[k * d + a * k + j, v] * w[k * d + a * k + other, v]
        for s in range(weights.size):
            _forward(d, k, nodes[s], w, h, p, q, r, e)
            for j in range(k):
                for b in range(d):
                    for v in range(LANES):
                        sample[j * d + b, v] = e[j, v] * p[j, v] * nodes[s, b]
                for a in range(d):
                    for v in range(LANES):
                        sample[k * d + a * k + j, v] = r[a, v] * h[j, v]
            row = 0
            for i in range(n):
                for v in range(LANES):
                    g[i, v] += weights[s] * sample[i, v]
                for j in range(i + 1):
                    for v in range(LANES):
                        second[row, v] += weights[s] * sample[i, v] * sample[j, v]
                    row += 1
            if curved:
                _add_hessian(d, k, nodes[s], weights[s], w, h, p, q, r, e, m, hessian)
            if thermal:
                _add_laplacian(d, k, nodes[s], weights[s], w, h, p, q, r, e, m, laplacian)
        row = 0
        for i in range(n):
            for j in range(i + 1):
                diagonal = factors.thermal + factors.hessian * factors.decay if i == j else 0.0
                for v in range(count):
                    diffusion[row, begin + v] = (
                        factors.noise * (second[row, v] - g[i, v] * g[j, v])
                        + factors.hessian * hessian[row, v]
                        + diagonal
                    )
                row += 1
        if factors.decay != 0.0:
            for i in range(n):
                for v in range(LANES):
                    g[i, v] += factors.decay * w[i, v]
        for i in range(n):
            for v in range(LANES):
                sample[i, v] = -factors.mobility * g[i, v] - factors.second * (
                    factors.decay * g[i, v] - factors.temperature * laplacian[i, v]
                )
            for j in range(n):
                row = i * (i + 1) // 2 + j if j <= i else j * (j + 1) // 2 + i
                for v in range(LANES):
                    sample[i, v] -= factors.second * hessian[row, v] * g[j, v]
            for v in range(count):
                drift[i, begin + v] = sample[i, v]


@njit(cache=True, nogil=True, error_model="numpy")
def _forward(d, k, node, w, h, p, q, r, e):  # type: ignore[no-untyped-def]
    for j in range(k):
        for v in range(LANES):
            h[j, v] = w[j * d, v] * node[0]
        for b in range(1, d):
            for v in range(LANES):
                h[j, v] += w[j * d + b, v] * node[b]
        for v in range(LANES):
            t = tanh(h[j, v])
            h[j, v] = t
            p[j, v] = 1.0 - t * t
            q[j, v] = -2.0 * t * (1.0 - t * t)
            e[j, v] = 0.0
    for a in range(d):
        for v in range(LANES):
            r[a, v] = -node[a]
        for j in range(k):
            for v in range(LANES):
                r[a, v] += w[k * d + a * k + j, v] * h[j, v]
        for j in range(k):
            for v in range(LANES):
                e[j, v] += w[k * d + a * k + j, v] * r[a, v]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_hessian(d, k, node, weight, w, h, p, q, r, e, m, out):  # type: ignore[no-untyped-def]
    for j in range(k):
        for b in range(d):
            i = j * d + b
            for other in range(j + 1):
                for c in range(d if other < j else b + 1):
                    row, f = i * (i + 1) // 2 + other * d + c, weight * node[b] * node[c]
                    for v in range(LANES):
                        out[row, v] += f * m[j * k + other, v] * p[j, v] * p[other, v]
                    if other == j:
                        for v in range(LANES):
                            out[row, v] += f * e[j, v] * q[j, v]
    for a in range(d):
        for other in range(k):
            i = k * d + a * k + other
            for j in range(other + 1):
                row = i * (i + 1) // 2 + k * d + a * k + j
                for v in range(LANES):
                    out[row, v] += weight * h[j, v] * h[other, v]
            for j in range(k):
                for b in range(d):
                    row, f = i * (i + 1) // 2 + j * d + b, weight * node[b]
                    for v in range(LANES):
                        out[row, v] += f * w[k * d + a * k + j, v] * h[other, v] * p[j, v]
                    if j == other:
                        for v in range(LANES):
                            out[row, v] += f * r[a, v] * p[j, v]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_laplacian(d, k, node, weight, w, h, p, q, r, e, m, out):  # type: ignore[no-untyped-def]
    """Gradient of ``tr H = sum_j (M_jj p_j^2 + e_j q_j) |x|^2 + d sum_j h_j^2``; ``t = -2 p (1 - 3 h^2)``."""
    square = 0.0
    for b in range(d):
        square += node[b] * node[b]
    for j in range(k):
        for b in range(d):
            f = weight * node[b]
            for v in range(LANES):
                third = -2.0 * p[j, v] * (1.0 - 3.0 * h[j, v] * h[j, v])
                own = 2.0 * m[j * k + j, v] * p[j, v] * q[j, v] + e[j, v] * third
                out[j * d + b, v] += f * (square * own + 2.0 * d * h[j, v] * p[j, v])
            for other in range(k):
                for v in range(LANES):
                    out[j * d + b, v] += f * square * m[j * k + other, v] * p[j, v] * q[other, v]
        for a in range(d):
            i = k * d + a * k + j
            for v in range(LANES):
                out[i, v] += weight * square * (2.0 * w[i, v] * p[j, v] * p[j, v] + r[a, v] * q[j, v])
            for other in range(k):
                for v in range(LANES):
                    out[i, v] += weight * square * w[k * d + a * k + other, v] * q[other, v] * h[j, v]
