"""An experiment as kernels see it: plain numbers and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from fpsim.datasets import Dataset
from fpsim.errors import ConfigError
from fpsim.experiment.settings import Noise, Sampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.experiment import Experiment

__all__ = ["Rule", "Source", "rule", "source"]

IID, WITHOUT_REPLACEMENT, EPOCHS, FRESH, SHARED_BATCHES = range(len(get_args(Sampling)))
MINIBATCH, GAUSSIAN, SVAG = range(len(get_args(Noise)))


class Rule(NamedTuple):
    """The numbers of `fpsim.sgd.SGD`."""

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
    """Training set, one sample a column, (d, N); no columns for a population."""
    root: NDArray[np.float64]
    """Square root (d, d) of the second moment ``C = E x x^T``."""
    moment: NDArray[np.float64]
    """Upper triangle of ``C = E x x^T``, row by row, shape (d (d + 1) / 2,)."""
    products: NDArray[np.float64]
    """``x_0^2, x_0 x_1, x_1^2`` of every sample, (N, 3); empty unless d = 2."""
    moment_root: NDArray[np.float64]
    """Square root of the covariance of that triangle of ``x x^T``; empty unless noise is Gaussian."""


def rule(experiment: Experiment) -> Rule:
    """Numbers of the experiment's SGD."""
    sgd, net = experiment.sgd, experiment.network
    d, k = net.widths[:2]
    spread = (2.0 * sgd.svag_l - 1.0) ** 0.5
    linear = len(net.widths) == 3 and set(net.activations) == {"linear"}
    return Rule(
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
        # d (d + 1) / 2 products a sample against some 4 d k of a forward and a backward pass
        by_moments=linear and d + 1 <= 8 * k and d <= 16,
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


def source(experiment: Experiment) -> Source:
    """Samples of the experiment's data.

    Raises
    ------
    ConfigError
        If Gaussian noise is asked of a non-linear network on a population, where the covariance is no
        finite sum.
    """
    data, d = experiment.data, experiment.data.dimension
    finite = isinstance(data, Dataset)
    numbers = rule(experiment)
    if numbers.noise == GAUSSIAN and not finite and not numbers.by_moments:
        raise ConfigError("noise = 'gaussian' on a population needs a linear bottleneck of at most 16 components")
    upper = np.triu_indices(d)
    moment_root = np.empty((0, 0))
    if numbers.noise == GAUSSIAN and numbers.by_moments:
        pairs = data.product_covariance[upper]
        moment_root = _root(np.ascontiguousarray(pairs[:, upper[0], upper[1]]))
    products = np.empty((0, 3))
    if isinstance(data, Dataset) and d == 2:
        products = np.ascontiguousarray(data.x[:, upper[0]] * data.x[:, upper[1]])
    return Source(
        samples=np.array(data.x.T, order="C") if isinstance(data, Dataset) else np.empty((d, 0)),
        root=np.ascontiguousarray(_root(data.second_moment)),
        moment=data.second_moment[upper],
        products=products,
        moment_root=np.ascontiguousarray(moment_root),
    )
