"""Output, loss and per-sample gradients of a network, for any leading axes of its weights.

Plain NumPy, written for reading: memory grows with weights times samples. Sums over a training set on a
grid of weights are done by `fpsim.network.gradient_moments`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fpsim.network.activations import activation
from fpsim.network.autoencoder import check_network
from fpsim.support.checks import instance_of, real_array
from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fpsim.network.autoencoder import Network

__all__ = ["complete", "forward", "loss", "sample_gradients", "sample_losses"]

Weights = Mapping[str, "ArrayLike"]


def complete(network: Network, weights: Weights) -> dict[str, NDArray[np.float64]]:
    """All matrices of the network as arrays, frozen ones included.

    Raises
    ------
    DomainError
        If a trained matrix is missing, unknown or misshapen.
    """
    check_network(network)
    instance_of(weights, Mapping, "weights")
    for name in weights:
        if name not in network.shapes:
            raise DomainError(f"weights: {name!r} is no matrix of the network; accepted: {', '.join(network.shapes)}")
    matrices = {}
    for name, shape in network.shapes.items():
        if name not in weights and name not in network.frozen:
            raise DomainError(f"weights: {name!r} is missing; {', '.join(network.trained)} are accepted")
        matrices[name] = real_array(weights[name] if name in weights else network.frozen[name], f"weights {name!r}")
        if matrices[name].shape[-2:] != shape:
            raise DomainError(f"weights: {name!r} has shape {matrices[name].shape}; (..., *{shape}) is accepted")
    return matrices


def _inputs(network: Network, x: ArrayLike) -> NDArray[np.float64]:
    check_network(network)
    samples = real_array(x, "x")
    if samples.ndim != 2 or samples.shape[1] != network.widths[0]:
        raise DomainError(f"x has shape {samples.shape}; (samples, {network.widths[0]}) is accepted")
    return samples


def forward(network: Network, weights: Weights, x: ArrayLike) -> NDArray[np.float64]:
    """Outputs ``f(x)``, shape (..., N, d), of samples ``x`` (N, d)."""
    h = _inputs(network, x)
    for matrix, name in zip(complete(network, weights).values(), network.activations, strict=True):
        h = activation(name).function(h @ np.swapaxes(matrix, -1, -2))
    return h


def sample_losses(
    network: Network, weights: Weights, x: ArrayLike, *, targets: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Per-sample losses ``l = |f(x) - y|^2 / 2``, shape (..., N); ``y = x`` unless ``targets`` are given."""
    y = _inputs(network, x) if targets is None else _inputs(network, targets)
    return 0.5 * np.sum((forward(network, weights, x) - y) ** 2, axis=-1)


def loss(network: Network, weights: Weights, x: ArrayLike) -> NDArray[np.float64]:
    """Mean loss ``L = mean_x |f(x) - x|^2 / 2``, shape (...)."""
    return np.mean(sample_losses(network, weights, x), axis=-1)


def sample_gradients(
    network: Network, weights: Weights, x: ArrayLike, *, targets: ArrayLike | None = None
) -> dict[str, NDArray[np.float64]]:
    """Gradients of every sample's loss with respect to every trained matrix.

    Backpropagation: with ``z_l = W_l h_{l-1}``, ``delta_L = (f - y) phi_L'(z_L)``, ``delta_l = (W_{l+1}^T
    delta_{l+1}) phi_l'(z_l)`` the gradient is ``delta_l h_{l-1}^T``.

    Parameters
    ----------
    network : Network
        The network.
    weights : mapping of str to array_like
        ``{"W1": (..., n_1, n_0), ...}``; leading axes are broadcast against each other.
    x : array_like, shape (N, d)
        Samples.
    targets : array_like, shape (N, d), optional
        Targets ``y``; the samples themselves by default.

    Returns
    -------
    dict of str to ndarray
        ``{"W1": (..., N, n_1, n_0), ...}`` for the trained matrices.

    Raises
    ------
    DomainError
        If shapes do not fit the network.
    """
    matrices = complete(network, weights)
    y = _inputs(network, x) if targets is None else _inputs(network, targets)
    hidden, slopes = [_inputs(network, x)], []
    for matrix, name in zip(matrices.values(), network.activations, strict=True):
        z = hidden[-1] @ np.swapaxes(matrix, -1, -2)
        hidden.append(activation(name).function(z))
        slopes.append(activation(name).derivative(z))
    gradients = {}
    delta = (hidden[-1] - y) * slopes[-1]
    for layer, (name, matrix) in reversed(list(enumerate(matrices.items()))):
        if name in network.trained:
            gradients[name] = delta[..., :, None] * hidden[layer][..., None, :]
        if layer > 0:
            delta = (delta @ matrix) * slopes[layer - 1]
    return {name: gradients[name] for name in network.trained}
