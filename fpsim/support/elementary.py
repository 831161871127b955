"""Elementary functions made of additions, multiplications, divisions and square roots only.

The compiler turns loops over them into vector instructions, which it cannot do with the C library's, and
they give the same bits on every machine. Errors are a few units in the last place (tested against 30-digit
arithmetic). Limits: finite arguments; `log` needs positive normal numbers.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from fpsim.support.compilation import inlined

__all__ = ["exp_minus_one", "log", "tanh"]

LOG2_E = 1.4426950408889634
LN2_HIGH = 6.93147180369123816490e-01
"""Leading bits of log 2: multiples up to 2^20 of it are exact (split as in W. J. Cody & W. Waite, 1980)."""
LN2_LOW = 1.90821492927058770002e-10
SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)


def _bits_as_float(_typing: Any, _bits: Any) -> Any:
    def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.int64), codegen


def _float_as_bits(_typing: Any, _value: Any) -> Any:
    def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), codegen


config: Any = numba.config
if config.DISABLE_JIT:  # kernels run as Python
    _as_float: Any = lambda bits: np.int64(bits).view(np.float64)  # noqa: E731
    _as_bits: Any = lambda value: np.float64(value).view(np.int64)  # noqa: E731
else:
    _as_float = intrinsic(_bits_as_float)
    _as_bits = intrinsic(_float_as_bits)


@inlined
def exp_minus_one(y):  # type: ignore[no-untyped-def]
    """``exp(y) - 1``, ``|y| < 700``: ``y = n log 2 + r`` and the Taylor series of degree 13 in ``r``."""
    n = np.floor(y * LOG2_E + 0.5)
    r = (y - n * LN2_HIGH) - n * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r * r + r
    power = _as_float((np.int64(n) + 1023) << 52)
    return power * p + (power - 1.0)


@inlined
def tanh(z):  # type: ignore[no-untyped-def]
    """Hyperbolic tangent, odd to the bit; ``nan`` for ``nan``."""
    a = min(abs(z), 20.0)  # beyond, tanh rounds to one
    e = exp_minus_one(-2.0 * a)
    t = -e / (e + 2.0)
    t = t if z >= 0.0 else -t
    return t if z == z else z


@inlined
def log(x):  # type: ignore[no-untyped-def]
    """Natural logarithm: ``x = m 2^e``, ``log m = 2 artanh((m - 1) / (m + 1))``."""
    bits = _as_bits(x)
    e = (bits - SQRT_HALF_BITS) >> 52
    m = _as_float(bits - (e << 52))
    s = (m - 1.0) / (m + 1.0)
    q = s * s
    p = 1.0 / 21.0
    p = p * q + 1.0 / 19.0
    p = p * q + 1.0 / 17.0
    p = p * q + 1.0 / 15.0
    p = p * q + 1.0 / 13.0
    p = p * q + 1.0 / 11.0
    p = p * q + 1.0 / 9.0
    p = p * q + 1.0 / 7.0
    p = p * q + 1.0 / 5.0
    p = p * q + 1.0 / 3.0
    n = np.float64(e)
    return n * LN2_HIGH + (2.0 * s + (2.0 * s * q * p + n * LN2_LOW))
