"""Measurements of a growing surface as labelled arrays, beside what is exact of it.

Moments, widths and spectra of :class:`~fpsim.diagnostics.surface_growth.surface.SurfaceEnsemble` by time, exponent and
wavenumber, and the law of one site by cumulant, as :class:`xarray.Dataset`. Limits: the spectrum and the histogram are
those of the last time, whose heights must have been kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from fpsim.diagnostics.surface_growth.cumulants import one_point_cumulants, rescaled_cumulants
from fpsim.diagnostics.surface_growth.ew_stepping import ew_stepped_width2
from fpsim.diagnostics.surface_growth.exact import ew_structure_factor, ew_width2
from fpsim.diagnostics.surface_growth.roughness import growth_exponent, width2
from fpsim.diagnostics.surface_growth.spectrum import structure_factor
from fpsim.diagnostics.surface_growth.surface import SurfaceEnsemble
from fpsim.diagnostics.surface_growth.tracy_widom import LawName, limit_law
from fpsim.support.errors import DomainError

__all__ = ["CUMULANTS", "growth_dataset", "one_point_dataset"]

CUMULANTS = ("mean", "variance", "skewness", "kurtosis")
LAWS: tuple[LawName, ...] = ("flat", "gue", "baik-rains")
BINS = np.linspace(-6.0, 8.0, 71)


def growth_dataset(ensemble: SurfaceEnsemble) -> xr.Dataset:
    """Growth of a surface from a flat start.

    Returns
    -------
    xarray.Dataset
        ``variance`` and ``width2`` by ``time``, ``local_exponent`` by ``middle`` (of three neighbouring times),
        ``structure_factor`` at the last time by ``wavenumber``, each with its standard error ``..._error``;
        ``stationary_structure_factor``. Without nonlinearity also ``exact_width2``, ``width2_bias`` (of the time step,
        exact) and ``exact_structure_factor``. Attributes ``growth_exponent`` and its error, ``time_step``; if the
        variance does not grow beyond its errors, exponents are ``nan`` and ``missing`` says why.
    """
    cumulants, width, spectrum = one_point_cumulants(ensemble), width2(ensemble), structure_factor(ensemble.heights[0])
    size, times, exact = ensemble.size, ensemble.times, {"nu": ensemble.nu, "noise": ensemble.noise}
    beta, beta_error, missing = np.nan, np.nan, {}
    local = local_error = np.full(max(times.size - 2, 0), np.nan)
    try:
        found = growth_exponent(ensemble)
    except DomainError as error:
        missing = {"missing": f"growth exponent: {error}"}
    else:
        beta, beta_error = float(found.value), float(found.error)
        local, local_error = found.details["local"], found.details["local_error"]
    data = {
        "variance": _heights2("time", cumulants.value[:, 1], "variance over sites and replicas"),
        "variance_error": _heights2("time", cumulants.error[:, 1], "standard error"),
        "width2": _heights2("time", width.value, "squared width"),
        "width2_error": _heights2("time", width.error, "standard error"),
        "local_exponent": _numbers("middle", local, "growth exponent of three neighbouring times"),
        "local_exponent_error": _numbers("middle", local_error, "standard error"),
        "structure_factor": _heights2("wavenumber", spectrum.value, "structure factor, last time"),
        "structure_factor_error": _heights2("wavenumber", spectrum.error, "standard error"),
        "stationary_structure_factor": _heights2(
            "wavenumber", ew_structure_factor(size, np.inf, **exact), "structure factor of the stationary state"
        ),
    }
    if ensemble.lam == 0.0:
        width_now = ew_width2(size, times, **exact)
        bias = ew_stepped_width2(size, times, ensemble.dt, **exact) - width_now
        data["exact_width2"] = _heights2("time", width_now, "exact squared width")
        data["width2_bias"] = _heights2("time", bias, "bias of the squared width by steps")
        data["exact_structure_factor"] = _heights2(
            "wavenumber", ew_structure_factor(size, float(times[-1]), **exact), "exact structure factor, last time"
        )
    coordinates = {
        "time": _numbers("time", times, "time since the flat start"),
        "middle": _numbers("middle", np.sqrt(times[1:-1] * times[:-2] * 2.0), "time since the flat start"),
        "wavenumber": ("wavenumber", spectrum.wavenumber, {"units": "1/site", "long_name": "wavenumber"}),
    }
    attributes = {"growth_exponent": beta, "growth_exponent_error": beta_error, "time_step": ensemble.dt}
    return xr.Dataset(data, coordinates, {**attributes, **missing})


def one_point_dataset(ensemble: SurfaceEnsemble, *, t_min: float) -> xr.Dataset:
    """Law of the height of one site.

    Returns
    -------
    xarray.Dataset
        ``chi_cumulant`` and its standard error ``chi_cumulant_error`` from the times from ``t_min`` on, by
        ``cumulant``; those of three limit laws, ``law_cumulant``; ``count``, sites by standardised height at the last
        time, and ``flat_density``, the standardised law of flat starts, by ``bin``.
    """
    found, h = rescaled_cumulants(ensemble, t_min=t_min), ensemble.heights[0]
    every = (found.value, found.error, *(limit_law(law).cumulants for law in LAWS))
    value, error, *laws = ([float(getattr(one, name)) for name in CUMULANTS] for one in every)
    middle, flat = 0.5 * (BINS[1:] + BINS[:-1]), limit_law("flat")
    scale = float(np.sqrt(flat.cumulants.variance))
    density = scale * flat.pdf(flat.cumulants.mean + scale * middle)
    counts = np.histogram((h - h.mean()) / h.std(), BINS)[0]
    return xr.Dataset(
        {
            "chi_cumulant": _numbers("cumulant", value, "cumulants of chi"),
            "chi_cumulant_error": _numbers("cumulant", error, "standard error"),
            "law_cumulant": _numbers(("law", "cumulant"), laws, "cumulants of the limit laws"),
            "count": _numbers("bin", counts, "sites by standardised height at the last time"),
            "flat_density": _numbers("bin", density, "density of the law of flat starts, standardised"),
        },
        {
            "cumulant": list(CUMULANTS),
            "law": list(LAWS),
            "bin": _numbers("bin", middle, "standardised height"),
        },
    )


def _numbers(dims: str | tuple[str, ...], values: Any, long_name: str) -> tuple[Any, Any, dict[str, str]]:
    return dims, values, {"units": "1", "long_name": long_name}


def _heights2(dims: str, values: Any, long_name: str) -> tuple[Any, Any, dict[str, str]]:
    return dims, values, {"units": "height^2", "long_name": long_name}
