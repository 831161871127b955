"""Dense propagators: transition matrices of long times by squaring those of short ones.

Promises: no probability is negative, and rows sum to one, so that mass is conserved to rounding. The last row and
column stand for what has been absorbed, so that absorption needs no bookkeeping. Rows are scaled to sum to one after
each squaring; the factor differs from one by rounding only, and without it rounding would double with every squaring.

Limits: probabilities are rounded to multiples of 1e-150; two matrices of ``(size + 1)^2`` numbers, and ``2 (size +
1)^3`` operations a squaring: for few cells and long times, where a Poisson series has many terms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fpsim.generator.generator import Generator
from fpsim.support.memory import check_memory

__all__ = ["dense_pays", "propagate_dense", "transition_matrix"]

Array = NDArray[np.float64]

_MOST = 1900  # cells of the largest matrix that is squared: two of them are 58 MB
_ONE_MATRIX = 2.5e-4  # seconds that the smallest one takes

# Added and taken away, which rounds to multiples of 1e-150: their products are not subnormal, which would slow the
# squarings several times.
_TINY = 1e-134


def dense_pays(generator: Generator, times: Array) -> bool:
    """Whether dense products take less time than a Poisson series, from seconds per operation of either as measured."""
    size, offsets, rate = generator.grid.size, len(generator.links), generator.fastest
    mean = rate * float(times[-1])
    terms = 5e-9 * (mean + 8.0 * mean**0.5) * (1.0 + offsets * (1.0 + 0.05 * size))
    if size > _MOST or terms < _ONE_MATRIX:
        return False
    steps = np.unique(np.diff(times, prepend=0.0))
    lengths = rate * steps[steps > 0.0]
    short = _ONE_MATRIX + 1.2e-8 * (2.0 * offsets + 1.0) * size**2
    return bool(terms > lengths.size * short + 4e-11 * size**3 * np.log2(2.0 + 2.0 * lengths).sum())


def propagate_dense(generator: Generator, start: Array, times: Array, *, backward: bool = False) -> tuple[Array, Array]:
    """States at the times and what was absorbed until then, through transition matrices of the steps between times.

    Parameters
    ----------
    generator : Generator
        With a jump rate above zero.
    start : ndarray, shape (size,)
        Cell masses, or an observable if ``backward``.
    times : ndarray, shape (T,)
        Finite, non-negative, not decreasing (checked by the caller).

    Returns
    -------
    states : ndarray, shape (T, size)
    absorbed : ndarray, shape (T,)

    Raises
    ------
    MemoryLimitError
        If two such matrices do not fit into memory.
    """
    state = np.append(start, 0.0)  # the last one stands for what has been absorbed
    known: dict[float, Array] = {}
    states, now = [], 0.0
    for t in times:
        step = float(t) - now
        if step > 0.0:
            if step not in known:
                known.clear()  # before there is another
                known[step] = transition_matrix(generator, step)
            state = known[step] @ state if backward else state @ known[step]
        states.append(state)
        now = float(t)
    table = np.array(states)
    return table[:, :-1], np.zeros(len(times)) if backward else table[:, -1]


def transition_matrix(generator: Generator, time: float) -> Array:
    """``exp(time Q)`` with one absorbed state appended, shape (size + 1, size + 1); rows sum to one.

    Raises
    ------
    MemoryLimitError
        If two such matrices do not fit into memory.
    """
    size = generator.grid.size
    check_memory(16.0 * (size + 1) ** 2, f"a dense transition matrix of {size} cells")
    rate = generator.fastest
    squarings = max(0, int(np.ceil(np.log2(max(rate * time, 1e-300)))) + 1)
    short = rate * time / 2.0**squarings

    jump = np.zeros((size + 1, size + 1))
    jump[:size, :size] = generator.jumps.toarray()
    jump[:size, size] = generator.outflow
    jump /= rate
    diagonal = np.append(np.maximum(1.0 - generator.exit_rates / rate, 0.0), 1.0)
    jump[np.arange(size + 1), np.arange(size + 1)] = diagonal
    sparse = csr_array(jump)
    del jump

    # Horner's rule of sum_k short^k / k! jump^k: sums of positive terms; the factor exp(-short) comes with the scaling
    matrix = np.eye(size + 1)
    for k in range(18, 0, -1):
        matrix = np.asarray(sparse @ matrix)
        matrix *= short / k
        matrix[np.arange(size + 1), np.arange(size + 1)] += 1.0
    _scale_rows(matrix)
    square = np.empty_like(matrix)
    for _ in range(squarings):
        np.matmul(matrix, matrix, out=square)
        matrix, square = square, matrix
        _scale_rows(matrix)
    return matrix


def _scale_rows(matrix: Array) -> None:
    matrix += _TINY
    matrix -= _TINY
    matrix /= matrix.sum(axis=1, keepdims=True)
