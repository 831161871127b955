"""Local regression: exact for polynomials, converging for others, averages stay averages, sane outside the support."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.closures.local_regression import interpolate, nodes_around, regress
from fpsim.support.errors import DomainError


def samples(rng, count, n):
    return rng.normal(size=(count, n))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_polynomials_of_its_degree_come_back(n, degree):
    """Without noise, inside the support: exact up to the ridge that holds slopes without support."""
    x = samples(np.random.default_rng(n), 20_000, n)
    y = np.stack([1.0 + 0.5 * (x.sum(axis=1) ** degree), np.full(len(x), 2.0)], axis=-1)
    nodes = nodes_around(x)
    fit = regress(nodes, x, y, neighbours=500, degree=degree)
    mesh = np.meshgrid(*nodes.axes, indexing="ij")
    inside = sum(m**2 for m in mesh) < 1.0
    exact = 1.0 + 0.5 * (sum(mesh) ** degree)
    assert np.abs(fit[0] - exact)[inside].max() < 5e-3
    np.testing.assert_allclose(fit[1], 2.0, rtol=1e-6)


def test_converges_to_the_conditional_mean():
    """``y = tanh(3 x) + noise``: the error falls with the number of samples about as fast as theory says."""
    errors, counts = [], np.array([1000, 8000, 64_000])
    for count in counts:
        rng = np.random.default_rng(count)
        x = samples(rng, count, 1)
        y = np.tanh(3 * x) + 0.5 * rng.normal(size=x.shape)
        nodes = nodes_around(x)
        fit = regress(nodes, x, y, neighbours=2 * count**0.5, degree=2)[0]
        inside = np.abs(nodes.axes[0]) < 1.5
        errors.append(np.sqrt(np.mean((fit - np.tanh(3 * nodes.axes[0]))[inside] ** 2)))
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert -0.45 < slope < -0.15  # noise: neighbours^(-1/2) = count^(-1/4), bias still below it
    assert errors[-1] < 0.05


def test_average_keeps_matrices_semidefinite():
    rng = np.random.default_rng(1)
    x, v = samples(rng, 500, 2), rng.normal(size=(500, 3))
    y = (v[:, :, None] * v[:, None, :]).reshape(500, 9)
    fit = regress(nodes_around(x), x, y, neighbours=40, degree=0)
    assert np.linalg.eigvalsh(np.moveaxis(fit.reshape(3, 3, *fit.shape[1:]), (0, 1), (-2, -1))).min() > -1e-12


def test_stays_in_range_outside_the_support():
    """Two distant clusters: nothing between or beyond them leaves the range of the samples."""
    rng = np.random.default_rng(2)
    x = np.concatenate([samples(rng, 500, 2) * 0.1 - 2.0, samples(rng, 500, 2) * 0.1 + 2.0])
    y = x[:, :1] ** 3
    fit = regress(nodes_around(x), x, y, neighbours=50, degree=2)
    assert np.isfinite(fit).all()
    assert y.min() <= fit.min() <= fit.max() <= y.max()


def test_interpolation_is_multilinear():
    rng = np.random.default_rng(3)
    nodes = nodes_around(samples(rng, 100, 2))
    mesh = tuple(np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-1, 1, 5), indexing="ij", sparse=True))
    a, b = np.meshgrid(*nodes.axes, indexing="ij")
    exact = 1 + 2 * mesh[0] - mesh[1] + mesh[0] * mesh[1]
    np.testing.assert_allclose(interpolate(nodes, np.array([1 + 2 * a - b + a * b]), mesh)[0], exact, atol=1e-13)


def test_bad_input():
    with pytest.raises(DomainError, match="1 to 4"):
        nodes_around(np.zeros((10, 5)))
    with pytest.raises(DomainError, match="do not spread"):
        nodes_around(np.ones((10, 2)))
