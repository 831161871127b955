"""Densities, curves, distances and images of theory and ensemble, one function per Axes.

Every function is ``plot_x(data, *, ax, ...) -> Axes``; without ``ax`` it makes a figure of its own. Bars of measured
points are four standard errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fpsim.plots.style import COLOURS, LABELS, LINES, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "plot_curves",
    "plot_density",
    "plot_distances",
    "plot_image",
    "plot_marginal",
    "plot_measured",
    "plot_sources",
]

SIGMAS = 4.0
"""Standard errors in a bar of a measured point."""
CUT = 2.2
"""Height of an axis of densities, over the experiment's maximum."""


def plot_density(
    x: ArrayLike,
    y: ArrayLike,
    values: ArrayLike,
    *,
    ax: Axes | None = None,
    peak: float | None = None,
    decades: float = 3.0,
    **kwargs: Any,
) -> Axes:
    """A 2-D density in logarithmic colours between ``peak / 10**decades`` and ``peak``.

    Parameters
    ----------
    x, y : array_like
        Cell centres of the two coordinates.
    values : array_like, shape (len(x), len(y))
        The density; what lies below the floor is drawn in the colour of the floor.
    peak : float, optional
        Upper end of the colours; give the same to theory and experiment so that they can be compared.
    """
    from matplotlib.colors import LogNorm

    ax = axes_or_new(ax)
    p = np.asarray(values, float)
    top = float(p.max()) if peak is None else peak
    norm = LogNorm(top * 10.0**-decades, top, clip=True)
    ax.pcolormesh(np.asarray(x), np.asarray(y), np.maximum(p, 1e-300).T, norm=norm, rasterized=True, **kwargs)
    ax.set_aspect("equal")
    return ax


def plot_marginal(
    x: ArrayLike, values: ArrayLike, *, source: str, ax: Axes | None = None, filled: bool = False, **kwargs: Any
) -> Axes:
    """A 1-D density as a line, or filled for the experiment."""
    ax = axes_or_new(ax)
    style = {"color": COLOURS.get(source), "label": LABELS.get(source, source)} | kwargs
    if filled:
        ax.fill_between(np.asarray(x), np.asarray(values), step="mid", alpha=0.35, linewidth=0, **style)
    else:
        ax.plot(np.asarray(x), np.asarray(values), **LINES.get(source, {}) | style)
    ax.set_ylim(bottom=0, auto=True)  # curves drawn later may be higher
    return ax


def plot_sources(
    x: ArrayLike, densities: Mapping[str, ArrayLike], *, ax: Axes | None = None, experiment: str = "ensemble"
) -> Axes:
    """Densities of several sources, the experiment's filled; where one is ``CUT`` times as high, a note says so.

    Parameters
    ----------
    densities : mapping of str to array_like, shape (len(x),)
        By source, in the order in which they are drawn.
    experiment : str
        The source that sets the height of the axis.
    """
    ax = axes_or_new(ax)
    tops = {source: float(np.max(values)) for source, values in densities.items()}
    for source, values in densities.items():
        plot_marginal(x, values, source=source, ax=ax, filled=source == experiment)
    height = CUT * tops[experiment]
    ax.set_ylim(0, min(height, 1.1 * max(tops.values())))
    cut = [f"{LABELS.get(source, source)} reaches {top:.3g}" for source, top in tops.items() if top > height]
    ax.annotate("\n".join(cut), (0.01, 0.98), xycoords="axes fraction", va="top", fontsize=8)
    return ax


def plot_curves(
    time: ArrayLike,
    curves: Mapping[str, ArrayLike],
    *,
    ax: Axes | None = None,
    errors: Mapping[str, ArrayLike] | None = None,
) -> Axes:
    """Quantities against training time, one curve per source; four standard errors as a band where given."""
    ax = axes_or_new(ax)
    t = np.asarray(time)
    for source, values in curves.items():
        v = np.asarray(values)
        marker = "o" if source == "ensemble" else None
        colour = COLOURS.get(source)
        line = {"marker": marker, "markersize": 3.5, "label": LABELS.get(source, source)} | LINES.get(source, {})
        ax.plot(t, v, color=colour, **line)
        if errors and source in errors:
            e = 4.0 * np.asarray(errors[source])
            ax.fill_between(t, v - e, v + e, color=colour, alpha=0.2, linewidth=0)
    ax.set_xlabel("training time  t = steps × learning rate")
    return ax


def plot_distances(
    time: ArrayLike,
    values: Mapping[str, ArrayLike],
    floor: ArrayLike,
    spread: ArrayLike,
    *,
    ax: Axes | None = None,
    sigmas: float = 4.0,
) -> Axes:
    """Distances against time on a logarithmic axis, with the sampling floor and its band drawn in."""
    ax = axes_or_new(ax)
    t, f, s = np.asarray(time), np.asarray(floor), np.asarray(spread)
    low = np.maximum(f - sigmas * s, 0.2 * f)
    ax.fill_between(t, low, f + sigmas * s, color="0.8", linewidth=0, label=f"sampling floor ± {sigmas:g} σ")
    ax.plot(t, f, color="0.5", linestyle=":", linewidth=1.2)
    for source, v in values.items():
        ax.plot(t, np.asarray(v), color=COLOURS.get(source), marker="o", markersize=3, label=LABELS.get(source, source))
    ax.set_yscale("log")
    ax.set_xlabel("training time  t")
    return ax


def plot_measured(
    x: ArrayLike,
    values: ArrayLike,
    errors: ArrayLike,
    *,
    ax: Axes | None = None,
    label: str = "SGD ensemble ± 4 σ",
    colour: Any = COLOURS["ensemble"],
    **kwargs: Any,
) -> Axes:
    """Measured values as points with bars of four standard errors, to be drawn over exact curves.

    ``colour=None`` takes the next one of the cycle.
    """
    ax = axes_or_new(ax)
    style: dict[str, Any] = {"fmt": "o", "markersize": 4, "linewidth": 1.1, "zorder": 3} | kwargs
    ax.errorbar(np.asarray(x), np.asarray(values), yerr=SIGMAS * np.asarray(errors), color=colour, label=label, **style)
    return ax


def plot_image(pixels: ArrayLike, *, ax: Axes | None = None, limits: Sequence[float] = (0.0, 16.0)) -> Axes:
    """A grey image without axes."""
    ax = axes_or_new(ax)
    ax.imshow(np.asarray(pixels), cmap="gray_r", vmin=limits[0], vmax=limits[1])
    ax.set_xticks([])
    ax.set_yticks([])
    return ax
