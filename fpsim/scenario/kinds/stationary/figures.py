"""Pictures of a run: the way to the balanced leaf and the law on it, and the collapse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fpsim.plots import COLOURS, plot_marginal, plot_measured
from fpsim.plots.stationary_states import plot_threshold, plot_valley
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figures"]


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """The way to the balanced leaf and the law on it; collapse beyond the threshold."""
    from matplotlib.figure import Figure

    law, medians, growth = group(tree, "law"), group(tree, "collapse"), group(tree, "growth")
    figure = Figure(figsize=(10.5, 3.5))
    valley, balance, density = figure.subplots(1, 3)
    _draw_valley(valley, law)
    plot_measured(law["time"], law["balance"], law["balance_error"], ax=balance)
    balance.plot(law["time"], law["exact_balance"], color=COLOURS["theory"], label="rate of the law", zorder=2)
    balance.set_title("mean of ln |q / q(0)|: balance decays")
    balance.set_xlabel("training time  t")
    balance.legend()
    plot_marginal(law["w"], law["density"], source="ensemble", ax=density, filled=True)
    plot_marginal(law["w"], law["exact_density"], source="theory", ax=density, label="exact law")
    density.set_title(f"density of w at t = {float(law['time'][-1]):g}")
    density.set_xlabel("w")
    density.legend()
    yield "law", figure

    figure = Figure(figsize=(9.5, 3.8))
    left, right = figure.subplots(1, 2)
    _draw_medians(left, medians)
    right.axhline(0.0, color="0.7", linewidth=0.8)
    right.plot(growth["learning_rate"], growth["limit"], color=COLOURS["theory"], label="Fokker-Planck")
    style = {"color": COLOURS["mean-field"], "linestyle": (0, (5, 2))}
    right.plot(growth["learning_rate"], growth["exact_rate"], label="steps, exact", **style)
    plot_measured(growth["learning_rate"], growth["rate"], growth["rate_error"], ax=right)
    plot_threshold(growth.attrs["threshold"], ax=right)
    right.set_title("growth rate of ln w near w = 0")
    for ax in (left, right):
        ax.set_xlabel("learning rate")
        ax.legend()
    yield "collapse", figure


def _draw_valley(ax: Any, law: xr.Dataset) -> None:
    import matplotlib as mpl

    chosen = np.unique(np.round(np.array([0.0, 0.15, 1.0]) * (law.sizes["time"] - 1)).astype(int))
    for k, index in enumerate(chosen):
        one = law.isel(time=index)
        colour = mpl.colormaps["viridis"](0.9 - 0.9 * k / (len(chosen) - 1))
        plot_valley(one["sample_w"], one["sample_q"], ax=ax, colour=colour, label=f"t = {float(one['time']):g}")
    ax.set_xlim(0.0, float(law["w"][-1]))
    ax.legend(markerscale=5)
    ax.set_title("replicas come to the leaf q = 0")


def _draw_medians(ax: Any, medians: xr.Dataset) -> None:
    """Medians with the stationary ones; logarithmic with a floor, since they vanish beyond the threshold."""
    x = medians["learning_rate"].values
    low, high = medians["median"] - medians["median_low"], medians["median_high"] - medians["median"]
    style = {"fmt": "o", "color": COLOURS["ensemble"], "markersize": 4, "label": "SGD ensemble ± 4 σ"}
    ax.errorbar(x, medians["median"], yerr=[low, high], **style)
    seen = medians["exact_curve"] > 0.1 * float(medians["median"].min())
    ax.plot(medians["curve_rate"][seen], medians["exact_curve"][seen], color=COLOURS["theory"], label="stationary law")
    ax.set_xlim(left=0.8 * x[0])
    ax.set_yscale("log")
    plot_threshold(medians.attrs["threshold"], ax=ax)
    ax.set_title(f"median of |w| at t = {medians.attrs['end']:g}")
