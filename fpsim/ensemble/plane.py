"""The smallest linear network with a direction to learn, d = 2 and k = 1, on a training set: a short cut.

Without label noise a batch enters through the sums of ``x_0^2, x_0 x_1, x_1^2``, looked up per sample, and
the gradient of ``W1 = a^T``, ``W2 = b`` is ``(b^2 M a - M b, (a M a) b - M a)`` with ``M = mean x x^T``
(theory: 2.2). Same batches as the general kernels and the same numbers up to rounding, in half the time.
"""

from __future__ import annotations

import numpy as np

from fpsim.network.layers import LANES
from fpsim.support.compilation import lane_kernel

__all__ = ["plane_gradient"]


@lane_kernel
def plane_gradient(products, chosen, batch_size, weights, moment, gradient):  # type: ignore[no-untyped-def]
    """Gradient (4, LANES) from ``products`` (N, 3) of the samples ``chosen`` (batch_size, LANES)."""
    scale = 1.0 / batch_size
    for v in range(LANES):
        m00 = m01 = m11 = 0.0
        for b in range(batch_size):
            n = np.uint64(chosen[b, v])
            m00 += products[n, 0]
            m01 += products[n, 1]
            m11 += products[n, 2]
        moment[0, v], moment[1, v], moment[2, v] = m00, m01, m11
    for v in range(LANES):
        a0, a1, b0, b1 = weights[0, v], weights[1, v], weights[2, v], weights[3, v]
        m00, m01, m11 = scale * moment[0, v], scale * moment[1, v], scale * moment[2, v]
        alpha0, alpha1 = m00 * a0 + m01 * a1, m01 * a0 + m11 * a1
        beta0, beta1 = m00 * b0 + m01 * b1, m01 * b0 + m11 * b1
        s, n2 = a0 * alpha0 + a1 * alpha1, b0 * b0 + b1 * b1
        gradient[0, v], gradient[1, v] = n2 * alpha0 - beta0, n2 * alpha1 - beta1
        gradient[2, v], gradient[3, v] = s * b0 - alpha0, s * b1 - alpha1
