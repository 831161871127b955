"""Tables of a run, and what did not hold."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fpsim.scenario.kind import STRICT_Z
from fpsim.scenario.kinds.momentum.model import LABEL_OF
from fpsim.scenario.shared.records import group

__all__ = ["report", "shortfalls", "summary"]


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: stationary variances over momenta."""
    return group(tree, "stationary").drop_attrs(deep=False)


def report(tree: xr.DataTree) -> str:
    """Stationary variances, then how far each theory is from the ensemble's way."""
    if "path" not in tree.children:
        return "the run is not complete"
    table, path = group(tree, "stationary"), group(tree, "path")
    heads = f"{'momentum':>9}{'stationary variance':>24}{'exact':>11}{'z':>6}"
    lines = [f"{heads}{'variance at the effective rate':>32}{'off by':>9}"]
    for mu in table["momentum"].values:
        one = table.sel(momentum=mu)
        value, error, exact, effective = (float(one[n]) for n in ("variance", "error", "exact", "effective"))
        found, z = f"{value:.5g} ±{error:.1g}", (value - exact) / error
        lines.append(f"{mu:>9.4g}{found:>24}{exact:>11.5g}{z:>6.1f}{effective:>32.5g}{effective / exact - 1:>+9.1%}")
    a = path.attrs
    lines += [
        "",
        f"the way to the minimum at momentum {a['momentum']:g}; learning rates beyond {a['swings_beyond']:.3g} swing",
        "",
        f"{'distance from the ensemble':<28}{'mean':>10}{'variance':>12}",
    ]
    for source, label in LABEL_OF.items():
        mean, variance = (_distance(path, name, source) for name in ("mean", "variance"))
        lines.append(f"{label:<28}{mean:>10.4f}{variance:>12.5f}")
    errors = [4.0 * float(path[name].max()) for name in ("mean_error", "variance_error")]
    lines.append(f"{'four standard errors':<28}{errors[0]:>10.4f}{errors[1]:>12.5f}")
    return "\n".join(lines)


def _distance(path: xr.Dataset, name: str, source: str) -> float:
    return float(np.abs(path[name].sel(source=source) - path[name].sel(source="ensemble")).max())


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Stationary variances, and moments on the way, too far from exact."""
    table, path = group(tree, "stationary"), group(tree, "path")
    z = ((table["variance"] - table["exact"]) / table["error"]).values
    lines = [
        f"stationary variance at momentum {float(mu):g}: {value:.1f} standard errors from exact"
        for mu, value in zip(table["momentum"].values, z, strict=True)
        if not abs(value) <= STRICT_Z
    ]
    for name in ("mean", "variance"):
        gap = np.abs(path[name].sel(source="ensemble") - path[name].sel(source="exact"))
        worst = float((gap - STRICT_Z * path[f"{name}_error"]).max())
        if worst > 1e-12:
            lines.append(f"{name} on the way: {worst:.2g} beyond four standard errors from exact")
    return tuple(lines)
