"""Beta functions with fixed points, running couplings, flow diagram, collapse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from fpsim.plots.renormalisation import Points, plot_flow_diagram, plot_over_coupling, plot_running
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures"]

LINE = 1e-3
"""Exponents below this belong to a continuous line of fixed points."""
RATES = {"gamma": "γ", "beta_g": "β of g", "beta_h": "β of h"}


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Pictures of what is there."""
    if "/ensemble/flow" in tree.groups:
        yield "beta-functions", _beta_functions(group(tree, "ensemble", "flow"))
        yield "running-couplings", _running(group(tree, "ensemble", "flow"))
    if "/exact/flow" in tree.groups:
        yield "flow-diagram", _diagram(group(tree, "exact", "flow"), group(tree, "exact", "beta"))
    if "/ensemble/scaled" in tree.groups:
        yield "collapse", _collapse(group(tree, "ensemble", "scaled"))


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 2.7 * count + 0.5))
    return figure, list(np.atleast_1d(figure.subplots(count, 1, sharex=True)))


def _points(table: xr.Dataset, rate: str, divide_by_g: bool = False) -> Points:
    found: dict[str, tuple[ArrayLike, ArrayLike, ArrayLike]] = {}
    for run in table["run"].values:
        one = table.sel(run=run)
        unit = one["couplings"].sel(coupling="g").values if divide_by_g else 1.0
        values, errors = (one[name].sel(rate=rate).values / unit for name in ("rates", "rates_error"))
        found[str(run)] = (one["couplings"].sel(coupling="h").values, values, errors)
    return found


def _beta_functions(table: xr.Dataset) -> Figure:
    """Three functions of ``h`` alone: gamma, beta_g / g, beta_h."""
    figure, axes = _panels(3)
    top = float(table["couplings"].sel(coupling="h").max())
    h = np.linspace(0.0, max(1.05, top), 200)
    plot_over_coupling(_points(table, "gamma"), ax=axes[0], curve=(h, h - 1.0))
    plot_over_coupling(_points(table, "beta_g", True), ax=axes[1], curve=(h, -2.0 * h))
    plot_over_coupling(_points(table, "beta_h"), ax=axes[2], curve=(h, 2.0 * h * (1.0 - h)), fixed_points=(0.0, 1.0))
    for ax, title in zip(axes, ("γ = h − 1", "β of g, over g:  −2 h", "β of h = 2 h (1 − h)"), strict=True):
        ax.set_title(title)
    axes[-1].set_xlabel("coupling  h")
    handles, labels = axes[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _running(table: xr.Dataset) -> Figure:
    """Gamma and beta functions of the first run along the clock, with bands, over the closed form."""
    figure, axes = _panels(3)
    one = table.isel(run=0)
    clock = table["clock"].values
    for ax, (rate, name) in zip(axes, RATES.items(), strict=True):
        values, errors, exact = (one[n].sel(rate=rate).values for n in ("rates", "rates_error", "rates_exact"))
        plot_running(clock, {"ensemble, 95 % band": (values, errors)}, ax=ax, exact=exact)
        ax.set_title(f"{name}, run {table['run'].values[0]}")
    axes[-1].set_xlabel("clock  s = λ t")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _diagram(table: xr.Dataset, beta: xr.Dataset) -> Figure:
    """Flow in the plane of the couplings, from the beta functions fitted to the exact densities."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 5.0))
    ax = figure.subplots()
    g, h = np.linspace(0.0, 1.0, 60), np.linspace(0.0, 1.3, 60)
    mesh = np.meshgrid(g, h, indexing="ij")
    powers = [tuple(int(part.split("^")[1]) for part in str(term).split()) for term in beta["term"].values]
    terms = np.stack([mesh[0] ** a * mesh[1] ** b for a, b in powers], axis=-1)
    field = tuple(terms @ beta["coefficients"].sel(rate=r).values for r in ("beta_g", "beta_h"))
    couplings = table["couplings"]
    paths = {
        str(run): tuple(couplings.sel(run=run, coupling=c).values for c in ("g", "h")) for run in table["run"].values
    }
    isolated = beta.sel(point=abs(beta["exponent"]).min("direction") > LINE)
    inside = [(a, b) for a, b in isolated["fixed_point"].values if -0.01 <= a <= 1.01 and -0.01 <= b <= 1.31]
    plot_flow_diagram(g, h, (field[0], field[1]), ax=ax, paths=paths, fixed_points=inside)  # type: ignore[arg-type]
    if isolated.sizes["point"] < beta.sizes["point"]:
        ax.plot([0.0, 1.0], [0.0, 0.0], color="black", linewidth=4, solid_capstyle="butt", label="line of fixed points")
    ax.set_xlim(-0.03, 1.03)
    ax.set_ylim(-0.04, 1.3)
    ax.set_xlabel("g,  square of the mean over Z²")
    ax.set_ylabel("h,  stationary variance over Z²")
    ax.set_title("flow of the couplings; open circles: starts")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _collapse(table: xr.Dataset) -> Figure:
    """Scaled three- and four-point functions against ``g``; the curve is the Gaussian family's."""
    figure, axes = _panels(2)
    g = np.linspace(0.0, 1.0, 200)
    root = np.sqrt(g)
    curves = {"1-1-1": root * (3.0 - 2.0 * g), "1-1-1-1": 3.0 - 2.0 * g**2}
    for ax, (index, curve) in zip(axes, curves.items(), strict=True):
        points = {
            str(run): tuple(
                values.sel(run=run).values
                for values in (table["g"], table["scaled"].sel(index=index), table["scaled_error"].sel(index=index))
            )
            for run in table["run"].values
        }
        plot_over_coupling(points, ax=ax, curve=(g, curve), hollow=("two-peaked",))  # type: ignore[arg-type]
        n = index.count("1")
        ax.set_title(f"$G_{n} / Z^{n}$")
    axes[-1].set_xlabel("coupling  g")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
