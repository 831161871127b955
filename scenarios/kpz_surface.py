"""Growing surfaces: Edwards-Wilkinson and Kardar-Parisi-Zhang, against what is exact and what is universal.

Edwards-Wilkinson surfaces have an exact width and structure factor on the lattice and grow with exponent 1/4. With the
nonlinearity the class is another: exponent 1/3, heights of the Tracy-Widom law of flat starts and not of curved ones,
roughness 1/2. Exponents come from differences of the variance, so that a constant does not bend them. The last stage
asks which discretisation of the squared slope keeps the stationary state: Lam-Shin slopes should, centred ones not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from fpsim.diagnostics.surface_growth.claims import (
    exact_value,
    exponent,
    limit_law_claims,
    power_law,
    spectrum_identity,
)
from fpsim.diagnostics.surface_growth.cumulants import RescaledCumulants
from fpsim.diagnostics.surface_growth.exact import saturation_width2, stationary_velocity
from fpsim.diagnostics.surface_growth.labelled import growth_dataset, one_point_dataset
from fpsim.diagnostics.surface_growth.roughness import roughness_exponent, width2
from fpsim.diagnostics.surface_growth.spectrum import StructureFactor, compare_spectrum
from fpsim.diagnostics.surface_growth.surface import Scheme, simulate_surface
from fpsim.diagnostics.surface_growth.tracy_widom import Cumulants, limit_law
from fpsim.plots import growing_surfaces as pictures
from fpsim.scenario import Column, Each, Parameters, Results, Scenario, Section, Table, Workbench, named
from fpsim.scenario.parameters.sections import Positive
from fpsim.support.memory import check_memory
from fpsim.uncertainty.result import Result
from fpsim.uncertainty.verdict import Claim, Identity, control

EvenSize = Annotated[int, Field(ge=8, le=65536, multiple_of=2)]
Replicas = Annotated[int, Field(ge=64, le=1_000_000)]
NAMES = {"edwards-wilkinson": "Edwards-Wilkinson", "kpz": "KPZ"}
EXPONENTS = {"edwards-wilkinson": Fraction(1, 4), "kpz": Fraction(1, 3)}
STARTS = {"flat": "flat", "gue": "curved", "baik-rains": "stationary"}
"""Start to which each limit law belongs."""
SCHEMES: tuple[Scheme, ...] = ("lam-shin", "centred")
TOLERANCE, LIMIT_TOLERANCE = 0.04, 0.1
"""Deviations of an exponent (1/4 and 1/3 are 0.083 apart) and of cumulants that count as agreement at these times."""
SATURATED = 0.15
"""Saturated widths are taken at ``SATURATED * size^(3/2)`` for a nonlinearity of three."""
LENGTH2 = {"units": "height^2"}


class Growth(Section):
    """Surfaces that grow from a flat start, without and with the nonlinearity."""

    size: EvenSize = 1024
    replicas: Replicas = 2048
    tension: Positive = 1.0
    noise: Positive = 1.0
    nonlinearity: Annotated[float, Field(gt=0, le=20)] = 3.0
    first: Positive = 4.0
    """First recorded time; each later one is twice the one before."""
    times: Annotated[int, Field(ge=4, le=12)] = 5


class Roughness(Section):
    """Saturated widths of several sizes."""

    sizes: Annotated[tuple[EvenSize, ...], Field(min_length=2, max_length=8)] = (16, 32, 64, 128)
    replicas: Replicas = 6144


class Schemes(Section):
    """Two discretisations of the squared slope, from the stationary state on."""

    size: EvenSize = 64
    replicas: Replicas = 4096
    end: Positive = 60.0
    times: Annotated[int, Field(ge=2, le=100)] = 6


class KPZSurface(Parameters):
    """Edwards-Wilkinson and Kardar-Parisi-Zhang surfaces against exact and universal statements."""

    growth: Growth = Growth()
    roughness: Roughness = Roughness()
    schemes: Schemes = Schemes()

    @model_validator(mode="after")
    def _fits(self) -> KPZSurface:
        last = self.growth.first * 2.0 ** (self.growth.times - 1)
        correlated = 4.0 * (last * self.growth.tension) ** (2.0 / 3.0)
        if self.growth.size < correlated:
            raise ValueError(
                f"growth.size = {self.growth.size} saturates before the last time {last:g}: "
                f"{int(np.ceil(correlated))} or more is accepted"
            )
        if any(b <= a for a, b in pairwise(self.roughness.sizes)):
            raise ValueError(f"roughness.sizes = {list(self.roughness.sizes)}: increasing sizes are accepted")
        return self

    @property
    def exact(self) -> dict[str, float]:
        """Tension and noise, as closed forms take them."""
        return {"nu": self.growth.tension, "noise": self.growth.noise}


def check(p: KPZSurface) -> None:
    """Refuse what does not fit into memory."""
    check_memory(24.0 * p.growth.size * p.growth.replicas, "growth.size x growth.replicas")
    check_memory(24.0 * max(p.roughness.sizes) * p.roughness.replicas, "roughness.replicas")
    check_memory(24.0 * p.schemes.size * p.schemes.replicas, "schemes.replicas")


def growth(p: KPZSurface, run: Workbench, _group: str, name: str) -> xr.Dataset:
    """Variance, width and spectrum through time from a flat start; with the nonlinearity the law of one site."""
    g, progress = p.growth, run.progress(f"grow {name}")
    times = g.first * 2.0 ** np.arange(g.times)
    strength = g.nonlinearity if name == "kpz" else 0.0
    rule: dict[str, Any] = {**p.exact, "lam": strength, "rng": p.seed + list(NAMES).index(name)}
    grown = simulate_surface(g.size, times, **rule, replicas=g.replicas, threads=run.threads)
    first = simulate_surface(  # the same first replica, all of whose profiles are kept
        g.size, times, **rule, replicas=1, heights_at=times.tolist(), dt=grown.dt
    )
    found = growth_dataset(grown)
    if "missing" in found.attrs:
        said = f"{NAMES[name]}, {found.attrs['missing']}; larger growth.replicas or growth.size are accepted"
        found = found.assign_attrs(missing=said)
    progress(1.0)
    profile = xr.DataArray(first.heights[:, 0], dims=("time", "site"), attrs={"units": "height"})
    found = found.assign(profile=profile).assign_coords(site=("site", np.arange(g.size), named("site")))
    return found.merge(one_point_dataset(grown, t_min=times[1])) if name == "kpz" else found


def roughness(p: KPZSurface, run: Workbench) -> xr.Dataset:
    """Squared widths of several sizes at saturation, and the exponent that they give."""
    g, r, progress = p.growth, p.roughness, run.progress("saturated widths")
    widths = []
    for k, size in enumerate(r.sizes):
        time = SATURATED * size**1.5 * 3.0 / g.nonlinearity * (g.tension / g.noise) ** 0.5
        rule: dict[str, Any] = {**p.exact, "lam": g.nonlinearity, "replicas": r.replicas, "rng": p.seed + 10 + k}
        widths.append(width2(simulate_surface(size, [time], **rule, threads=run.threads)))
        progress((k + 1) / len(r.sizes))
    value, error = ([float(np.atleast_1d(getattr(w, name))[-1]) for w in widths] for name in ("value", "error"))
    alpha = roughness_exponent(r.sizes, value, error)
    return xr.Dataset(
        {
            "width2": ("size", value, {**LENGTH2, "long_name": "squared width at saturation"}),
            "width2_error": ("size", error, {**LENGTH2, "long_name": "standard error"}),
            "exact_width2": ("size", [saturation_width2(n, **p.exact) for n in r.sizes], LENGTH2),
        },
        {"size": ("size", list(r.sizes), named("sites"))},
        {"roughness_exponent": float(alpha.value), "roughness_exponent_error": float(alpha.error)},
    )


def schemes(p: KPZSurface, run: Workbench) -> xr.Dataset:
    """Stationary width and velocity of two discretisations, from a stationary start on."""
    g, s, progress = p.growth, p.schemes, run.progress("schemes")
    times = s.end * np.arange(1, s.times + 1) / s.times
    rule: dict[str, Any] = {**p.exact, "lam": g.nonlinearity, "replicas": s.replicas, "initial": "stationary"}
    widths, speeds = [], []
    for k, scheme in enumerate(SCHEMES):
        kept = simulate_surface(s.size, times, **rule, scheme=scheme, rng=p.seed + 30, threads=run.threads)
        widths.append(width2(kept))
        speeds.append(kept.mean[-1] / s.end)
        progress((k + 1) / 2)
    return xr.Dataset(
        {
            "width2": (("scheme", "time"), [w.value for w in widths], {**LENGTH2, "long_name": "squared width"}),
            "width2_error": (("scheme", "time"), [w.error for w in widths], {**LENGTH2, "long_name": "its error"}),
            "velocity": ("scheme", [float(v.mean()) for v in speeds], named("stationary velocity")),
            "velocity_error": ("scheme", [float(v.std() / np.sqrt(s.replicas)) for v in speeds], named("its error")),
        },
        {"scheme": list(SCHEMES), "time": ("time", times, named("time since a stationary start"))},
        {
            "exact_width2": saturation_width2(s.size, **p.exact),
            "exact_velocity": stationary_velocity(s.size, g.nonlinearity, **p.exact),
        },
    )


def claims(p: KPZSurface, run: Results) -> Iterator[Identity | Claim]:
    """Lattice identities, exponents of both classes, the law of one site; the other class, law and scheme fail."""
    for name, expected in EXPONENTS.items():
        beta = Result(*_attribute(run[f"growth/{name}"], "growth_exponent"), "")
        for value in EXPONENTS.values():
            claim = exponent(f"{NAMES[name]}: growth exponent {value}", beta, float(value), tolerance=TOLERANCE)
            yield claim if value == expected else control(claim)
    linear = run["growth/edwards-wilkinson"]
    time, *last, bias = (
        float(linear[n][-1]) for n in ("time", "width2", "width2_error", "exact_width2", "width2_bias")
    )
    yield exact_value(f"Edwards-Wilkinson: width at t = {time:g}", *last, bias=bias)
    values = (linear[n].values for n in ("wavenumber", "structure_factor", "structure_factor_error"))
    spectrum = StructureFactor(*values, p.growth.replicas)
    agreement = compare_spectrum(spectrum, linear["exact_structure_factor"].values)
    yield spectrum_identity("Edwards-Wilkinson: structure factor", agreement)
    kpz = run["growth/kpz"]
    value, error = (Cumulants(*kpz[f"chi_cumulant{e}"].values.tolist()) for e in ("", "_error"))
    found = RescaledCumulants(value, error, float(kpz["time"][1]), float(kpz["time"][-1]))
    yield from limit_law_claims("KPZ against flat law", found, limit_law("flat"), tolerance=LIMIT_TOLERANCE)
    curved = limit_law_claims("KPZ against curved law", found, limit_law("gue"), tolerance=LIMIT_TOLERANCE)
    yield from map(control, curved[:2])
    rough = run["roughness"]
    widths, errors = rough["width2"].values, rough["width2_error"].values
    alpha = roughness_exponent(rough["size"].values, widths, errors)
    yield exponent("KPZ: roughness exponent 1/2", alpha, 0.5, tolerance=TOLERANCE)
    line = power_law("KPZ: widths are a power of the size", alpha, float(np.sqrt(np.mean((errors / widths) ** 2))))
    yield replace(line, expected="holds" if line.freedom > 0 else "trivial")
    kept = run["schemes"]
    for scheme in SCHEMES:
        one = kept.sel(scheme=scheme).isel(time=-1)
        for quantity, name in (("width2", "width"), ("velocity", "velocity")):
            numbers = float(one[quantity]), float(one[f"{quantity}_error"]), float(kept.attrs[f"exact_{quantity}"])
            record = exact_value(f"{scheme}: stationary {name}", *numbers)
            yield record if scheme == "lam-shin" else control(record)


def _attribute(record: xr.Dataset, name: str) -> tuple[float, float]:
    return float(record.attrs[name]), float(record.attrs[f"{name}_error"])


def tables(p: KPZSurface, run: Results) -> Iterator[Table]:
    """Exponents, cumulants and stationary widths beside what is known of them."""
    rows = [
        (f"growth exponent, {NAMES[n]}", *_attribute(run[f"growth/{n}"], "growth_exponent"), str(value))
        for n, value in EXPONENTS.items()
    ]
    rows.append(("roughness exponent, KPZ", *_attribute(run["roughness"], "roughness_exponent"), "1/2"))
    kpz, kept = run["growth/kpz"], run["schemes"].isel(time=-1)
    for name in kpz["cumulant"].values:
        one = kpz.sel(cumulant=name)
        limit = f"{float(one['law_cumulant'].sel(law='flat')):.4f} (limit)"
        rows.append((f"chi, {name}", float(one["chi_cumulant"]), float(one["chi_cumulant_error"]), limit))
    for scheme in SCHEMES:
        numbers = (float(kept[n].sel(scheme=scheme)) for n in ("width2", "width2_error"))
        rows.append((f"stationary width^2, {scheme}", *numbers, f"{kept.attrs['exact_width2']:.4f}"))
    names, value, error, known = zip(*rows, strict=True)
    yield Table("surfaces", [Column("", names), Column("measured", value, ".4f", errors=error), Column("known", known)])


def conclusions(p: KPZSurface, run: Results) -> Iterator[str]:
    """The nearest limit law, and what each discretisation makes of the stationary state."""
    kpz, kept = run["growth/kpz"].sel(cumulant=["mean", "variance", "skewness"]), run["schemes"].isel(time=-1)
    pull = np.abs(kpz["law_cumulant"] - kpz["chi_cumulant"]) / kpz["chi_cumulant_error"]
    worst = {STARTS[str(law)]: float(pull.sel(law=law).max()) for law in pull["law"].values}
    first, second, *_ = sorted(worst, key=worst.__getitem__)
    yield (
        f"The limit law of {first} starts is nearest to the height of one site, within {worst[first]:.1f} standard "
        f"errors in mean, variance and skewness; every other law is off by {worst[second]:.0f} or more in one of them."
    )
    for scheme in SCHEMES:
        width, error = (kept[n].sel(scheme=scheme) / kept.attrs["exact_width2"] for n in ("width2", "width2_error"))
        verb = "keep" if abs(width - 1.0) <= 3.0 * error else "do not keep"
        yield f"{scheme.capitalize()} slopes {verb} the stationary squared width: {width - 1:+.1%} ± {error:.1%}."


def figures(p: KPZSurface, run: Results) -> Iterator[tuple[str, Figure]]:
    """Surfaces, growth, spectra, one-point law, stationary state."""
    grown = {label: run[f"growth/{name}"] for name, label in NAMES.items()}
    yield "surfaces", pictures.draw_profiles(grown)
    yield "growth", pictures.draw_growth(grown, {NAMES[n]: float(beta) for n, beta in EXPONENTS.items()})
    yield "structure-factor", pictures.draw_spectra(grown)
    yield "one-point-law", pictures.draw_one_point_law(run["growth/kpz"])
    yield "stationary-state", pictures.draw_stationary(run["roughness"], run["schemes"])


def summary(p: KPZSurface, run: Results) -> xr.Dataset:
    """Growth exponents with their errors."""
    values, errors = zip(*(_attribute(run[f"growth/{name}"], "growth_exponent") for name in NAMES), strict=True)
    exponents = {"growth_exponent": ("surface", list(values)), "growth_exponent_error": ("surface", list(errors))}
    return xr.Dataset(exponents, {"surface": list(NAMES)})


scenario = Scenario(
    title="Growing surfaces: what the Kardar-Parisi-Zhang class looks like",
    subject="Kardar-Parisi-Zhang",
    description=__doc__,
    parameters=KPZSurface(),
    quick={"growth.size": 512, "growth.replicas": 1024, "roughness.sizes": (16, 64), "schemes.replicas": 1024},
    stages=(Each(growth, over=lambda _p: [("growth", name) for name in NAMES]), roughness, schemes),
    check=check,
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=summary,
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
