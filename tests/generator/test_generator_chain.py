"""Rational evolution of one-dimensional generators against closed forms, the matrix exponential and other methods."""

import numpy as np
import pytest
from generator_oracles import fitted_order
from scipy.linalg import expm
from scipy.stats import binom, poisson

from fpsim.density import Density, Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.generator import (
    Generator,
    absorbed_mass,
    build_generator,
    mean_first_passage_time,
    propagate,
    quasi_stationary,
)
from fpsim.generator.links import Links
from fpsim.generator.propagation.rational import birth_death_chain, propagate_chain
from fpsim.generator.propagation.rational_kernels import mend
from fpsim.support.errors import DomainError, MemoryLimitError, ToleranceError


def generator_of(left, right, out=(0.0, 0.0)):
    """Any birth-death chain: rates to the left and right between neighbours, rates out at the ends."""
    n = len(left) + 1
    cells = np.arange(n)
    walls = {(0, side): rate * (cells == side * (n - 1)) for side, rate in enumerate(out)}
    link = Links((1,), cells[:-1], cells[1:], np.asarray(right, float), np.asarray(left, float))
    return Generator(Grid.box((0, n, n)), (link,), walls)


def exact(generator, masses, t):
    """Masses, and those absorbed as the last one, by the matrix exponential."""
    n = masses.size
    q = np.zeros((n + 1, n + 1))
    q[:n, :n] = generator.matrix.toarray()
    q[:n, n] = generator.outflow
    return np.append(masses, 0.0) @ expm(t * q)


def evolve(generator, start, times, *, tolerance):
    return propagate_chain(birth_death_chain(generator), start, np.asarray(times, float), tolerance=tolerance)


def delta(n, k):
    return np.eye(n)[k]


KINDS = {
    "decades": lambda rng, n: 10.0 ** rng.uniform(-4, 4, (2, n - 1)),
    "one way": lambda rng, n: (np.zeros(n - 1), np.full(n - 1, 10.0)),
    "gaps": lambda rng, n: rng.uniform(0, 1, (2, n - 1)) * (rng.random((2, n - 1)) > 0.2),
    "diffusion": lambda rng, n: np.full((2, n - 1), float(n * n)),
    "drift": lambda rng, n: np.ones((2, n - 1)) * [[1.0], [1.0 + 10.0 ** rng.uniform(-1, 2)]],
    "well": lambda rng, n: (
        1 + 10.0 ** rng.uniform(-2, 1.5) * np.clip([np.linspace(-2, 2, n - 1), np.linspace(2, -2, n - 1)], 0, 9)
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_matrix_exponential_of_random_chains(kind):
    rng = np.random.default_rng(list(KINDS).index(kind))
    for _ in range(80):
        n = int(rng.integers(2, 50))
        rates = KINDS[kind](rng, n)
        out = np.where(rng.random(2) < 0.4, 10.0 ** rng.uniform(-3, 3, 2), 0.0)
        generator = generator_of(*rates, out)
        start = delta(n, rng.integers(n)) if rng.random() < 0.7 else rng.dirichlet(np.ones(n))
        stiffness, tolerance = 10.0 ** rng.uniform(-2, 6), 10.0 ** rng.uniform(-10, -1)
        t = stiffness / max(generator.fastest, 1e-300)
        found, true = evolve(generator, start, [t], tolerance=tolerance), exact(generator, start, t)
        error = np.abs(found.states[0] - true[:n]).sum() + abs(found.absorbed[0] - true[n])
        rounding = 1e-12 + 3e-16 * stiffness  # of expm: it squares as often as the stiffness doubles
        assert error < 1.5 * found.error[0] + rounding
        assert error < tolerance + rounding
        assert found.states[0].sum() + found.absorbed[0] == pytest.approx(1.0, abs=1e-12)
        assert found.states.min() >= 0.0
        assert found.absorbed[0] >= 0.0


@pytest.mark.parametrize("tolerance", [1e-1, 1e-4, 1e-9])
def test_two_cells(tolerance):
    times = np.array([0.0, 1e-6, 0.01, 0.5, 2.0, 2.0, 1e5])
    found = evolve(generator_of([3.0], [5.0]), np.array([1.0, 0.0]), times, tolerance=tolerance)
    first = 3 / 8 + 5 / 8 * np.exp(-8 * times)
    assert np.all(np.abs(found.states - np.stack([first, 1 - first], axis=1)).sum(axis=1) <= tolerance)
    np.testing.assert_array_equal(found.states[0], [1.0, 0.0])
    np.testing.assert_array_equal(found.states[4], found.states[5])
    assert np.all(np.diff(found.error) >= 0.0)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-9])
def test_transport_in_one_direction_is_a_poisson_process(tolerance):
    # the hardest case, no noise but that of the grid; what reaches the end has jumped n times or more
    n, times = 60, np.array([5.0, 30.0, 60.0, 90.0])
    generator = generator_of(np.zeros(n - 1), np.ones(n - 1), (0.0, 1.0))
    found = evolve(generator, delta(n, 0), times, tolerance=tolerance)
    error = np.abs(found.states - poisson.pmf(np.arange(n), times[:, None])).sum(axis=1)
    error += np.abs(found.absorbed - poisson.sf(n - 1, times))
    assert np.all(error <= 1.5 * found.error)
    assert error[-1] <= tolerance
    np.testing.assert_allclose(found.states.sum(axis=1) + found.absorbed, 1.0, atol=1e-12)


def test_urn_of_ehrenfest():
    # the lattice's own Ornstein-Uhlenbeck process: binomial at every time, mean decays as exp(-2 t) exactly
    n, times = 200, np.array([0.02, 0.3, 1.0, 4.0])
    k = np.arange(n)
    found = evolve(generator_of(k[1:], (n - 1 - k)[:-1]), delta(n, 0), times, tolerance=1e-8)
    true = binom.pmf(k, n - 1, 0.5 * (1 - np.exp(-2 * times))[:, None])
    assert np.abs(found.states - true).sum(axis=1).max() < 1e-8
    np.testing.assert_allclose(1 - 2 * found.states @ k / (n - 1), np.exp(-2 * times), atol=1e-8)


@pytest.mark.parametrize("n", [64, 1024])
@pytest.mark.parametrize("t", [1e-4, 1e-2, 1.0])
def test_diffusion_of_one_cell(n, t):
    # cosines of the lattice; a delta function is as rough as a density can be: products of rate and time to 1e6
    k, i = np.arange(n)[:, None], np.arange(n)
    modes = np.cos(np.pi * k * (i + 0.5) / n)
    decay = np.exp(-2 * n**2 * (1 - np.cos(np.pi * k[:, 0] / n)) * t)
    weights = modes[:, n // 3] * np.where(k[:, 0] == 0, 1, 2) / n
    found = evolve(generator_of(*np.full((2, n - 1), float(n * n))), delta(n, n // 3), [t], tolerance=1e-7)
    assert np.abs(found.states[0] - (weights * decay) @ modes).sum() < 1e-7
    assert found.solves <= 36  # one step


@pytest.mark.parametrize("n", [24, 400])
def test_stationary_law_after_a_time_of_any_length(n):
    # barrier of 8 thermal energies, 1e12 jumps and more; detailed balance as a product
    grid = Grid.box((-2, 2, n))
    generator = build_generator(FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2 / 4, diffusion=0.03), grid)
    rates = birth_death_chain(generator).rates
    law = np.append(1.0, np.cumprod(rates[1, 1:-2] / rates[0, 2:-1]))
    law /= law.sum()
    for tolerance in (1e-3, 1e-10):
        p = propagate(generator, gaussian(grid, -1.0, 0.01), [1e12], method="rational", tolerance=tolerance)[0]
        assert np.abs(generator.masses(p) - law).sum() < tolerance
        assert p.mass == pytest.approx(1.0, abs=1e-12)


def double_well(boundary="reflecting", n=128, diffusion=0.05):
    grid = Grid.box((-2, 2, n), boundary=boundary)
    equation = FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2 / 4, diffusion=diffusion)
    return build_generator(equation, grid), gaussian(grid, -0.5, 0.04)


def test_errors_are_of_the_order_of_the_tolerance():
    generator, start = double_well()
    masses, tolerances = generator.masses(start), 10.0 ** -np.arange(1, 10)
    true, errors = exact(generator, masses, 3.0), []
    for tolerance in tolerances:
        found = evolve(generator, masses, [3.0], tolerance=tolerance)
        errors.append(np.abs(found.states[0] - true[:-1]).sum())
        assert errors[-1] <= found.error[0] <= tolerance
    assert 0.85 < fitted_order(tolerances, errors) < 1.25


@pytest.mark.parametrize("boundary", ["reflecting", "absorbing", ("absorbing", "reflecting")])
def test_uniformization_agrees(boundary):
    generator, start = double_well([boundary] if isinstance(boundary, tuple) else boundary)
    times, volume = [0.0, 0.1, 2.0, 40.0], generator.grid.cell_volume
    ours, theirs = (
        propagate(generator, start, times, method="rational", tolerance=1e-9),
        propagate(generator, start, times),
    )
    for p, q in zip(ours, theirs, strict=True):
        assert np.abs(p.values - q.values).sum() * volume < 1e-9
    found = evolve(generator, generator.masses(start), times, tolerance=1e-9)
    np.testing.assert_allclose(found.absorbed, absorbed_mass(generator, start, times).value, atol=1e-9)
    assert np.all(np.diff(found.absorbed) >= -1e-9)


def test_escape_over_a_barrier():
    # from the quasi-stationary density the time to leave is exponential with its mean first-passage time, exactly
    grid = Grid.box((-2, 0, 200), boundary=[("reflecting", "absorbing")])
    generator = build_generator(FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2 / 4, diffusion=0.03), grid)
    mean = float(mean_first_passage_time(generator).value @ generator.masses(quasi_stationary(generator).density))
    assert mean > 1e3  # against a relaxation time of about one half
    times = [200.0, 0.5 * mean, 3.0 * mean]
    survival = [
        p.mass for p in propagate(generator, gaussian(grid, -1.2, 0.01), times, method="rational", tolerance=1e-9)
    ]
    rates = -np.diff(np.log(survival)) / np.diff(times)
    np.testing.assert_allclose(rates * mean, 1.0, rtol=1e-7)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-8])
def test_two_evolutions_are_one(tolerance):
    generator, start = double_well("absorbing", diffusion=0.3)
    once = propagate(generator, start, [1.9], method="rational", tolerance=tolerance)[0]  # one step, against two others
    half = propagate(generator, start, [0.7], method="rational", tolerance=tolerance)[0]
    twice = propagate(generator, half, [1.2], method="rational", tolerance=tolerance)[0]
    difference = np.abs(twice.values - once.values).sum() * generator.grid.cell_volume
    assert 0 < difference < 2 * tolerance


def test_the_same_bits_whatever_went_before():
    generator, start = double_well()
    masses, times = generator.masses(start), [0.3, 5.0]
    first = evolve(generator, masses, times, tolerance=1e-7)
    for tolerance in (1e-1, 1e-3, 1e-10):
        evolve(generator, masses, times, tolerance=tolerance)
    second = evolve(generator, masses, times, tolerance=1e-7)
    for name in ("states", "absorbed", "error", "solves"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize(
    ("masses", "mended"),
    [
        ([0, 1, -0.5, 0.25, 3, 0], [0, 1, 0, 0, 2.75, 0]),  # to the right, as far as needed
        ([0, 0.5, 1, -0.25, 0, 0.5], [0, 0.5, 0.75, 0, 0, 0.5]),  # what is left over to the left; not the absorbed
        ([-0.125, 1, 0, 1, -0.125], [0, 0.875, 0, 0.875, 0]),  # walls that got too little
        ([0, 0.25, -0.5, 0, 1], [0, 0, 0, 0, 0.75]),  # only when nothing else is there
        ([1, 0.25, -0.5, 0, 0], [0.75, 0, 0, 0, 0]),
    ],
)
def test_deficits_go_to_the_next_cells_that_have_mass(masses, mended):
    masses, out = np.array(masses, float), np.empty(len(masses))
    assert mend(masses, out) == -masses[masses < 0].sum()
    np.testing.assert_array_equal(out, mended)


def test_mending_changes_twice_the_negative_mass():
    rng = np.random.default_rng(3)
    for _ in range(300):
        masses = rng.normal(0.3, 1.0, rng.integers(3, 30)) * 10.0 ** -rng.uniform(0, 12)
        masses[rng.integers(masses.size)] += 2 * np.abs(masses).sum()
        out = np.empty(masses.size)
        negative = mend(masses, out)
        assert out.min() >= 0.0
        assert out.sum() == pytest.approx(masses.sum(), rel=1e-14)
        assert np.abs(out - masses).sum() == pytest.approx(2 * negative, rel=1e-12, abs=1e-15 * masses.max())


def test_scale_of_the_mass():
    # masses of a density that is not normalised; a start without mass stays without
    generator, start = double_well("absorbing")
    masses = generator.masses(start)
    one, thousand = (evolve(generator, scale * masses, [2.0], tolerance=1e-6) for scale in (1.0, 1000.0))
    np.testing.assert_allclose(thousand.states, 1000 * one.states, rtol=1e-9, atol=1e-12)
    assert thousand.error[0] == pytest.approx(one.error[0], rel=1e-6)
    nothing = evolve(generator, 0 * masses, [2.0], tolerance=1e-6)
    assert not nothing.states.any()
    assert not nothing.error.any()


PLANE = build_generator(FokkerPlanck(diffusion=0.1), Grid.box((0, 1, 4), (0, 1, 4)))
RING = build_generator(FokkerPlanck(diffusion=0.1), Grid.box((0, 1, 8), boundary="periodic"))
WELL, START = double_well()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: propagate(3, START, [1.0], method="rational"), "generator is a int: a Generator is accepted"),
        (lambda: propagate(WELL, 3, [1.0], method="rational"), "of an observable: a density is accepted"),
        (lambda: propagate(WELL, START, [1.0], method="fast"), "method is 'fast': one of 'auto'"),
        (lambda: propagate(WELL, gaussian(Grid.box((-2, 2, 9)), 0.0, 0.3), [1.0], method="rational"), "lives on"),
        (
            lambda: propagate(PLANE, gaussian(PLANE.grid, 0.5, 0.02), [1.0], method="rational"),
            "2 axes.*other methods take",
        ),
        (
            lambda: propagate(RING, gaussian(RING.grid, 0.5, 0.1), [1.0], method="rational"),
            "periodic axis.*other methods take",
        ),
        (lambda: birth_death_chain(RING), "periodic axis"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(DomainError, match=message):
        call()


@pytest.mark.parametrize("times", [[1.0, 0.5], [-1.0], [np.nan], [np.inf], [], [[1.0]], "soon"])
def test_times_that_are_refused(times):
    with pytest.raises(DomainError, match="times"):
        propagate(WELL, START, times, method="rational")


@pytest.mark.parametrize("tolerance", [0.0, 9e-11, 0.2, -1.0, np.nan, np.inf, "small", [1e-3]])
def test_tolerances_that_are_refused(tolerance):
    with pytest.raises(DomainError, match="tolerance is"):
        propagate(WELL, START, [1.0], method="rational", tolerance=tolerance)


def test_what_cannot_be_computed():
    fast = build_generator(FokkerPlanck(diffusion=1e9), WELL.grid)
    with pytest.raises(ToleranceError, match=r"fastest rate.*shorter time is accepted"):
        propagate(fast, START, [1e300], method="rational")
    many = np.broadcast_to(np.float64(1.0), 10**12)
    with pytest.raises(MemoryLimitError, match="128 cells to 1000000000000 times"):
        evolve(WELL, WELL.masses(START), many, tolerance=1e-3)


def test_density_class_is_kept():
    answer = propagate(WELL, START, [1.0], method="rational")
    assert isinstance(answer, tuple)
    assert isinstance(answer[0], Density)
    assert answer[0].grid == WELL.grid
