"""Random numbers inside compiled loops: one keyed stream per replica.

The ``n``-th 64-bit word of a stream is ``mix(key + n * gamma)``, the SplitMix64 construction of Steele, Lea & Flood
(OOPSLA 2014, doi:10.1145/2660193.2660195): a pure function of key and counter, so what a replica draws depends
neither on threads nor on the other replicas. Normal numbers come from a ziggurat of 256 layers (Marsaglia & Tsang
2000, doi:10.18637/jss.v005.i08); layer, sign and a 53-bit abscissa are disjoint bits of one word.

Limits
------
All streams walk the same cycle of length 2**64 from different starts: ``R`` streams of ``N`` words overlap
somewhere with probability about ``R**2 N / 2**64``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from fpsim.support.compilation import njit

__all__ = ["normal", "stream_keys", "uniform"]

RNG = None | int | np.random.SeedSequence | np.random.Generator

_LAYERS = 256
_TAIL = 3.654152885361009  # abscissa of the lowest layer, for which all 256 layers have equal area
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11, _S7, _LOW8, _BIT8 = (np.uint64(n) for n in (30, 27, 31, 11, 7, 255, 256))
_ONE = np.uint64(1)
_UNIT = 2.0**-53


def _ziggurat() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right ends ``x`` of the layers (widest first) and the density ``exp(-x^2/2)`` there."""
    area = _TAIL * math.exp(-0.5 * _TAIL**2) + math.sqrt(math.pi / 2) * float(erfc(_TAIL / math.sqrt(2)))
    x = np.zeros(_LAYERS + 1)
    x[0], x[1] = area / math.exp(-0.5 * _TAIL**2), _TAIL
    for i in range(2, _LAYERS):
        x[i] = math.sqrt(-2 * math.log(area / x[i - 1] + math.exp(-0.5 * x[i - 1] ** 2)))
    return x, np.exp(-0.5 * x * x)


_X, _F = _ziggurat()


def stream_keys(rng: RNG, replicas: int) -> NDArray[np.uint64]:
    """Keys of ``replicas`` streams, shape (replicas,); the first keys do not depend on how many follow."""
    return np.random.default_rng(rng).integers(0, 2**64, size=replicas, dtype=np.uint64)


@njit(cache=True)
def _word(key, n):  # type: ignore[no-untyped-def]
    z = key + n * _GAMMA
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return z ^ (z >> _S31)


@njit(cache=True)
def uniform(key, n):  # type: ignore[no-untyped-def]
    """Uniform number in (0, 1) from word ``n``; answers (number, next counter)."""
    return (np.float64(_word(key, n) >> _S11) + 0.5) * _UNIT, n + _ONE


@njit(cache=True)
def _rejected(key, n, layer, x):  # type: ignore[no-untyped-def]
    """Finish a draw that fell outside the core of its layer (once in about a hundred times)."""
    while True:
        u, n = uniform(key, n)
        if layer == 0:
            v, n = uniform(key, n)
            excess = -math.log(u) / _TAIL
            while -2.0 * math.log(v) <= excess * excess:
                u, n = uniform(key, n)
                v, n = uniform(key, n)
                excess = -math.log(u) / _TAIL
            return math.copysign(_TAIL + excess, x), n
        if _F[layer] + u * (_F[layer + 1] - _F[layer]) < math.exp(-0.5 * x * x):
            return x, n
        word = _word(key, n)
        n += _ONE
        layer = np.int64(word & _LOW8)
        x = _abscissa(word, layer)
        if abs(x) < _X[layer + 1]:
            return x, n


@njit(cache=True)
def _abscissa(word, layer):  # type: ignore[no-untyped-def]
    """Signed point of a layer; the sign comes without a branch, which half of the time would be mispredicted."""
    return np.float64(word >> _S11) * _UNIT * _X[layer] * (1.0 - np.float64((word & _BIT8) >> _S7))


@njit(cache=True)
def normal(key, n):  # type: ignore[no-untyped-def]
    """Standard normal number from word ``n`` and, seldom, later ones; answers (number, next counter)."""
    word = _word(key, n)
    layer = word & _LOW8
    x = _abscissa(word, layer)
    if abs(x) < _X[layer + _ONE]:
        return x, n + _ONE
    return _rejected(key, n + _ONE, np.int64(layer), x)
