"""Estimates: numbers with replicates, so that anything computed from them has an error.

An estimate is a value and the values that would have been found otherwise: with one block of an ensemble left out
(jackknife), on a grid twice as coarse, with a looser tolerance. A function of estimates is evaluated on the value
and on every replicate; its error is ``sqrt(sum_b weight_b (replicate_b - value)^2)``.

Limits: the jackknife is for smooth functions of averages. The error of a grid is the difference to a coarser one: an
upper bound once the coarser grid resolves the density.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["Estimate", "block_bounds", "block_jackknife", "jackknife", "leave_one_out", "propagate_errors", "stack"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value with its replicates.

    Attributes
    ----------
    value : ndarray, any shape
    replicates : ndarray, shape (B, *value.shape)
    weights : ndarray, shape (B,)
        What the square of a replicate's deviation contributes to the variance: ``(B - 1) / B`` for a jackknife, 1 for
        another resolution.
    statistical : bool
        Whether the error is one standard error (else an estimated bound).
    """

    value: Array
    replicates: Array
    weights: Array
    statistical: bool

    @property
    def error(self) -> Array:
        """Absolute error, shape of the value: one standard error, or an estimated bound."""
        return np.asarray(np.sqrt(np.tensordot(self.weights, (self.replicates - self.value) ** 2, axes=1)))

    @property
    def norm_error(self) -> float:
        """Root of the summed variances of all components."""
        return float(np.sqrt(np.sum(self.error**2)))

    def map(self, function: Callable[[Array], Any]) -> Estimate:
        """The estimate of a function of this one."""
        return propagate_errors(function, self)

    def __getitem__(self, index: Any) -> Estimate:
        """Part of the components."""
        return self.map(lambda value: value[index])

    def result(self, method: str) -> Result:
        """The plain value with its error."""
        return Result(self.value, self.error, method)

    def __repr__(self) -> str:
        if self.value.ndim == 0:
            return f"Estimate({float(self.value):.6g} +- {float(self.error):.1g})"
        return f"Estimate(shape={self.value.shape}, {len(self.weights)} replicates)"


def exact(value: ArrayLike) -> Estimate:
    """An estimate without error."""
    array = np.asarray(value, float)
    return Estimate(array, np.empty((0, *array.shape)), np.empty(0), False)


def jackknife(sums: ArrayLike, counts: ArrayLike) -> Estimate:
    """Mean of independent draws from the sums over blocks of them, leaving out one block at a time.

    Parameters
    ----------
    sums : array_like, shape (B, ...)
        Sum of the draws of every block.
    counts : array_like, shape (B,)
        Number of draws in every block.

    Raises
    ------
    DomainError
        If there are fewer than two blocks or a block is empty.
    """
    total, number = np.asarray(sums, float), np.asarray(counts, float)
    blocks = len(number)
    if blocks < 2 or (number <= 0).any() or len(total) != blocks:
        raise DomainError(f"jackknife of {len(total)} sums and {blocks} counts: two or more filled blocks are accepted")
    rest = (number.sum() - number).reshape(-1, *[1] * (total.ndim - 1))
    return leave_one_out(total.sum(axis=0) / number.sum(), (total.sum(axis=0) - total) / rest)


def block_jackknife(draws: ArrayLike, blocks: int) -> Estimate:
    """Mean over the first axis of independent draws (R, ...), leaving out one of ``blocks`` blocks at a time.

    Raises
    ------
    DomainError
        If there are fewer than two blocks, or fewer draws than blocks.
    """
    values = np.asarray(draws, float)
    bounds = block_bounds(len(values), blocks)
    return jackknife(np.add.reduceat(values, bounds[:-1], axis=0), np.diff(bounds))


def block_bounds(draws: int, blocks: int) -> NDArray[np.int64]:
    """Where blocks of equal size, up to one draw, begin and end: shape (blocks + 1,).

    Raises
    ------
    DomainError
        If there are fewer than two blocks, or fewer draws than blocks.
    """
    if not 2 <= blocks <= draws:
        raise DomainError(f"blocks is {blocks}: 2 to {draws}, the number of draws, are accepted")
    return np.arange(blocks + 1, dtype=np.int64) * draws // blocks


def leave_one_out(value: ArrayLike, replicates: ArrayLike) -> Estimate:
    """A value of all draws, and the values (B, ...) with one of B blocks of them left out."""
    without = np.asarray(replicates, float)
    return Estimate(np.asarray(value, float), without, np.full(len(without), (len(without) - 1) / len(without)), True)


def propagate_errors(function: Callable[..., Any], *estimates: Estimate) -> Estimate:
    """Estimate of ``function(value_1, value_2, ...)`` of independent estimates.

    The replicates of one estimate are taken with the values of all others. For estimates from the same replicas
    :func:`stack` them first.
    """
    values = [e.value for e in estimates]
    replicates = [
        np.asarray(function(*values[:i], replicate, *values[i + 1 :]), float)
        for i, estimate in enumerate(estimates)
        for replicate in estimate.replicates
    ]
    value = np.asarray(function(*values), float)
    return Estimate(
        value,
        np.reshape(np.array(replicates), (len(replicates), *value.shape)),
        np.concatenate([e.weights for e in estimates]),
        any(e.statistical for e in estimates),
    )


def stack(estimates: Sequence[Estimate], *, axis: int = 0) -> Estimate:
    """One estimate of several that share their replicates (same replicas, or same pair of grids).

    Raises
    ------
    DomainError
        If they do not have the same number of replicates and the same weights.
    """
    first = estimates[0]
    for k, other in enumerate(estimates):
        if len(other.weights) != len(first.weights) or not np.array_equal(other.weights, first.weights):
            raise DomainError(
                f"estimate {k} has {len(other.weights)} replicates, the first {len(first.weights)}: estimates from the "
                "same blocks of replicas are accepted; independent ones go through propagate_errors"
            )
    return Estimate(
        np.stack([e.value for e in estimates], axis=axis),
        np.stack([e.replicates for e in estimates], axis=axis + 1 if axis >= 0 else axis),
        first.weights,
        any(e.statistical for e in estimates),
    )
