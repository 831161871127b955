"""Pictures: one function per Axes, figure-level composers, no global state, no ``plt.show``."""

from fpsim.plots.budget import plot_budget
from fpsim.plots.densities import (
    plot_curves,
    plot_density,
    plot_distances,
    plot_image,
    plot_marginal,
    plot_measured,
    plot_sources,
)
from fpsim.plots.style import COLOURS, LABELS, styled

__all__ = [
    "COLOURS",
    "LABELS",
    "plot_budget",
    "plot_curves",
    "plot_density",
    "plot_distances",
    "plot_image",
    "plot_marginal",
    "plot_measured",
    "plot_sources",
    "styled",
]
