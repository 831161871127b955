"""Philox random streams: counter-based uniform and normal numbers, and keys from `rng` arguments.

A block of four 32-bit words is a function of a 64-bit key and a 128-bit counter (Philox4x32-10: Salmon et al. 2011,
doi:10.1145/2063384.2063405). The key comes from the public argument ``rng``; the counter is ``(block, stream, step,
replica)``. A number belongs to its place in the computation: whatever thread, chunk or order computes it, it is the
same, and nothing needs saving to continue. Normal numbers come from a ziggurat of 1024 layers (Marsaglia & Tsang 2000,
doi:10.18637/jss.v005.i08), one 64-bit word each: layer, sign and a 53-bit abscissa are disjoint bits of it.

Limits
------
Blocks, steps and replicas below 2^32, streams below 256. A second computation with the same key and the same counters
sees the same numbers.
"""

from __future__ import annotations

import math
import operator
from decimal import Decimal, localcontext
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpsim.support.checks import shown
from fpsim.support.compilation import inlined, lane_kernel, njit
from fpsim.support.elementary import exp_minus_one, log
from fpsim.support.errors import DomainError

__all__ = [
    "HALF",
    "RNG",
    "fill_normals",
    "fill_uniforms",
    "fill_uniforms_of_32_bits",
    "finished_normal",
    "key_of",
    "normal_pair",
    "numpy_generator",
    "philox",
    "replica_normals",
    "replica_uniforms",
    "uniform",
]

RNG: TypeAlias = int | np.random.SeedSequence | np.random.Generator | None
"""What public functions take as ``rng`` (Scientific Python SPEC 7)."""

MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)

LAYERS = 1024
TAIL = 4.038849846109504
"""Abscissa of the lowest layer, for which all layers have equal area."""
LAYER_AREA = "0.00122632464635308982140208024477"
"""``TAIL exp(-TAIL^2 / 2) + integral of exp(-x^2 / 2) beyond TAIL``."""
UNIT, UNIT_32 = 2.0**-53, 2.0**-32
ATTEMPT, SECOND_HALF = 512, 256
"""Added to a stream for further words of a normal number, by attempt and by its place in the pair."""
_S9, _S11, _S21, _LAYER, _SIGN, _ONE = (np.uint64(n) for n in (9, 11, 21, LAYERS - 1, LAYERS, 1))


def key_of(rng: RNG) -> int:
    """The 64-bit key of a computation, from what its public function takes as ``rng``.

    A whole number below 2^64 is the key itself; longer ones and seed sequences are hashed; a ``Generator`` gives its
    next 64 bits; ``None`` draws fresh entropy from the system.

    Raises
    ------
    DomainError
        For anything else.
    """
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**64, dtype=np.uint64))
    if rng is None:
        rng = np.random.SeedSequence()
    if not isinstance(rng, np.random.SeedSequence):
        try:
            number = -1 if isinstance(rng, bool | np.bool_) else operator.index(rng)
        except TypeError:
            number = -1
        if number < 0:
            raise DomainError(
                f"rng is {shown(rng)}: None, a whole number >= 0, a SeedSequence or a Generator is accepted"
            )
        if number < 2**64:
            return number
        rng = np.random.SeedSequence(number)
    return int(rng.generate_state(1, np.uint64)[0])


def numpy_generator(rng: RNG, stream: int = 0) -> np.random.Generator:
    """NumPy's ``Generator`` over the Philox bit generator, for numbers drawn as arrays; one per key and stream."""
    return np.random.Generator(np.random.Philox(key=np.array([key_of(rng), stream], np.uint64)))


@inlined
def philox(key, block, stream, step, replica):  # type: ignore[no-untyped-def]
    """Four words (uint64 below 2^32) of one counter."""
    k0, k1 = key & MASK, key >> HALF
    c0, c1, c2, c3 = np.uint64(block), np.uint64(stream), np.uint64(step), np.uint64(replica)
    for _ in range(10):
        # upper halves of the words hold rubbish until the end: the multiplication ignores them
        p0, p1 = M0 * (c0 & MASK), M1 * (c2 & MASK)
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1, (p0 >> HALF) ^ c3 ^ k1, p0
        k0, k1 = k0 + W0, k1 + W1
    return c0 & MASK, c1 & MASK, c2 & MASK, c3 & MASK


@inlined
def uniform(high, low):  # type: ignore[no-untyped-def]
    """Number in (0, 1] with 53 bits, from two words."""
    bits = (high << _S21) ^ (low >> _S11)
    return (np.float64(np.int64(bits)) + 1.0) * UNIT


def _ziggurat() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right ends ``x`` of the layers (widest first) and ``exp(-x^2 / 2)`` there, correctly rounded on every machine."""
    with localcontext() as context:
        context.prec = 28
        area, tail = Decimal(LAYER_AREA), Decimal(TAIL)
        x = [area / (-tail * tail / 2).exp(), tail]
        while len(x) < LAYERS:
            height = area / x[-1] + (-x[-1] * x[-1] / 2).exp()
            x.append((-2 * height.ln()).sqrt())
        x.append(Decimal(0))
        return np.array([float(a) for a in x]), np.array([float((-a * a / 2).exp()) for a in x])


_X, _F = _ziggurat()


@inlined
def _abscissa(word):  # type: ignore[no-untyped-def]
    """Signed point of a layer; the sign comes without a branch, which half of the time would be mispredicted."""
    sign = 1.0 - np.float64(np.int64((word & _SIGN) >> _S9))
    return np.float64(np.int64(word >> _S11)) * UNIT * _X[word & _LAYER] * sign


@inlined
def _in_core(word):  # type: ignore[no-untyped-def]
    """Point of a layer that lies under the curve whatever its height, 299 times in 300; ``nan`` otherwise."""
    x = _abscissa(word)
    return x if abs(x) < _X[(word & _LAYER) + _ONE] else np.nan


@inlined
def normal_pair(key, block, stream, step, replica):  # type: ignore[no-untyped-def]
    """Two independent standard normal numbers; in the place of one that needs further words, ``nan``.

    Straight code, that loops become vector instructions; :func:`finished_normal` makes the rest.
    """
    a, b, c, d = philox(key, block, stream, step, replica)
    return _in_core(a << HALF | b), _in_core(c << HALF | d)


@lane_kernel
def finished_normal(key, block, half, stream, step, replica):  # type: ignore[no-untyped-def]
    """Standard normal number of one ``half`` (0 or 1) of a pair, whatever words it needs."""
    a, b, c, d = philox(key, block, stream, step, replica)
    word = a << HALF | b if half == 0 else c << HALF | d
    attempt = 0
    while True:
        layer, x = word & _LAYER, _abscissa(word)
        if abs(x) < _X[layer + _ONE]:
            return x
        attempt += 1
        a, b, c, d = philox(key, block, stream + half * SECOND_HALF + attempt * ATTEMPT, step, replica)
        if layer == 0:  # the tail: G. Marsaglia, Technometrics 6, 101 (1964)
            excess = -log(uniform(a, b)) / TAIL
            if -2.0 * log(uniform(c, d)) > excess * excess:
                return math.copysign(TAIL + excess, x)
        else:
            if _F[layer] + uniform(a, b) * (_F[layer + _ONE] - _F[layer]) < 1.0 + exp_minus_one(-0.5 * x * x):
                return x
            word = c << HALF | d


@lane_kernel
def fill_normals(key, stream, step, replica, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, of even length, with standard normal numbers: pairs ``i`` and ``i + length / 2``."""
    pairs, missing = out.size // 2, 0
    for i in range(pairs):
        x, y = normal_pair(key, i, stream, step, replica)
        out[i], out[pairs + i] = x, y
        missing += (x != x) + (y != y)
    i = -1
    while missing > 0:
        i += 1
        if out[i] != out[i]:
            half = 1 if i >= pairs else 0
            out[i] = finished_normal(key, i - half * pairs, half, stream, step, replica)
            missing -= 1


@lane_kernel
def fill_uniforms(key, stream, step, replica, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, of even length, with numbers uniform in (0, 1]: pairs ``i`` and ``i + length / 2``."""
    pairs = out.size // 2
    for i in range(pairs):
        a, b, c, d = philox(key, i, stream, step, replica)
        out[i], out[pairs + i] = uniform(a, b), uniform(c, d)


@lane_kernel
def fill_uniforms_of_32_bits(key, stream, step, replica, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, of a length that four divides, with centres of ``2^32`` equal parts of (0, 1), each as likely."""
    quarter = out.size // 4
    for i in range(quarter):
        a, b, c, d = philox(key, i, stream, step, replica)
        out[i], out[quarter + i] = (np.float64(np.int64(a)) + 0.5) * UNIT_32, (np.float64(np.int64(b)) + 0.5) * UNIT_32
        out[2 * quarter + i] = (np.float64(np.int64(c)) + 0.5) * UNIT_32
        out[3 * quarter + i] = (np.float64(np.int64(d)) + 0.5) * UNIT_32


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_replicas(key, stream, first, normal, row, out):  # type: ignore[no-untyped-def]
    for r in range(out.shape[0]):
        if normal:
            fill_normals(key, stream, 0, first + r, row)
        else:
            fill_uniforms(key, stream, 0, first + r, row)
        pairs = row.size // 2
        for i in range(out.shape[1]):
            out[r, i] = row[i // 2 + i % 2 * pairs]


def _replicas(key: int, stream: int, first: int, shape: tuple[int, int], *, normal: bool) -> NDArray[np.float64]:
    out = np.empty(shape)
    row = np.empty(shape[1] + shape[1] % 2)
    _fill_replicas(np.uint64(key), stream, first, normal, row, out)
    return out


def replica_normals(key: int, stream: int, *, first: int, replicas: int, count: int) -> NDArray[np.float64]:
    """Standard normal numbers of the replicas ``first ...`` at step 0, shape (replicas, count)."""
    return _replicas(key, stream, first, (replicas, count), normal=True)


def replica_uniforms(key: int, stream: int, *, first: int, replicas: int, count: int) -> NDArray[np.float64]:
    """Numbers uniform in (0, 1] of the replicas ``first ...`` at step 0, shape (replicas, count)."""
    return _replicas(key, stream, first, (replicas, count), normal=False)
