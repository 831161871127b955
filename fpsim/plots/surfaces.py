"""Heights and growing surfaces, one function per Axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fpsim.plots.densities import SIGMAS
from fpsim.plots.style import axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "plot_against_limit",
    "plot_estimates",
    "plot_growth",
    "plot_lines",
    "plot_power",
    "plot_profiles",
]


def plot_lines(
    x: ArrayLike, lines: Mapping[str, ArrayLike], *, ax: Axes | None = None, styles: Mapping[str, str] | None = None
) -> Axes:
    """Several labelled lines over one abscissa; ``styles`` gives the line style by label."""
    ax = axes_or_new(ax)
    for label, values in lines.items():
        ax.plot(np.asarray(x), np.asarray(values), (styles or {}).get(label, "-"), label=label)
    return ax


def plot_power(
    x: ArrayLike,
    series: Mapping[str, ArrayLike],
    *,
    slope: float,
    label: str,
    ax: Axes | None = None,
) -> Axes:
    """Points on logarithmic axes with a dashed reference line of the given slope through the first of them."""
    ax = axes_or_new(ax)
    u = np.asarray(x, float)
    for k, (name, values) in enumerate(series.items()):
        v = np.asarray(values, float)
        ax.loglog(u, v, "os^v"[k % 4], label=name)
        ax.loglog(u, v[0] * (u / u[0]) ** slope, "--", color="0.6", linewidth=1, label=label if k == 0 else None)
    return ax


def plot_growth(
    times: ArrayLike,
    values: Mapping[str, ArrayLike],
    slopes: Mapping[str, float],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Increments of the variance of the height against time, each with its reference slope ``2 beta``."""
    ax = axes_or_new(ax)
    t = np.asarray(times, float)
    for (name, v), marker in zip(values.items(), "os^", strict=False):
        points = ax.loglog(t, np.asarray(v, float), marker, label=name)
        reference = np.asarray(v, float)[-1] * (t / t[-1]) ** slopes[name]
        colour = points[0].get_color()
        ax.loglog(
            t,
            reference,
            "--",
            color=colour,
            linewidth=1,
            label=f"β = {0.5 * slopes[name]:.3g}: slope {slopes[name]:.3g}",
        )
    ax.set_xlabel("time  t")
    return ax


def plot_profiles(
    sites: ArrayLike, profiles: Sequence[ArrayLike], labels: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Surfaces above one another, later ones lighter."""
    ax = axes_or_new(ax)
    shades = np.linspace(0.05, 0.85, len(profiles))
    from matplotlib import colormaps

    for profile, label, shade in zip(profiles, labels, shades, strict=True):
        ax.plot(np.asarray(sites), np.asarray(profile), color=colormaps["viridis"](shade), linewidth=0.9, label=label)
    ax.set_xlabel("site")
    return ax


def plot_against_limit(
    edges: ArrayLike, counts: ArrayLike, s: ArrayLike, laws: Mapping[str, ArrayLike], *, ax: Axes | None = None
) -> Axes:
    """A histogram and limit laws on a logarithmic axis, from the top down to what a few counts resolve."""
    ax = axes_or_new(ax)
    e, c = np.asarray(edges, float), np.asarray(counts, float)
    density = c / (c.sum() * np.diff(e))
    ax.stairs(np.where(density > 0, density, np.nan), e, color="0.4", label="measured")
    for name, law in laws.items():
        ax.plot(np.asarray(s), np.asarray(law), label=name, linewidth=1.3)
    ax.set_yscale("log")
    ax.set_ylim(3.0 / (c.sum() * np.diff(e).mean()), 1.0)
    return ax


def plot_estimates(
    names: Sequence[str], value: ArrayLike, error: ArrayLike, *, truth: float, ax: Axes | None = None
) -> Axes:
    """One row per estimate, bars of four standard errors, and a line at the truth."""
    ax = axes_or_new(ax)
    rows = np.arange(len(names))[::-1]
    ax.axvline(truth, color="0.6", linestyle="--", linewidth=1)
    ax.errorbar(np.asarray(value), rows, xerr=SIGMAS * np.asarray(error), fmt="o", capsize=3)
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.locator_params(axis="x", nbins=5)
    return ax
