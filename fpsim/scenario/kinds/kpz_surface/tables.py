"""The printed tables."""

from __future__ import annotations

import xarray as xr

from fpsim.scenario.judgement import collected_verdicts, shortfalls_of, verdict_lines
from fpsim.scenario.records import group

__all__ = ["report", "shortfalls", "summary"]


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the verdicts."""
    return collected_verdicts(tree, "verdicts")


def report(tree: xr.DataTree) -> str:
    """Exponents, widths and cumulants, and the two tables of verdicts."""
    if "verdicts" not in tree.children or "schemes" not in tree["verdicts"].children:
        return "the run is not complete"
    linear, kpz = group(tree, "growth", "edwards-wilkinson"), group(tree, "growth", "kpz")
    rough, schemes = group(tree, "roughness"), group(tree, "schemes")
    rows = [
        ("growth exponent, Edwards-Wilkinson", *_attribute(linear, "growth_exponent"), "1/4"),
        ("growth exponent, KPZ", *_attribute(kpz, "growth_exponent"), "1/3"),
        ("roughness exponent, KPZ", *_attribute(rough, "roughness_exponent"), "1/2"),
    ]
    for cumulant in kpz["cumulant"].values:
        one = kpz.sel(cumulant=cumulant)
        limit = float(one["law_cumulant"].sel(law="flat"))
        rows.append(
            (f"chi, {cumulant}", float(one["chi_cumulant"]), float(one["chi_cumulant_error"]), f"{limit:.4f} (limit)")
        )
    for scheme in schemes["scheme"].values:
        last = schemes.sel(scheme=scheme).isel(time=-1)
        exact = f"{schemes.attrs['exact_width2']:.4f}"
        rows.append((f"stationary width^2, {scheme}", float(last["width2"]), float(last["width2_error"]), exact))
    lines = [f"{'':<36}{'measured':>10}{'error':>10}   known"]
    lines += [f"{name:<36}{value:>10.4f}{error:>10.4f}   {truth}" for name, value, error, truth in rows]
    return "\n".join([*lines, "", *verdict_lines(collected_verdicts(tree, "verdicts"))])


def _attribute(record: xr.Dataset, name: str) -> tuple[float, float]:
    return float(record.attrs[name]), float(record.attrs[f"{name}_error"])


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Identities and claims that did not hold, and controls that did not fail."""
    return shortfalls_of(collected_verdicts(tree, "verdicts"))
