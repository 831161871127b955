"""The table a run prints: theory beside experiment, and what the numbers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from fpsim.plots.style import LABELS
from fpsim.scenario.records import group
from fpsim.scenario.shared.kind import STRICT_Z

__all__ = ["bottleneck_report", "bottleneck_shortfalls", "bottleneck_summary"]


def bottleneck_summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: distances, means and widths of all starts in one data set."""
    how: dict[str, Any] = {"data_vars": "all", "coords": "minimal", "compat": "override", "join": "exact"}
    starts = xr.DataArray(list(tree.children), dims="start", name="start")
    sources = xr.DataArray(["ensemble", *_closures(tree, str(starts[0].item()))], dims="source", name="source")
    parts = []
    for start in starts.values:
        moments = [group(tree, start, source)[["mean", "std"]] for source in sources.values]
        joined = xr.concat(moments, dim=sources, **how)
        parts.append(xr.merge([group(tree, start, "comparison"), joined], compat="override", join="exact"))
    return xr.concat(parts, dim=starts, **how)


def bottleneck_report(tree: xr.DataTree) -> str:
    """Table of a bottleneck run at its last time, one block per start."""
    return "\n\n".join(_block(tree, case) for case in tree.children if "comparison" in tree[case].children)


def _closures(tree: xr.DataTree, case: str) -> list[str]:
    return [str(c) for c in group(tree, case, "comparison")["closure"].values]


def _block(tree: xr.DataTree, case: str) -> str:
    ensemble = group(tree, case, "ensemble")
    closures = _closures(tree, case)
    time = float(ensemble["time"][-1])
    counts = f"{ensemble.attrs['replicas']} replicas, {ensemble.attrs['diverged']} diverged"
    lines = [
        f"start {case.replace('_', ' ')}, t = {time:g}: {counts}",
        "",
        f"{'':<28}{'SGD ensemble':>20}" + "".join(f"{LABELS[c]:>28}" for c in closures),
        f"{'weight':<28}{'mean      std':>20}" + "".join(f"{'mean      std   std ratio':>28}" for _ in closures),
    ]
    last = ensemble.isel(time=-1)
    for name in ensemble["weight"].values:
        one = last.sel(weight=name)
        row = f"{name:<28}{float(one['mean']):>12.4f}{float(one['std']):>8.4f}"
        for closure in closures:
            theory = group(tree, case, closure).isel(time=-1).sel(weight=name)
            ratio = float(theory["std"] / one["std"])
            row += f"{float(theory['mean']):>12.4f}{float(theory['std']):>8.4f}{ratio:>8.3f}"
        lines.append(row)
    lines += ["", *_distances(tree, case, closures), "", *_sentences(tree, case, closures)]
    if "budget" in tree[case].children:
        lines += ["", *_budget(group(tree, case, "budget"))]
    return "\n".join(lines)


def _distances(tree: xr.DataTree, case: str, closures: list[str]) -> list[str]:
    """Every closure's distances with its own sampling floor and spread, which make its z."""
    table = group(tree, case, "comparison").isel(time=-1)
    lines = [
        f"{'':<28}" + "".join(f"{LABELS[c]:>37}" for c in closures),
        f"{'total variation':<28}" + f"{'distance':>12}{'floor':>9}{'± spread':>9}{'z':>7}" * len(closures),
    ]
    for observable in table["observable"].values:
        row = f"{observable:<28}"
        for closure in closures:
            one = table.sel(observable=observable, closure=closure)
            row += f"{float(one['distance']):>12.4f}{float(one['floor']):>9.4f} ±{float(one['spread']):>7.4f}"
            row += f"{float(one['z']):>7.1f}"
        lines.append(row)
    return lines


def _sentences(tree: xr.DataTree, case: str, closures: list[str]) -> list[str]:
    ensemble = group(tree, case, "ensemble")
    last = ensemble.isel(time=-1)
    names = list(ensemble["weight"].values)
    first, second = names[0], next(n for n in names if n.startswith("W2"))
    correlation = float(last["correlation"].sel(weight=first, weight_other=second))
    lines = [f"correlation of {first} and {second} over replicas: {correlation:.3f}"]
    scale = float(np.abs(last["mean"]).max() + last["std"].max())
    for closure in closures:
        theory = group(tree, case, closure).isel(time=-1)
        off = float(np.abs(theory["mean"] - last["mean"]).max()) / scale
        ratio = (theory["std"] / last["std"]).values
        width = f"right to {100 * np.abs(ratio - 1).max():.1f} %"
        if ratio.min() < 0.8:
            least = f"{1 / ratio.max():.2g} to" if ratio.max() < 0.8 else "up to"
            width = f"{least} {1 / ratio.min():.2g} times too narrow"
        lines.append(f"{LABELS[closure]}: means right to {100 * off:.1f} % of the weights' scale, widths {width}")
    return lines


SHORT = {
    "dependent batches": "batches",
    "non-Gaussian mini-batch noise": "noise",
    "order of the modified equation": "order",
    "correlation of the matrices": "pairing",
}
"""Headings of the causes in the table."""

BUDGET_NOTE = (
    "bins differ from those of the table above, so that totals differ slightly; - : within its own sampling floor;",
    "blank: no such link for this row; parts obey the triangle inequality only: their sum may exceed the total",
)


def _budget(table: xr.Dataset) -> list[str]:
    """Parts of every distance, and in words where the densities' distances come from."""
    causes = [str(c) for c in table["cause"].values]
    head = "".join(f"{SHORT.get(c, c):>10}" for c in causes)
    lines = [f"{'where it comes from (total variation)':<40}{'total':>8}{head}   leading cause"]
    said = []
    for closure in table["closure"].values:
        lines.append(LABELS[str(closure)])
        for observable in table["observable"].values:
            one = table.sel(closure=closure, observable=observable)
            row = f"  {observable:<38}{float(one['total']):>8.4f}"
            for cause in causes:
                part = one.sel(cause=cause)
                error = float(part["error"])
                text = "" if np.isnan(error) else f"{error:.4f}" if float(part["resolved"]) else "-"
                row += f"{text:>10}"
            lines.append(f"{row}   {one['leading'].item()}")
            if str(observable).startswith("density"):
                said.append(str(one["sentence"].item()))
    return [*lines, *BUDGET_NOTE, *_cancelling(table), "", *said]


def _cancelling(table: xr.Dataset) -> list[str]:
    """Rows one of whose parts is longer than the whole: other parts must lead back."""
    causes = [str(c) for c in table["cause"].values if c not in ("sampling", "grid", "time step")]
    lines = []
    for closure in table["closure"].values:
        for observable in table["observable"].values:
            one = table.sel(closure=closure, observable=observable)
            parts = {c: float(one["error"].sel(cause=c)) for c in causes if one["resolved"].sel(cause=c) == 1}
            if len(parts) > 1 and max(parts.values()) > float(one["total"]) + STRICT_Z * float(one["total_spread"]):
                named = ", ".join(f"{c} {error:.2g}" for c, error in parts.items())
                total = f"the total is {float(one['total']):.2g}"
                lines.append(f"{LABELS[str(closure)]}, {observable}: parts cancel ({named}), {total}")
    return lines


def bottleneck_shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Comparisons of the last time that are further apart than sampling explains."""
    lines = []
    for case in tree.children:
        table = group(tree, case, "comparison")["z"].isel(time=-1)
        for closure in table["closure"].values:
            for observable in table["observable"].values:
                z = float(table.sel(closure=closure, observable=observable))
                if z > STRICT_Z:
                    lines.append(f"start {case}, {LABELS[closure]}, {observable}: z = {z:.1f} above {STRICT_Z:g}")
    return tuple(lines)
