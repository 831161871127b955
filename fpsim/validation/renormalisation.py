"""Checks of the Callan-Symanzik and Kardar-Parisi-Zhang diagnostics: published digits and exact statements."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from fpsim.validation.check import Check

__all__ = ["callan_symanzik", "kardar_parisi_zhang"]


def callan_symanzik() -> Iterator[Check]:
    """Geometric Brownian motion, where one coupling closes: its beta function, anomalous dimension and exponents."""
    from fpsim.density import Density, Grid, gaussian
    from fpsim.diagnostics.callan_symanzik import Outputs, correlators, exact_flow, lognormal, rates
    from fpsim.equation import FokkerPlanck

    drift, noise = 1.8, 0.4
    outputs = Outputs(lambda x: [np.exp(x)])
    equation = FokkerPlanck(drift=lambda x: drift + 0 * x, diffusion=noise)

    def density(mean: float, variance: float) -> Density:
        reach = math.sqrt(variance)
        return gaussian(Grid.box((mean - 10 * reach, mean + 12 * reach, 400)), mean, variance)

    found = [rates(density(-3.0, s2), outputs, equation) for s2 in (0.02, 0.05, 0.09)]
    flow = exact_flow([0.0, 1.0, 2.0], found, lognormal())
    source = "E w^n = exp(n mu + n^2 s^2 / 2)"
    yield Check("geometric Brownian motion: beta", float(flow.beta[1, 0]), 2 * noise, 1e-6, source)
    yield Check("geometric Brownian motion: gamma", float(flow.gamma[1]), drift + 2 * noise, 1e-6, source)
    table = correlators(density(0.0, 0.25), outputs)
    third = float(np.log(np.asarray(table.full.value)[2] / float(table[0, 0].value) ** 1.5))
    yield Check("log-normal: third exponent", third, (9 - 6) * 0.25 / 2, 1e-6, source)


def kardar_parisi_zhang() -> Iterator[Check]:
    """Limit laws, walks in random environments and the width of a growing surface."""
    from fpsim.diagnostics.random_environment.random_walk import walk_moments
    from fpsim.diagnostics.surface_growth import exact
    from fpsim.diagnostics.surface_growth.roughness import width2
    from fpsim.diagnostics.surface_growth.surface import simulate_surface
    from fpsim.diagnostics.surface_growth.tracy_widom import limit_law

    gue, stationary = limit_law("gue").cumulants, limit_law("baik-rains").cumulants
    yield Check("Tracy-Widom (unitary): mean", gue.mean, -1.771086807411, 1e-9, "Bornemann 2010")
    yield Check("Tracy-Widom (unitary): skewness", gue.skewness, 0.224084203610, 1e-9, "Bornemann 2010")
    yield Check("Baik-Rains: variance", stationary.variance, 1.15039, 6e-6, "Praehofer & Spohn 2000")
    # One step: P(X = 1) = B, uniform on (0, 1), of variance 1/12.
    yield Check("random environment: variance of one step", walk_moments(1, 1).variance, 1 / 12, 1e-14, "by hand")
    surface = simulate_surface(64, [8.0], replicas=8192, rng=1)
    width = width2(surface)
    measured, error = (float(np.ravel(v)[0]) for v in (width.value, width.error))
    truth = float(exact.ew_width2(64, 8.0))
    tolerance = 4 * error + 3e-3 * truth  # 3e-3: the bias of the time step
    yield Check("Edwards-Wilkinson width, 64 sites, t = 8", measured, truth, tolerance, "lattice modes")
