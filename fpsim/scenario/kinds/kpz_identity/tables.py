"""The printed tables."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fpsim.scenario.judgement import collected_verdicts, shortfalls_of, verdict_lines
from fpsim.scenario.records import group

__all__ = ["report", "shortfalls", "summary"]


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the verdicts."""
    return collected_verdicts(tree, "verdicts")


def report(tree: xr.DataTree) -> str:
    """Residuals by grid, coefficients, and the two tables of verdicts."""
    if "verdicts" not in tree.children or "regression" not in tree["verdicts"].children:
        return "the run is not complete"
    budget, fit = group(tree, "height", "budget"), group(tree, "height", "regression")
    lines = [
        f"{'K1: cells':<12}{'root mean square':>18}{'largest cell':>16}   (of the largest term, both at the worst time)"
    ]
    for cells in budget["cells"].values:
        one = budget.sel(cells=cells)
        rms, largest = (float(one[f"{name}_residual"].max()) for name in ("relative", "largest"))
        lines.append(f"{cells:>9}^2{rms:>19.2e}{largest:>16.2e}")
    mean = np.sqrt((budget["relative_residual"] ** 2).mean("time").values)
    order = -np.polyfit(np.log(budget["cells"].values), np.log(mean), 1)[0]
    lines += [f"order of the residual in the cell: {order:.2f}", ""]
    lines.append(f"{'recovered from':<20}{'nu':>20}{'lambda':>20}{'lambda / nu':>20}{'misfit':>20}")
    for source in fit["source"].values:
        one = fit.sel(source=source)
        values = [*one["value"].values, one["misfit"].item()]
        errors = [*one["error"].values, one["misfit_error"].item()]
        cells_ = [_with_error(float(v), float(e)) for v, e in zip(values, errors, strict=True)]
        lines.append(f"{source!s:<20}" + "".join(f"{c:>20}" for c in cells_))
    return "\n".join([*lines, "", *verdict_lines(collected_verdicts(tree, "verdicts"))])


def _with_error(value: float, error: float) -> str:
    return f"{value:.5f} ± {error:.1g}"


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Identities and claims that did not hold, and controls that did not fail."""
    return shortfalls_of(collected_verdicts(tree, "verdicts"))
