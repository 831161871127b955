"""Picture of a run: variances through training, bridges, the factor over learning rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import xarray as xr

from fpsim.plots import COLOURS, plot_measured
from fpsim.scenario.kinds.epochs.model import LABEL_OF
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures"]

COLOUR_OF = {"iid": COLOURS["ensemble"], "without_replacement": COLOURS["leaf"], "epochs": COLOURS["joint"]}


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Variance through training, its bridges within the last epochs, and the factor over learning rates."""
    from matplotlib.figure import Figure

    training, factor = group(tree, "training"), group(tree, "rates")
    figure = Figure(figsize=(11.5, 3.9))
    left, middle, right = figure.subplots(1, 3)
    _draw_training(left, training)
    m = training.attrs["batches"]
    bridge = training.sel(sampling="epochs").isel(step=slice(-3 * m - 1, None))
    middle.plot(bridge["step"] / m, bridge["exact"], color=COLOUR_OF["epochs"], label="exact")
    plot_measured(bridge["step"] / m, bridge["variance"], bridge["error"], ax=middle, markersize=3)
    middle.set_ylim(bottom=0.0, top=1.45 * float(bridge["variance"].max()))
    middle.set_title("shuffled: a bridge in every epoch")
    middle.set_xlabel("epochs")
    middle.legend()
    x = factor["relaxations"]
    right.plot(x, factor["exact_factor"], color=COLOURS["theory"], label="exact")
    plot_measured(x, factor["factor"], factor["factor_error"], ax=right)
    right.axhline(1.0, color="0.7", linewidth=0.8)
    right.set(xscale="log", yscale="log", xlabel="η λ M, relaxations within an epoch")
    right.set_title("variance, independent / shuffled")
    right.legend()
    yield "epochs", figure


def _draw_training(ax: Axes, training: xr.Dataset) -> None:
    m = training.attrs["batches"]
    for sampling in training["sampling"].values:
        one = training.sel(sampling=sampling).isel(step=slice(1, None))
        half = max(1, m // 2)
        few = one.isel(step=slice(half - 1, None, half))  # the middle and the end of every epoch
        colour, label = COLOUR_OF[sampling], LABEL_OF[sampling]
        ax.plot(one["time"], one["exact"], color=colour, linewidth=1.1)
        plot_measured(few["time"], few["variance"], few["error"], ax=ax, colour=colour, label=label, markersize=3)
    one = training.sel(sampling="epochs")
    style: dict[str, Any] = {"color": COLOURS["mean-field"], "linestyle": (0, (5, 2)), "zorder": 4}
    ax.plot(one["time"][1:], one["equation"][1:], label="plain Fokker-Planck", **style)
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * 12.0)
    ax.set_title("variance of the weight; lines: exact")
    ax.set_xlabel("training time  t")
    ax.legend(fontsize=8, loc="upper right", ncols=2)
