"""The printed tables."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fpsim.scenario.judgement import collected_verdicts, shortfalls_of, verdict_lines
from fpsim.scenario.kinds.random_environment.stages import LINEAR
from fpsim.scenario.records import group

__all__ = ["report", "shortfalls", "summary"]


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the verdicts."""
    return collected_verdicts(tree, "verdicts")


def report(tree: xr.DataTree) -> str:
    """Regimes, pairs and walks, and the two tables of verdicts."""
    if "verdicts" not in tree.children or "walk" not in tree["verdicts"].children:
        return "the run is not complete"
    environment, pair = group(tree, "environment"), group(tree, "pair")
    lines = [f"{'environment':<28}{'correlation length':>20}{'support':>10}{'modes':>8}{'T':>9}   regime"]
    for case in environment["case"].values:
        one = environment.sel(case=case)
        length, support, modes, heat = (
            float(one[name]) for name in ("correlation_length", "support", "modes", "temperature")
        )
        lines.append(f"{case!s:<28}{length:>20.3g}{support:>10.3g}{modes:>8.1f}{heat:>9.2g}   {one['regime'].item()}")
    heads = ("density", "± grid", "equation", "SGD", "SGD off by")
    title = f"pair at t = {float(pair['time'][-1]):g}"
    lines += ["", f"{title:<28}" + "".join(f"{h:>{12 if 'off' in h else 10}}" for h in heads)]
    for name, label in (("common", "common batches"), ("own", "batches of their own")):
        one = pair.sel(batches=name).isel(time=-1)
        numbers = "".join(
            f"{float(one[column]):>10.5f}" for column in ("correlation", "correlation_error", "exact", "sgd")
        )
        off = float(one["sgd"] / one["exact"]) - 1.0
        lines.append(f"E[x y], {label:<20}{numbers}{off:>+12.1%}")
    lines.append(
        "equation and SGD are exact; SGD departs by its finite learning rate, the equation is of first order in it"
    )
    lines += ["", *_walk_lines(group(tree, "walk"))]
    return "\n".join([*lines, "", *verdict_lines(collected_verdicts(tree, "verdicts"))])


def _walk_lines(walk: xr.Dataset) -> list[str]:
    rescaled = bool(np.isfinite(walk["chi"]).all())
    title = f"{'mean of chi':>16}{'variance':>16}" if rescaled else ""
    lines = [f"{'walk, steps':<14}{'std of P':>20}{'exact':>10}{'bulk law':>10}{title}"]
    for steps in walk["steps"].values:
        one = walk.sel(steps=steps)
        std = _with_error(float(one["std"]), float(one["std_error"]), 5)
        row = f"{steps:<14d}{std:>20}{float(one['exact_std']):>10.5f}{float(one['bulk_std']):>10.5f}"
        if rescaled:
            pairs = zip(one["chi"].values, one["chi_error"].values, strict=True)
            row += "".join(f"{_with_error(float(v), float(e), 3):>16}" for v, e in pairs)
        lines.append(row)
    if rescaled:
        mean, variance = (float(v) for v in walk["chi_limit"].values)
        lines.append(f"{'limit of chi':<54}{mean:>16.3f}{variance:>16.3f}")
    return lines


def _with_error(value: float, error: float, digits: int) -> str:
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Identities and claims with another verdict than expected; a linear network labelled KPZ."""
    found = shortfalls_of(collected_verdicts(tree, "verdicts"))
    label = str(group(tree, "environment")["regime"].sel(case=LINEAR).item())
    return (*found, f"{LINEAR}: labelled {label}") if label == "KPZ candidate" else found
