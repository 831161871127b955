"""Gaussian gradients with the exact covariance of a population's mini-batches: closed form and quadrature."""

import math

import numpy as np
import pytest

from fpsim.datasets import GaussianPopulation
from fpsim.ensemble import train
from fpsim.ensemble.kernel_settings import GRADIENT
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import AutoEncoder, BottleneckAutoEncoder, sample_gradients
from fpsim.support.errors import DomainError
from fpsim.support.random_streams import replica_normals
from fpsim.theory import landscape_of

SIZE, SEED = 3, 5
PLANE = GaussianPopulation([[1.0, 0.3], [0.3, 0.5]])
NINE = GaussianPopulation(np.diag(np.linspace(0.5, 1.5, 9)) + 0.1)
CASES = {
    # data, network, random numbers of a step as (first of every ``stride``, how many)
    "closed form": (PLANE, BottleneckAutoEncoder(2, 1), 1, 3),
    "closed form, nine components": (NINE, BottleneckAutoEncoder(9, 1), 1, 45),
    "quadrature, one component": (GaussianPopulation(0.8), BottleneckAutoEncoder(1, 2, "tanh"), 2, 32),
    "quadrature": (PLANE, BottleneckAutoEncoder(2, 1, "tanh"), 2, 1024),
    "quadrature, deep": (PLANE, AutoEncoder((2, 2, 1, 2), ("linear",) * 3), 2, 9),
}


def first_steps(case, replicas, **options):
    """``W_0 - W_1`` of every replica at learning rate one, and the weights at the start."""
    data, network, *_ = CASES[case]
    rng = np.random.default_rng(1)
    start = {name: rng.normal(size=shape) / 2 for name, shape in network.shapes.items()}
    sgd = SGD(1.0, SIZE, "fresh", **options)
    ensemble = train(Experiment(data, network, sgd, Start.point(start)), replicas=replicas, steps=[0, 1], rng=SEED)
    rows = np.concatenate([w.reshape(2, replicas, -1) for w in ensemble.weights.values()], axis=2)
    return rows[0] - rows[1], start


def brute_force(data, network, start, label=0.0, nodes=48):
    """Mean and covariance of the per-sample gradient by a product rule of its own.

    The gradient is linear in the target, so that label noise adds ``label^2 E[J^T J]``, ``J`` from unit targets.
    """
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(*(x,) * data.dimension, indexing="ij"), axis=-1).reshape(-1, data.dimension)
    weight = np.prod(np.meshgrid(*(w,) * data.dimension, indexing="ij"), axis=0).ravel()
    weight /= weight.sum()
    points = grid @ np.linalg.cholesky(data.covariance).T

    def gradients(targets):
        parts = sample_gradients(network, start, points, targets=targets).values()
        return np.concatenate([v.reshape(len(grid), -1) for v in parts], axis=1)

    g = gradients(points)
    mean = weight @ g
    jacobian = [gradients(points + unit) - g for unit in np.eye(data.dimension)]
    noise = sum((weight * j.T) @ j for j in jacobian)
    return mean, (weight * (g - mean).T) @ (g - mean) + label**2 * noise


@pytest.mark.parametrize("case", CASES)
def test_covariance_is_exact_to_rounding(case):
    """A step is ``g + A xi`` with normal numbers ``xi`` that can be drawn again: ``A A^T`` is ``Sigma / B``.

    ``A`` comes from as many replicas as determine it, so that nothing of this is statistical. Truth: the closed
    forms and sums of the theory of the same experiment (held to enumeration and complex steps by their own
    tests), or a finer quadrature for a network that the theory does not know.
    """
    data, network, stride, count = CASES[case]
    replicas = count + 60
    found, start = first_steps(case, replicas, noise="gaussian")
    xi = replica_normals(SEED, GRADIENT, first=0, replicas=replicas, count=stride * count)[:, ::stride]
    design = np.column_stack([np.ones(replicas), xi])
    q, r = np.linalg.qr(design)
    solution = np.linalg.solve(r, q.T @ found)
    mean, root = solution[0], solution[1:]
    assert np.abs(design @ solution - found).max() < 1e-12
    if len(network.shapes) == 2:
        landscape = landscape_of(Experiment(data, network, SGD(1.0, SIZE, "fresh"), Start.point(start)))
        w = np.concatenate([v.ravel() for v in start.values()])
        g, s = landscape.gradient(w), landscape.covariance(w)
    else:
        g, s = brute_force(data, network, start)
        s = s / SIZE
    np.testing.assert_allclose(mean, g, rtol=0, atol=1e-12 * max(1.0, np.abs(g).max()))
    np.testing.assert_allclose(root.T @ root, s, rtol=0, atol=1e-12 * max(1.0, np.abs(s).max()))


@pytest.mark.parametrize(
    ("case", "replicas"), [("closed form", 200_000), ("quadrature, one component", 100_000), ("quadrature", 8_000)]
)
def test_sampled_covariance_is_that_of_mini_batches(case, replicas):
    """Sampled Gaussian steps and sampled mini-batches against one quadrature, in four sigma; only one is Gaussian."""
    data, network, *_ = CASES[case]
    for options, gaussian in (({"noise": "gaussian"}, True), ({}, False)):
        found, start = first_steps(case, replicas, **options)
        mean, sigma = brute_force(data, network, start)
        centred = found - mean
        assert np.all(np.abs(centred.mean(axis=0)) < 4 * found.std(axis=0) / math.sqrt(replicas))
        products = centred[:, :, None] * centred[:, None, :]
        assert np.all(np.abs(products.mean(axis=0) - sigma / SIZE) < 4 * products.std(axis=0) / math.sqrt(replicas))
        kurtosis = (centred**4).mean(axis=0) / products.mean(axis=0).diagonal() ** 2
        assert np.all(np.abs(kurtosis - 3) < 4 * math.sqrt(96 / replicas)) == gaussian


@pytest.mark.parametrize("case", ["closed form", "quadrature, one component"])
def test_label_noise_of_gaussian_steps(case):
    """Label noise adds ``sigma^2 E[J^T J] / B`` to Gaussian steps as it does to mini-batches."""
    replicas, label = 100_000, 0.7
    data, network, *_ = CASES[case]
    for options in ({"noise": "gaussian"}, {}):
        found, start = first_steps(case, replicas, label_noise=label, **options)
        mean, sigma = brute_force(data, network, start, label)
        products = (found - mean)[:, :, None] * (found - mean)[:, None, :]
        assert np.all(np.abs(products.mean(axis=0) - sigma / SIZE) < 4 * products.std(axis=0) / math.sqrt(replicas))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (BottleneckAutoEncoder(4, 1, "tanh"), r"32\^4 nodes; 1 to 3 components, or a linear bottleneck of at most 16"),
        (BottleneckAutoEncoder(17, 1), r"3\^17 nodes; 1 to 9 components"),
        (AutoEncoder((10, 2, 1, 10), ("linear",) * 3), r"3\^10 nodes; 1 to 9"),
    ],
)
def test_too_many_components_are_refused_with_the_reason(network, message):
    data = GaussianPopulation(np.eye(network.widths[0]))
    run = Experiment(data, network, SGD(0.1, 2, "fresh", noise="gaussian"), Start.gaussian(0.0, 0.1))
    with pytest.raises(DomainError, match=message):
        train(run, replicas=1, steps=[1])
