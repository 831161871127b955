"""Table of a sweep, and what did not hold."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fpsim.scenario.records import group
from fpsim.scenario.shared.kind import STRICT_Z

__all__ = ["report", "shortfalls", "summary"]


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the grid."""
    return group(tree, "grid").drop_attrs(deep=False)


def report(tree: xr.DataTree) -> str:
    """Squared width over ``theta`` per cell; departures, smallest learning rates first; the fit of the rest."""
    if "grid" not in tree.children:
        return "the run is not complete"
    grid, theory = group(tree, "grid"), group(tree, "theory")
    batches = [int(b) for b in grid["batch_size"].values]
    unit = float(theory["leading"].sum())
    lines = [
        f"squared width / (theta x {unit:.5g}); 1 is the collapse on theta",
        "theta = eta c_B, learning rate x batch factor",
        "c_B = 1 / B for independent draws, (n - B) / (B (n - 1)) for B of n without replacement",
        f"at the end at most {float(theory['unrelaxed'].max()):.1g} of a stationary width is missing",
        "",
        f"{'learning rate':>14}" + "".join(f"{f'B={b}':>9}" for b in batches) + f"{'± ':>9}{'finite steps':>14}",
    ]
    for rate in grid["learning_rate"].values:
        one = grid.sel(learning_rate=rate)
        cells = "".join(f"{1.0 + float(v):>9.3f}" for v in one["departure"].values)
        error, steps = float(one["departure_error"].mean()), 1.0 + float(one["finite_step"][0])
        lines.append(f"{rate:>14.4g}{cells}{error:>8.3f} {steps:>14.3f}")
    a = grid.attrs
    if np.isfinite(a["intercept"]):
        fit = f"{a['intercept']:+.4f} ±{a['intercept_error']:.4f} {a['slope']:+.3g} theta {a['curvature']:+.3g} theta^2"
        lines += ["", f"rest beyond finite steps, theta <= {a['narrow']:g}: {fit}"]
        lines += [f"about this line chi^2 is {a['chi2']:.0f} for {a['freedom']} degrees of freedom"]
    return "\n".join(lines)


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Whether the rest vanishes with ``theta``, and is a function of ``theta`` alone."""
    a = group(tree, "grid").attrs
    if not np.isfinite(a["intercept"]):
        return ("sweep: fewer than four narrow cells, nothing could be judged",)
    lines = []
    if abs(a["intercept"]) > STRICT_Z * a["intercept_error"]:
        lines.append(f"collapse: the rest is {a['intercept']:+.4f} ±{a['intercept_error']:.4f} at theta = 0")
    if a["chi2"] > a["freedom"] + STRICT_Z * np.sqrt(2.0 * a["freedom"]):
        lines.append(f"collapse: chi^2 {a['chi2']:.0f} for {a['freedom']}: the rest is no function of theta alone")
    return tuple(lines)
