"""Dense transition matrices of long times, by squaring those of short ones: positive, rows summing to one.

The last row and column stand for what has been absorbed, so that absorption needs no bookkeeping. Rows are scaled to
sum to one after each squaring; the factor differs from one by rounding only, and without it rounding would double
with every squaring.

Limits: probabilities are rounded to multiples of 1e-150; ``2 (size + 1)^2`` numbers, and ``2 (size + 1)^3`` operations
a squaring.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fpsim.generator.generator import Generator
from fpsim.support.memory import check_memory

__all__ = ["transition_matrix"]

Array = NDArray[np.float64]

# Added and taken away, which rounds to multiples of 1e-150: their products are not subnormal, which would slow the
# squarings several times.
_TINY = 1e-134


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
