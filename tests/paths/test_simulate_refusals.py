"""Paths that are refused, with what and where."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.paths import simulate
from fpsim.support.errors import DomainError, MemoryLimitError

LINE = Grid.box((-1, 1, 20))
WELL = FokkerPlanck(potential=lambda x: x**2, diffusion=0.1)
START = gaussian(LINE, 0.0, 0.05)


def with_coefficients(**given):
    return lambda: simulate(FokkerPlanck(**given), START, [0.2], step=0.1, rng=0)


def run(**changes):
    options = {"start": START, "times": [0.2], "step": 0.1, "rng": 0, **changes}
    start, times = options.pop("start"), options.pop("times")
    return lambda: simulate(WELL, start, times, **options)


CASES = {
    "times decrease": (run(times=[1.0, 0.5]), "do not increase"),
    "times repeat": (run(times=[0.5, 0.5]), "do not increase"),
    "time is negative": (run(times=[-1.0]), "do not increase from >= 0"),
    "time is nan": (run(times=[np.nan]), "finite"),
    "no times": (run(times=[]), "times"),
    "step is zero": (run(step=0.0), "step is 0"),
    "step in words": (run(step="a"), "step is 'a'"),
    "step is nothing": (run(step=None), "step is None"),
    "step is infinite": (run(step=np.inf), "step is inf: a positive finite number"),
    "two steps": (run(step=[0.1, 0.2]), r"step is \[0.1, 0.2\]: a positive finite number"),
    "step is too short": (run(step=1e-12), "step is 1e-12: to t = 0.2 that is more than 1e[+]08 steps; at least 2e-09"),
    "step is denormal": (run(step=5e-324), "more than 1e[+]08 steps"),
    "rng in words": (run(rng="a"), "rng is 'a': None, a whole number >= 0, a SeedSequence or a Generator"),
    "rng is negative": (run(rng=-1), "rng is -1: None, a whole number >= 0"),
    "no equation": (lambda: simulate("ou", START, [0.2], step=0.1), "equation is a str: a FokkerPlanck"),  # type: ignore[arg-type]
    "walls in words": (run(grid="g"), "grid is a str: a Grid"),
    "drift with an if": (with_coefficients(drift=lambda x: -x if x > 0 else x), "called with arrays of places"),
    "drift of a number": (with_coefficients(drift=math.sin), "sin fails on arrays .* np.sin for math.sin"),
    "one array in two dimensions": (
        lambda: simulate(FokkerPlanck(drift=lambda x, y: -x), np.zeros((17, 2)), [0.2], step=0.1),
        r"drift is one array of shape \(17,\): one number or array for each of 2 axes",
    ),
    "step is nan": (run(step=np.nan), "step is nan"),
    "another scheme": (run(scheme="heun"), "accepted are euler, platen"),
    "no replicas": (run(replicas=0), "replicas is 0"),
    "start is nan": (run(start=[[0.0], [np.nan]]), "start is nan for path 1 along axis 0: finite places"),
    "start is empty": (run(start=np.ones((0, 1))), r"shape \(0, 1\)"),
    "start of three indices": (run(start=np.ones((2, 1, 1))), r"shape \(2, 1, 1\)"),
    "start of another dimension": (run(start=np.ones((2, 2))), "does not take the 2 coordinates"),
    "start beyond the walls": (run(start=[[5.0]], grid=LINE), "places between the walls"),
    "walls of another dimension": (run(grid=Grid.box((-1, 1, 4), (-1, 1, 4))), "places between the walls"),
    "drift of the density": (with_coefficients(drift=lambda x, p: x), "depends on the density"),
    "drift on a grid": (with_coefficients(drift=np.ones(20)), "drift is a grid array"),
    "diffusion on a grid": (with_coefficients(diffusion=np.ones(20)), "diffusion entry"),
    "drift is nan": (with_coefficients(drift=lambda x: np.where(x > 0, np.nan, x)), "drift component 0 is nan at"),
    "diffusion is negative": (with_coefficients(diffusion=lambda x: -1 + 0 * x), r"entry \(0, 0\) is -1"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(name):
    call, message = CASES[name]
    with pytest.raises(DomainError, match=message):
        call()


@pytest.mark.parametrize(
    "changes", [{"replicas": 10**13}, {"start": [[0.0]] * 1000, "times": np.arange(1.0, 2.0, 1e-6)}]
)
def test_more_than_the_machine_holds_is_refused_before_it_is_allocated(changes, monkeypatch):
    monkeypatch.setattr("fpsim.support.memory.SHARE", 1e-3)  # so that a modest number of times is too much as well
    with pytest.raises(MemoryLimitError, match=r"paths at .* times needs about .* [GT]B"):
        run(**changes)()


@pytest.mark.parametrize(("drift", "start"), [(-1.5, [[2.0]]), ((1.0, -2.0), [[0.5, 0.25], [3.0, 4.0]])])
def test_numbers_are_accepted_as_drift(drift, start):
    paths = simulate(FokkerPlanck(drift=drift), start, [0.5, 2.0], step=0.1)
    exact = np.asarray(start) + np.array([0.5, 2.0])[:, None, None] * np.asarray(drift)
    np.testing.assert_allclose(paths.positions, exact, rtol=1e-13, atol=1e-14)
