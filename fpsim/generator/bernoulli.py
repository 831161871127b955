"""Bernoulli function, logarithmic mean, and the jump rate of Scharfetter and Gummel made of them.

Promises: relative error of a few units in the last place for every argument, no overflow, and the limits (zero
argument, zero diffusion, one vanishing diffusion) exactly.

References: Scharfetter & Gummel, IEEE Trans. Electron Devices 16, 64 (1969); Chang & Cooper, J. Comput. Phys. 6, 1
(1970).
"""

from __future__ import annotations

import math

from fpsim.support.compilation import vectorize

__all__ = ["bernoulli", "exponential_rate", "logarithmic_mean"]

_LARGE = 745.0  # exp(-745) is the last number above zero
_SAFE = 700.0  # exp(710) is beyond the largest number


@vectorize(cache=True)
def bernoulli(w):  # type: ignore[no-untyped-def]
    """``B(w) = w / (exp(w) - 1)``, with ``B(0) = 1``; dimensionless, element by element.

    ``B(-w) = B(w) + w`` and ``B(-w) / B(w) = exp(w)``.
    """
    if w == 0.0:
        return 1.0
    if w < _SAFE:
        return w / math.expm1(w)
    return w * math.exp(-w) if w <= _LARGE else 0.0


@vectorize(cache=True)
def logarithmic_mean(a, b):  # type: ignore[no-untyped-def]
    """``(b - a) / ln(b / a)`` of non-negative numbers; ``a`` where they agree, zero where one is zero.

    Numbers within a factor 3: the arithmetic mean times ``r / artanh(r)``, ``r = (b - a) / (b + a)``, which has no
    cancellation; others: as it stands.
    """
    if a == b:
        return a + 0.0
    if min(a, b) <= 0.0:
        return 0.0
    r = (b - a) / (a + b)
    return 0.5 * (a + b) * r / math.atanh(r) if abs(r) < 0.5 else (b - a) / math.log(b / a)


@vectorize(cache=True)
def exponential_rate(diffusion, drift):  # type: ignore[no-untyped-def]
    """Jump rate ``D B(-c / D)`` of Scharfetter and Gummel on a lattice of spacing one, element by element.

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
    if abs(drift) >= _LARGE * diffusion:
        return max(drift, 0.0)
    return diffusion * bernoulli(-drift / diffusion)
