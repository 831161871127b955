"""Solvers of the engine benchmark: this package, py-pde, FiPy and plain scipy, on the same cells.

A solver prepares a problem, untimed, and answers a function that solves it. What peers are given ready made: py-pde its
compiled right-hand side, scipy the assembled rates. This package is shown twice: ``evolve`` gets the equation and the
start; a ``Propagator`` has evaluated and checked the equation before, as the peers have, and has been used before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from engine_problems import Problem

from fpsim.evolution import Propagator, evolve

Solve = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Solver:
    """``prepare(problem, cells, setting)``; ``family`` shares a line in the picture; only for some dimensions."""

    family: str
    prepare: Callable[[Problem, int, object], Solve]
    settings: tuple[object, ...] = (None,)
    cells: tuple[int, ...] = (48, 64, 96, 128, 256, 512)
    dimensions: tuple[int, ...] = (1, 2)


@cache
def _start(problem: Problem, n: int):
    return problem.start(problem.grid(n))


@cache
def _generator(problem: Problem, n: int):
    from fpsim.generator import build_generator

    return build_generator(problem.equation, problem.grid(n))


@cache
def _rates(problem: Problem, n: int):
    return _generator(problem, n).matrix.T.tocsr()


def fpsim(problem: Problem, n: int, setting: object) -> Solve:
    """From the equation: sweeps at a tolerance, or the generator, whose time is exact."""
    start, options = _start(problem, n), _options(setting)
    return lambda: evolve(problem.equation, start, [problem.end], **options).final.values


def fpsim_prepared(problem: Problem, n: int, setting: object) -> Solve:
    """The same with the equation evaluated and checked before."""
    start, options = _start(problem, n), _options(setting)
    propagator = Propagator(problem.equation, problem.grid(n))
    return lambda: propagator.evolve(start, [problem.end], **options).final.values


def _options(setting: object) -> dict[str, object]:
    method, tolerance = setting if isinstance(setting, tuple) else ("sweeps", setting)
    return {"tolerance": tolerance, "method": method, "estimate_grid_error": False}


def py_pde(problem: Problem, n: int, setting: object) -> Solve:
    import pde

    grid = problem.grid(n)
    bounds = list(zip(grid.lower, grid.upper, strict=True))
    field = pde.ScalarField(pde.CartesianGrid(bounds, list(grid.shape)), _start(problem, n).values)
    equation = pde.PDE({"p": problem.terms}, bc="auto_periodic_neumann")
    options = {"solver": "scipy"}
    if setting == "explicit":
        options = {"dt": 1e-4, "solver": "explicit", "scheme": "runge-kutta", "adaptive": True}
    return lambda: np.asarray(equation.solve(field, problem.end, tracker=None, **options).data)


def fipy(problem: Problem, n: int, steps: object) -> Solve:
    from fpsim.validation.fipy import _solve

    return lambda: _solve(problem.equation, _start(problem, n), np.array([problem.end]), int(steps))[-1]


def expm_multiply(problem: Problem, n: int, _: object) -> Solve:
    from scipy.sparse.linalg import expm_multiply as multiply

    forward, start = _rates(problem, n) * problem.end, _start(problem, n)
    return lambda: multiply(forward, start.values.ravel()).reshape(start.grid.shape)


def solve_ivp(problem: Problem, n: int, setting: object) -> Solve:
    from scipy.integrate import solve_ivp as integrate

    (method, tolerance), forward, start = setting, _rates(problem, n), _start(problem, n)
    banded = {"lband": 1, "uband": 1} if method == "LSODA" else {}
    return lambda: integrate(
        lambda _t, p: forward @ p, (0, problem.end), start.values.ravel(), method=method, rtol=tolerance,
        atol=1e-4 * tolerance, **banded,
    ).y[:, -1].reshape(start.grid.shape)  # fmt: skip


EXPLICIT = tuple((method, tolerance) for method in ("RK23", "RK45") for tolerance in (1e-2, 1e-4))
SWEEPS, CELLS = (1e-1, 5e-2, 2e-2, 5e-3, 1e-3), (24, 32, 40, 48, 64, 96, 128, 256, 512)
LINE = (("generator", 1e-3), *(("rational", tolerance) for tolerance in (1e-2, 1e-3, 1e-4, 1e-6)), *SWEEPS)
PLANE = (("generator", 1e-3), *SWEEPS)
SOLVERS = (
    Solver("fpsim", fpsim, LINE, (*CELLS, 640), (1,)),
    Solver("fpsim, prepared", fpsim_prepared, LINE, (*CELLS, 640), (1,)),
    Solver("fpsim", fpsim, PLANE, CELLS, (2,)),
    Solver("fpsim, prepared", fpsim_prepared, PLANE, CELLS, (2,)),
    Solver("py-pde, scipy", py_pde, cells=(64, 128, 256, 512)),
    Solver("py-pde, adaptive explicit", py_pde, ("explicit",), (64,), (1,)),
    Solver("FiPy, exponential", fipy, (30, 100), (64,)),
    Solver("scipy expm_multiply", expm_multiply),
    Solver("scipy solve_ivp, explicit", solve_ivp, EXPLICIT),
    Solver("scipy solve_ivp, LSODA banded", solve_ivp, (("LSODA", 1e-2), ("LSODA", 1e-4)), dimensions=(1,)),
)
