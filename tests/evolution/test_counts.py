"""Cost of evolutions in steps, which no machine disturbs: a change that needs more of them is noticed here."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve

LINE, PLANE = Grid.box((-2, 2, 200)), Grid.box((-2, 2, 96), (-2, 2, 96))
TENSOR = np.array([[0.02, 0.015], [0.015, 0.02]])
CASES = {
    "small-noise Ornstein-Uhlenbeck": (
        FokkerPlanck(drift=lambda x, y: (-x, -2 * y), diffusion=0.01), gaussian(PLANE, (1, -1), 0.04), 1.0, {}, 46,
    ),
    "double well, 1-D": (
        FokkerPlanck(potential=lambda x: x**4 / 4 - x**2 / 2, diffusion=0.05), gaussian(LINE, 0.3, 0.05), 2.0, {}, 98,
    ),
    "rotating drift": (
        FokkerPlanck(drift=lambda x, y: (y - x, -x - y), diffusion=0.01), gaussian(PLANE, (1, 0), 0.04), 1.0, {}, 36,
    ),
    "correlated tensor": (
        FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=TENSOR), gaussian(PLANE, (0.5, -0.5), 0.04), 0.5, {}, 14,
    ),
    "moving grid": (
        FokkerPlanck(drift=lambda x, y: (-3 * x, -2 * y), diffusion=0.003), gaussian(PLANE, (0.5, 0.3), 0.05), 0.5,
        {"follow": True}, 14,
    ),
    "drift that changes with time": (
        FokkerPlanck(drift=lambda x, y, t: (-x * (1 + np.sin(3 * t)), -y), diffusion=0.01),
        gaussian(PLANE, (1, -1), 0.04), 1.0, {}, 46,
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
@pytest.mark.parametrize("name", CASES)
def test_steps(name):
    equation, start, end, options, most = CASES[name]
    result = evolve(equation, start, [end], method="sweeps", **options)
    assert 0 < result.steps + result.rejected <= most
