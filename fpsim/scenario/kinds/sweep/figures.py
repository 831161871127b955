"""Picture of a sweep: the collapse, and the two ways in which it fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fpsim.plots import COLOURS
from fpsim.plots.stationary_states import plot_collapse
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figures"]


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Squared widths against ``theta``; departures against the learning rate; what is left against ``theta``."""
    from matplotlib.figure import Figure

    grid, theory = group(tree, "grid"), group(tree, "theory")
    rates, theta = grid["learning_rate"].values, grid["theta"].values
    figure = Figure(figsize=(11.5, 4.0))
    left, middle, right = figure.subplots(1, 3)
    x = np.geomspace(theta.min() / 1.5, theta.max() * 1.5, 50)
    left.plot(x, x * float(theory["leading"].sum()), color=COLOURS["theory"], label="Lyapunov equation")
    plot_collapse(theta, grid["width2"], grid["width2_error"], rates, ax=left)
    left.set(xscale="log", yscale="log", xlabel="θ = η c_B")
    left.set_title("squared width of all weights")
    left.legend(fontsize=8)

    beside = 1.03 ** (np.arange(theta.shape[1]) - 0.5 * (theta.shape[1] - 1))  # batch sizes, small ones left
    spread = rates[:, None] * beside
    middle.plot(rates, grid["finite_step"][:, 0], color=COLOURS["mean-field"], label="steps of finite size")
    plot_collapse(spread, grid["departure"], grid["departure_error"], rates, ax=middle)
    middle.set(xscale="log", xlabel="learning rate η;  batch sizes side by side")
    middle.set_xticks(rates, [f"{rate:g}" for rate in rates])
    middle.set_xticks([], minor=True)
    middle.set_title("departure from the collapse (bars: 4 σ)")
    middle.legend(*(part[:1] for part in middle.get_legend_handles_labels()), fontsize=8, loc="upper left")

    a = grid.attrs
    if np.isfinite(a["intercept"]):
        t = np.geomspace(theta.min() / 1.5, a["narrow"], 80)
        fit = a["curvature"] * t**2 + a["slope"] * t + a["intercept"]
        right.plot(t, fit, color="0.35", label="fit to narrow ensembles")
    plot_collapse(theta, grid["rest"], grid["rest_error"], rates, ax=right)
    right.set(xscale="log", xlabel="θ = η c_B")
    right.set_title("what finite steps leave unexplained")
    right.legend(*(part[:1] for part in right.get_legend_handles_labels()), fontsize=8, loc="upper left")
    for ax in (middle, right):
        ax.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
    yield "collapse", figure
