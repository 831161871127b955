"""Pictures of SGD's stationary states: measured points against exact curves, collapse, thresholds, the valley.

One function per Axes, ``plot_x(data, *, ax, ...) -> Axes``. Bars are four standard errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fpsim.plots.axes import _axes
from fpsim.plots.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_collapse", "plot_measured", "plot_threshold", "plot_valley"]

SIGMAS = 4.0
"""Standard errors in a bar."""
MARKERS = "osD^vPXd"


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
    """Measured values as points with bars of four standard errors, to be drawn over exact curves."""
    ax = _axes(ax)
    style: dict[str, Any] = {"fmt": "o", "markersize": 4, "linewidth": 1.1, "zorder": 3} | kwargs
    ax.errorbar(np.asarray(x), np.asarray(values), yerr=SIGMAS * np.asarray(errors), color=colour, label=label, **style)
    return ax


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

    ax = _axes(ax)
    rows = [np.asarray(array) for array in (x, values, errors)]
    numbers = np.asarray(group)
    for k, number in enumerate(numbers):
        colour = mpl.colormaps["viridis"](0.9 * k / max(len(numbers) - 1, 1))
        one = [row[k] for row in rows]
        marker = MARKERS[k % len(MARKERS)]
        plot_measured(*one, ax=ax, label=f"{name} = {number:g}", colour=colour, fmt=marker, zorder=3 + k)
    return ax


def plot_threshold(x: float, *, ax: Axes | None = None, label: str = "threshold") -> Axes:
    """A vertical line, and everything beyond it shaded."""
    ax = _axes(ax)
    low, high = ax.get_xlim()
    ax.axvspan(x, max(high, x), color="0.92", linewidth=0, zorder=0)
    ax.axvline(x, color="0.35", linestyle=(0, (4, 3)), linewidth=1.1, label=label, zorder=1)
    ax.set_xlim(low, high)
    return ax


def plot_valley(
    w: ArrayLike, q: ArrayLike, *, ax: Axes | None = None, colour: Any = COLOURS["ensemble"], label: str | None = None
) -> Axes:
    """Replicas in the coordinates ``w = u v`` and ``q = u^2 - v^2``."""
    ax = _axes(ax)
    ax.plot(np.asarray(w), np.asarray(q), ".", color=colour, markersize=2.5, alpha=0.6, markeredgewidth=0, label=label)
    ax.set_xlabel("w = u v")
    ax.set_ylabel("q = u² − v²")
    return ax
