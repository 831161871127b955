"""What must hold to rounding for every dimension, boundary, tensor and drift: mass, sign, threads."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsim.density import Density, Grid
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.support.errors import ValidityWarning

BOUNDARIES = ["reflecting", "periodic", "absorbing", "mixed"]
CELLS = {1: 40, 2: 14, 3: 9, 4: 8}


def random_density(grid, rng):
    """Rough on purpose: half of the cells are empty."""
    values = rng.random(grid.shape) * (rng.random(grid.shape) < 0.5)
    return Density(grid, values / (values.sum() * grid.cell_volume))


def random_equation(rng, ndim, kind):
    a = rng.standard_normal((ndim, ndim))
    phase = rng.uniform(0, 6, ndim)
    q, _ = np.linalg.qr(rng.standard_normal((ndim, ndim)))
    tensor = (q * np.geomspace(1.0, 0.01, ndim)) @ q.T

    def drift(*x):
        waves = [np.sin(2 * np.pi * xi + f) for xi, f in zip(x, phase, strict=True)]
        return tuple(sum(a[i, j] * waves[j] for j in range(ndim)) for i in range(ndim))

    def diffusion(*x):
        bump = 1.0 + 0.5 * np.sin(2 * np.pi * sum(x))
        return [[tensor[i, j] * bump for j in range(ndim)] for i in range(ndim)]

    return FokkerPlanck(
        drift=drift, diffusion={"none": 0.0, "scalar": 0.05, "constant": 0.1 * tensor, "field": diffusion}[kind]
    )


def quiet(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        return evolve(*args, **kwargs)


@pytest.mark.parametrize("kind", ["none", "scalar", "constant", "field"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
def test_mass_and_sign(ndim, boundary, kind):
    rng = np.random.default_rng([ndim, BOUNDARIES.index(boundary)])
    sides = [("absorbing", "reflecting"), "periodic", "reflecting", "absorbing"][:ndim]
    grid = Grid(
        (0.0,) * ndim,
        tuple(rng.uniform(0.5, 1.0, ndim)),
        tuple(CELLS[ndim] + rng.integers(0, 3, ndim)),
        sides if boundary == "mixed" else boundary,
    )
    start = random_density(grid, rng)
    result = quiet(
        random_equation(rng, ndim, kind),
        start,
        [0.03, 0.3],
        tolerance=0.1,
        method="sweeps",
        estimate_grid_error=False,
    )
    for density, absorbed in zip(result.densities, result.absorbed, strict=True):
        assert density.values.min() >= 0.0
        assert density.mass + absorbed == pytest.approx(1.0, abs=1e-12)
        assert absorbed >= 0.0
    if "absorbing" in str(grid.boundary) and kind != "none":
        assert result.absorbed[1] > result.absorbed[0] > 1e-3
    elif "absorbing" not in str(grid.boundary):
        assert (result.absorbed == 0.0).all()


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(2, 17), min_size=1, max_size=3),
    boundary=st.sampled_from(BOUNDARIES[:3]),
    seed=st.integers(0, 10**6),
    speed=st.floats(0.0, 30.0),
    noise=st.floats(0.0, 3.0),
    condition=st.floats(1.0, 100.0),
)
def test_mass_and_sign_of_drawn_problems(shape, boundary, seed, speed, noise, condition):
    rng = np.random.default_rng(seed)
    ndim = len(shape)
    grid = Grid((0.0,) * ndim, tuple(rng.uniform(0.3, 3.0, ndim)), tuple(shape), boundary)
    q, _ = np.linalg.qr(rng.standard_normal((ndim, ndim)))
    tensor = noise * (q * np.geomspace(1.0, 1.0 / condition, ndim)) @ q.T
    a = speed * rng.standard_normal((ndim, ndim))
    equation = FokkerPlanck(
        drift=lambda *x: tuple(sum(a[i, j] * np.cos(3 * x[j]) for j in range(ndim)) for i in range(ndim)),
        diffusion=0.5 * (tensor + tensor.T),
    )
    start = random_density(grid, rng) if grid.size > 20 else Density(grid, np.ones(grid.shape))
    result = quiet(equation, start, [0.05], tolerance=0.5, method="sweeps", estimate_grid_error=False)
    assert result.final.values.min() >= 0.0
    assert result.final.mass + result.absorbed[0] == pytest.approx(start.mass, rel=1e-12)


@pytest.mark.parametrize("kind", ["scalar", "field"])
def test_same_bits_for_any_number_of_threads(kind):
    rng = np.random.default_rng(5)
    grid = Grid.box((0, 1, 210), (0, 1, 190))
    equation, start = random_equation(rng, 2, kind), random_density(grid, rng)
    one, two, three = (
        quiet(equation, start, [0.01], tolerance=0.2, threads=n, estimate_grid_error=False) for n in (1, 2, 3)
    )
    assert one.final.values.tobytes() == two.final.values.tobytes() == three.final.values.tobytes()


def test_output_times_do_not_change_the_mass_account():
    grid = Grid.box((0, 1, 60), boundary="absorbing")
    equation = FokkerPlanck(drift=lambda x: 1 - 2 * x, diffusion=0.1)
    start = Density(grid, np.ones(60))
    many = quiet(equation, start, np.linspace(0.0, 1.0, 11))
    assert many.absorbed[0] == 0.0
    np.testing.assert_allclose([d.mass for d in many.densities] + many.absorbed, 1.0, atol=1e-12)
    assert (np.diff(many.absorbed) > 0).all()


@pytest.mark.parametrize("method", ["sweeps", "generator"])
@pytest.mark.parametrize("kind", ["scalar", "field"])
def test_semigroup(kind, method):
    """Going to t = 0.2 at once, or stopping at 0.05 and starting again, differ by the time error at most."""
    rng = np.random.default_rng(8)
    grid = Grid.box((0, 1, 40), (0, 0.8, 36), boundary=["reflecting", "periodic"])
    equation, start = random_equation(rng, 2, kind), random_density(grid, rng)
    options = {"method": method, "tolerance": 2e-3, "estimate_grid_error": False}
    whole = quiet(equation, start, [0.2], **options)
    half = quiet(equation, start, [0.05], **options)
    rest = quiet(equation, half.final, [0.15], **options)
    distance = np.abs(rest.final.values - whole.final.values).sum() * grid.cell_volume
    bound = whole.time_error[-1] + half.time_error[-1] + rest.time_error[-1]
    assert distance <= 1.5 * bound + 1e-12
