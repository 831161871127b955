"""The pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fpsim.plots.surfaces import plot_estimates, plot_lines, plot_power
from fpsim.scenario.kinds.kpz_identity.budgets import TERMS
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figures"]

DRAWN = 0.03
"""Share of the largest density above which terms are drawn: squares of slopes rule the tails."""


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Budget through time and with the grid; terms along a cut; Cole-Hopf against the density; Burgers and lambda."""
    budget = group(tree, "height", "budget")
    yield "budget", _budget(budget)
    yield "terms", _terms(budget)
    yield "cole-hopf", _cole_hopf(group(tree, "height", "cole-hopf"))
    yield "burgers", _burgers(budget, group(tree, "height", "regression"))


def _figure(height: float = 3.9) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(9.2, height))


def _budget(budget: xr.Dataset) -> Figure:
    times = budget["time"].values
    figure = _figure()
    left, right = figure.subplots(1, 2)
    sizes = {str(t): budget["term_size"].sel(term=t) for t in TERMS}
    plot_lines(times, sizes, ax=left, styles=dict.fromkeys(TERMS, "o-"))
    left.set(yscale="log", xlabel="time  t", ylabel="root mean square,  1 / time", title="terms of the height equation")
    left.set_ylim(bottom=0.3 * float(budget["term_size"].min()), top=60.0 * float(budget["term_size"].max()))
    left.legend(ncols=2, loc="upper right")
    mean = np.sqrt((budget["relative_residual"] ** 2).mean("time"))
    series: dict[str, Any] = {
        "root mean square, all times": mean,
        "largest cell, any time": budget["largest_residual"].max("time"),
    }
    plot_power(budget["cells"], series, slope=-2.0, label="slope -2", ax=right)
    right.axhline(1e-3, color="0.8", linewidth=1, zorder=0)
    right.set(xlabel="cells along an axis", ylabel="residual / largest term", title="residual with the grid")
    right.set_xticks(budget["cells"].values, [str(c) for c in budget["cells"].values])
    right.minorticks_off()
    right.legend()
    return figure


def _terms(budget: xr.Dataset) -> Figure:
    times = budget["time"].values
    chosen = [0, len(times) - 1]
    figure = _figure()
    for ax, k in zip(np.atleast_1d(figure.subplots(1, 2, sharex=True)), chosen, strict=True):
        high = budget["density"].isel(time=k).max("y")
        cut = budget["term_cut"].isel(time=k).where(high > DRAWN * high.max())
        lines = {str(t): cut.sel(term=t) for t in TERMS[:-1]}
        lines["1000 × residual"] = 1000.0 * cut.sel(term="residual")
        plot_lines(budget["x"], lines, ax=ax, styles={"1000 × residual": "k-", "rate": "--"})
        ax.set(xlabel="x", title=f"t = {times[k]:g},  y = {budget.attrs['cut']:.2f}")
        span = [float(cut.min()), float(cut.max())]
        ax.set_ylim(span[0] - 0.08 * (span[1] - span[0]), span[1] + 0.45 * (span[1] - span[0]))
        ax.legend(ncols=2, loc="upper center", fontsize=8)
    figure.axes[0].set_ylabel("1 / time")
    return figure


def _cole_hopf(pair: xr.Dataset) -> Figure:
    figure = _figure()
    left, right = figure.subplots(1, 2)
    for k, t in enumerate(pair["time"].values):
        line = left.plot(pair["x"], pair["height"].isel(time=k), label=f"t = {t:g}", linewidth=1.2)[0]
        left.plot(pair["x"][::4], pair["cole_hopf"].isel(time=k)[::4], ".", color=line.get_color(), markersize=4)
        gap = np.abs(pair["height"].isel(time=k) - pair["cole_hopf"].isel(time=k))
        right.semilogy(pair["x"], gap, label=f"t = {t:g}", linewidth=1.2)
    top = float(pair["height"].max())
    left.set(
        ylim=(top - 32.0, top + 12.0), xlabel="x", ylabel="h = ln p", title="finite volumes (lines), Cole-Hopf (dots)"
    )
    left.legend(ncols=2, loc="upper center")
    right.set(xlabel="x", ylabel="difference of h", title="difference, same colours", ylim=(1e-7, 10.0))
    return figure


def _burgers(budget: xr.Dataset, fit: xr.Dataset) -> Figure:
    times = budget["time"].values
    figure = _figure(3.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1.0))
    plot_lines(budget["x"], {f"t = {t:g}": v for t, v in zip(times, budget["velocity"].values, strict=True)}, ax=left)
    left.axhline(0.0, color="0.8", linewidth=1, zorder=0)
    left.set(xlabel="x", ylabel="v", title=r"Burgers velocity  $v = -2 \nu\, \partial_x h$")
    left.legend()
    names = [str(s) for s in fit["source"].values[:-1]]
    ratio = fit.sel(coefficient="ratio", source=names)
    plot_estimates(names, ratio["value"], ratio["error"], truth=2.0, ax=right)
    right.set(xlabel=r"$\lambda / \nu$  (± 4 errors)", title=r"$\lambda = 2 \nu$")
    return figure
