"""Kernel settings: an experiment as plain numbers and arrays, as compiled kernels take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from fpsim.datasets import Dataset
from fpsim.datasets.population import NODES
from fpsim.experiment.settings import Noise, Sampling
from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.experiment import Experiment

__all__ = ["KernelSettings", "Source", "kernel_settings", "source"]

MOMENTS = 16
"""Most components of a linear bottleneck whose batches enter through their moments."""
MOST_NODES = 2**15
"""Most nodes of a quadrature: as many gradients are computed per step and replica."""

IID, WITHOUT_REPLACEMENT, EPOCHS, FRESH, SHARED_BATCHES = range(len(get_args(Sampling)))
MINIBATCH, GAUSSIAN, SVAG = range(len(get_args(Noise)))

START, BATCH, INPUT, TARGET, TEMPERATURE, SHUFFLE, GRADIENT = range(7)
"""Streams of random numbers: what they are for."""
SECOND = 8
"""Added to a stream for the second of SVAG's two batches."""
SHARED = np.uint64(0xFFFFFFFF)
"""Replica number of everything that all replicas share."""


class KernelSettings(NamedTuple):
    """The numbers of `fpsim.experiment.SGD`."""

    sampling: int
    noise: int
    batch_size: int
    weight_decay: float
    label_noise: float
    temperature: float
    momentum: float
    first: float
    """Factor of the first of SVAG's two gradients, ``(1 + sqrt(2 l - 1)) / 2``."""
    second: float
    batch_factor: float
    """``c_B`` of the mini-batch covariance."""
    by_moments: bool
    """Whether the batch enters through its second moment only, which is cheaper for a linear bottleneck."""
    plane: bool
    """Whether the short cut for d = 2, k = 1 applies."""


class Source(NamedTuple):
    """Where samples come from."""

    samples: NDArray[np.float64]
    """Training set, one sample a column, (d, N); for a population no columns, or the nodes of a quadrature."""
    share: NDArray[np.float64]
    """Weight of every sample in averages, (N,): ``1 / N``, or those of the quadrature."""
    root: NDArray[np.float64]
    """Square root (d, d) of the second moment ``C = E x x^T``."""
    moment: NDArray[np.float64]
    """Upper triangle of ``C = E x x^T``, row by row, shape (d (d + 1) / 2,)."""
    products: NDArray[np.float64]
    """``x_0^2, x_0 x_1, x_1^2`` of every sample, (N, 3); empty unless d = 2."""
    moment_root: NDArray[np.float64]
    """Square root of the covariance of that triangle of ``x x^T``; empty unless noise is Gaussian."""


def kernel_settings(experiment: Experiment) -> KernelSettings:
    """Numbers of the experiment's SGD."""
    sgd, net = experiment.sgd, experiment.network
    d, k = net.widths[:2]
    spread = (2.0 * sgd.svag_l - 1.0) ** 0.5
    linear = len(net.widths) == 3 and set(net.activations) == {"linear"}
    return KernelSettings(
        sampling=get_args(Sampling).index(sgd.sampling),
        noise=get_args(Noise).index(sgd.noise),
        batch_size=int(sgd.batch_size),
        weight_decay=float(sgd.weight_decay),
        label_noise=float(sgd.label_noise),
        temperature=float(sgd.temperature),
        momentum=float(sgd.momentum),
        first=0.5 + 0.5 * spread,
        second=0.5 - 0.5 * spread,
        batch_factor=experiment.batch_factor,
        # d (d + 1) / 2 products a sample against some 4 d k of a forward and a backward pass; a Gaussian moment
        # needs no samples at all
        by_moments=linear and d <= MOMENTS and (d + 1 <= 8 * k or sgd.noise == "gaussian"),
        plane=linear
        and (d, k) == (2, 1)
        and not net.frozen
        and isinstance(experiment.data, Dataset)
        and sgd.label_noise == 0.0
        and sgd.noise != "gaussian",
    )


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _nodes(experiment: Experiment) -> int:
    """Nodes per component that make the covariance of a network's gradients exact, or as good as the theory's."""
    d = experiment.data.dimension
    linear = set(experiment.network.activations) == {"linear"}
    # a product of two gradients of linear layers has degree four in the input
    nodes = 3 if linear else NODES
    if nodes**d > MOST_NODES:
        most = int(np.log(MOST_NODES) / np.log(nodes))
        raise DomainError(
            f"noise = 'gaussian' on a population of {d} components: the covariance of this network's gradients needs "
            f"a quadrature of {nodes}^{d} nodes; 1 to {most} components, or a linear bottleneck of at most "
            f"{MOMENTS} components, are accepted"
        )
    return nodes


def source(experiment: Experiment) -> Source:
    """Samples of the experiment's data.

    Gaussian noise on a population needs the covariance of its gradients: by Isserlis' theorem for a linear
    bottleneck, otherwise by a Gauss-Hermite rule (exact for linear layers; for smooth activations the rule of
    the theory's coefficients) whose nodes then serve as a training set.

    Raises
    ------
    DomainError
        If Gaussian noise is asked for on a population whose quadrature would have too many nodes.
    """
    data, d = experiment.data, experiment.data.dimension
    settings = kernel_settings(experiment)
    samples, share = np.empty((0, d)), np.empty(0)
    if isinstance(data, Dataset):
        samples, share = data.x, np.full(data.size, 1.0 / data.size)
    elif settings.noise == GAUSSIAN and not settings.by_moments:
        samples, share = data.quadrature(_nodes(experiment))
    upper = np.triu_indices(d)
    moment_root = np.empty((0, 0))
    if settings.noise == GAUSSIAN and settings.by_moments:
        pairs = data.product_covariance[upper]
        moment_root = _root(np.ascontiguousarray(pairs[:, upper[0], upper[1]]))
    products = np.empty((0, 3))
    if isinstance(data, Dataset) and d == 2:
        products = np.ascontiguousarray(data.x[:, upper[0]] * data.x[:, upper[1]])
    return Source(
        samples=np.array(samples.T, order="C"),
        share=share,
        root=np.ascontiguousarray(_root(data.second_moment)),
        moment=data.second_moment[upper],
        products=products,
        moment_root=np.ascontiguousarray(moment_root),
    )
