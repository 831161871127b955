"""Figure of the blind spot: outputs that cannot tell two laws apart beside weights that can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import xarray as xr

from fpsim.plots import plot_marginal
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figures"]


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """The four observables side by side: what is blind, and what sees."""
    from matplotlib.figure import Figure

    laws, table = group(tree, "laws"), group(tree, "comparison")
    shown = [str(s) for s in laws["shown"].values]
    figure = Figure(figsize=(9.5, 6.4))
    axes = figure.subplots(2, 2).ravel()
    for ax, name in zip(axes, shown, strict=True):
        part = laws.sel(shown=name)
        for source in laws["source"].values:
            curve = part["density"].sel(source=source)
            plot_marginal(part["centre"], curve, source=str(source), ax=ax, filled=source == "ensemble")
        tops = [float(part["density"].sel(source=s).max()) for s in laws["source"].values]
        rest = max(tops[:-1])
        ax.set_ylim(0, min(max(tops), 2.5 * rest) * 1.1)
        quantity = "density W1" if name == "W1_1_1" else name
        z = float(table["z"].sel(law="mean-field", quantity=quantity, measure="total_variation"))
        cut = f" (reaches {tops[-1]:.3g})" if tops[-1] > 2.5 * rest else ""
        ax.set_title(f"{name}: mean field at z = {z:.0f}{cut}")
        ax.set_xlabel({"W1_1_1": "weight W1_1_1", "loss": "loss of a replica"}.get(name, "first output"))
    axes[0].set_ylabel("density")
    axes[2].set_ylabel("density")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    yield "blind-spot", figure
