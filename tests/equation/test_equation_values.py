"""Equations as values: copies, pickles, and callables whose parameters are told or asked for."""

from __future__ import annotations

import functools
import pickle
from copy import deepcopy

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.support.errors import DomainError

GRID = Grid.box((-2, 2, 64))


def pull(x):
    return -x


def late(x, t):
    return -4.0 * t * x


def renamed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def blind(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize("copy", [deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_are_the_same_equation(copy):
    equation = FokkerPlanck(drift=pull, diffusion=0.1, calculus="stratonovich", jumps=[0.5])
    there = copy(equation)
    assert (there.drift, there.diffusion, there.calculus, there.jumps) == (pull, 0.1, equation.calculus, (0.5,))
    with pytest.raises(AttributeError):
        there.drift = None


def test_a_function_without_a_name_is_named_by_its_coefficient():
    with pytest.raises(DomainError, match=r"drift of FokkerPlanck .* cannot be pickled"):
        pickle.dumps(FokkerPlanck(drift=lambda x: -x, diffusion=0.1))
    assert deepcopy(FokkerPlanck(drift=lambda x: -x, diffusion=0.1)).diffusion == 0.1


@pytest.mark.parametrize(
    "drift",
    [late, renamed(late), np.vectorize(late), functools.partial(late)],
    ids=["plain", "wraps", "vectorize", "partial"],
)
def test_time_is_seen_through_wrappers(drift):
    """b = -4 t x: the mean falls as exp(-2 t^2)."""
    result = evolve(FokkerPlanck(drift=drift, diffusion=0.01), gaussian(GRID, 1.0, 0.04), [1.0])
    assert result.final.mean[0] == pytest.approx(np.exp(-2.0), abs=2e-3)


def test_a_wrapper_that_hides_its_parameters_is_refused():
    with pytest.raises(DomainError, match=r"takes any keyword.*functools\.wraps"):
        evolve(FokkerPlanck(drift=blind(late), diffusion=0.01), gaussian(GRID, 1.0, 0.04), [1.0])


@pytest.mark.parametrize("drift", [lambda x, time: -time * x, lambda t0, x: -x])
def test_time_by_another_name_is_told(drift):
    with pytest.raises(DomainError, match="time is a parameter named t"):
        evolve(FokkerPlanck(drift=drift, diffusion=0.01), gaussian(GRID, 1.0, 0.04), [1.0])
