"""Data sets against published figures, and their moments against sums written out."""

import numpy as np
import pytest

from fpsim.datasets import Dataset, GaussianPopulation, digits, files, from_array, iris
from fpsim.support.errors import DomainError, FileError


def test_digits_are_the_uci_test_set():
    """1797 images of 8 x 8 pixels in 0..16; the published file's pixels are integers."""
    data = digits(None)
    pixels = data.reconstruct(data.x)
    assert pixels.shape == (1797, 64)
    assert np.abs(pixels - np.rint(pixels)).max() < 1e-12
    assert np.rint(pixels.min()) == 0
    assert np.rint(pixels.max()) == 16


def test_iris_has_the_published_means_and_deviations():
    """Summary table of the UCI documentation (iris.names), two decimals."""
    data = iris(4)
    lengths = data.reconstruct(data.x)
    assert lengths.mean(axis=0) == pytest.approx([5.84, 3.05, 3.76, 1.20], abs=0.01)
    assert lengths.std(axis=0, ddof=1) == pytest.approx([0.83, 0.43, 1.76, 0.76], abs=0.01)


@pytest.mark.parametrize("load", [digits, iris])
def test_principal_components(load):
    """Components are eigenvectors of the pixel covariance, in order; the leading one has variance 1."""
    raw = load(None)
    covariance = np.cov(raw.reconstruct(raw.x).T, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    data = load(3)
    assert data.x.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert data.scale**2 == pytest.approx(values[-1], rel=1e-12)
    expected = np.diag(values[:-4:-1] / values[-1])
    assert np.abs(data.second_moment - expected).max() < 1e-12
    assert np.abs(np.abs(data.basis.T @ vectors[:, :-4:-1]) - np.eye(3)).max() < 1e-9
    assert np.all(data.basis[np.abs(data.basis).argmax(axis=0), np.arange(3)] > 0)


def test_reconstruction_is_the_nearest_point_of_the_subspace():
    data, raw = digits(5), digits(None)
    pixels = raw.reconstruct(raw.x)
    residual = pixels - data.reconstruct(data.x)
    assert np.abs(residual @ data.basis).max() < 1e-10


def test_product_covariance_is_the_covariance_of_products():
    x = np.random.default_rng(0).normal(size=(20, 3)) ** 3
    data = from_array(x)
    products = np.einsum("ni,nj->nij", x, x).reshape(20, 9)
    expected = np.cov(products.T, bias=True).reshape(3, 3, 3, 3)
    assert np.abs(data.product_covariance - expected).max() < 1e-12 * np.abs(expected).max()


def test_gaussian_population_moments_against_hermite_quadrature():
    """Fourth moments of a correlated Gaussian by a product Gauss-Hermite rule, exact for polynomials."""
    population = GaussianPopulation([[2.0, 0.6], [0.6, 0.8]])
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    z = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    w = np.outer(weights, weights).ravel() / (2 * np.pi)
    x = z @ population.root
    c = np.einsum("n,ni,nj->ij", w, x, x)
    q = np.einsum("n,ni,nj,nk,nl->ijkl", w, x, x, x, x) - np.einsum("ij,kl->ijkl", c, c)
    assert np.abs(c - population.second_moment).max() < 1e-13
    assert np.abs(q - population.product_covariance).max() < 1e-12


@pytest.mark.parametrize("nodes", [3, 8])
def test_quadrature_is_exact_for_polynomials_of_its_degree(nodes):
    """Moments of two correlated normal components, by Isserlis' theorem written out."""
    population = GaussianPopulation([[1.3, 0.4], [0.4, 0.7]])
    (x, y), weights = population.quadrature(nodes)[0].T, population.quadrature(nodes)[1]
    a, b, c = 1.3, 0.4, 0.7
    assert weights.shape == (nodes**2,)
    exact = {(0, 0): 1.0, (1, 2): 0.0, (1, 1): b, (4, 0): 3 * a * a, (2, 2): a * c + 2 * b * b, (1, 3): 3 * b * c}
    for (i, j), value in exact.items():
        assert weights @ (x**i * y**j) == pytest.approx(value, rel=1e-12, abs=1e-13)


def test_data_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        digits().x[0, 0] = 1.0


def test_damaged_and_missing_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "resource_folder", lambda _name: tmp_path)
    with pytest.raises(FileError, match=r"iris\.csv: no such data file"):
        iris()
    (tmp_path / "iris.csv").write_text("not the irises")
    with pytest.raises(FileError, match="damaged: SHA-256"):
        iris()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: digits(0), "components = 0; 1 to 64"),
        (lambda: iris(5), "components = 5; 1 to 4"),
        (lambda: from_array([[1.0, np.nan]]), r"x\[0, 1\] is nan"),
        (lambda: Dataset("d", np.zeros(3)), "shape"),
        (lambda: from_array(np.ones((4, 2)), normalise=True), "all samples are equal"),
        (lambda: GaussianPopulation([[1.0, 2.0], [0.0, 1.0]]), "not symmetric"),
        (lambda: GaussianPopulation([[1.0, 2.0], [2.0, 1.0]]), "negative eigenvalue"),
        (lambda: GaussianPopulation(np.ones((2, 3))), "square"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(DomainError, match=message):
        call()
