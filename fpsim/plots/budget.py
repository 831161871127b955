"""Budget of a distance as bars, one per cause, in groups of one observable."""

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
    """Causes of a distance as bars beneath each other, with the distance itself and its sampling floor marked.

    Parameters
    ----------
    labels : sequence of str
        One group of bars each, from top to bottom.
    parts : mapping of str to array_like, shape (bars,)
        Length of every cause, by cause, from top to bottom; ``nan`` where one does not apply.
    total, floor : array_like, shape (bars,)
        The whole distance (black line) and what sampling alone would show (dotted line), also as numbers beside the
        bars. Parts obey the triangle inequality: their sum may exceed the total, none exceeds one.
    resolved : mapping, optional
        Whether a cause is seen above its own floor; others are drawn pale.
    """
    ax = axes_or_new(ax)
    place, thickness = np.arange(len(labels))[::-1], HEIGHT / max(len(parts), 1)
    longest = np.asarray(total, float)
    for row, (cause, lengths) in enumerate(parts.items()):
        width = np.nan_to_num(np.asarray(lengths, float))
        seen = np.ones(len(labels)) if resolved is None else np.nan_to_num(np.asarray(resolved[cause], float))
        middle = place + 0.5 * HEIGHT - (row + 0.5) * thickness
        bars = ax.barh(middle, width, thickness, color=CAUSES.get(cause, "0.6"), label=cause, linewidth=0)
        for bar, clear in zip(bars, seen, strict=True):
            bar.set_alpha(1.0 if clear else 0.35)
        longest = np.maximum(longest, width)
    for i, y in enumerate(place):
        low, high = y - 0.62 * HEIGHT, y + 0.62 * HEIGHT
        ends = {"total": (np.asarray(total)[i], "-", 2.2), "sampling floor": (np.asarray(floor)[i], ":", 1.8)}
        for name, (x, line, thick) in ends.items():
            label = "total distance" if name == "total" else name
            ax.plot((x, x), (low, high), "k", linestyle=line, linewidth=thick, label=label if i == 0 else None)
        numbers = f"{np.asarray(total)[i]:.2g} (floor {np.asarray(floor)[i]:.2g})"
        ax.annotate(numbers, (longest[i], y), (5, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(place, labels)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, 1.32 * float(longest.max()))
    ax.set_xticks([x for x in ax.get_xticks() if x <= 1.0])
    ax.spines["left"].set_visible(False)
    return ax
