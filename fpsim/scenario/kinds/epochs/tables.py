"""Tables of a run, and what did not hold."""

from __future__ import annotations

import xarray as xr

from fpsim.scenario.kinds.epochs.model import LABEL_OF
from fpsim.scenario.records import group
from fpsim.scenario.shared.kind import STRICT_Z

__all__ = ["report", "shortfalls", "summary"]


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the factor over learning rates."""
    return group(tree, "rates")[["factor", "factor_error", "exact_factor"]].drop_attrs(deep=False)


def report(tree: xr.DataTree) -> str:
    """Variances at the end of training, then the factor over learning rates."""
    if "rates" not in tree.children:
        return "the run is not complete"
    training, factor = group(tree, "training"), group(tree, "rates")
    last = training.isel(step=-1)
    lines = [
        f"after {int(last['step'])} steps, {int(last['step']) // training.attrs['batches']} epochs",
        f"{'sampling':<24}{'variance':>22}{'exact':>11}{'z':>6}{'Fokker-Planck':>16}{'off by':>9}",
    ]
    for sampling in last["sampling"].values:
        one = last.sel(sampling=sampling)
        value, error, exact, equation = (float(one[n]) for n in ("variance", "error", "exact", "equation"))
        found = f"{value:.4g} ±{error:.1g}"
        z = f"{(value - exact) / error:>6.1f}"
        lines.append(f"{LABEL_OF[sampling]:<24}{found:>22}{exact:>11.4g}{z}{equation:>16.4g}{equation / exact:>9.3g}")
    lines += ["", f"warning: {training.attrs['warning']}", ""]
    lines += [f"{'learning rate':>14}{'relaxations an epoch':>22}{'independent / shuffled':>26}{'exact':>9}{'z':>6}"]
    for rate in factor["learning_rate"].values:
        one = factor.sel(learning_rate=rate)
        value, error, exact = (float(one[n]) for n in ("factor", "factor_error", "exact_factor"))
        lines.append(
            f"{rate:>14.4g}{float(one['relaxations']):>22.3g}{f'{value:.4g} ±{error:.2g}':>26}{exact:>9.4g}"
            f"{(value - exact) / error:>6.1f}"
        )
    return "\n".join(lines)


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Variances more than four standard errors from exact, after training and over learning rates."""
    last, rates = group(tree, "training").isel(step=-1), group(tree, "rates")
    tables = (
        (last, "sampling", "{}, last step"),
        (rates.stack(cell=("place", "learning_rate")), "cell", "{0[0]}, {0[1]:g}"),
    )
    lines = []
    for table, dimension, text in tables:
        z = ((table["variance"] - table["exact"]) / table["error"]).values
        names = table[dimension].values
        lines += [
            f"variance, {text.format(name)}: {value:.1f} standard errors from exact"
            for name, value in zip(names, z, strict=True)
            if not abs(value) <= STRICT_Z
        ]
    return tuple(lines)
