"""Saturated widths, and what two discretisations keep of the stationary state."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.diagnostics.surface_growth.claims import exact_value, exponent, power_law
from fpsim.diagnostics.surface_growth.exact import saturation_width2, stationary_velocity
from fpsim.diagnostics.surface_growth.roughness import roughness_exponent, width2
from fpsim.diagnostics.surface_growth.surface import Scheme, SurfaceEnsemble, simulate_surface
from fpsim.scenario.judgement import part, verdict_dataset
from fpsim.scenario.kinds.kpz_surface.model import KPZSurfaceScenario
from fpsim.support.progress import Reporter
from fpsim.uncertainty.verdict import Verdict

__all__ = ["TOLERANCE", "last_width", "roughness", "schemes"]

Array = NDArray[np.float64]
TOLERANCE = 0.04
"""Deviation of an exponent that counts as agreement at these times; 1/4 and 1/3 are 0.083 apart."""
SATURATED = 0.15
"""Saturated widths are taken at ``SATURATED * size^(3/2)`` for a nonlinearity of three."""
SCHEMES: tuple[Scheme, ...] = ("lam-shin", "centred")


def last_width(run: SurfaceEnsemble) -> tuple[float, float]:
    """Squared width at the last time, and its standard error."""
    width = width2(run)
    return float(np.atleast_1d(width.value)[-1]), float(np.atleast_1d(width.error)[-1])


def roughness(scenario: KPZSurfaceScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """Squared widths of several sizes at saturation, and the exponent that they give."""
    g, r = scenario.growth, scenario.roughness
    progress = report("saturated widths")
    value: list[float] = []
    error: list[float] = []
    for k, size in enumerate(r.sizes):
        time = SATURATED * size**1.5 * 3.0 / g.nonlinearity * (g.tension / g.noise) ** 0.5
        run = simulate_surface(
            size,
            [time],
            nu=g.tension,
            lam=g.nonlinearity,
            noise=g.noise,
            replicas=r.replicas,
            rng=scenario.seed + 10 + k,
            threads=threads,
        )
        for column, number in zip((value, error), last_width(run), strict=True):
            column.append(number)
        progress((k + 1) / len(r.sizes))
    alpha = roughness_exponent(r.sizes, value, error)
    relative = float(np.sqrt(np.mean((np.array(error) / value) ** 2)))
    law = power_law("KPZ: widths are a power of the size", alpha, relative)
    verdicts = [exponent("KPZ: roughness exponent 1/2", alpha, 0.5, tolerance=TOLERANCE), law]
    expected: dict[str, Verdict] = {law.name: "holds" if law.freedom > 0 else "trivial"}
    units = {"units": "height^2"}
    record = xr.Dataset(
        {
            "width2": ("size", value, {**units, "long_name": "squared width at saturation"}),
            "width2_error": ("size", error, {**units, "long_name": "standard error"}),
            "exact_width2": (
                "size",
                [saturation_width2(n, nu=g.tension, noise=g.noise) for n in r.sizes],
                {**units, "long_name": "exact squared width"},
            ),
        },
        {"size": ("size", list(r.sizes), {"units": "1", "long_name": "sites"})},
        {"roughness_exponent": float(alpha.value), "roughness_exponent_error": float(alpha.error)},
    )
    return {
        "/roughness": record,
        "/verdicts/roughness": part(verdict_dataset(verdicts, expected=expected), "roughness"),
    }


def schemes(scenario: KPZSurfaceScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """Lam-Shin slopes keep the stationary width and velocity, centred ones do not."""
    g, s = scenario.growth, scenario.schemes
    times = s.end * np.arange(1, s.times + 1) / s.times
    progress = report("schemes")
    exact = saturation_width2(s.size, nu=g.tension, noise=g.noise)
    speed = stationary_velocity(s.size, g.nonlinearity, nu=g.tension, noise=g.noise)
    value, error, verdicts = [], [], []
    for k, scheme in enumerate(SCHEMES):
        run = simulate_surface(
            s.size,
            times,
            nu=g.tension,
            lam=g.nonlinearity,
            noise=g.noise,
            replicas=s.replicas,
            scheme=scheme,
            initial="stationary",
            rng=scenario.seed + 30,
            threads=threads,
        )
        width = width2(run)
        value.append(width.value)
        error.append(width.error)
        velocity = run.mean[-1] / s.end
        verdicts.append(exact_value(f"{scheme}: stationary width", *last_width(run), exact))
        mean, spread = float(velocity.mean()), float(velocity.std() / np.sqrt(s.replicas))
        verdicts.append(exact_value(f"{scheme}: stationary velocity", mean, spread, speed))
        progress((k + 1) / 2)
    expected: dict[str, Verdict] = {v.name: "fails" for v in verdicts[2:]}
    units = {"units": "height^2"}
    record = xr.Dataset(
        {
            "width2": (("scheme", "time"), value, {**units, "long_name": "squared width"}),
            "width2_error": (("scheme", "time"), error, {**units, "long_name": "standard error"}),
        },
        {
            "scheme": list(SCHEMES),
            "time": ("time", times, {"units": "1", "long_name": "time since a stationary start"}),
        },
        {"exact_width2": exact},
    )
    return {"/schemes": record, "/verdicts/schemes": part(verdict_dataset(verdicts, expected=expected), "schemes")}
