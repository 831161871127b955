"""Distances of the three laws, and what the scenario claims of them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fpsim.scenario.kinds.blind_spot.model import LAWS, QUANTITIES
from fpsim.scenario.records import group

__all__ = ["report", "shortfalls", "summary"]

SEEN, BLIND, AGREES = 10.0, 3.0, 5.0
"""z from which a difference is plain, below which it is not seen, and below which all distances of one law agree."""


def _needed(tree: xr.DataTree, law: str) -> list[str]:
    """How many outputs would show the difference of the pooled densities without data noise at z = 3.

    The distance of these densities is freed of its own sampling, ``e^2 = d^2 - f^2 - s^2`` with its floor ``f`` and
    spread ``s``. It adds to the floor ``f_0`` and spread ``s_0`` of pooled outputs in quadrature, and both fall as
    ``n^{-1/2}``: ``n = n_0 ((f_0 + 3 s_0)^2 - f_0^2) / e^2``. Where ``d`` is within three spreads of its floor, only a
    bound is said.
    """
    table = group(tree, "comparison")
    one = table.sel(law=law, quantity="pooled outputs", measure="total_variation")
    f0, s0 = float(one["floor"]), float(one["spread"])
    scale = table.attrs["replicas"] * ((f0 + BLIND * s0) ** 2 - f0**2)
    smooth = group(tree, "laws").sel(law=law)
    d, f, s, de = (float(smooth[f"pooled_{name}"]) for name in ("distance", "floor", "spread", "error"))
    if d <= f + BLIND * max(s, de):
        most = float(np.sqrt((max(d, f) + BLIND * max(s, de)) ** 2 - f**2))
        return [
            f"Without data noise no difference of the pooled outputs is resolved: {d:.2g}, floor {f:.2g} ± {s:.1g}.",
            f"More than {scale / most**2:.1g} independent outputs would be needed to see it at z = {BLIND:g}.",
        ]
    excess = float(np.sqrt(d**2 - f**2 - s**2))
    error = d * de / excess  # less than half of the excess, since d > f + 3 de
    low, high = (scale / (excess + sign * error) ** 2 for sign in (1.0, -1.0))
    return [
        f"Without data noise the pooled outputs of {law} differ by {excess:.2g} ± {error:.1g} in total variation,",
        f"the floor of {f:.2g} taken off:",
        f"{low:.2g} to {high:.2g} independent outputs would be needed to see it at z = {BLIND:g}.",
    ]


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
    return "\n".join([*lines, "", *_needed(tree, "mean-field")])


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
