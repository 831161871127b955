"""Start of the joint density of all weights, as a mixture or as a map from the unit cube."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtri

from fpsim.density.gaussian_mixture import GaussianMixture
from fpsim.support.errors import DomainError
from fpsim.theory.weight_coordinates import Array

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["NetworkStart", "joint_start", "weight_names"]


@dataclass(frozen=True, eq=False)
class NetworkStart:
    """Independent uniform entries, or a balanced pair of matrices, from numbers in the unit cube.

    Attributes
    ----------
    kind : {"uniform", "balanced"}
    location, spread : ndarray, shape (n,)
        Entries are ``location + spread (2 u - 1)``, or normal before they are balanced.
    shape : (int, int)
        ``(k, d)`` of the encoder.
    names : tuple of str
    """

    kind: Literal["uniform", "balanced"]
    location: Array
    spread: Array
    shape: tuple[int, int]
    names: tuple[str, ...]

    @property
    def uniforms(self) -> int:
        """Numbers that one place takes."""
        return len(self.location)

    def places(self, uniform: Array) -> Array:
        """Weights (M, n) of numbers (M, n) in the open unit interval."""
        if self.kind == "uniform":
            return self.location + self.spread * (2.0 * uniform - 1.0)
        k, d = self.shape
        w = self.location + self.spread * ndtri(uniform)
        u, s, vt = np.linalg.svd(w[:, k * d :].reshape(-1, d, k) @ w[:, : k * d].reshape(-1, k, d))
        rank = min(k, d)
        root = np.sqrt(s[:, :rank])
        w1, w2 = np.zeros((len(w), k, d)), np.zeros((len(w), d, k))
        w1[:, :rank] = root[:, :, None] * vt[:, :rank]
        w2[:, :, :rank] = u[:, :, :rank] * root[:, None, :]
        return np.concatenate([w1.reshape(len(w), -1), w2.reshape(len(w), -1)], axis=1)

    def invariant_under(self, matrix: Array) -> bool:
        """Whether a signed permutation leaves the start as it is."""
        if self.kind == "balanced":  # singular vectors come in an order and with signs of their own
            return False
        return np.array_equal(matrix @ self.location, self.location) and np.array_equal(
            np.abs(matrix) @ self.spread, self.spread
        )


def weight_names(experiment: Experiment) -> tuple[str, ...]:
    """Names ``W1[0,1]`` of all trained entries, matrix after matrix in C order."""
    shapes = experiment.network.shapes
    return tuple(
        f"{name}[{i},{j}]" for name in experiment.network.trained for i in range(shapes[name][0])
        for j in range(shapes[name][1])
    )  # fmt: skip


def joint_start(experiment: Experiment) -> GaussianMixture | NetworkStart:
    """Start of all trained weights: one Gaussian (or point) exactly, or what its kind is sampled by.

    Raises
    ------
    DomainError
        If the start is of a kind that is not known here.
    """
    start, names = experiment.start, weight_names(experiment)
    entries = start.entries(experiment.network).values()
    location = np.concatenate([a.ravel() for a, _ in entries])
    spread = np.concatenate([b.ravel() for _, b in entries])
    if start.kind in ("point", "gaussian", "he"):
        variance = np.zeros_like(spread) if start.kind == "point" else spread**2
        return GaussianMixture.gaussian(location, variance, names=names)
    if start.kind in ("uniform", "glorot"):
        return NetworkStart("uniform", location, spread, experiment.network.shapes["W1"], names)
    if start.kind == "balanced":
        return NetworkStart("balanced", location, spread, experiment.network.shapes["W1"], names)
    raise DomainError(
        f"start {start.kind!r} cannot be sampled: point, gaussian, he, uniform, glorot, balanced are accepted"
    )
