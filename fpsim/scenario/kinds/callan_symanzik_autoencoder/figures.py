"""R1 on the way to the valley, running couplings, beta functions, collapse early and late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fpsim.plots.renormalisation import Points, plot_claim, plot_over_coupling, plot_running
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figures"]

NAMES = {"density": "Fokker-Planck", "ensemble": "SGD ensemble"}


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Pictures of what is there."""
    sources = [name for name in NAMES if f"/{name}/closure" in tree.groups]
    if sources:
        yield "closure", _closure({name: group(tree, name, "closure") for name in sources})
    if "/ensemble/flow" in tree.groups:
        flow = group(tree, "ensemble", "flow")
        yield "running-couplings", _running(flow)
        yield "beta-functions", _beta_functions(flow)
        yield "collapse", _collapse(group(tree, "ensemble", "scaled"), flow)


def _closure(tables: dict[str, xr.Dataset]) -> Figure:
    """Tangency residual and loss against time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 6.4))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    first = next(iter(tables.values()))
    curves = {NAMES[n]: (t["R1"].values, t["R1_error"].values) for n, t in tables.items()}
    plot_claim(first["time"], curves, float(first.attrs["tolerance"]), ax=top)
    top.axhline(0.5, color="0.5", linewidth=0.8, linestyle=":")
    top.set_title("R1: what of the flow leaves the family")
    top.legend(loc="upper left")
    for name, table in tables.items():
        bottom.plot(table["time"], table["loss"], label=NAMES[name])
    bottom.set_title("mean loss")
    bottom.set_xlabel("training time  t = steps × learning rate")
    return figure


def _running(flow: xr.Dataset) -> Figure:
    """Couplings and gamma of every run through time, with 95 % bands."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 8.2))
    axes = figure.subplots(3, 1, sharex=True)
    titles = ("γ = d ln Z / dt", "g, variance of ln w", "v = Z / target")
    for ax, (kind, name), title in zip(
        axes, (("rate", "gamma"), ("coupling", "g"), ("coupling", "v")), titles, strict=True
    ):
        curves = {}
        for run in flow["run"].values:
            one = flow.sel({"run": run, kind: name})
            curves[str(run)] = (one[f"{kind}s"].values, one[f"{kind}s_error"].values)
        plot_running(flow["time"], curves, ax=ax)
        ax.set_title(title)
    axes[-1].set_xlabel("training time  t = steps × learning rate")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _beta_functions(flow: xr.Dataset) -> Figure:
    """Beta function of ``v`` and gamma against ``v``: on one curve, with the fixed points 0 and 1."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 6.4))
    axes = figure.subplots(2, 1, sharex=True)
    for ax, rate, title, zeros in zip(axes, ("beta_v", "beta_g"), ("β of v", "β of g"), ((0.0, 1.0), ()), strict=True):
        points: Points = {
            str(run): (
                flow["couplings"].sel(run=run, coupling="v").values,
                flow["rates"].sel(run=run, rate=rate).values,
                flow["rates_error"].sel(run=run, rate=rate).values,
            )
            for run in flow["run"].values
        }
        plot_over_coupling(points, ax=ax, fixed_points=zeros)
        ax.set_title(title)
    axes[1].axhline(0.0, color="0.75", linewidth=0.8, zorder=0)
    axes[-1].set_xlabel("coupling  v = Z / target")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _collapse(scaled: xr.Dataset, flow: xr.Dataset) -> Figure:
    """Scaled functions against ``g``: out along the lognormal curve while ``g`` grows, back off it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 6.4))
    axes = figure.subplots(2, 1, sharex=True)
    couplings = flow["couplings"].sel(coupling="g")
    g = np.linspace(0.0, 1.05 * float(couplings.max()), 100)
    for ax, index in zip(axes, scaled["index"].values, strict=True):
        n = str(index).count("1")
        points: Points = {
            str(run): (
                couplings.sel(run=run).values,
                scaled["scaled"].sel(run=run, index=index).values,
                scaled["scaled_error"].sel(run=run, index=index).values,
            )
            for run in scaled["run"].values
        }
        plot_over_coupling(points, ax=ax, curve=(g, np.exp(0.5 * (n * n - 2 * n) * g)))
        ax.set_title(f"$G_{n} / Z^{n}$; line: lognormal family")
    axes[-1].set_xlabel("coupling  g, variance of ln w")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
