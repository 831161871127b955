"""Pictures of a sweep: any scalar against any swept key, one line for each value of the others.

Points are means over seeds with their standard errors. Limits: more lines than can be told apart are not drawn; the
title says how many.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fpsim.support.errors import DomainError
from fpsim.sweeps.gathering import SEED, sweep_scalars

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["sweep_figures"]

MOST_PICTURES, MOST_LINES = 12, 8
WIDE = 8.0
"""Ratio of the largest to the smallest value from which on an axis is logarithmic."""


def sweep_figures(
    tree: xr.DataTree, *, scalars: Sequence[str] = (), against: str | None = None
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of each scalar.

    Parameters
    ----------
    tree : xarray.DataTree
        As :func:`fpsim.sweeps.gather` made it.
    scalars : sequence of str, keyword-only
        Names as :func:`fpsim.sweeps.sweep_scalars` gives them; the first ones by default.
    against : str, keyword-only
        The key along the abscissa; the first that was swept by default.

    Raises
    ------
    DomainError
        If a scalar or key is unknown, or the runs have no scalars.
    """
    from matplotlib.figure import Figure

    keys = str(tree.attrs["keys"]).splitlines()
    known = sweep_scalars(tree)
    key = against or keys[0]
    if key not in keys:
        raise DomainError(f"key {key!r} was not swept: accepted are {', '.join(keys)}")
    if not known:
        raise DomainError("the runs of this sweep have no scalars at their root: a scenario with a summary is accepted")
    wrong = [name for name in scalars if name not in known]
    if wrong:
        raise DomainError(f"scalar {wrong[0]!r} is not in this sweep: accepted are {', '.join(known)}")
    for name in scalars or list(known)[:MOST_PICTURES]:
        figure = Figure(figsize=(6.4, 4.2))
        _draw(figure.subplots(), known[name], name, key)
        yield f"{_slug(name)}-against-{_slug(key)}", figure


def _draw(ax: Axes, values: xr.DataArray, name: str, key: str) -> None:
    over = [SEED] if SEED in values.dims and key != SEED else []
    mean = values.mean(over)
    count = values.sizes[SEED] if over else 1
    error = values.std(over, ddof=1) / count**0.5 if count > 1 else xr.zeros_like(mean)
    others = [str(d) for d in mean.dims if d != key]
    lines = list(itertools.product(*(range(mean.sizes[d]) for d in others)))
    x = mean[key].values
    words = x.dtype.kind not in "iuf"
    for number, place in enumerate(lines[:MOST_LINES]):
        chosen = dict(zip(others, place, strict=True))
        label = ", ".join(f"{d} = {_shown(mean[d].values[i])}" for d, i in chosen.items())
        ax.errorbar(
            np.arange(len(x)) if words else x,
            mean.isel(chosen).values,
            error.isel(chosen).values if count > 1 else None,
            fmt="o-",
            capsize=3,
            markersize=4,
            color=f"C{number}",
            label=label or None,
        )
    if words:
        ax.set_xticks(np.arange(len(x)), [str(v) for v in x])
    elif x.min() > 0.0 and x.max() >= WIDE * x.min():
        ax.set_xscale("log")
    if float(mean.min()) > 0.0 and float(mean.max()) >= WIDE * float(mean.min()):
        ax.set_yscale("log")
    rest = f" ({len(lines) - MOST_LINES} more lines are not drawn)" if len(lines) > MOST_LINES else ""
    said = str(values.attrs.get("long_name", name))
    ax.set(xlabel=key, ylabel=name, title=f"{said}{f', {count} seeds' if count > 1 else ''}{rest}")
    if len(lines) > 1:
        ax.legend(fontsize=8)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
