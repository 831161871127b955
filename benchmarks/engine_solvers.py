"""Solvers of the engine benchmark: this package, py-pde, FiPy and plain scipy, on the same cells."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
from engine_problems import Problem

from fpsim.density import Density
from fpsim.transport import evolve

Run = Callable[[Problem, int], np.ndarray]


def fpsim_sweeps(tolerance: float, *, threads: int | None = None) -> Run:
    def run(problem: Problem, n: int) -> np.ndarray:
        start = problem.start(problem.grid(n))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return evolve(
                problem.equation, start, [problem.end], tolerance=tolerance, method="sweeps", threads=threads,
                estimate_grid_error=False,
            ).final.values  # fmt: skip

    return run


@cache
def _pde_start(problem: Problem, n: int):
    """Made once per size, so that what py-pde compiles is compiled in the first solve only."""
    import pde

    grid = problem.grid(n)
    bounds = list(zip(grid.lower, grid.upper, strict=True))
    field = pde.ScalarField(pde.CartesianGrid(bounds, list(grid.shape)), problem.start(grid).values)
    return pde.PDE({"p": problem.terms}, bc="auto_periodic_neumann"), field


def pde_scipy(problem: Problem, n: int) -> np.ndarray:
    equation, field = _pde_start(problem, n)
    return np.asarray(equation.solve(field, problem.end, solver="scipy", tracker=None).data)


def pde_explicit(problem: Problem, n: int) -> np.ndarray:
    equation, field = _pde_start(problem, n)
    options = {"dt": 1e-4, "solver": "explicit", "scheme": "runge-kutta", "adaptive": True}
    return np.asarray(equation.solve(field, problem.end, tracker=None, **options).data)


def fipy(problem: Problem, n: int) -> np.ndarray:
    from fpsim.reference.fipy import _solve

    start = problem.start(problem.grid(n))
    return _solve(problem.equation, start, np.array([problem.end]), 100)[-1]


def _rates(problem: Problem, n: int):
    from fpsim.generator import build_generator

    start: Density = problem.start(problem.grid(n))
    return build_generator(problem.equation, start.grid).matrix.T.tocsr(), start


def scipy_expm(problem: Problem, n: int) -> np.ndarray:
    from scipy.sparse.linalg import expm_multiply

    forward, start = _rates(problem, n)
    return expm_multiply(forward * problem.end, start.values.ravel()).reshape(start.grid.shape)


def scipy_ivp(problem: Problem, n: int) -> np.ndarray:
    from scipy.integrate import solve_ivp

    forward, start = _rates(problem, n)
    found = solve_ivp(lambda _t, p: forward @ p, (0, problem.end), start.values.ravel(), rtol=1e-4, atol=1e-8)
    return found.y[:, -1].reshape(start.grid.shape)


SOLVERS: dict[str, Run] = {
    "fpsim, tolerance 5e-2": fpsim_sweeps(5e-2),
    "fpsim, tolerance 1e-2": fpsim_sweeps(1e-2),
    "fpsim, tolerance 1e-3": fpsim_sweeps(1e-3),
    "py-pde, scipy": pde_scipy,
    "py-pde, adaptive explicit": pde_explicit,
    "FiPy, exponential": fipy,
    "scipy expm_multiply": scipy_expm,
    "scipy solve_ivp": scipy_ivp,
}
