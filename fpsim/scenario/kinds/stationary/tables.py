"""Tables of a run, and what did not hold."""

from __future__ import annotations

import xarray as xr

from fpsim.scenario.records import group
from fpsim.scenario.shared.kind import STRICT_Z

__all__ = ["report", "shortfalls", "summary"]


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: quantiles and growth rates with their departures."""
    law = group(tree, "law")[["quantile", "quantile_error", "exact_quantile", "z"]]
    growth = group(tree, "growth")[["rate", "rate_error", "exact_rate", "z"]].rename(z="rate_z")
    return xr.merge([law, growth], combine_attrs="override").drop_attrs(deep=False)


def report(tree: xr.DataTree) -> str:
    """Quantiles against the law; medians and growth rates against the learning rate."""
    if "growth" not in tree.children:
        return "the run is not complete"
    law, medians, growth = group(tree, "law"), group(tree, "collapse"), group(tree, "growth")
    a = law.attrs
    share = f"{a['theta'] / a['threshold']:.3g} of the threshold"
    lines = [
        f"stationary law at learning rate / batch size {a['theta']:.4g}, {share}",
        f"{a['replicas']} replicas, {a['diverged']} diverged",
        "",
        f"{'level':>8}{'quantile of w':>22}{'exact':>10}{'z':>7}",
    ]
    for level in law["level"].values:
        one = law.sel(level=level)
        found = f"{float(one['quantile']):.4f} ±{float(one['quantile_error']):.4f}"
        lines.append(f"{level:>8.2f}{found:>22}{float(one['exact_quantile']):>10.4f}{float(one['z']):>7.1f}")
    equation, steps = growth.attrs["threshold"], growth.attrs["threshold_of_steps"]
    heads = (
        f"{'learning rate':>14}{'median |w|':>12}{'(4 standard errors)':>24}{'stationary':>12}{'growth near w=0':>18}"
    )
    lines += ["", f"threshold learning rate: {equation:.4g} (Fokker-Planck equation), {steps:.4g} (steps, exact)", ""]
    lines += [f"{heads}{'exact':>9}{'z':>6}{'equation':>10}"]
    for rate in growth["learning_rate"].values:
        m, g = medians.sel(learning_rate=rate), growth.sel(learning_rate=rate)
        ends = f"{float(m['median_low']):.3g} .. {float(m['median_high']):.3g}"
        found = f"{float(g['rate']):.3f} ±{float(g['rate_error']):.3f}"
        lines.append(
            f"{rate:>14.4g}{float(m['median']):>12.3g}{ends:>24}{float(m['exact_median']):>12.3g}{found:>18}"
            f"{float(g['exact_rate']):>9.3f}{float(g['z']):>6.1f}{float(g['limit']):>10.3f}"
        )
    return "\n".join(lines)


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Quantiles and growth rates more than four standard errors from exact."""
    law, growth = group(tree, "law"), group(tree, "growth")
    lines = [
        f"quantile {float(level):g} of w: {float(z):.1f} standard errors from the law"
        for level, z in zip(law["level"].values, law["z"].values, strict=True)
        if not abs(z) <= STRICT_Z
    ]
    return tuple(lines) + tuple(
        f"growth near w = 0 at learning rate {float(rate):g}: {float(z):.1f} standard errors from exact"
        for rate, z in zip(growth["learning_rate"].values, growth["z"].values, strict=True)
        if not abs(z) <= STRICT_Z
    )
