"""Errors against a step on logarithmic axes, with their order of convergence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fpsim.plots.style import COLOURS, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_orders"]


def plot_orders(
    steps: ArrayLike, errors: Mapping[str, ArrayLike], *, orders: Mapping[str, float], ax: Axes | None = None
) -> Axes:
    """One curve per method, its fitted order in the legend.

    Parameters
    ----------
    steps : array_like, shape (m,)
        Learning rates, dimensionless.
    errors : mapping of str to array_like, shape (m,)
    orders : mapping of str to float
        Fitted slopes, by the same names.
    """
    ax = axes_or_new(ax)
    h = np.asarray(steps, float)
    for name, values in errors.items():
        label = f"{name}, slope {orders[name]:.2f}"
        ax.loglog(h, np.asarray(values, float), marker="o", markersize=4, color=COLOURS.get(name), label=label)
    ax.set_xticks(h, [f"{x:g}" for x in h])
    ax.minorticks_off()
    low, high = ax.get_ylim()
    ax.set_ylim(low / (high / low) ** 0.3, high)  # room for the legend below the curves
    ax.legend(loc="lower right", fontsize=8)
    ax.set_xlabel("learning rate")
    return ax
