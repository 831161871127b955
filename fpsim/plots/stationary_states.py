"""Stationary states of SGD: collapse of widths, thresholds, the valley; one function per Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fpsim.plots.densities import plot_measured
from fpsim.plots.style import COLOURS, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_collapse", "plot_departures", "plot_medians", "plot_threshold", "plot_valley", "plot_way_to_valley"]

MARKERS = "osD^vPXd"


def plot_collapse(
    x: ArrayLike,
    values: ArrayLike,
    errors: ArrayLike,
    group: ArrayLike,
    *,
    ax: Axes | None = None,
    name: str = "η",
) -> Axes:
    """Values of a sweep against the variable on which they should collapse, one colour and marker per ``group``.

    Parameters
    ----------
    x, values, errors : array_like, shape (groups, m)
        The variable, the values and their standard errors.
    group : array_like, shape (groups,)
        The number that a row has in common, for example its learning rate; from dark to light.
    name : str
        How that number is called in the legend.
    """
    import matplotlib as mpl

    ax = axes_or_new(ax)
    rows = [np.asarray(array) for array in (x, values, errors)]
    numbers = np.asarray(group)
    for k, number in enumerate(numbers):
        colour = mpl.colormaps["viridis"](0.9 * k / max(len(numbers) - 1, 1))
        one = [row[k] for row in rows]
        marker = MARKERS[k % len(MARKERS)]
        plot_measured(*one, ax=ax, label=f"{name} = {number:g}", colour=colour, fmt=marker, zorder=3 + k)
    return ax


def plot_departures(
    rates: ArrayLike, values: ArrayLike, errors: ArrayLike, finite_step: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Departures from a collapse against the learning rate, batch sizes side by side, small ones to the left.

    Parameters
    ----------
    rates, finite_step : array_like, shape (m,)
        Learning rates, and the departure that steps of finite size explain.
    values, errors : array_like, shape (m, batch sizes)
        Departures and their standard errors, dimensionless.
    """
    ax, x, p = axes_or_new(ax), np.asarray(rates, float), np.asarray(values, float)
    ax.plot(x, np.asarray(finite_step, float), color=COLOURS["mean-field"], label="steps of finite size")
    beside = 1.03 ** (np.arange(p.shape[1]) - 0.5 * (p.shape[1] - 1))
    plot_collapse(x[:, None] * beside, p, errors, x, ax=ax)
    ax.set(xscale="log", xlabel="learning rate η;  batch sizes side by side")
    ax.set_xticks(x, [f"{rate:g}" for rate in x])
    ax.set_xticks([], minor=True)
    ax.set_title("departure from the collapse (bars: 4 σ)")
    return ax


def plot_medians(
    x: ArrayLike, median: ArrayLike, low: ArrayLike, high: ArrayLike, exact: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Medians that fall by orders of magnitude, from ``low`` to ``high``, over a curve of exact ones, shape (2, n).

    The curve ends where it would stretch the logarithmic axis: a decade below the lowest median.
    """
    ax = axes_or_new(ax)
    m = np.asarray(median)
    reach = [m - np.asarray(low), np.asarray(high) - m]
    style: dict[str, Any] = {"fmt": "o", "color": COLOURS["ensemble"], "markersize": 4, "label": "SGD ensemble ± 4 σ"}
    ax.errorbar(np.asarray(x), m, yerr=reach, **style)
    places, curve = np.asarray(exact)
    seen = curve > 0.1 * m.min()
    ax.plot(places[seen], curve[seen], color=COLOURS["theory"], label="stationary law")
    ax.set_xlim(left=0.8 * float(np.min(np.asarray(x))))
    ax.set_yscale("log")
    return ax


def plot_threshold(x: float, *, ax: Axes | None = None, label: str = "threshold") -> Axes:
    """A vertical line, and everything beyond it shaded."""
    ax = axes_or_new(ax)
    low, high = ax.get_xlim()
    ax.axvspan(x, max(high, x), color="0.92", linewidth=0, zorder=0)
    ax.axvline(x, color="0.35", linestyle=(0, (4, 3)), linewidth=1.1, label=label, zorder=1)
    ax.set_xlim(low, high)
    return ax


def plot_valley(
    w: ArrayLike, q: ArrayLike, *, ax: Axes | None = None, colour: Any = COLOURS["ensemble"], label: str | None = None
) -> Axes:
    """Replicas in the coordinates ``w = u v`` and ``q = u^2 - v^2``."""
    ax = axes_or_new(ax)
    ax.plot(np.asarray(w), np.asarray(q), ".", color=colour, markersize=2.5, alpha=0.6, markeredgewidth=0, label=label)
    ax.set_xlabel("w = u v")
    ax.set_ylabel("q = u² − v²")
    return ax


def plot_way_to_valley(time: ArrayLike, w: ArrayLike, q: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Replicas in ``w`` and ``q``, shapes (T, R), at the start, on the way and at the end, from light to dark."""
    import matplotlib as mpl

    ax = axes_or_new(ax)
    t, first, second = np.asarray(time), np.asarray(w), np.asarray(q)
    chosen = np.unique(np.round(np.array([0.0, 0.15, 1.0]) * (t.size - 1)).astype(int))
    for k, index in enumerate(chosen):
        colour = mpl.colormaps["viridis"](0.9 - 0.9 * k / (len(chosen) - 1))
        plot_valley(first[index], second[index], ax=ax, colour=colour, label=f"t = {t[index]:g}")
    ax.legend(markerscale=5)
    return ax
