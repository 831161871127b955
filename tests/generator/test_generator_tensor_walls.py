"""Full tensors at reflecting walls, against exact solutions between parallel walls.

Without drift, with ``s = D_tn / D_nn`` and the wave vector ``k`` along the walls, ``cos(k . (x_t - s x_n))`` meets the
conormal condition ``(D grad p)_n = 0`` at every wall and decays at the rate ``k . (D_tt - D_tn D_nt / D_nn) k``.
"""

import numpy as np
import pytest
from generator_oracles import fitted_order
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from fpsim.density import Density, Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.generator import (
    build_generator,
    face_currents,
    is_reversible,
    mean_first_passage_time,
    propagate,
    stationary_density,
    with_grid_error,
)

PLANE = np.array([[0.3, 0.12], [0.12, 0.36]])
STEEP = np.array([[0.3, 0.25], [0.25, 0.36]])
SPACE = np.array([[0.3, 0.05, 0.1], [0.05, 0.25, -0.08], [0.1, -0.08, 0.36]])


def wave(k, tensor):
    """Amplitude of the wave after the time 1 by its amplitude at the start; its exact value."""
    k, tensor = np.asarray(k), np.asarray(tensor)
    slope = tensor[:-1, -1] / tensor[-1, -1]
    rate = k @ (tensor[:-1, :-1] - np.outer(slope, tensor[-1, :-1])) @ k

    def decay(generator):
        *along, normal = generator.grid.mesh()
        phase = sum(c * (x - s * normal) for c, x, s in zip(k, along, slope, strict=True))
        shape, volume = generator.grid.shape, generator.grid.cell_volume
        start = Density(generator.grid, np.broadcast_to(1 + 0.5 * np.cos(phase), shape) / (volume * np.prod(shape)))
        later = propagate(generator, start, [1.0])[0]
        flat = np.cos(phase).mean() / volume
        return (np.sum(later.values * np.cos(phase)) - flat) / (np.sum(start.values * np.cos(phase)) - flat)

    return decay, np.exp(-rate)


def strip(n, across=None):
    return Grid.box((0, 2 * np.pi, n), (-1, 1, across or n), boundary=["periodic", "reflecting"])


def test_second_order_where_offsets_reach_one_cell_along_the_normal():
    decay, exact = wave([1.0], PLANE)
    sizes, errors = (18, 36, 72), []
    for n in sizes:
        generator = build_generator(FokkerPlanck(diffusion=PLANE), strip(n, n // 3))
        assert max(abs(link.offset[1]) for link in generator.links) == 1
        errors.append(decay(generator) - exact)
    assert fitted_order(1.0 / np.array(sizes), errors) > 1.8
    assert abs(errors[-1]) < 2e-4


def test_space_between_two_walls():
    decay, exact = wave([1.0, 1.0], SPACE)
    sizes, errors = (9, 18, 27), []
    for n in sizes:
        h = 2 * np.pi / n
        grid = Grid.box(
            (0, 2 * np.pi, n), (0, 2 * np.pi, n), (0, h * (n // 3), n // 3), boundary=["periodic"] * 2 + ["reflecting"]
        )
        errors.append(decay(build_generator(FokkerPlanck(diffusion=SPACE), grid)) - exact)
    assert fitted_order(1.0 / np.array(sizes), errors) > 1.7
    assert abs(errors[-1]) < 5e-3


@pytest.mark.parametrize("tensor", [PLANE, STEEP, np.diag([0.3, 0.36])])
@pytest.mark.parametrize("n", [32, 64])
def test_error_stated_by_the_observed_order(n, tensor):
    decay, exact = wave([1.0], tensor)
    found = with_grid_error(decay, FokkerPlanck(diffusion=tensor), strip(n))
    assert 0.5 < found.error / abs(found.value - exact) < 1.5


def test_rates_along_the_wall_are_in_balance_with_the_gibbs_state():
    def phi(x, y):
        return (x * x + y * y - x * y) / 1.5

    grid = Grid.box((-1, 1, 16), (-1, 1, 14))
    generator = build_generator(FokkerPlanck(phi=phi, diffusion=PLANE), grid)
    p = stationary_density(generator)
    gibbs = np.exp(-phi(*grid.mesh()))
    np.testing.assert_allclose(p.values, gibbs / (gibbs.sum() * grid.cell_volume), rtol=1e-11)
    assert is_reversible(generator)
    assert max(np.abs(j).max() for j in face_currents(generator, p)) < 1e-14


def test_mass_and_signs():
    grid = Grid.box(
        (-1, 1, 12), (-1, 1, 11), (-1, 1, 10), boundary=["reflecting", ("absorbing", "reflecting"), "periodic"]
    )
    generator = build_generator(FokkerPlanck(diffusion=SPACE), grid)
    assert min(min(link.forward.min(), link.backward.min()) for link in generator.links) >= 0.0
    np.testing.assert_allclose(generator.matrix.sum(axis=1), -generator.outflow, atol=1e-12 * generator.fastest)
    closed = build_generator(FokkerPlanck(diffusion=PLANE), Grid.box((-1, 1, 16), (-1, 1, 16)))
    later = propagate(closed, gaussian(closed.grid, (0.5, 0.5), 0.02), [1.0])[0]
    assert later.mass == pytest.approx(1.0, abs=1e-13)
    np.testing.assert_allclose(stationary_density(closed).values, 0.25, rtol=1e-12)


def mean_of_exit_times(tensor, m=160):
    """Mean over the box (-1, 1) x (0, 1) of the time to leave at x = +-1, by bilinear finite elements.

    Walls in y reflect: the weak form has their condition in it. The mean is the solution's own energy.
    """
    g = np.array([-1.0, 1.0]) / np.sqrt(3)
    h = np.array([2.0 / (2 * m), 1.0 / m])
    local = np.zeros((4, 4))
    for a in g:
        for b in g:  # nodes (0, 0), (0, 1), (1, 0), (1, 1)
            slopes = np.array([[-(1 - b), -(1 - a)], [-(1 + b), 1 - a], [1 - b, -(1 + a)], [1 + b, 1 + a]]) / 4
            slopes = slopes * 2 / h
            local += slopes @ tensor @ slopes.T * h.prod() / 4
    number = np.arange((2 * m + 1) * (m + 1)).reshape(2 * m + 1, m + 1)
    nodes = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]], -1).reshape(-1, 4)
    rows, columns = np.repeat(nodes, 4, axis=1).ravel(), np.tile(nodes, 4).ravel()
    matrix = coo_array((np.tile(local.ravel(), len(nodes)), (rows, columns))).tocsr()
    load = np.bincount(nodes.ravel(), minlength=number.size) * h.prod() / 4
    inside = number[1:-1].ravel()
    return load[inside] @ spsolve(matrix[inside][:, inside].tocsc(), load[inside]) / 2.0


@pytest.mark.parametrize("tensor", [PLANE, STEEP], ids=["one cell", "several cells"])
def test_mean_exit_times_are_within_their_errors(tensor):
    exact = mean_of_exit_times(tensor)
    own = abs(mean_of_exit_times(tensor, 80) - exact)  # singular where an absorbing and a slanted wall meet
    assert own < 2e-3 * exact
    walls = [("absorbing", "absorbing"), ("reflecting", "reflecting")]
    for n in (32, 48, 96):  # on fewer the order is not observed
        grid = Grid.box((-1, 1, n), (0, 1, n), boundary=walls)
        found = with_grid_error(
            lambda q: float(mean_first_passage_time(q).value.mean()), FokkerPlanck(diffusion=tensor), grid
        )
        assert abs(found.value - exact) <= 2.0 * found.error + own
        assert found.error < 0.1 * exact
