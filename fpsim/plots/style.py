"""Colours, labels and lines of sources, and the style sheet of the pictures.

The sheet is applied inside a block, never globally.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CAUSES", "COLOURS", "LABELS", "LINES", "axes_or_new", "styled"]

LABELS = {
    "ensemble": "SGD ensemble",
    "mean-field": "mean field",
    "conditional": "conditional closure",
    "joint": "joint law",
    "leaf": "leaf",
    "empirical-path": "empirical path",
    "theory": "theory",
    "paired at random": "matrices paired at random",
}
"""How sources are called in pictures."""

COLOURS = {
    "ensemble": "#4D4D4D",
    "mean-field": "#D55E00",
    "conditional": "#0072B2",
    "joint": "#009E73",
    "leaf": "#E69F00",
    "empirical-path": "#CC79A7",
    "theory": "#0072B2",
    "paired at random": "#CC79A7",
    "sme1": "#E69F00",
    "sme2": "#CC79A7",
    "sme2c": "#009E73",
}
"""Colours of sources, from the colour-blind-safe set of Okabe and Ito."""


LINES: dict[str, dict[str, Any]] = {
    "joint": {"linewidth": 4.5, "alpha": 0.45},
    "leaf": {"linestyle": (0, (4.0, 2.0))},
    "paired at random": {"linestyle": (0, (4.0, 2.0))},
}
"""Lines of sources that others hide: what is exact is a broad pale band under them, others are dashed."""

CAUSES = {
    "sampling": "#BBBBBB",
    "dependent batches": "#F0E442",
    "non-Gaussian mini-batch noise": "#CC79A7",
    "order of the modified equation": "#E69F00",
    "correlation of the matrices": "#56B4E9",
    "joint law": "#56B4E9",
    "closure": "#D55E00",
    "grid": "#0072B2",
    "time step": "#009E73",
}
"""Colours of the causes of an error budget, from the same set."""


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Apply the package's style sheet to everything drawn inside the block."""
    import matplotlib as mpl

    with mpl.rc_context(fname=Path(__file__).with_name("fpsim.mplstyle")):
        yield


def axes_or_new(ax: Axes | None) -> Axes:
    """The given Axes, or those of a new figure."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure().subplots()
