"""What holds to rounding, for every dimension, boundary and tensor; cases by parametrisation, then drawn at random."""

import numpy as np
import pytest
from generator_oracles import exponential
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator import (
    absorbed_mass,
    build_generator,
    entropy_production,
    face_currents,
    propagate,
    stationarity_residual,
    stationary_density,
)

EPS = np.finfo(float).eps
SHAPES = {1: (24,), 2: (9, 8), 3: (6, 5, 5), 4: (4, 4, 3, 4)}
BOUNDARIES = {
    "reflecting": lambda n: "reflecting",
    "periodic": lambda n: "periodic",
    "absorbing": lambda n: "absorbing",
    "mixed": lambda n: [("absorbing", "reflecting"), "periodic", ("reflecting", "absorbing"), "reflecting"][:n],
}


def rotated(ndim, condition, seed):
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((ndim, ndim)))
    return 0.3 * (q * np.geomspace(1.0, 1.0 / condition, ndim)) @ q.T


def rank_one(ndim):
    v = np.arange(1.0, ndim + 1) / ndim
    return 0.3 * np.outer(v, v)


def varying(ndim):
    base, other = rotated(ndim, 10.0, 1), rotated(ndim, 5.0, 2)

    def diffusion(*x):
        s = 0.5 + 0.5 * np.sin(sum(x))
        return [[base[i, j] + s * other[i, j] for j in range(ndim)] for i in range(ndim)]

    return diffusion


def half_noise(ndim):
    return lambda *x: [0.2 * (x[0] > 0) + 0.0 * sum(x)] * ndim


TENSORS = {
    "isotropic": lambda n: 0.1,
    "none": lambda n: [0.0] * n,
    "diagonal": lambda n: list(np.linspace(0.05, 0.3, n)),
    "half": half_noise,
    "full": lambda n: rotated(n, 30.0, 0) if n > 1 else 0.2,
    "rank one": lambda n: rank_one(n) if n > 1 else 0.2,
    "varying": lambda n: varying(n) if n > 1 else (lambda x: 0.1 + 0.09 * np.sin(3 * x)),
}


def drift(*x):
    return [np.cos(2 * xi + i) + 0.5 * np.sin(x[i - 1]) for i, xi in enumerate(x)]


def density_of(grid, seed=0):
    values = np.random.default_rng(seed).random(grid.shape) ** 3
    return Density(grid, values / (values.sum() * grid.cell_volume))


def generator_of(ndim, boundary, tensor):
    grid = Grid((-1.2,) * ndim, (1.0,) * ndim, SHAPES[ndim], BOUNDARIES[boundary](ndim))
    return build_generator(FokkerPlanck(drift=drift, diffusion=TENSORS[tensor](ndim)), grid)


def check_identities(generator):
    grid, q = generator.grid, generator.matrix
    assert generator.jumps.data.min(initial=0.0) >= 0.0
    assert all(rate.min() >= 0.0 for rate in generator.absorption.values())
    scale = max(generator.exit_rates.max(), 1e-300)
    assert np.abs(q @ np.ones(grid.size) + generator.outflow).max() <= 40 * EPS * scale
    if not any("absorbing" in pair for pair in grid.boundary):
        assert not generator.outflow.any()

    p = density_of(grid)
    m, f = generator.masses(p), np.random.default_rng(1).standard_normal(grid.size)
    assert (q @ f) @ m == pytest.approx(f @ (q.T @ m), abs=40 * EPS * scale * np.abs(f).max())

    t = 3.0 / scale
    half, full = propagate(generator, p, [t, 2 * t])
    again = propagate(generator, half, [t])[0]
    np.testing.assert_allclose(again.values, full.values, rtol=1e-12)
    assert full.values.min() >= 0.0
    lost = absorbed_mass(generator, p, [t, 2 * t]).value
    assert half.mass + lost[0] == pytest.approx(1.0, abs=1e-14)
    assert full.mass + lost[1] == pytest.approx(1.0, abs=1e-14)
    dense = exponential(2 * t * q.toarray())
    np.testing.assert_allclose(full.values.ravel() * grid.cell_volume, dense.T @ m, atol=1e-14)

    u = propagate(generator, f.reshape(grid.shape), [2 * t]).value[0]
    assert u.ravel() @ m == pytest.approx(f @ generator.masses(full), abs=1e-13 * np.abs(f).max())
    np.testing.assert_allclose(u.ravel(), dense @ f, atol=1e-13 * np.abs(f).max())

    currents = face_currents(generator, p)
    divergence = sum(np.diff(j, axis=a) / h for a, (j, h) in enumerate(zip(currents, grid.spacing, strict=True)))
    change = (q.T @ m).reshape(grid.shape) / grid.cell_volume
    np.testing.assert_allclose(-divergence, change, atol=100 * EPS * scale * p.values.max())
    for axis, j in enumerate(currents):
        line = np.moveaxis(j, axis, 0)
        if grid.periodic(axis):
            np.testing.assert_array_equal(line[0], line[-1])
        for side, wall in ((0, 0), (1, -1)):
            if grid.boundary[axis][side] == "reflecting":
                assert not line[wall].any()


@pytest.mark.filterwarnings("ignore:the tensor needs longer jumps")
@pytest.mark.parametrize("tensor", TENSORS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
def test_identities(ndim, boundary, tensor):
    check_identities(generator_of(ndim, boundary, tensor))


@st.composite
def problems(draw):
    ndim = draw(st.integers(1, 3))
    sides = st.sampled_from(["reflecting", "periodic", "absorbing", ("absorbing", "reflecting")])
    shape = tuple(draw(st.integers(2, 7)) for _ in range(ndim))
    lower = tuple(draw(st.floats(-3, 0)) for _ in range(ndim))
    upper = tuple(a + draw(st.floats(0.1, 5)) for a in lower)
    grid = Grid(lower, upper, shape, [draw(sides) for _ in range(ndim)])
    size = draw(st.floats(1e-4, 10))
    condition = draw(st.floats(1, 1e4))
    tensor = rotated(ndim, condition, draw(st.integers(0, 99))) * size
    speed = draw(st.floats(-50, 50))
    constant = draw(st.booleans())

    def drawn(*x):
        return [speed * (np.cos(xi + i) if not constant else 1.0 + 0.0 * xi) for i, xi in enumerate(x)]

    return grid, FokkerPlanck(drift=drawn, diffusion=0.5 * (tensor + tensor.T) if ndim > 1 else size)


@pytest.mark.filterwarnings("ignore:the tensor needs longer jumps")
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(problems())
def test_identities_of_drawn_problems(problem):
    grid, equation = problem
    check_identities(build_generator(equation, grid))


def balanced(ndim, tensor, boundary):
    """Problems whose stationary state is exp(-phi) with zero current, and that state."""
    grid = Grid((-1.0,) * ndim, (1.3,) * ndim, SHAPES[ndim], boundary)
    if tensor == "potential":  # not separable, isotropic noise

        def potential(*x):
            return sum(xi**4 for xi in x) / 4 + 0.3 * np.prod(np.broadcast_arrays(*x), axis=0)

        return grid, FokkerPlanck(potential=potential, diffusion=0.2), np.asarray(potential(*grid.mesh())) / 0.2
    d = rotated(ndim, 8.0, 3)
    a = rotated(ndim, 3.0, 4) * 10 + np.eye(ndim)
    field = d @ a

    def flow(*x):
        return [-sum(field[i, j] * x[j] for j in range(ndim)) for i in range(ndim)]

    mesh = np.stack(np.broadcast_arrays(*grid.mesh()))
    return grid, FokkerPlanck(drift=flow, diffusion=d), 0.5 * np.einsum("i...,ij,j...->...", mesh, a, mesh)


@pytest.mark.parametrize(
    ("ndim", "tensor"), [(n, "potential") for n in (1, 2, 3, 4)] + [(2, "full"), (3, "full"), (4, "full")]
)
def test_detailed_balance_has_no_current_and_no_entropy_production(ndim, tensor):
    grid, equation, phi = balanced(ndim, tensor, "reflecting")
    generator = build_generator(equation, grid)
    values = np.exp(phi.min() - phi)
    p = Density(grid, values / (values.sum() * grid.cell_volume))
    assert stationarity_residual(generator, p).value < 1e-13
    scale = generator.exit_rates.max() * p.values.max() * max(grid.spacing)
    assert max(np.abs(j).max() for j in face_currents(generator, p)) < 1e-13 * scale
    production = entropy_production(generator, p)
    assert 0.0 <= production.value < 1e-20 * generator.exit_rates.max() + production.error
    np.testing.assert_allclose(stationary_density(generator).values, p.values, rtol=1e-11)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("tensor", ["isotropic", "diagonal", "full"])
@pytest.mark.parametrize("boundary", ["reflecting", "periodic"])
def test_entropy_production_is_never_negative(ndim, tensor, boundary):
    generator = generator_of(ndim, boundary, tensor)
    for seed in range(3):
        assert entropy_production(generator, density_of(generator.grid, seed)).value > 0.0


def test_any_time_from_zero_to_very_long():
    generator = generator_of(2, "reflecting", "full")
    p = density_of(generator.grid)
    rest = stationary_density(generator).values
    start, long, longer = propagate(generator, p, [0.0, 1e4, 1e9])
    np.testing.assert_allclose(start.values, p.values, rtol=4 * EPS)
    for state in (long, longer):
        assert state.mass == pytest.approx(1.0, abs=1e-12)
        np.testing.assert_allclose(state.values, rest, rtol=1e-11)
