"""Descriptions of auto-encoders without biases: widths, activations, frozen layers.

A network with layers ``l = 1 .. L`` computes ``h_0 = x``, ``h_l = phi_l(W_l h_{l-1})`` and ``f(x) = h_L``;
its weights are a mapping ``{"W1": (..., n_1, n_0), ..., "WL": (..., n_L, n_{L-1})}`` with any leading axes
(replicas, times, grid cells).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fpsim.network.activations import activation
from fpsim.support.checks import instance_of, real_array, sequence, shown, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable, read_only_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AutoEncoder", "BottleneckAutoEncoder", "Network", "check_network"]


class Network(Protocol):
    """What training and theory need to know of a network."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths ``n_0 .. n_L`` of the layers."""

    @property
    def activations(self) -> tuple[str, ...]:
        """Names of ``phi_1 .. phi_L``."""

    @property
    def frozen(self) -> Mapping[str, NDArray[np.float64]]:
        """Matrices that are not trained, by name."""

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes of all matrices, by name, in the order of the layers."""

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the matrices that are trained."""


def check_network(network: object) -> None:
    """``DomainError`` if a value lacks what training and theory need to know of a network."""
    missing = [name for name in ("widths", "activations", "frozen", "shapes", "trained") if not hasattr(network, name)]
    if missing:
        raise DomainError(
            f"network is {shown(network)}, without {', '.join(missing)}: a Network, such as BottleneckAutoEncoder, is "
            "accepted"
        )


def _freeze(
    frozen: Mapping[str, NDArray[np.float64]], shapes: Mapping[str, tuple[int, int]]
) -> Mapping[str, NDArray[np.float64]]:
    instance_of(frozen, Mapping, "frozen")
    matrices = {}
    for name, matrix in frozen.items():
        if name not in shapes:
            raise DomainError(f"frozen: {name!r} is no matrix of this network; accepted: {', '.join(shapes)}")
        array = np.array(real_array(matrix, f"frozen {name!r}"), order="C")
        if array.shape != shapes[name] or not np.all(np.isfinite(array)):
            raise DomainError(f"frozen {name!r} has shape {array.shape}; a finite {shapes[name]} matrix is accepted")
        array.setflags(write=False)
        matrices[name] = array
    if len(matrices) == len(shapes):
        raise DomainError("all layers are frozen; at least one must be trained")
    return read_only_mapping(matrices)


@dataclass(frozen=True, eq=False)
class AutoEncoder(Immutable):
    """Auto-encoder given by its layer widths.

    Attributes
    ----------
    widths : tuple of int
        ``n_0 .. n_L`` with ``n_L = n_0``, for example ``(64, 2, 1, 2, 64)``.
    activations : tuple of str
        Names of ``phi_1 .. phi_L``.
    frozen : mapping of str to ndarray
        Matrices that are not trained, ``{"W1": (n_1, n_0), ...}``.

    Raises
    ------
    DomainError
        If widths, activations and frozen matrices do not fit together.
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    frozen: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        widths = tuple(whole_number(n, "a width", least=1) for n in sequence(self.widths, "widths"))
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "activations", sequence(self.activations, "activations"))
        if len(self.widths) < 2 or min(self.widths) < 1 or self.widths[0] != self.widths[-1]:
            raise DomainError(f"widths = {self.widths}; two or more positive widths with equal ends are accepted")
        if len(self.activations) != len(self.widths) - 1:
            raise DomainError(
                f"activations = {self.activations} for {len(self.widths) - 1} layers; one each is accepted"
            )
        for name in self.activations:
            activation(name)
        object.__setattr__(self, "frozen", _freeze(self.frozen, self.shapes))

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes of all matrices, by name, in the order of the layers."""
        pairs = zip(self.widths[1:], self.widths[:-1], strict=True)
        return {f"W{layer}": shape for layer, shape in enumerate(pairs, start=1)}

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the matrices that are trained."""
        return tuple(name for name in self.shapes if name not in self.frozen)


@dataclass(frozen=True, eq=False)
class BottleneckAutoEncoder(Immutable):
    """Two matrices around a bottleneck: ``f(x) = W2 phi(W1 x)``, ``W1`` (k, d), ``W2`` (d, k).

    With ``x`` in principal components this is the auto-encoder D -> d -> k -> d -> D whose outer layers are
    frozen at the principal directions.

    Attributes
    ----------
    d, k : int
        Widths of data and bottleneck.
    activation : str
        Name of phi.
    frozen : mapping of str to ndarray
        ``{}``, or one of the two matrices that is not trained.

    Raises
    ------
    DomainError
        If a width is not positive, the activation unknown or a frozen matrix misshapen.
    """

    d: int
    k: int
    activation: str = "linear"
    frozen: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for key in ("d", "k"):
            object.__setattr__(self, key, whole_number(getattr(self, key), f"network {key}", least=1))
        activation(self.activation)
        object.__setattr__(self, "frozen", _freeze(self.frozen, self.shapes))

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths ``(d, k, d)``."""
        return self.d, self.k, self.d

    @property
    def activations(self) -> tuple[str, ...]:
        """Names ``(phi, "linear")``."""
        return self.activation, "linear"

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes ``{"W1": (k, d), "W2": (d, k)}``."""
        return {"W1": (self.k, self.d), "W2": (self.d, self.k)}

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the matrices that are trained."""
        return tuple(name for name in self.shapes if name not in self.frozen)
