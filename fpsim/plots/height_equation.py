"""Figures of the height equation: term budgets, terms along a cut, two solutions, Burgers velocity.

Composers of the functions of :mod:`fpsim.plots.surfaces`, from the labelled arrays of
:mod:`fpsim.diagnostics.height_equation.labelled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fpsim.plots.surfaces import plot_estimates, plot_lines, plot_power

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["draw_budget", "draw_burgers", "draw_heights", "draw_terms"]

DRAWN = 0.03
"""Share of the largest density above which terms are drawn: squares of slopes rule the tails."""


def draw_budget(budget: xr.Dataset) -> Figure:
    """Sizes of the terms through time, and the residual with the grid."""
    times = budget["time"].values
    figure = _figure()
    left, right = figure.subplots(1, 2)
    names = [str(t) for t in budget["term"].values]
    sizes = {t: budget["term_size"].sel(term=t) for t in names}
    plot_lines(times, sizes, ax=left, styles=dict.fromkeys(names, "o-"))
    left.set(yscale="log", xlabel="time  t", ylabel="root mean square,  1 / time", title="terms of the height equation")
    left.set_ylim(bottom=0.3 * float(budget["term_size"].min()), top=60.0 * float(budget["term_size"].max()))
    left.legend(ncols=2, loc="upper right")
    series: dict[str, Any] = {
        "root mean square, all times": np.sqrt((budget["relative_residual"] ** 2).mean("time")),
        "largest cell, any time": budget["largest_residual"].max("time"),
    }
    plot_power(budget["cells"], series, slope=-2.0, label="slope -2", ax=right)
    right.axhline(1e-3, color="0.8", linewidth=1, zorder=0)
    right.set(xlabel="cells along an axis", ylabel="residual / largest term", title="residual with the grid")
    right.set_xticks(budget["cells"].values, [str(c) for c in budget["cells"].values])
    right.minorticks_off()
    right.legend()
    return figure


def draw_terms(budget: xr.Dataset) -> Figure:
    """Terms along ``x`` at the first and the last time, where ``density`` is more than a share of its maximum."""
    times = budget["time"].values
    *terms, last = (str(t) for t in budget["term"].values)
    figure = _figure()
    for ax, k in zip(figure.subplots(1, 2, sharex=True), (0, len(times) - 1), strict=True):
        high = budget["density"].isel(time=k).max("y")
        cut = budget["term_cut"].isel(time=k).where(high > DRAWN * high.max())
        lines = {t: cut.sel(term=t) for t in terms}
        lines[f"1000 × {last}"] = 1000.0 * cut.sel(term=last)
        plot_lines(budget["x"], lines, ax=ax, styles={f"1000 × {last}": "k-", "rate": "--"})
        ax.set(xlabel="x", title=f"t = {times[k]:g},  y = {budget.attrs['cut']:.2f}")
        low, top = float(cut.min()), float(cut.max())
        ax.set_ylim(low - 0.08 * (top - low), top + 0.45 * (top - low))
        ax.legend(ncols=2, loc="upper center", fontsize=8)
    figure.axes[0].set_ylabel("1 / time")
    return figure


def draw_heights(pair: xr.Dataset) -> Figure:
    """``height`` by finite volumes and by the Cole-Hopf equation, ``cole_hopf``, along ``x``; and their difference."""
    figure = _figure()
    left, right = figure.subplots(1, 2)
    for k, t in enumerate(pair["time"].values):
        line = left.plot(pair["x"], pair["height"].isel(time=k), label=f"t = {t:g}", linewidth=1.2)[0]
        left.plot(pair["x"][::4], pair["cole_hopf"].isel(time=k)[::4], ".", color=line.get_color(), markersize=4)
        gap = np.abs(pair["height"].isel(time=k) - pair["cole_hopf"].isel(time=k))
        right.semilogy(pair["x"], gap, label=f"t = {t:g}", linewidth=1.2)
    top = float(pair["height"].max())
    left.set(xlabel="x", ylabel="h = ln p", title="finite volumes (lines), Cole-Hopf (dots)")
    left.set_ylim(top - 32.0, top + 12.0)
    left.legend(ncols=2, loc="upper center")
    right.set(xlabel="x", ylabel="difference of h", title="difference, same colours", ylim=(1e-7, 10.0))
    return figure


def draw_burgers(budget: xr.Dataset, ratio: xr.Dataset) -> Figure:
    """Burgers velocity along ``x``, and the recovered ``lambda / nu`` by source, with its error."""
    figure = _figure(3.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1.0))
    lines = {f"t = {t:g}": v for t, v in zip(budget["time"].values, budget["velocity"].values, strict=True)}
    plot_lines(budget["x"], lines, ax=left)
    left.axhline(0.0, color="0.8", linewidth=1, zorder=0)
    left.set(xlabel="x", ylabel="v", title=r"Burgers velocity  $v = -2 \nu\, \partial_x h$")
    left.legend()
    names = [str(s) for s in ratio["source"].values]
    plot_estimates(names, ratio["value"], ratio["error"], truth=2.0, ax=right)
    right.set(xlabel=r"$\lambda / \nu$  (± 4 errors)", title=r"$\lambda = 2 \nu$")
    return figure


def _figure(height: float = 3.9) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(9.2, height))
