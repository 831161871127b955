"""Picture of a run: the stationary variance over momenta, mean and variance on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import xarray as xr

from fpsim.plots import COLOURS, plot_measured
from fpsim.scenario.kinds.momentum.model import LABEL_OF
from fpsim.scenario.shared.records import group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures"]

STYLE_OF: dict[str, dict[str, Any]] = {
    "underdamped": {"color": COLOURS["theory"]},
    "effective": {"color": COLOURS["mean-field"], "linestyle": (0, (5, 2))},
    "exact": {"color": COLOURS["joint"], "linewidth": 1.0},
}


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Stationary variance over momenta; mean and variance on the way."""
    from matplotlib.figure import Figure

    table, path = group(tree, "stationary"), group(tree, "path")
    figure = Figure(figsize=(11.5, 3.9))
    left, middle, right = figure.subplots(1, 3)
    _draw_stationary(left, table)
    few = path.isel(step=slice(None, None, max(1, path.sizes["step"] // 40)))
    for ax, name in ((middle, "mean"), (right, "variance")):
        for source, style in STYLE_OF.items():
            ax.plot(path["step"], path[name].sel(source=source), label=LABEL_OF[source], **style)
        plot_measured(few["step"], few[name].sel(source="ensemble"), few[f"{name}_error"], ax=ax, markersize=3)
        ax.set_title(f"{name} of the weight, momentum {path.attrs['momentum']:g}")
        ax.set_xlabel("steps")
    middle.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
    middle.legend(fontsize=8)
    right.set_ylim(bottom=0.0)
    yield "momentum", figure


def _draw_stationary(ax: Axes, table: xr.Dataset) -> None:
    x = 1.0 - table["momentum"].values
    ratio, error = table["variance"] / table["effective"], table["error"] / table["effective"]
    ax.plot(x, table["exact"] / table["effective"], color=COLOURS["joint"], label="exact")
    ax.axhline(1.0, label=LABEL_OF["effective"], **STYLE_OF["effective"])
    plot_measured(x, ratio, error, ax=ax)
    ax.set(xscale="log", xlabel="1 − momentum")
    ax.set_title("stationary variance, in units of η S / 2λ(1 − μ)")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.35 * (high - low))
    ax.legend(fontsize=8, loc="upper left")
