"""Distances of the three laws, and what the scenario claims of them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fpsim.scenario.kinds.blind_spot.model import LAWS, QUANTITIES
from fpsim.scenario.shared.records import group

__all__ = ["report", "shortfalls", "summary"]

SEEN, BLIND, AGREES = 10.0, 3.0, 5.0
"""z from which a difference is plain, below which it is not seen, and below which all distances of one law agree."""


def _needed(tree: xr.DataTree, law: str) -> tuple[float, float]:
    """Total variation of the pooled densities without data noise, and the outputs that would show it at z = 3.

    With floor ``f`` and spread ``s``, both falling as ``n^{-1/2}``, and a distance ``d`` adding to ``f`` in quadrature,
    ``n = n_0 ((f_0 + 3 s_0)^2 - f_0^2) / d^2``.
    """
    laws, table = group(tree, "laws"), group(tree, "comparison")
    pooled = laws["pooled"]
    step = float(pooled["output"][1] - pooled["output"][0])
    d = 0.5 * float(np.abs(pooled.sel(source=law) - pooled.sel(source="ensemble")).sum()) * step
    one = table.sel(law=law, quantity="pooled outputs", measure="total_variation")
    f, s = float(one["floor"]), float(one["spread"])
    return d, table.attrs["replicas"] * ((f + BLIND * s) ** 2 - f**2) / d**2


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the distances."""
    return group(tree, "comparison")


def report(tree: xr.DataTree) -> str:
    """Distances of the three laws, observable by observable."""
    if "comparison" not in tree.children:
        return "the run is not complete"
    table, laws = group(tree, "comparison"), group(tree, "laws")
    lines = [f"t = {table.attrs['time']:g}, {table.attrs['replicas']} replicas", ""]
    lines.append(f"{'total variation':<24}{'floor':>9}" + "".join(f"{s:>20}{'z':>8}" for s in LAWS))
    for quantity in QUANTITIES:
        part = table.sel(quantity=quantity, measure="total_variation")
        row = f"{quantity:<24}{float(part['floor'].sel(law='joint')):>9.4f}"
        for law in LAWS:
            row += f"{float(part['value'].sel(law=law)):>20.4f}{float(part['z'].sel(law=law)):>8.1f}"
        lines.append(row)
    best = table["z"].sel(quantity="pooled outputs")
    row = f"{'pooled, largest z of all distances':<33}"
    lines += [row + "".join(f"{'':>20}{float(best.sel(law=s).max()):>8.1f}" for s in LAWS), ""]
    for source in ("ensemble", *LAWS):
        std = laws["std"].sel(source=source, weight="W1_1_1")
        lines.append(
            f"{source:<24}std of W1_1_1 {float(std):.4f}, "
            f"correlation with W2_1_1 {float(laws['correlation'].sel(source=source)):+.3f}"
        )
    d, count = _needed(tree, "mean-field")
    lines += ["", f"Without data noise the pooled outputs of mean field differ by {d:.2g} in total variation:"]
    lines.append(f"about {count:.1g} independent outputs would be needed to see it at z = {BLIND:g}.")
    return "\n".join(lines)


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """What the scenario claims and this run did not show."""
    z = group(tree, "comparison")["z"]
    lines = []
    pooled = float(z.sel(law="mean-field", quantity="pooled outputs", measure="total_variation"))
    if pooled > BLIND:
        lines.append(f"pooled outputs tell mean field from the ensemble: z = {pooled:.1f} above {BLIND:g}")
    for quantity in ("density W1", "output at the probe"):
        seen = float(z.sel(law="mean-field", quantity=quantity, measure="total_variation"))
        if seen < SEEN:
            lines.append(f"{quantity} does not tell mean field from the ensemble: z = {seen:.1f} below {SEEN:g}")
    for quantity in QUANTITIES:
        off = float(z.sel(law="joint", quantity=quantity).max())
        if off > AGREES:
            lines.append(f"{quantity} of the joint law: z = {off:.1f} above {AGREES:g}")
    return tuple(lines)
