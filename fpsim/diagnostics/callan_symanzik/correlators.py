"""n-point functions of network outputs, full and connected.

``G_n(x_1 .. x_n) = E[f(x_1) .. f(x_n)]`` over a law of the weights. An index ``(0, 0, 2)`` stands for
``E[f_0 f_0 f_2]``; indices are sorted, since the order of factors does not matter. Connected functions are joint
cumulants, ``kappa = sum over partitions (-1)^(b-1) (b-1)! product of G over the b blocks``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import combinations_with_replacement
from math import factorial, prod
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.callan_symanzik.expectations import SampleExpectation, expectation_of
from fpsim.network.outputs import Outputs
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import Estimate

__all__ = [
    "Correlators",
    "Index",
    "correlator_dataset",
    "correlators",
    "correlators_of_outputs",
    "index_label",
    "multi_indices",
]

Array = NDArray[np.float64]
Index = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Correlators:
    """n-point functions at one time.

    Attributes
    ----------
    indices : tuple of tuple of int
        Which outputs are multiplied.
    full : Estimate, shape (K,)
        ``G``, in that order.
    absolute : Estimate, shape (K,)
        ``E|f .. f|``, the natural unit of each.
    independent : int
        How many of the products are linearly independent functions of the weights, to about 1e-6 of their size.
    """

    indices: tuple[Index, ...]
    full: Estimate
    absolute: Estimate
    independent: int

    @cached_property
    def connected(self) -> Estimate:
        """Joint cumulants, shape (K,).

        Raises
        ------
        DomainError
            If a lower function that is needed is not among the indices.
        """
        return self.full.map(lambda g: connected_of(self.indices, g))

    def position(self, *outputs: int) -> int:
        """Place of an n-point function among the indices.

        Raises
        ------
        DomainError
            If it was not computed.
        """
        index = tuple(sorted(outputs))
        if index not in self.indices:
            raise DomainError(f"no {len(index)}-point function of outputs {index}: computed are {self.indices}")
        return self.indices.index(index)

    def __getitem__(self, outputs: int | Index) -> Estimate:
        """``G`` of the given outputs, in any order: ``table[0, 0]`` is ``E[f_0 f_0]``."""
        return self.full[self.position(*((outputs,) if isinstance(outputs, int) else outputs))]


def multi_indices(outputs: int, order: int) -> tuple[Index, ...]:
    """All sorted indices of one to ``order`` factors."""
    return tuple(c for n in range(1, order + 1) for c in combinations_with_replacement(range(outputs), n))


def correlators(
    law: object, outputs: Outputs, *, order: int = 4, indices: Sequence[Index] | None = None
) -> Correlators:
    """n-point functions of outputs over a density or an ensemble of weights.

    Parameters
    ----------
    law : Density, Expectation or array_like
        Density on a grid (errors: from the grid), or weights (R, p) of independent replicas (standard errors).
    outputs : Outputs
    order : int
        Largest ``n``.
    indices : sequence of tuple of int, optional
        Only these functions.

    Raises
    ------
    DomainError
        If the order is below one or an index names no output.
    """
    if order < 1:
        raise DomainError(f"order is {order}: a positive number is accepted")
    chosen: list[tuple[Index, ...]] = []

    def observables(points: Sequence[Array]) -> Iterator[Array]:
        values = outputs.values(points)
        wanted = checked_indices(indices, len(values), order)
        chosen[:] = [wanted]
        for index in wanted:
            product = product_of(values, index)
            yield product
            yield np.abs(product)

    means = expectation_of(law).expectation(observables)
    return Correlators(chosen[0], means[0::2], means[1::2], _independent(law, outputs, chosen[0]))


def correlators_of_outputs(values: ArrayLike, *, order: int = 4, blocks: int = 32) -> Correlators:
    """n-point functions from outputs of replicas, shape (R, m), with standard errors.

    Raises
    ------
    DomainError
        If values are not finite or fewer than blocks.
    """
    return correlators(SampleExpectation(np.asarray(values, float), blocks), Outputs(lambda *f: list(f)), order=order)


def checked_indices(indices: Sequence[Index] | None, outputs: int, order: int) -> tuple[Index, ...]:
    """Sorted indices, or all of them up to an order."""
    if indices is None:
        return multi_indices(outputs, order)
    for index in indices:
        if not index or any(not 0 <= i < outputs for i in index):
            raise DomainError(f"index {index}: one or more outputs from 0 to {outputs - 1} are accepted")
    return tuple(tuple(sorted(index)) for index in indices)


def product_of(values: Sequence[Array], index: Sequence[int]) -> Array:
    """Product of the outputs named by an index."""
    return reduce(np.multiply, [values[i] for i in index])


def connected_of(indices: Sequence[Index], full: Array) -> Array:
    """Joint cumulants from the full functions."""
    table = dict(zip(indices, full.tolist(), strict=True))

    def cumulant(index: Index) -> float:
        total = 0.0
        for blocks in _partitions(len(index)):
            keys = [tuple(index[i] for i in block) for block in blocks]
            missing = [key for key in keys if key not in table]
            if missing:
                raise DomainError(f"connected function {index} needs {missing[0]}, which was not computed")
            total += (-1.0) ** (len(blocks) - 1) * factorial(len(blocks) - 1) * prod(table[k] for k in keys)
        return total

    return np.array([cumulant(index) for index in indices])


def _partitions(n: int) -> Iterator[list[list[int]]]:
    """Set partitions of 0 .. n - 1, blocks and their members in increasing order."""
    if n == 0:
        yield []
        return
    for smaller in _partitions(n - 1):
        for k in range(len(smaller)):
            yield [*smaller[:k], [*smaller[k], n - 1], *smaller[k + 1 :]]
        yield [*smaller, [n - 1]]


def _independent(law: object, outputs: Outputs, indices: tuple[Index, ...]) -> int:
    """Rank of the products as functions of the weights under their law."""
    size = len(indices)

    def observables(points: Sequence[Array]) -> Iterator[Array]:
        values = outputs.values(points)
        products = [product_of(values, index) for index in indices]
        for i in range(size):
            for j in range(i + 1):
                yield products[i] * products[j]

    if isinstance(law, SampleExpectation) or not hasattr(law, "expectation"):
        law = _thinned(law)
    means = expectation_of(law).expectation(observables).value
    gram = np.zeros((size, size))
    gram[np.tril_indices(size)] = means
    gram = gram + np.tril(gram, -1).T
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    return int(np.linalg.matrix_rank(gram / np.outer(scale, scale), tol=1e-13, hermitian=True))


def _thinned(law: object, size: int = 1024) -> object:
    """A few of many replicas: a rank does not need them all."""
    if isinstance(law, SampleExpectation):
        return (
            SampleExpectation(law.samples[:size], min(law.blocks, len(law.samples), size))
            if len(law.samples) > size
            else law
        )
    return law


def index_label(index: Index) -> str:
    """``"1-1-2"`` for two factors at the first input and one at the second."""
    return "-".join(str(i + 1) for i in index)


def correlator_dataset(tables: Mapping[str, Sequence[Correlators]], times: ArrayLike) -> xr.Dataset:
    """n-point functions of several runs through time as labelled arrays.

    Returns
    -------
    xarray.Dataset
        ``full`` and ``connected`` by run, time and index, with ``full_error`` and ``connected_error``.
    """
    variables: dict[str, Any] = {}
    for name, what in (("full", "E[f .. f]"), ("connected", "joint cumulant of f .. f")):
        found: list[list[Estimate]] = [[getattr(t, name) for t in run] for run in tables.values()]
        for suffix, long_name in (("value", what), ("error", f"error of {what}")):
            values = np.array([[getattr(e, suffix) for e in run] for run in found])
            key = name if suffix == "value" else f"{name}_error"
            variables[key] = ("run", "time", "index"), values, {"units": "1", "long_name": long_name}
    indices = next(iter(tables.values()))[0].indices
    labels = {
        "run": list(tables),
        "time": ("time", np.asarray(times, float), {"units": "1", "long_name": "time"}),
        "index": [index_label(i) for i in indices],
    }
    return xr.Dataset(variables, labels)
