"""Budget of a distance as stacked bars, one per observable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fpsim.plots.style import CAUSES, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_budget"]

HEIGHT = 0.62


def plot_budget(
    labels: Sequence[str],
    parts: Mapping[str, ArrayLike],
    *,
    total: ArrayLike,
    floor: ArrayLike,
    resolved: Mapping[str, ArrayLike] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Causes of a distance as stacked bars, with the distance itself and its sampling floor marked.

    Parameters
    ----------
    labels : sequence of str
        One bar each, from top to bottom.
    parts : mapping of str to array_like, shape (bars,)
        Length of every cause, by cause, in the order of the stack; ``nan`` where one does not apply.
    total, floor : array_like, shape (bars,)
        The whole distance (black line) and what sampling alone would show (dotted line), also as numbers beside the
        bars. Parts obey the triangle inequality, so that the bar may be longer than the total.
    resolved : mapping, optional
        Whether a cause is seen above its own floor; others are drawn pale.
    """
    ax = axes_or_new(ax)
    place, left = np.arange(len(labels))[::-1], np.zeros(len(labels))
    for cause, lengths in parts.items():
        width = np.nan_to_num(np.asarray(lengths, float))
        seen = np.ones(len(labels)) if resolved is None else np.nan_to_num(np.asarray(resolved[cause], float))
        bars = ax.barh(place, width, HEIGHT, left=left, color=CAUSES.get(cause, "0.6"), label=cause, linewidth=0)
        for bar, clear in zip(bars, seen, strict=True):
            bar.set_alpha(1.0 if clear else 0.35)
        left += width
    for i, y in enumerate(place):
        low, high = y - 0.62 * HEIGHT, y + 0.62 * HEIGHT
        ends = {"total": (np.asarray(total)[i], "-", 2.2), "sampling floor": (np.asarray(floor)[i], ":", 1.8)}
        for name, (x, line, thick) in ends.items():
            label = "total distance" if name == "total" else name
            ax.plot((x, x), (low, high), "k", linestyle=line, linewidth=thick, label=label if i == 0 else None)
        numbers = f"{np.asarray(total)[i]:.2g} (floor {np.asarray(floor)[i]:.2g})"
        end = max(left[i], np.asarray(total)[i])
        ax.annotate(numbers, (end, y), (5, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(place, labels)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, 1.32 * max(float(left.max()), float(np.max(total))))
    ax.spines["left"].set_visible(False)
    return ax
