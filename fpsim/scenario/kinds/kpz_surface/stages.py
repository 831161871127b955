"""The computation: growth of both kinds of surface, saturated widths, and the stationary state of two schemes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.diagnostics.surface_growth.claims import exact_value, exponent, limit_law_claims, spectrum_identity
from fpsim.diagnostics.surface_growth.cumulants import RescaledCumulants, one_point_cumulants, rescaled_cumulants
from fpsim.diagnostics.surface_growth.ew_stepping import ew_stepped_width2
from fpsim.diagnostics.surface_growth.exact import ew_structure_factor, ew_width2
from fpsim.diagnostics.surface_growth.roughness import growth_exponent, width2
from fpsim.diagnostics.surface_growth.spectrum import compare_spectrum, structure_factor
from fpsim.diagnostics.surface_growth.surface import SurfaceEnsemble, simulate_surface
from fpsim.diagnostics.surface_growth.tracy_widom import Cumulants, limit_law
from fpsim.scenario.judgement import part, verdict_dataset
from fpsim.scenario.kinds.kpz_surface.model import KPZSurfaceScenario
from fpsim.scenario.kinds.kpz_surface.stationary import TOLERANCE, last_width, roughness, schemes
from fpsim.support.errors import DomainError
from fpsim.support.progress import Reporter
from fpsim.uncertainty.result import Result
from fpsim.uncertainty.verdict import Claim, Identity, Verdict

__all__ = ["stages"]

Array = NDArray[np.float64]
TIME = {"units": "1", "long_name": "time since the flat start"}
EXPONENTS = {"edwards-wilkinson": 0.25, "kpz": 1.0 / 3.0}
LIMIT_TOLERANCE = 0.1
"""Deviation of cumulants that counts as agreement at these times."""
CUMULANTS = ("mean", "variance", "skewness", "kurtosis")
LAWS = ("flat", "gue", "baik-rains")
BINS = np.linspace(-6.0, 8.0, 71)


def stages(
    scenario: KPZSurfaceScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/growth/...``, ``/roughness``, ``/schemes`` and ``/verdicts/...`` for each."""
    for offset, (name, lam) in enumerate((("edwards-wilkinson", 0.0), ("kpz", scenario.growth.nonlinearity))):
        if f"/verdicts/{name}" not in done.groups:
            yield _growth(scenario, name, lam, scenario.seed + offset, threads, report)
    if "/verdicts/roughness" not in done.groups:
        yield roughness(scenario, threads, report)
    if "/verdicts/schemes" not in done.groups:
        yield schemes(scenario, threads, report)


def _growth(
    scenario: KPZSurfaceScenario, name: str, lam: float, seed: int, threads: int | None, report: Reporter
) -> dict[str, xr.Dataset]:
    g = scenario.growth
    times = g.first * 2.0 ** np.arange(g.times)
    progress = report(f"grow {name}")
    run = simulate_surface(
        g.size, times, nu=g.tension, lam=lam, noise=g.noise, replicas=g.replicas, rng=seed, threads=threads
    )
    first = simulate_surface(  # the same first replica, all of whose profiles are kept
        g.size, times, nu=g.tension, lam=lam, noise=g.noise, replicas=1, rng=seed, heights_at=times.tolist(), dt=run.dt
    )
    progress(1.0)
    beta, missing = _exponent_or_nothing(run, name)
    record = _growth_record(run, beta, first.heights[:, 0], EXPONENTS[name]).assign_attrs(missing)
    if name == "kpz":
        verdicts, expected, cumulants = _limit_laws(run, times[1])
        record = record.merge(cumulants)
    else:
        verdicts, expected = _lattice(run), {}
    other = EXPONENTS["kpz" if lam == 0.0 else "edwards-wilkinson"]
    right, wrong = (
        exponent(f"{_long(name)}: growth exponent {_fraction(v)}", beta, v, tolerance=TOLERANCE)
        for v in (EXPONENTS[name], other)
    )
    expected = {**expected, wrong.name: "fails"}
    table = verdict_dataset([right, wrong, *verdicts], expected=expected)
    return {f"/growth/{name}": record, f"/verdicts/{name}": part(table, name)}


def _exponent_or_nothing(run: SurfaceEnsemble, name: str) -> tuple[Result, dict[str, str]]:
    """The growth exponent; in too small an ensemble ``nan``, with what to enlarge."""
    try:
        return growth_exponent(run), {}
    except DomainError as error:
        nothing = np.full(max(run.times.size - 2, 0), np.nan)
        details = {"times": run.times[:-1], "local": nothing, "local_error": nothing}
        said = f"growth exponent, {_long(name)}: {error}; larger growth.replicas or growth.size are accepted"
        return Result(np.nan, np.nan, "not measured", details), {"missing": said}


def _long(name: str) -> str:
    return {"kpz": "KPZ", "edwards-wilkinson": "EW"}[name]


def _fraction(value: float) -> str:
    return "1/4" if value == 0.25 else "1/3"


def _growth_record(run: SurfaceEnsemble, beta: Result, profile: Array, expected: float) -> xr.Dataset:
    cumulants, width, spectrum = one_point_cumulants(run), width2(run), structure_factor(run.heights[0])
    exact = {"nu": run.nu, "noise": run.noise}
    linear = run.lam == 0.0
    length2: dict[str, Any] = {"units": "height^2"}
    data: dict[str, Any] = {
        "variance": ("time", cumulants.value[:, 1], {**length2, "long_name": "variance over sites and replicas"}),
        "variance_error": ("time", cumulants.error[:, 1], {**length2, "long_name": "standard error"}),
        "width2": ("time", width.value, {**length2, "long_name": "squared width"}),
        "width2_error": ("time", width.error, {**length2, "long_name": "standard error"}),
        "local_exponent": (
            "middle",
            beta.details["local"],
            {"units": "1", "long_name": "growth exponent of three neighbouring times"},
        ),
        "local_exponent_error": ("middle", beta.details["local_error"], {"units": "1", "long_name": "standard error"}),
        "profile": (("time", "site"), profile, {"units": "height", "long_name": "one surface"}),
        "structure_factor": ("wavenumber", spectrum.value, {**length2, "long_name": "structure factor, last time"}),
        "structure_factor_error": ("wavenumber", spectrum.error, {**length2, "long_name": "standard error"}),
        "stationary_structure_factor": (
            "wavenumber",
            ew_structure_factor(run.size, np.inf, **exact),
            {**length2, "long_name": "structure factor of the stationary state"},
        ),
    }
    if linear:
        data["exact_width2"] = ("time", ew_width2(run.size, run.times, **exact), {**length2, "long_name": "exact"})
        data["width2_bias"] = ("time", _step_bias(run), {**length2, "long_name": "bias of the squared width by steps"})
        spectrum_now = ew_structure_factor(run.size, float(run.times[-1]), **exact)
        data["exact_structure_factor"] = ("wavenumber", spectrum_now, {**length2, "long_name": "exact"})
    coordinates = {
        "time": ("time", run.times, TIME),
        "middle": ("middle", np.sqrt(run.times[1:-1] * run.times[:-2] * 2.0), TIME),
        "site": ("site", np.arange(run.size), {"units": "1", "long_name": "site"}),
        "wavenumber": ("wavenumber", spectrum.wavenumber, {"units": "1/site", "long_name": "wavenumber"}),
    }
    attributes = {"growth_exponent": float(beta.value), "growth_exponent_error": float(beta.error)}
    return xr.Dataset(data, coordinates, {**attributes, "expected_exponent": expected, "time_step": run.dt})


def _lattice(run: SurfaceEnsemble) -> list[Identity | Claim]:
    """Edwards-Wilkinson surfaces are exact on the lattice."""
    time, width = float(run.times[-1]), last_width(run)
    exact = {"nu": run.nu, "noise": run.noise}
    return [
        exact_value(
            f"EW: width at t = {time:g}",
            *width,
            float(ew_width2(run.size, time, **exact)),
            bias=float(_step_bias(run)[-1]),
        ),
        spectrum_identity(
            "EW: structure factor",
            compare_spectrum(structure_factor(run.heights[0]), ew_structure_factor(run.size, time, **exact)),
        ),
    ]


def _step_bias(run: SurfaceEnsemble) -> Array:
    """What the time step adds to the expected squared widths, exactly."""
    exact = {"nu": run.nu, "noise": run.noise}
    return ew_stepped_width2(run.size, run.times, run.dt, **exact) - ew_width2(run.size, run.times, **exact)


def _limit_laws(run: SurfaceEnsemble, t_min: float) -> tuple[list[Identity | Claim], dict[str, Verdict], xr.Dataset]:
    """One-point cumulants against the Tracy-Widom law of flat starts; that of curved ones has to fail."""
    found = rescaled_cumulants(run, t_min=t_min)
    claims = limit_law_claims("KPZ against flat law", found, limit_law("flat"), tolerance=LIMIT_TOLERANCE)
    control = limit_law_claims("KPZ against curved law", found, limit_law("gue"), tolerance=LIMIT_TOLERANCE)[:2]
    h = run.heights[0]
    counts = np.histogram((h - h.mean()) / h.std(), BINS)[0]
    record = xr.Dataset(
        {
            "chi_cumulant": ("cumulant", _row(found.value), {"units": "1", "long_name": "cumulants of chi"}),
            "chi_cumulant_error": ("cumulant", _row(found.error), {"units": "1", "long_name": "standard error"}),
            "law_cumulant": (
                ("law", "cumulant"),
                [_row(limit_law(law).cumulants) for law in LAWS],
                {"units": "1", "long_name": "cumulants of the limit laws"},
            ),
            "count": (
                "bin",
                counts,
                {"units": "1", "long_name": "sites by standardised height at the last time"},
            ),
        },
        {
            "cumulant": list(CUMULANTS),
            "law": list(LAWS),
            "bin": ("bin", 0.5 * (BINS[1:] + BINS[:-1]), {"units": "1", "long_name": "standardised height"}),
        },
    )
    return [*claims, *control], {c.name: "fails" for c in control}, record


def _row(cumulants: Cumulants | RescaledCumulants) -> list[float]:
    return [float(getattr(cumulants, name)) for name in CUMULANTS]
