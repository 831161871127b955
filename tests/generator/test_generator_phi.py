"""A drift declared as -D grad phi: exp(-phi) is stationary to rounding, whatever the tensor; forces on top."""

import numpy as np
import pytest
from generator_oracles import fitted_order
from scipy.integrate import quad

from fpsim.density import Density, Grid, from_function
from fpsim.equation import FokkerPlanck, drift_at, drift_on_cells, drift_on_faces
from fpsim.generator import (
    build_generator,
    entropy_production,
    is_reversible,
    propagate,
    stationarity_residual,
    stationary_density,
)
from fpsim.support.errors import DomainError

GRID = Grid.box((-1.6, 1.7, 30), (-1.5, 1.5, 26))


def phi(x, y):
    return 3 * x**4 - 2 * x**2 + np.cos(3 * x * y) + 4 * y**2


def turning_tensor(x, y):
    c = np.sin(1.5 * x + y)
    return [[0.2 + 0 * c, 0.12 * c], [0.12 * c, 0.15 + 0.1 * np.cos(x) ** 2 + 0 * c]]


TENSORS = {
    "number": (0.2, "ito"),
    "tensor": ([[0.2, 0.12], [0.12, 0.15]], "ito"),
    "tensor, stratonovich": ([[0.2, 0.12], [0.12, 0.15]], "stratonovich"),
    "diagonal in place": (lambda x, y: [0.1 + x**2, 0.2 + 0.1 * np.sin(3 * x + y)], "klimontovich"),
    "tensor in place": (turning_tensor, "klimontovich"),
}


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("given", ["callable", "array"])
def test_gibbs_state_is_a_fixed_point_and_nothing_is_produced(name, given):
    diffusion, calculus = TENSORS[name]
    v = phi(*GRID.mesh())
    equation = FokkerPlanck(phi=phi if given == "callable" else v, diffusion=diffusion, calculus=calculus)
    generator = build_generator(equation, GRID)
    weight = np.exp(v.min() - v)
    gibbs = Density(GRID, weight / (weight.sum() * GRID.cell_volume))
    assert stationarity_residual(generator, gibbs).value < 1e-13
    assert is_reversible(generator)
    np.testing.assert_allclose(stationary_density(generator).values, gibbs.values, rtol=1e-10)
    assert entropy_production(generator, gibbs).value < 1e-12 * generator.exit_rates.max()
    later = propagate(generator, gibbs, [2.0])[0]
    assert np.abs(later.values - gibbs.values).max() < 1e-13 * gibbs.values.max()


def test_relaxation_rate_does_not_depend_on_how_the_drift_is_given():
    # the same equation as drift and as phi: the same path, to second order
    def drift(x, y):
        return (-(0.2 * x**3 + 0.12 * 4 * y), -(0.12 * x**3 + 0.15 * 4 * y))

    tensor = [[0.2, 0.12], [0.12, 0.15]]
    errors, sizes = [], (24, 48, 96)
    for n in sizes:
        grid = Grid.box((-4, 4, n), (-3, 3, n))
        start = from_function(grid, lambda x, y: np.exp(-((x - 1) ** 2) - y**2), order=4)
        a, b = (
            propagate(build_generator(FokkerPlanck(**given, diffusion=tensor), grid), start, [1.0])[0]
            for given in ({"phi": lambda x, y: x**4 / 4 + 2 * y**2}, {"drift": drift})
        )
        errors.append(np.abs(a.values - b.values).sum() * grid.cell_volume)
    assert errors[-1] < 1e-3
    assert fitted_order(1.0 / np.array(sizes), errors) > 1.8


@pytest.mark.parametrize("tensor", [[[0.2, 0.1], [0.1, 0.3]], [0.2, 0.3]])
def test_a_force_along_the_level_lines_of_phi(tensor):
    # drift A grad phi with A antisymmetric leaves exp(-phi) stationary; its entropy production is
    # int (A grad phi)^T D^-1 (A grad phi) e^-phi, here with phi = x^2 + y^4 by one-dimensional quadrature
    a = 0.25
    zx, zy = (quad(f, -9, 9)[0] for f in (lambda x: np.exp(-(x**2)), lambda y: np.exp(-(y**4))))
    xx = quad(lambda x: 4 * x**2 * np.exp(-(x**2)), -9, 9)[0] / zx
    yy = quad(lambda y: 16 * y**6 * np.exp(-(y**4)), -9, 9)[0] / zy
    d = np.array(tensor) if np.ndim(tensor) == 2 else np.diag(tensor)
    inverse = np.linalg.inv(d)
    exact = a**2 * (inverse[0, 0] * yy + inverse[1, 1] * xx)  # the mixed term is odd
    states, productions, sizes = [], [], (32, 64, 96)
    for n in sizes:
        grid = Grid.box((-4, 4, n), (-2.1, 2.1, n))
        equation = FokkerPlanck(
            phi=lambda x, y: x**2 + y**4, drift=lambda x, y: (a * 4 * y**3, -a * 2 * x), diffusion=tensor
        )
        generator = build_generator(equation, grid)
        found = stationary_density(generator)
        expected = from_function(grid, lambda x, y: np.exp(-(x**2) - y**4), order=4)
        states.append(np.abs(found.values - expected.values).sum() * grid.cell_volume)
        productions.append(entropy_production(generator, found).value / exact - 1)
    for errors in (states, productions):
        assert abs(errors[-1]) < 2e-2
        assert 1.7 < fitted_order(1.0 / np.array(sizes), errors) < 2.4


def test_drift_of_phi_is_minus_the_tensor_times_its_gradient():
    tensor = np.array([[0.2, 0.12], [0.12, 0.15]])

    def exact(x, y):
        gradient = [12 * x**3 - 4 * x - 3 * y * np.sin(3 * x * y), -3 * x * np.sin(3 * x * y) + 8 * y]
        return [-(tensor[i, 0] * gradient[0] + tensor[i, 1] * gradient[1]) for i in range(2)]

    equation = FokkerPlanck(phi=phi, diffusion=tensor)
    for axis in range(2):
        np.testing.assert_allclose(drift_on_cells(equation, GRID)[axis], exact(*GRID.mesh())[axis], atol=1e-4)
        faces = GRID.mesh(faces_of=axis)
        np.testing.assert_allclose(drift_on_faces(equation, GRID, axis), exact(*faces)[axis], atol=1e-4)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 9))
    for found, expected in zip(drift_at(equation, (x, y), spacing=(0.02, 0.02)), exact(x, y), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    fine = GRID.with_shape((300, 260))
    sampled = FokkerPlanck(phi=phi(*fine.mesh()), diffusion=np.full(fine.shape, 0.2))
    inner = (slice(2, -2),) * 2
    x, y = fine.mesh(faces_of=0)
    gradient = 12 * x**3 - 4 * x - 3 * y * np.sin(3 * x * y)
    np.testing.assert_allclose(drift_on_faces(sampled, fine, 0)[inner], (-0.2 * gradient)[inner], atol=5e-3)
    assert not FokkerPlanck(phi=lambda x, t: x * t).autonomous
    assert FokkerPlanck(phi=lambda x, p: x).mean_field
    assert "phi=callable" in repr(equation)


def test_ito_noise_turns_phi_into_another_law():
    # declared in Ito form the drift -D phi' has the stationary law exp(-phi) / D, not exp(-phi)
    errors, sizes = [], (40, 80, 160)
    for n in sizes:
        grid = Grid.box((-2, 2, n))
        equation = FokkerPlanck(phi=lambda x: x**2, diffusion=lambda x: 0.2 + 0.1 * np.sin(2 * x))
        exact = from_function(grid, lambda x: np.exp(-(x**2)) / (0.2 + 0.1 * np.sin(2 * x)), order=4)
        found = stationary_density(build_generator(equation, grid))
        errors.append(np.abs(found.values - exact.values).sum() * grid.cell_volume)
    assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.2


def test_sweeps_and_paths_solve_the_same_equation():
    # noise by place, Klimontovich: both relax to exp(-phi), by quadrature
    from fpsim.evolution import evolve
    from fpsim.paths import simulate

    equation = FokkerPlanck(
        phi=lambda x: x**4 + x, diffusion=lambda x: 0.5 + 0.3 * np.tanh(2 * x), calculus="klimontovich"
    )
    norm, first, second = (quad(lambda x, k=k: x**k * np.exp(-(x**4) - x), -4, 4)[0] for k in (0, 1, 2))
    grid = Grid.box((-3, 3, 96))
    start = from_function(grid, lambda x: np.exp(-4 * x**2))
    later = evolve(equation, start, [12.0], method="sweeps", estimate_grid_error=False).final
    assert later.mean[0] == pytest.approx(first / norm, abs=2e-3)
    exact = from_function(grid, lambda x: np.exp(-(x**4) - x), order=4)
    assert np.abs(later.values - exact.values).sum() * grid.cell_volume < 1e-2
    x = simulate(equation, start, [6.0], step=0.02, replicas=10_000, rng=3).positions[0][:, 0]
    error = np.sqrt((second / norm - (first / norm) ** 2) / len(x))
    assert x.mean() == pytest.approx(first / norm, abs=4 * error + 2e-3)
    assert (x**2).mean() == pytest.approx(second / norm, abs=4 * (x**2).std() / np.sqrt(len(x)) + 2e-3)


def test_phi_that_is_refused():
    ring = Grid.box((0, 2 * np.pi, 20), boundary="periodic")
    with pytest.raises(DomainError, match=r"phi changes by .* over one period of axis 0"):
        build_generator(FokkerPlanck(phi=lambda x: np.cos(x) + x, diffusion=0.1), ring)
    with pytest.raises(DomainError, match=r"phi is nan at \(3,\)"):
        build_generator(FokkerPlanck(phi=np.where(np.arange(20) == 3, np.nan, 1.0), diffusion=0.1), ring)
    with pytest.raises(DomainError, match=r"phi has shape \(7,\)"):
        build_generator(FokkerPlanck(phi=np.ones(7), diffusion=0.1), ring)
    with pytest.raises(DomainError, match="phi is a grid array"):
        drift_at(FokkerPlanck(phi=np.ones(20), diffusion=0.1), (np.zeros(3),), spacing=(0.1,))
