"""Figures of growing surfaces: profiles, growth, spectra, law of one site, stationary state.

Composers of the functions of :mod:`fpsim.plots.surfaces`, from the labelled arrays of
:mod:`fpsim.diagnostics.surface_growth.labelled`. Bars are four standard errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fpsim.plots.densities import plot_measured
from fpsim.plots.surfaces import plot_against_limit, plot_estimates, plot_growth, plot_profiles

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_growth", "draw_one_point_law", "draw_profiles", "draw_spectra", "draw_stationary"]


def draw_profiles(grown: Mapping[str, xr.Dataset]) -> Figure:
    """One surface of each kind at its times, lifted above one another; ``profile`` by time and site."""
    figure = _figure()
    for ax, (name, g) in zip(figure.subplots(1, len(grown)), grown.items(), strict=True):
        profile = g["profile"].isel(site=slice(0, 400))
        lift = np.arange(g.sizes["time"]) * 4.0 * float(np.sqrt(g["variance"][-1]))
        mean = profile.mean("site")
        curves = [(profile - mean).isel(time=k) + lift[k] for k in range(g.sizes["time"])]
        plot_profiles(profile["site"], curves, [f"t = {t:g}" for t in g["time"].values], ax=ax)
        ax.set(title=f"{name}: one surface", yticks=[])
        for k, t in enumerate(g["time"].values):
            ax.text(404, lift[k], f"t = {t:g}", va="center", fontsize=8)
        ax.set_xlim(0, 460)
    figure.axes[0].set_ylabel("height, lifted")
    return figure


def draw_growth(grown: Mapping[str, xr.Dataset], exponents: Mapping[str, float]) -> Figure:
    """Variance gained from one time to the next, and local exponents, beside those that are expected."""
    figure = _figure()
    left, right = figure.subplots(1, 2)
    first = next(iter(grown.values()))
    times = first["time"].values[:-1]
    increments = {name: np.diff(g["variance"].values) for name, g in grown.items()}
    plot_growth(times, increments, {name: 2.0 * beta for name, beta in exponents.items()}, ax=left)
    left.set(title="variance gained from t to 2 t", ylabel="height²")
    left.set_xticks(times, [f"{t:g}" for t in times])
    left.minorticks_off()
    _powers_of_two(left, np.concatenate(list(increments.values())))
    left.legend()
    for k, (name, g) in enumerate(grown.items()):
        points = g["middle"], g["local_exponent"], g["local_exponent_error"]
        plot_measured(*points, ax=right, label=name, colour=f"C{k}")
        right.axhline(exponents[name], color=f"C{k}", linestyle="--", linewidth=1)
    right.set(xscale="log", xlabel="time  t", title="local growth exponent (± 4 errors), and those of the class")
    right.set_ylim(0.1, 0.55)
    right.set_xticks(first["middle"].values, [f"{t:.3g}" for t in first["middle"].values])
    right.minorticks_off()
    right.legend(loc="upper right")
    return figure


def draw_spectra(grown: Mapping[str, xr.Dataset]) -> Figure:
    """Structure factors at the last time, with what is exact of them."""
    figure = _figure()
    for ax, (name, g) in zip(figure.subplots(1, len(grown), sharey=True), grown.items(), strict=True):
        k = g["wavenumber"]
        measured = k, g["structure_factor"], g["structure_factor_error"]
        plot_measured(*measured, ax=ax, label="measured", colour=None, markersize=2)
        ax.plot(k, g["stationary_structure_factor"], "--", color="0.5", label="stationary state", zorder=3)
        if "exact_structure_factor" in g:
            ax.plot(k, g["exact_structure_factor"], color="C1", label="exact", zorder=4)
        ax.set(xscale="log", yscale="log", xlabel="wavenumber  k")
        ax.set_title(f"{name}, t = {float(g['time'][-1]):g}")
        ax.legend()
    figure.axes[0].set_ylabel("structure factor,  height²")
    return figure


def draw_one_point_law(law: xr.Dataset) -> Figure:
    """Standardised height of one site at the last ``time``, and its cumulants, against the law of flat starts."""
    figure = _figure()
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
    middle = law["bin"].values
    half = 0.5 * (middle[1] - middle[0])
    gaussian = np.exp(-0.5 * middle**2) / np.sqrt(2.0 * np.pi)
    laws = {"Gaussian": gaussian, "Tracy-Widom, flat start": law["flat_density"]}
    plot_against_limit(np.append(middle - half, middle[-1] + half), law["count"], middle, laws, ax=left)
    left.set(xlabel="(h - mean) / standard deviation", ylabel="density", xlim=(-5.5, 7.5))
    left.set_title(f"height of one site, t = {float(law['time'][-1]):g}")
    left.legend(loc="upper right")
    names = ["mean", "variance", "skewness"]
    chosen = law.sel(cumulant=names)
    truth = chosen["law_cumulant"].sel(law="flat")
    value, error = chosen["chi_cumulant"] / truth, chosen["chi_cumulant_error"] / np.abs(truth)
    plot_estimates(names, value, error, truth=1.0, ax=right)
    curved = chosen["law_cumulant"].sel(law="gue") / truth
    right.plot(curved, np.arange(3)[::-1], "x", color="C1", label="law of curved starts")
    right.set(xlabel="cumulant of χ / flat law  (± 4 errors)", title="cumulants against the flat law", xlim=(0.5, 2.9))
    right.legend(loc="upper right")
    return figure


def draw_stationary(rough: xr.Dataset, kept: xr.Dataset) -> Figure:
    """Saturated ``width2`` by ``size``, and through ``time`` from a stationary start by ``scheme``."""
    figure = _figure()
    left, right = figure.subplots(1, 2)
    plot_measured(rough["size"], rough["width2"], rough["width2_error"], ax=left, label="KPZ, saturated", colour=None)
    left.plot(rough["size"], rough["exact_width2"], "--", color="0.5", label="exact: roughness 1/2")
    left.set(xscale="log", yscale="log", xlabel="size", ylabel="squared width", title="saturated width")
    left.set_xticks(rough["size"].values, [str(n) for n in rough["size"].values])
    left.minorticks_off()
    _powers_of_two(left, rough["width2"].values)
    left.legend()
    for k, scheme in enumerate(kept["scheme"].values):
        one = kept.sel(scheme=scheme)
        plot_measured(one["time"], one["width2"], one["width2_error"], ax=right, label=str(scheme), colour=f"C{k}")
    exact = kept.attrs["exact_width2"]
    right.axhline(exact, color="0.5", linestyle="--", linewidth=1, label="exact")
    right.set(xlabel="time since a stationary start", ylabel="squared width", title="what a discretisation keeps")
    right.set_ylim(0.82 * exact, 1.12 * exact)
    right.legend(loc="upper right", ncols=3)
    return figure


def _figure() -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(9.2, 3.9))


def _powers_of_two(ax: Axes, values: NDArray[np.float64]) -> None:
    """Labels at powers of two on a logarithmic ordinate that spans few decades."""
    low, high = np.floor(np.log2(values.min())), np.ceil(np.log2(values.max()))
    ticks = 2.0 ** np.arange(low, high + 1)
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
