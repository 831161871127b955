"""Paths that are refused, with what and where."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.errors import DomainError
from fpsim.sde import simulate

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
    "step is nan": (run(step=np.nan), "step is nan"),
    "another scheme": (run(scheme="heun"), "accepted are euler, platen"),
    "no samples": (run(samples=0), "samples is 0"),
    "start is nan": (run(start=[[np.nan]]), "finite places"),
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
