"""Summary, printed tables and shortfalls."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fpsim.scenario.judgement import collected_verdicts, shortfalls_of, verdict_lines
from fpsim.scenario.records import group

__all__ = ["report", "shortfalls", "summary"]

EXACT = 1e-8
"""What exact densities on a grid must give."""
ROUNDING = 1e-10
LINE = 1e-3
"""Exponents below this belong to a continuous line of fixed points."""
SIGMAS = 3.0
"""Standard errors that the ensembles are allowed at the middle of a run."""


def summary(tree: xr.DataTree) -> xr.Dataset:
    """Deviation of gamma and the beta functions from their closed form, largest by source, and what is allowed.

    Exact densities: absolute. Evolved densities: in units of the engine's own error estimate. Ensembles: in standard
    errors at the middle of every run, where differences along the clock are central.
    """
    rows: dict[str, tuple[float, float, str]] = {}
    if "/exact/flow" in tree.groups:
        table = group(tree, "exact", "flow")
        rows["exact densities"] = (_largest(abs(table["rates"] - table["rates_exact"])), EXACT, "absolute")
    if "/evolved/flow" in tree.groups:
        table = group(tree, "evolved", "flow")
        gap = abs(table["rates"] - table["rates_exact"]) / (table["rates_error"] + ROUNDING)
        rows["evolved densities"] = (_largest(gap), 1.0, "error estimates")
    if "/ensemble/flow" in tree.groups:
        table = group(tree, "ensemble", "flow")
        table = table.isel(time=table.sizes["time"] // 2)
        gap = abs(table["rates"] - table["rates_exact"]) / table["rates_error"]
        rows["ensembles"] = (_largest(gap), SIGMAS, "standard errors")
    if not rows:
        return xr.Dataset()
    values, allowed, unit = zip(*rows.values(), strict=True)
    return xr.Dataset(
        {
            "deviation": ("source", list(values), {"long_name": "largest deviation from the closed form"}),
            "allowed": ("source", list(allowed), {"long_name": "largest that is allowed"}),
            "scale": ("source", list(unit), {"long_name": "what deviations are counted in"}),
        },
        {"source": list(rows)},
    )


def report(tree: xr.DataTree) -> str:
    """Identities, claims, beta functions against the closed form, fixed points."""
    if "verdicts" not in tree.children:
        return "the run is not complete"
    lines, compared = verdict_lines(collected_verdicts(tree, "verdicts")), summary(tree)
    if "source" in compared.coords:
        lines.append(f"{'gamma, beta_g, beta_h':<24}{'largest deviation':>20}{'allowed':>12}")
        for source in compared["source"].values:
            one = compared.sel(source=source)
            value, allowed = float(one["deviation"]), float(one["allowed"])
            lines.append(f"{source!s:<24}{value:>20.2g}{allowed:>12.2g}  {one['scale'].item()}")
        lines.append("")
    if "/exact/beta" in tree.groups:
        beta = group(tree, "exact", "beta")
        lines.append(f"{'fixed points':<24}{'g':>8}{'h':>8}{'gamma':>8}   exponents")
        on_a_line = abs(beta["exponent"]).min("direction") < LINE
        for point in [*beta["point"].values[~on_a_line.values], *beta["point"].values[on_a_line.values][:1]]:
            one = beta.sel(point=point)
            g, h = one["fixed_point"].values
            exponents = ", ".join(f"{e:.3f}" for e in one["exponent"].values)
            what, place = ("line of them", f"{'any':>8}") if on_a_line.sel(point=point) else ("", f"{g:>8.3f}")
            lines.append(f"{what:<24}{place}{h:>8.3f}{float(one['gamma']):>8.3f}   {exponents}")
        scaling = beta.attrs["pure_scaling_residual"]
        lines += ["", f"R1 of pure scaling in closed form: {scaling:.4f}"]
    return "\n".join(lines)


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Identities, claims and controls with another verdict than expected, and beta functions off their closed form."""
    compared = summary(tree)
    missed = tuple(
        f"beta functions, {source}: {float(value):.2g} {unit}, {float(allowed):g} allowed"
        for source, value, allowed, unit in zip(
            *(compared[n].values for n in ("source", "deviation", "allowed", "scale")), strict=True
        )
        if not value <= allowed
    )
    return shortfalls_of(collected_verdicts(tree, "verdicts")) + missed


def _largest(values: xr.DataArray) -> float:
    return float(np.nanmax(values.values))
