"""Slowest modes by decay: turning modes far from zero, against closed forms and dense eigenvalues; reversibility."""

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator import build_generator, is_reversible, mean_first_passage_time, slowest_modes
from fpsim.generator.analysis import spectrum
from fpsim.generator.bernoulli import exponential_rate
from fpsim.support.errors import ToleranceError, ValidityWarning

OVAL = [[0.2, 0.05], [0.05, 0.1]]


def slowest_of(values, count):
    """Decay rates, sorted."""
    return np.sort(-np.asarray(values).real)[:count]


def conveyor(n, m):
    """Fast drift around a ring, slow relaxation across it: eigenvalues are sums of a ring's and a well's."""
    grid = Grid.box((0, 2 * np.pi, n), (-1.5, 1.5, m), boundary=["periodic", "reflecting"])
    equation = FokkerPlanck(drift=lambda x, y: (20.0 + 0 * x, -3.0 * y), diffusion=[1.0, 0.2])
    return build_generator(equation, grid)


def test_turning_modes_far_from_zero():
    # closed form of the discrete rates: a circulant's eigenvalues plus those of the line
    generator = conveyor(48, 20)
    h = generator.grid.spacing[0]
    ahead, back = (float(exponential_rate(1.0 / h**2, s * 20.0 / h)) for s in (1, -1))
    k = h * np.arange(48)
    ring = ahead * (np.exp(1j * k) - 1) + back * (np.exp(-1j * k) - 1)
    across = FokkerPlanck(drift=lambda y: -3.0 * y, diffusion=0.2)
    line = np.linalg.eigvals(build_generator(across, Grid.box((-1.5, 1.5, 20))).matrix.toarray())
    exact = (ring[:, None] + line[None, :].real).ravel()
    by_decay, by_modulus = exact[np.argsort(-exact.real)][:7], exact[np.argsort(np.abs(exact))][:11]
    assert np.abs(by_decay.imag).max() > 15.0
    assert not np.isin(np.round(by_decay, 6), np.round(by_modulus, 6)).all()  # what the nearest to zero would miss
    found = slowest_modes(generator, 7)
    np.testing.assert_allclose(-found.eigenvalues.real, slowest_of(exact, 7), atol=1e-9)
    for value in by_decay[:6]:
        assert np.abs(found.eigenvalues - value).min() < 1e-9
    check_vectors(generator, found)


def check_vectors(generator, found):
    grid, count = generator.grid, len(found.eigenvalues)
    left, right = found.densities.reshape(count, -1), found.observables.reshape(count, -1)
    np.testing.assert_allclose(left @ right.T * grid.cell_volume, np.eye(count), atol=1e-7)
    scale = generator.exit_rates.max()
    for k, value in enumerate(found.eigenvalues):
        np.testing.assert_allclose(generator.matrix @ right[k], value * right[k], atol=1e-10 * scale)
        np.testing.assert_allclose(
            generator.matrix.T @ left[k], value * left[k], atol=1e-10 * scale * np.abs(left[k]).max()
        )
    assert (found.residuals < 1e-10 * scale).all()


@pytest.mark.parametrize("speed", [5.0, 30.0])
@pytest.mark.parametrize("tensor", [[0.2, 0.1], OVAL])
def test_rotating_flows_against_dense_eigenvalues(speed, tensor):
    # the drift turns much faster than it contracts; 256 cells
    grid = Grid.box((-1.5, 1.5, 16), (-1.5, 1.5, 16))
    drift = lambda x, y: (-x - speed * y, speed * x - y)  # noqa: E731
    generator = build_generator(FokkerPlanck(drift=drift, diffusion=tensor), grid)
    exact = np.linalg.eigvals(generator.matrix.toarray())
    found = slowest_modes(generator, 8)
    np.testing.assert_allclose(-found.eigenvalues.real, slowest_of(exact, 8), atol=1e-8)
    for value, error in zip(found.eigenvalues, found.errors, strict=True):
        assert np.abs(exact - value).min() < 1e-9 + error
    check_vectors(generator, found)


def test_absorbing_walls_and_turning():
    grid = Grid.box((0, 2 * np.pi, 24), (0, 1, 16), boundary=["periodic", "absorbing"])
    generator = build_generator(FokkerPlanck(drift=lambda x, y: (15.0 + 0 * x, np.sin(x)), diffusion=0.3), grid)
    exact = np.linalg.eigvals(generator.matrix.toarray())
    np.testing.assert_allclose(-slowest_modes(generator, 6).eigenvalues.real, slowest_of(exact, 6), atol=1e-9)


def test_a_slow_exchange_and_a_fast_turn_at_once():
    # two wells exchange at about 1e-9; around each the density turns: both come out, each to its own accuracy
    grid = Grid.box((-2, 2, 40), (0, 2 * np.pi, 24), boundary=["reflecting", "periodic"])
    drift = lambda x, y: (10 * (x - x**3), 12.0 + 0 * y)  # noqa: E731
    generator = build_generator(FokkerPlanck(drift=drift, diffusion=[0.12, 0.4]), grid)
    wells = build_generator(FokkerPlanck(drift=lambda x: 10 * (x - x**3), diffusion=0.12), Grid.box((-2, 2, 40)))
    # from no eigenvalue: half of those who reach the separatrix cross, and the gap is twice the rate of crossing
    time = mean_first_passage_time(wells, lambda x: x > 0).value[10]
    found = slowest_modes(generator, 4)
    assert -found.eigenvalues[1].real == pytest.approx(1.0 / time, rel=1e-2)
    assert 1e-12 < 1.0 / time < 1e-6
    assert np.sort(np.abs(found.eigenvalues.imag))[-1] > 10.0
    assert found.errors[1] < 1e-3 * abs(found.eigenvalues[1])


def test_warning_if_the_second_iteration_fails(monkeypatch):
    def stalled(*_, **__):
        raise ToleranceError("found 0 of 8 modes")

    monkeypatch.setattr(spectrum, "slowest_decay", stalled)
    with pytest.warns(ValidityWarning, match="modes that oscillate fast may be missing"):
        slowest_modes(conveyor(20, 10), 4)


REVERSIBLE = {
    "potential": FokkerPlanck(potential=lambda x, y: x**4 / 4 - x * y + y**2, diffusion=0.1),
    "place-dependent": FokkerPlanck(potential=lambda x, y: x**2 + y**2, diffusion=lambda x, y: [0.1 + x**2, 0.2]),
    "constant tensor": FokkerPlanck(drift=lambda x, y: (-(2 * x + y), -(x + 2 * y)), diffusion=[[2, 1], [1, 2]]),
}
TURNING = {
    "rotation": FokkerPlanck(drift=lambda x, y: (-x + 1e-3 * y, -y), diffusion=0.1),
    "two temperatures": FokkerPlanck(potential=lambda x, y: x**2 + x * y + y**2, diffusion=[0.1, 0.11]),
    "no noise": FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.0),
    "no connection": FokkerPlanck(diffusion=[0.1, 0.0]),
}


@pytest.mark.parametrize("name", [*REVERSIBLE, *TURNING])
def test_reversible_rates_are_told_from_turning_ones(name):
    # against the cycle rule on the smallest loops: the product of rates around a square, either way
    grid = Grid.box((-1, 1, 12), (-1, 1, 11))
    generator = build_generator({**REVERSIBLE, **TURNING}[name], grid)
    assert is_reversible(generator) == (name in REVERSIBLE)


def test_rings_and_lines():
    ring = Grid.box((0, 1, 30), boundary="periodic")
    assert is_reversible(build_generator(FokkerPlanck(potential=lambda x: np.cos(2 * np.pi * x), diffusion=0.1), ring))
    assert not is_reversible(build_generator(FokkerPlanck(drift=lambda x: 1e-4 + 0 * x, diffusion=0.1), ring))
    line = Grid.box((0, 1, 300), boundary="absorbing")
    assert is_reversible(build_generator(FokkerPlanck(drift=lambda x: np.sin(9 * x), diffusion=0.1), line))
