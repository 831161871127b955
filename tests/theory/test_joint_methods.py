"""Joint law by grid, mixture and paths in one table: every marginal within the stated errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fpsim.closures import joint_start
from fpsim.datasets import digits, from_array
from fpsim.density import Grid
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError
from fpsim.validation.joint_law import compare_joint_methods

pytestmark = pytest.mark.filterwarnings("ignore:.*isotropic diffusion")  # rank-one tensors on a grid
METHODS = {"grid", "mixture", "paths"}


def scalar(start):
    data = from_array(np.random.default_rng(1).normal(size=(60, 1)))
    return Experiment(data, BottleneckAutoEncoder(1, 1), SGD(0.05, 4, temperature=0.01), start)


def test_two_weights():
    """d = k = 1 from a start that splits to both branches of the valley."""
    experiment = scalar(Start.gaussian(0.0, 0.5))
    grid = Grid((-2.6,) * 2, (2.6,) * 2, (96,) * 2, names=joint_start(experiment).names)
    table = compare_joint_methods(experiment, grid, [0.5, 2.0], components=4096, width=0.1, paths=20_000, rng=2)
    print(table)
    assert {frozenset(row.methods) for row in table.rows} == {frozenset(p) for p in itertools.combinations(METHODS, 2)}
    assert len(table.rows) == 2 * 3
    assert table.agree
    assert max(row.stated for row in table.rows) < 0.12  # the agreement says something


@pytest.mark.slow
def test_four_weights():
    """d = 2, k = 1, digits, from the offset start, on a small grid."""
    start = Start.gaussian({"W1": [[0.6, 0.2]], "W2": [[0.6], [0.2]]}, 0.1)
    experiment = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8, temperature=0.002), start)
    lower, upper = (0.1, -0.4, 0.1, -0.4), (1.35, 0.9, 1.35, 0.9)
    grid = Grid(lower, upper, (24,) * 4, names=joint_start(experiment).names)
    table = compare_joint_methods(
        experiment, grid, [0.5, 1.0], components=8192, width=0.06, paths=50_000, tolerance=1e-2, rng=3
    )
    print(table)
    assert len(table.rows) == 2 * 3 * 6
    assert table.agree


def test_a_wrong_method_is_seen():
    """Paths with a step as long as the relaxation are no solution of the equation: the table says so."""
    experiment = scalar(Start.gaussian(0.8, 0.1))
    grid = Grid((-0.2,) * 2, (2.2,) * 2, (96,) * 2, names=joint_start(experiment).names)
    table = compare_joint_methods(experiment, grid, [1.0], components=4096, width=0.05, paths=40_000, step=1.0, rng=4)
    wrong = [row for row in table.rows if "paths" in row.methods]
    assert not table.agree
    assert all(row.distance > row.stated for row in wrong)


def test_what_is_not_accepted():
    grid = Grid((-1.0,) * 2, (1.0,) * 2, (24,) * 2)
    with pytest.raises(DomainError, match="grid of"):
        compare_joint_methods(scalar(Start.gaussian(0.0, 0.5)), grid, [1.0])
    with pytest.raises(DomainError, match="Gaussian start"):
        compare_joint_methods(scalar(Start.glorot()), grid, [1.0])
