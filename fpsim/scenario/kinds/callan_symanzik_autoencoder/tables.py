"""Summary, printed tables and shortfalls."""

from __future__ import annotations

import xarray as xr

from fpsim.scenario.judgement import collected_verdicts, shortfalls_of, verdict_lines
from fpsim.scenario.records import group

__all__ = ["report", "shortfalls", "summary"]

ABOUT_ERRORS = (
    "errors are those of the grid (density) and of sampling (ensemble) only: the two R1 differ by many of them,",
    "the density follows the equation of order one, the ensemble SGD itself; at smaller learning rates they are closer",
)


def summary(tree: xr.DataTree) -> xr.Dataset:
    """R1 and the loss through time, (source, time)."""
    sources = [name for name in ("density", "ensemble") if f"/{name}/closure" in tree.groups]
    if not sources:
        return xr.Dataset()
    parts = [group(tree, name, "closure") for name in sources]
    return xr.concat(parts, dim=xr.DataArray(sources, dims="source", name="source"), combine_attrs="override")


def report(tree: xr.DataTree) -> str:
    """Identities, claims, and R1 through time."""
    if "verdicts" not in tree.children:
        return "the run is not complete"
    lines, closure = verdict_lines(collected_verdicts(tree, "verdicts")), summary(tree)
    lines.append(f"{'time':>8}{'loss':>12}" + "".join(f"{f'R1, {s}':>24}" for s in closure["source"].values))
    for k in range(0, closure.sizes["time"], 4):
        one = closure.isel(time=k)
        row = f"{float(one['time']):>8.3g}{float(one['loss'][-1]):>12.3g}"
        for source in closure["source"].values:
            value, error = (float(one[n].sel(source=source)) for n in ("R1", "R1_error"))
            row += f"{f'{value:.4f} ± {error:.1g}':>24}"
        lines.append(row)
    return "\n".join([*lines, "", *ABOUT_ERRORS])


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Identities, claims and controls with another verdict than expected."""
    return shortfalls_of(collected_verdicts(tree, "verdicts"))
