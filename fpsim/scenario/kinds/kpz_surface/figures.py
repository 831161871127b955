"""The pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.diagnostics.surface_growth.tracy_widom import limit_law
from fpsim.plots import plot_measured
from fpsim.plots.surfaces import (
    plot_against_limit,
    plot_estimates,
    plot_growth,
    plot_profiles,
)
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures"]

NAMES = {"edwards-wilkinson": "Edwards-Wilkinson", "kpz": "KPZ"}


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Surfaces, growth, spectra, one-point law, stationary state."""
    grown = {name: group(tree, "growth", name) for name in NAMES}
    yield "surfaces", _surfaces(grown)
    yield "growth", _growth(grown)
    yield "structure-factor", _spectra(grown)
    yield "one-point-law", _law(grown["kpz"])
    yield "stationary-state", _stationary(group(tree, "roughness"), group(tree, "schemes"))


def _figure(width: float = 9.2, height: float = 3.9) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def _powers_of_two(ax: Axes, values: NDArray[np.float64]) -> None:
    """Labels at powers of two on a logarithmic ordinate that spans few decades."""
    low, high = np.floor(np.log2(values.min())), np.ceil(np.log2(values.max()))
    ticks = 2.0 ** np.arange(low, high + 1)
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])


def _surfaces(grown: dict[str, xr.Dataset]) -> Figure:
    figure = _figure()
    for ax, (name, g) in zip(figure.subplots(1, 2), grown.items(), strict=True):
        profile = g["profile"].isel(site=slice(0, 400))
        lift = np.arange(g.sizes["time"]) * 4.0 * float(np.sqrt(g["variance"][-1]))
        mean = profile.mean("site")
        curves = [(profile - mean).isel(time=k) + lift[k] for k in range(g.sizes["time"])]
        plot_profiles(profile["site"], curves, [f"t = {t:g}" for t in g["time"].values], ax=ax)
        ax.set(title=f"{NAMES[name]}: one surface", yticks=[])
        for k, t in enumerate(g["time"].values):
            ax.text(404, lift[k], f"t = {t:g}", va="center", fontsize=8)
        ax.set_xlim(0, 460)
    figure.axes[0].set_ylabel("height, lifted")
    return figure


def _growth(grown: dict[str, xr.Dataset]) -> Figure:
    figure = _figure()
    left, right = figure.subplots(1, 2)
    times = grown["kpz"]["time"].values[:-1]
    increments = {NAMES[n]: np.diff(g["variance"].values) for n, g in grown.items()}
    slopes = {NAMES[n]: 2.0 * g.attrs["expected_exponent"] for n, g in grown.items()}
    plot_growth(times, increments, slopes, ax=left)
    left.set(title="variance gained from t to 2 t", ylabel="height²")
    left.set_xticks(times, [f"{t:g}" for t in times])
    left.minorticks_off()
    _powers_of_two(left, np.concatenate(list(increments.values())))
    left.legend()
    for k, (name, g) in enumerate(grown.items()):
        colour = f"C{k}"
        plot_measured(
            g["middle"], g["local_exponent"], g["local_exponent_error"], ax=right, label=NAMES[name], colour=colour
        )
        right.axhline(g.attrs["expected_exponent"], color=colour, linestyle="--", linewidth=1)
    right.set(
        xscale="log", xlabel="time  t", title="local growth exponent (± 4 errors), and 1/4, 1/3", ylim=(0.1, 0.55)
    )
    right.set_xticks(grown["kpz"]["middle"].values, [f"{t:.3g}" for t in grown["kpz"]["middle"].values])
    right.minorticks_off()
    right.legend(loc="upper right")
    return figure


def _spectra(grown: dict[str, xr.Dataset]) -> Figure:
    figure = _figure()
    for ax, (name, g) in zip(figure.subplots(1, 2, sharey=True), grown.items(), strict=True):
        plot_measured(
            g["wavenumber"],
            g["structure_factor"],
            g["structure_factor_error"],
            ax=ax,
            label="measured",
            colour=None,
            markersize=2,
        )
        ax.plot(
            g["wavenumber"], g["stationary_structure_factor"], "--", color="0.5", label="stationary state", zorder=3
        )
        if "exact_structure_factor" in g:
            ax.plot(g["wavenumber"], g["exact_structure_factor"], color="C1", label="exact", zorder=4)
        ax.set(xscale="log", yscale="log", xlabel="wavenumber  k")
        ax.set_title(f"{NAMES[name]}, t = {float(g['time'][-1]):g}")
        ax.legend()
    figure.axes[0].set_ylabel("structure factor,  height²")
    return figure


def _law(kpz: xr.Dataset) -> Figure:
    figure = _figure()
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
    middle = kpz["bin"].values
    half = 0.5 * (middle[1] - middle[0])
    s = np.linspace(-5.0, 7.0, 241)
    laws = {"Gaussian": np.exp(-0.5 * s**2) / np.sqrt(2.0 * np.pi)}
    law = limit_law("flat")
    scale = np.sqrt(law.cumulants.variance)
    laws["Tracy-Widom, flat start"] = scale * law.pdf(law.cumulants.mean + scale * s)
    plot_against_limit(np.append(middle - half, middle[-1] + half), kpz["count"], s, laws, ax=left)
    left.set(xlabel="(h - mean) / standard deviation", ylabel="density")
    left.set_title(f"height of one site, t = {float(kpz['time'][-1]):g}")
    left.set_xlim(-5.5, 7.5)
    left.legend(loc="upper right")
    names = ["mean", "variance", "skewness"]
    chosen = kpz.sel(cumulant=names)
    truth = chosen["law_cumulant"].sel(law="flat")
    plot_estimates(
        names, chosen["chi_cumulant"] / truth, chosen["chi_cumulant_error"] / np.abs(truth), truth=1.0, ax=right
    )
    curved = chosen["law_cumulant"].sel(law="gue") / truth
    right.plot(curved, np.arange(3)[::-1], "x", color="C1", label="law of curved starts")
    right.set(xlabel="cumulant of χ / flat law  (± 4 errors)", title="cumulants against the flat law", xlim=(0.5, 2.9))
    right.legend(loc="upper right")
    return figure


def _stationary(rough: xr.Dataset, schemes: xr.Dataset) -> Figure:
    figure = _figure()
    left, right = figure.subplots(1, 2)
    plot_measured(rough["size"], rough["width2"], rough["width2_error"], ax=left, label="KPZ, saturated", colour=None)
    left.plot(rough["size"], rough["exact_width2"], "--", color="0.5", label="exact: roughness 1/2")
    left.set(xscale="log", yscale="log", xlabel="size", ylabel="squared width", title="saturated width")
    left.set_xticks(rough["size"].values, [str(n) for n in rough["size"].values])
    left.minorticks_off()
    _powers_of_two(left, rough["width2"].values)
    left.legend()
    for k, scheme in enumerate(schemes["scheme"].values):
        one = schemes.sel(scheme=scheme)
        plot_measured(one["time"], one["width2"], one["width2_error"], ax=right, label=str(scheme), colour=f"C{k}")
    exact = schemes.attrs["exact_width2"]
    right.axhline(exact, color="0.5", linestyle="--", linewidth=1, label="exact")
    right.set(xlabel="time since a stationary start", ylabel="squared width", title="what a discretisation keeps")
    right.set_ylim(0.82 * exact, 1.12 * exact)
    right.legend(loc="upper right", ncols=3)
    return figure
