"""Distributions of the weights at step 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from fpsim.network.autoencoder import check_network
from fpsim.support.checks import instance_of, real_array, real_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable, read_only_mapping

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fpsim.network import Network

__all__ = ["Start"]


Kind = Literal["point", "gaussian", "uniform", "balanced", "glorot", "he"]


@dataclass(frozen=True, eq=False)
class Start(Immutable):
    """Where every replica starts; made by the class methods, which say what the parameters mean.

    Attributes
    ----------
    kind : {"point", "gaussian", "uniform", "balanced", "glorot", "he"}
        Family of the distribution. Every entry of every trained matrix is ``a + b * u`` with ``u`` standard
        normal (gaussian, he), uniform in [-1, 1] (uniform, glorot) or absent (point); ``balanced``: see
        `Start.balanced`.
    location, spread : float or mapping
        ``a`` and ``b``: one number, or one array per matrix, ``{"W1": ..., "W2": ...}``.
    """

    kind: Kind
    location: float | Mapping[str, ArrayLike] = 0.0
    spread: float | Mapping[str, ArrayLike] = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in get_args(Kind):
            raise DomainError(f"start kind = {self.kind!r}: {', '.join(get_args(Kind))} are accepted")
        for key in ("location", "spread"):
            value = getattr(self, key)
            if isinstance(value, Mapping):
                arrays = {name: np.array(real_array(v, f"start {key} {name!r}")) for name, v in value.items()}
                for array in arrays.values():
                    array.setflags(write=False)
                object.__setattr__(self, key, read_only_mapping(arrays))
                values = list(arrays.values())
            else:
                accepted = "a number, or one array per matrix by its name,"
                object.__setattr__(self, key, real_number(value, f"start {key}", accepted=accepted))
                values = [np.asarray(value, dtype=np.float64)]
            if not all(np.all(np.isfinite(v)) for v in values):
                raise DomainError(f"start {key}: finite numbers are accepted")
            if key == "spread" and any(np.any(v < 0) for v in values):
                raise DomainError("start spread is negative; zero or a positive number is accepted")

    @classmethod
    def point(cls, weights: Mapping[str, ArrayLike]) -> Start:
        """All replicas at the same weights ``{"W1": (k, d), "W2": (d, k)}``."""
        instance_of(weights, Mapping, "weights of a start")
        return cls("point", weights)

    @classmethod
    def gaussian(cls, mean: float | Mapping[str, ArrayLike], std: float | Mapping[str, ArrayLike]) -> Start:
        """Independent normal entries with the given mean and standard deviation."""
        return cls("gaussian", mean, std)

    @classmethod
    def uniform(cls, low: float, high: float) -> Start:
        """Independent entries, uniform in [low, high]."""
        if not real_number(low, "low") <= real_number(high, "high"):
            raise DomainError(f"start uniform({low}, {high}); low <= high is accepted")
        return cls("uniform", 0.5 * (low + high), 0.5 * (high - low))

    @classmethod
    def glorot(cls) -> Start:
        """Uniform with variance ``2 / (n_in + n_out)`` (Glorot & Bengio 2010, eq. 16)."""
        return cls("glorot")

    @classmethod
    def he(cls) -> Start:
        """Normal with variance ``2 / n_in`` (He et al. 2015, eq. 10)."""
        return cls("he")

    @classmethod
    def balanced(cls, std: float) -> Start:
        """Two layers with ``W1 W1^T = W2^T W2`` exactly.

        The product ``G2 G1`` of two normal matrices of standard deviation ``std`` has singular values ``S``
        and vectors ``U, V``; ``W2 = U sqrt(S)``, ``W1 = sqrt(S) V^T`` (Arora et al. 2019,
        arXiv:1810.02281).
        """
        return cls("balanced", 0.0, std)

    def entries(self, network: Network) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """``(a, b)`` of every trained matrix, each broadcast to the matrix's shape.

        Raises
        ------
        DomainError
            If names or shapes do not fit the network, or a balanced start is asked of a network that has
            none.
        """
        check_network(network)
        if self.kind == "balanced" and (len(network.trained) != 2 or len(network.shapes) != 2):
            raise DomainError("start balanced: two trained layers are accepted")
        result = {}
        for name in network.trained:
            rows, columns = network.shapes[name]
            location, spread = self.location, self.spread
            if self.kind == "glorot":
                spread = (6.0 / (rows + columns)) ** 0.5
            elif self.kind == "he":
                spread = (2.0 / columns) ** 0.5
            result[name] = (
                _entry("location", location, name, (rows, columns)),
                _entry("spread", spread, name, (rows, columns)),
            )
        for key in ("location", "spread"):
            value = getattr(self, key)
            if isinstance(value, Mapping) and set(value) - set(network.trained):
                unknown = ", ".join(sorted(set(value) - set(network.trained)))
                raise DomainError(f"start {key}: {unknown} not trained; accepted: {', '.join(network.trained)}")
        return result


def _entry(key: str, value: float | Mapping[str, ArrayLike], name: str, shape: tuple[int, int]) -> np.ndarray:
    if isinstance(value, Mapping):
        if name not in value:
            raise DomainError(f"start {key}: {name!r} is missing; one array of shape {shape} is accepted")
        value = value[name]  # type: ignore[assignment]
    array = np.asarray(value, dtype=np.float64)
    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError:
        raise DomainError(f"start {key}: {name!r} has shape {array.shape}; {shape} is accepted") from None
