"""Generators and what analyses return as values: pickled, copied and as immutable as before."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.generator import (
    build_generator,
    mean_first_passage_time,
    propagate,
    quasi_stationary,
    slowest_modes,
    stationary_density,
)

GRID = Grid.box((-1, 1, 12), (-1, 1, 10), boundary=["reflecting", ("reflecting", "absorbing")])
EQUATION = FokkerPlanck(drift=lambda x, y: (-x + y, -y - x), diffusion=[[0.3, 0.1], [0.1, 0.2]])
COPIES = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "deepcopy": copy.deepcopy, "copy": copy.copy}


@pytest.mark.parametrize("how", COPIES)
def test_generator(how):
    original, start = build_generator(EQUATION, GRID), gaussian(GRID, (0.1, 0.2), 0.05)
    before = propagate(original, start, [0.3])[0]  # derived arrays have been made
    again = COPIES[how](original)
    assert again is not original
    assert again.grid == original.grid
    assert (again.peclet, again.added, again.absorbing) == (original.peclet, original.added, original.absorbing)
    np.testing.assert_array_equal(again.matrix.toarray(), original.matrix.toarray())
    np.testing.assert_array_equal(propagate(again, start, [0.3])[0].values, before.values)
    for value, name in ((again, "grid"), (again, "links"), (again.links[0], "forward")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)
    with pytest.raises(TypeError):
        again.absorption[1, 1] = np.zeros(GRID.size)
    link = again.links[0]
    for array in (link.tail, link.head, link.forward, link.backward, again.absorption[1, 1], again.exit_rates):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("how", COPIES)
def test_results(how):
    generator = build_generator(EQUATION, GRID)
    modes, survivors = slowest_modes(generator, 3), quasi_stationary(generator)
    time = mean_first_passage_time(generator)
    for value, array in ((modes, "eigenvalues"), (survivors.density, "values")):
        again = COPIES[how](value)
        np.testing.assert_array_equal(getattr(again, array), getattr(value, array))
        with pytest.raises(ValueError, match="read-only"):
            getattr(again, array)[0] = 1
        with pytest.raises(FrozenInstanceError):
            setattr(again, array, None)
    again = COPIES[how](time)
    np.testing.assert_array_equal(again.value, time.value)
    assert (again.method, again.details) == (time.method, time.details)
    with pytest.raises(TypeError):
        again.details["more"] = 1
    assert COPIES[how](survivors).rate.value == survivors.rate.value


def test_pickle_holds_the_rates_alone():
    generator = build_generator(EQUATION, Grid.box((-1, 1, 30), (-1, 1, 30)))
    before = len(pickle.dumps(generator))
    stationary_density(generator)
    assert len(pickle.dumps(generator)) < before + 1000  # the matrix alone is ten times that
