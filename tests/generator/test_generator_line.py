"""The kernel of lines of cells against the matrix exponential, for rates drawn at random: no equation behind them."""

import numpy as np
import pytest
from scipy.linalg import expm

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator import Generator, absorbed_mass, build_generator, propagate
from fpsim.generator.links import Links

WALLS = ["reflecting", "absorbing", "periodic"]


def random_line(size, walls, seed):
    """A generator of random rates, some of them zero, and its matrix entry by entry."""
    rng = np.random.default_rng(seed)
    count = size if walls == "periodic" else size - 1
    forward, backward = 10.0 ** rng.uniform(-3, 1, (2, count)) * (rng.random((2, count)) > 0.1)
    tail = np.arange(count)
    absorption = {}
    if walls == "absorbing":
        low, high = np.zeros((2, size))
        low[0], high[-1] = rng.uniform(1, 5, 2)
        absorption = {(0, 0): low, (0, 1): high}
    matrix = np.zeros((size, size))
    for i in range(count):
        j = (i + 1) % size
        matrix[i, j] += forward[i]
        matrix[j, i] += backward[i]
    matrix -= np.diag(matrix.sum(axis=1))
    for rate in absorption.values():
        matrix -= np.diag(rate)
    grid = Grid.box((0, 1, size), boundary=walls)
    return Generator(grid, (Links((1,), tail, (tail + 1) % size, forward, backward),), absorption), matrix


def random_density(grid, seed):
    values = np.random.default_rng(seed).random(grid.shape) ** 8
    return Density(grid, values / (values.sum() * grid.cell_volume))


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("size", [2, 3, 7, 10, 33, 64])
def test_random_line_is_the_exponential(walls, size):
    for seed in range(3):
        generator, matrix = random_line(size, walls, seed)
        p = random_density(generator.grid, seed)
        times = np.array([0.0, 0.02, 0.3, 0.3, 4.0])
        exact = np.array([expm(t * matrix) for t in times])
        masses, lost = generator.masses(p), absorbed_mass(generator, p, times).value
        later = propagate(generator, p, times)
        got = np.array([generator.masses(q) for q in later])
        np.testing.assert_allclose(got, masses @ exact, rtol=0, atol=2e-14)
        assert got.min() >= 0.0
        np.testing.assert_allclose(got.sum(axis=1) + lost, 1.0, rtol=0, atol=5e-15)
        np.testing.assert_allclose(lost, 1.0 - (masses @ exact).sum(axis=1), rtol=0, atol=2e-14)
        f = np.random.default_rng(seed).normal(size=size)
        np.testing.assert_allclose(propagate(generator, f, times).value, exact @ f, rtol=0, atol=1e-13)
    # a ring of two to eight cells closes along a diagonal of its own, or has links that lie on one another
    assert generator.forward_stencil.line == (walls != "periodic" or size > 8)


def test_a_chain_of_births_is_the_poisson_law():
    # jumps upwards only: the number of jumps until t, whatever is left out of the sum
    from scipy.stats import poisson

    size, t = 60, 5.0
    tail, ones = np.arange(size - 1), np.ones(size - 1)
    generator = Generator(Grid.box((0, size, size)), (Links((1,), tail, tail + 1, ones, 0 * ones),), {})
    start = np.zeros(size)
    start[0] = 1.0
    got = propagate(generator, Density(generator.grid, start), [t], tolerance=1e-300)[0].values
    np.testing.assert_allclose(got[:-1], poisson.pmf(np.arange(size - 1), t), rtol=1e-12)


@pytest.mark.parametrize("shape", [(50,), (9, 8)])
def test_small_numbers_keep_their_digits_and_subnormal_ones_do_not_appear(shape):
    grid = Grid((-2,) * len(shape), (2,) * len(shape), shape)
    drift = (lambda x: 4 * x) if len(shape) == 1 else (lambda x, y: (4 * x, 4 * y))
    generator = build_generator(FokkerPlanck(drift=drift, diffusion=0.05), grid)
    values, t = np.random.default_rng(3).random(shape) + 0.1, [20.0 / generator.exit_rates.max()]
    one = propagate(generator, Density(grid, values), t)[0].values
    small = propagate(generator, Density(grid, values * 2.0**-600), t)[0].values
    np.testing.assert_array_equal(small, one * 2.0**-600)
    corner = np.zeros(shape)
    corner.flat[0] = 2.0**-800  # of which the drift lets next to nothing inwards
    spread = propagate(generator, Density(grid, corner), t)[0].values
    assert spread.min() == 0.0
    assert spread[spread > 0.0].min() > np.finfo(float).tiny


def test_two_threads_share_a_line_of_several_slabs():
    # 70,000 cells: slabs of their natural length, and no seam to hold them back
    grid = Grid.box((-2, 2, 70_000))
    generator = build_generator(FokkerPlanck(drift=lambda x: np.sin(5 * x), diffusion=0.1), grid)
    p, times = random_density(grid, 5), np.array([10.0, 40.0]) / generator.exit_rates.max()
    one, two = (propagate(generator, p, times, threads=k) for k in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.values, b.values)
    assert one[1].mass == pytest.approx(1.0, abs=1e-13)
    # the same sum by a sparse product, term by term
    from scipy.stats import poisson

    mean, transposed = 40.0, generator.matrix.T / generator.exit_rates.max()
    x, total = generator.masses(p), np.zeros(grid.size)
    for k in range(140):
        total += poisson.pmf(k, mean) * x
        x = x + transposed @ x
    np.testing.assert_allclose(generator.masses(one[1]), total, rtol=1e-11)


def test_diagonals_are_kept_and_counted():
    generator, _ = random_line(40, "reflecting", 1)
    before = generator.nbytes
    p = random_density(generator.grid, 1)
    propagate(generator, p, [0.1])
    kept = generator.forward_stencil
    assert generator.nbytes == before + kept.nbytes >= before + 3 * 40 * 8
    propagate(generator, p, [0.2])
    assert generator.forward_stencil is kept
