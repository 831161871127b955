"""Forward and backward pass of many copies of a network at once: the kernel that training and theory share.

Copies (replicas, or points of a grid of weights) are the vector dimension: arrays are ``(rows, LANES)``,
one column per copy, and every innermost loop runs over the ``LANES`` columns. Rows of ``weights`` are the
entries of the trained matrices in C order; rows of ``units`` are the units of all layers, input first. No
column ever mixes with another, so the result of a copy does not depend on its neighbours.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import cfunc
from numba.core.errors import NumbaError

from fpsim.network.activations import BUILT_IN, Activation, activation
from fpsim.support.compilation import lane_kernel
from fpsim.support.elementary import tanh
from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.network.autoencoder import Network

__all__ = ["LANES", "Layers", "backward_pass", "forward_pass", "layers"]

LANES = 64
"""Copies in a block: enough to fill vector registers, few enough to keep a block in the first-level cache."""

LINEAR, TANH, RELU, SIGMOID, CUSTOM = range(5)


class Layers(NamedTuple):
    """A network as kernels see it."""

    widths: NDArray[np.int64]
    """Widths of the layers, input first, shape (L + 1,)."""
    units: NDArray[np.int64]
    """First row of each layer in ``units``, and their total, shape (L + 2,)."""
    offsets: NDArray[np.int64]
    """First row of each matrix in ``weights`` or, if frozen, in ``fixed``, shape (L,)."""
    trained: NDArray[np.bool_]
    """Whether each matrix is trained, shape (L,)."""
    codes: NDArray[np.int64]
    """Activation of each layer, shape (L,)."""
    fixed: NDArray[np.float64]
    """Entries of the frozen matrices, the same in every column."""
    size: int
    """Rows of ``weights``: trained parameters of one copy."""
    function: Any
    derivative: Any
    """Compiled ``phi`` and ``phi'`` of layers whose activation is the user's own."""


def _plain(function: Any) -> Any:
    """A function with Python code, which NumPy's own functions do not have."""
    return (lambda z: function(z)) if isinstance(function, np.ufunc) else function


@cache
def _compiled(phi: Activation) -> tuple[Any, ...]:
    try:
        return tuple(cfunc("float64(float64)")(_plain(f)) for f in (phi.function, phi.derivative))
    except NumbaError as error:
        reason = str(error).strip().splitlines()[0]
        raise DomainError(f"activation {phi.name!r} cannot be compiled for a number: {reason}") from error


def layers(network: Network) -> Layers:
    """Describe ``network`` to kernels.

    Raises
    ------
    DomainError
        If more than one activation of the user's own occurs.
    """
    names = [a.name for a in BUILT_IN]
    custom = sorted(set(network.activations) - set(names))
    if len(custom) > 1:
        raise DomainError(f"activations {', '.join(custom)}: one activation of one's own per network is accepted")
    function, derivative = _compiled(activation(custom[0] if custom else "linear"))
    offsets, size, fixed = [], 0, [np.empty(0)]
    for name, (rows, columns) in network.shapes.items():
        if name in network.frozen:
            offsets.append(sum(f.size for f in fixed))
            fixed.append(np.ravel(network.frozen[name]))
        else:
            offsets.append(size)
            size += rows * columns
    return Layers(
        widths=np.array(network.widths),
        units=np.concatenate(([0], np.cumsum(network.widths))),
        offsets=np.array(offsets),
        trained=np.array([name not in network.frozen for name in network.shapes]),
        codes=np.array([names.index(a) if a in names else CUSTOM for a in network.activations]),
        fixed=np.repeat(np.concatenate(fixed)[:, None], LANES, axis=1),
        size=size,
        function=function,
        derivative=derivative,
    )


@lane_kernel
def _activate(net, code, first, rows, z, slope):  # type: ignore[no-untyped-def]
    """Replace rows of ``z`` by ``phi(z)``, and those of ``slope`` by ``phi'(z)`` unless it is one."""
    for i in range(first, first + rows):
        if code == TANH:
            for v in range(LANES):
                t = tanh(z[i, v])
                z[i, v] = t
                slope[i, v] = 1.0 - t * t
        elif code == RELU:
            for v in range(LANES):
                slope[i, v] = 1.0 if z[i, v] > 0.0 else 0.0 * z[i, v]  # a nan stays a nan
                z[i, v] *= slope[i, v]
        elif code == SIGMOID:
            for v in range(LANES):
                t = 0.5 + 0.5 * tanh(0.5 * z[i, v])
                z[i, v] = t
                slope[i, v] = t * (1.0 - t)
        elif code == CUSTOM:
            for v in range(LANES):
                value = z[i, v]
                z[i, v] = net.function(value)
                slope[i, v] = net.derivative(value)


@lane_kernel
def forward_pass(net, weights, units, slopes):  # type: ignore[no-untyped-def]
    """Fill ``units`` and ``slopes`` from the input rows of ``units`` up: ``h_l = phi_l(W_l h_{l-1})``."""
    for layer in range(net.codes.size):
        matrix = weights if net.trained[layer] else net.fixed
        offset, source, target = net.offsets[layer], net.units[layer], net.units[layer + 1]
        columns, rows = net.widths[layer], net.widths[layer + 1]
        for o in range(rows):
            for v in range(LANES):
                units[target + o, v] = matrix[offset + o * columns, v] * units[source, v]
            for i in range(1, columns):
                for v in range(LANES):
                    units[target + o, v] += matrix[offset + o * columns + i, v] * units[source + i, v]
        _activate(net, net.codes[layer], target, rows, units, slopes)


@lane_kernel
def backward_pass(net, weights, units, slopes, delta, gradient):  # type: ignore[no-untyped-def]
    """Add the gradient to ``gradient``; the output rows of ``delta`` hold ``f - y`` and are overwritten.

    ``delta_l = (W_{l+1}^T delta_{l+1}) phi_l'``, gradient ``delta_l h_{l-1}^T``.
    """
    lowest = 0
    while not net.trained[lowest]:
        lowest += 1
    for layer in range(net.codes.size - 1, lowest - 1, -1):
        matrix = weights if net.trained[layer] else net.fixed
        offset, source, target = net.offsets[layer], net.units[layer], net.units[layer + 1]
        columns, rows = net.widths[layer], net.widths[layer + 1]
        if net.codes[layer] != LINEAR:
            for o in range(rows):
                for v in range(LANES):
                    delta[target + o, v] *= slopes[target + o, v]
        if net.trained[layer]:
            for o in range(rows):
                for i in range(columns):
                    for v in range(LANES):
                        gradient[offset + o * columns + i, v] += delta[target + o, v] * units[source + i, v]
        if layer > lowest:
            for i in range(columns):
                for v in range(LANES):
                    delta[source + i, v] = matrix[offset + i, v] * delta[target, v]
                for o in range(1, rows):
                    for v in range(LANES):
                        delta[source + i, v] += matrix[offset + o * columns + i, v] * delta[target + o, v]
