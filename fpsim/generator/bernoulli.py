"""The Bernoulli function, the logarithmic mean, and the jump rate of Scharfetter and Gummel made of them.

Promises: relative error of a few units in the last place for every argument, no overflow, and the limits (zero
argument, zero diffusion, one vanishing diffusion) exactly.

References: Scharfetter & Gummel, IEEE Trans. Electron Devices 16, 64 (1969); Chang & Cooper, J. Comput. Phys. 6, 1
(1970).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bernoulli", "exponential_rate", "logarithmic_mean"]

Array = NDArray[np.float64]

_LARGE = 745.0  # exp(-745) is the last number above zero


def bernoulli(w: Array) -> Array:
    """``B(w) = w / (exp(w) - 1)``, with ``B(0) = 1``; dimensionless.

    ``B(-w) = B(w) + w`` and ``B(-w) / B(w) = exp(w)``.
    """
    w = np.asarray(w, float)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.where(w == 0.0, 1.0, np.where(w > _LARGE, 0.0, w / np.expm1(w)))


def logarithmic_mean(a: Array, b: Array) -> Array:
    """``(b - a) / ln(b / a)`` of non-negative numbers; ``a`` where they agree, zero where one is zero.

    Numbers within a factor 3: the arithmetic mean times ``r / artanh(r)``, ``r = (b - a) / (b + a)``, which has no
    cancellation; others: as it stands.
    """
    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    total = a + b
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        r = np.where(total > 0.0, (b - a) / total, 0.0)
        near = np.where(r == 0.0, 0.5 * total, 0.5 * total * r / np.arctanh(r))
        apart = np.where((a > 0.0) & (b > 0.0), (b - a) / np.log(b / a), 0.0)
    return np.where(np.abs(r) < 0.5, near, apart)


def exponential_rate(diffusion: Array, drift: Array) -> Array:
    """Jump rate ``D B(-c / D)`` of Scharfetter and Gummel on a lattice of spacing one.

    Parameters
    ----------
    diffusion : ndarray
        ``D >= 0`` (1 / time, for unit spacing).
    drift : ndarray
        ``c``, the drift in the direction of the jump (1 / time).

    Returns
    -------
    ndarray
        Between upwind and central: ``max(c, 0)`` exactly where ``D = 0``, ``D + c / 2 + ...`` for small ``c / D``.
        ``exponential_rate(D, c) - exponential_rate(D, -c) = c`` and their ratio is ``exp(c / D)``.
    """
    diffusion, drift = np.broadcast_arrays(np.asarray(diffusion, float), np.asarray(drift, float))
    upwind = np.abs(drift) >= _LARGE * diffusion
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        smooth = diffusion * bernoulli(np.where(upwind, 0.0, -drift / diffusion))
    return np.where(upwind, np.maximum(drift, 0.0), smooth)
