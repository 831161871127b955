"""Figures of random environments: replicas and pairs with common batches, decorrelation, walks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fpsim.plots.densities import SIGMAS, plot_measured

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_decorrelation", "draw_replicas", "draw_walk", "plot_pair"]


def draw_replicas(replicas: xr.Dataset, pair: xr.Dataset) -> Figure:
    """Densities of one weight by ensemble, the last one of independent replicas; and correlations of pairs.

    Parameters
    ----------
    replicas : xarray.Dataset
        ``density`` by ``ensemble`` and ``weight``.
    pair : xarray.Dataset
        See :func:`plot_pair`.
    """
    figure = _figure(9.2)
    left, right = figure.subplots(1, 2)
    names = [str(name) for name in replicas["ensemble"].values]
    for name in names:
        one = replicas["density"].sel(ensemble=name)
        style = {"color": "0.2", "linestyle": "--"} if name == names[-1] else {}
        left.plot(one["weight"], one, label=name, **style)
    label = replicas["weight"].attrs["long_name"]
    left.set(xlabel=label, ylabel="density", title="replicas that share their mini-batches")
    left.set_ylim(0.0, 1.45 * float(replicas["density"].max()))
    left.legend(ncols=2, loc="upper center", fontsize=8)
    plot_pair(pair, ax=right)
    return figure


def plot_pair(pair: xr.Dataset, *, ax: Axes) -> Axes:
    """Correlation of two replicas over that of independent ones, by the equation, by SGD and from a density.

    Parameters
    ----------
    pair : xarray.Dataset
        ``correlation`` (with ``correlation_error`` of the grid), ``exact`` and ``sgd`` by ``batches`` ("common", "own")
        and ``time``.
    """
    own = pair.sel(batches="own")
    for k, (name, title) in enumerate((("common", "common batches"), ("own", "batches of their own"))):
        both, reference, colour = pair.sel(batches=name), own["exact"], f"C{k}"
        ax.plot(both["time"], both["exact"] / reference, color=colour, label=f"{title}: equation, exact")
        ax.plot(both["time"], both["sgd"] / own["sgd"], ":", color=colour, label=f"{title}: SGD, exact")
        points = both["correlation"] / reference, both["correlation_error"] / reference / SIGMAS
        label = f"{title}: pair density (± grid error)"
        plot_measured(both["time"], *points, ax=ax, label=label, colour=colour)
    ax.set(xlabel="time  t", title=r"$E[xy]$ over that of independent replicas")
    top = max(float((pair.sel(batches="common")[law] / own[law]).max()) for law in ("exact", "sgd"))
    ax.set_ylim(0.97, 1.0 + 2.2 * (top - 1.0))
    ax.legend(fontsize=7, loc="upper left")
    return ax


def draw_decorrelation(environment: xr.Dataset, exact: tuple[ArrayLike, ArrayLike], *, floor: float) -> Figure:
    """Correlation with distance in units of the support, by case.

    Parameters
    ----------
    environment : xarray.Dataset
        Of :func:`fpsim.diagnostics.random_environment.labelled.environment_dataset`.
    exact : pair of array_like
        Distance over support, and the exact correlation of wide random features.
    floor : float
        Correlation that finitely many features leave far apart.
    """
    figure = _figure(8.2, 5.0)
    ax = figure.subplots()
    for case, marker in zip(environment["case"].values, "osD^vPX", strict=False):
        one = environment.sel(case=case).dropna("bin")
        points = one["distance"] / float(one["support"]), one["correlation"], one["correlation_error"]
        label = f"{case}: {one['regime'].item()}"
        plot_measured(*points, ax=ax, label=label, colour=None, fmt=marker)
    ax.plot(*map(np.asarray, exact), color="C2", linewidth=1, label="random features, wide: exact", zorder=0)
    ax.axhline(floor, color="C2", linestyle=":", label="random features, far apart: floor")
    ax.axhline(np.exp(-1.0), color="0.6", linestyle="--", linewidth=1)
    ax.axvline(0.125, color="0.6", linestyle=":", linewidth=1)
    ax.text(0.128, -0.045, "support / 8", fontsize=8, color="0.4")
    ax.text(5.2e-3, np.exp(-1.0) + 0.015, "1/e", fontsize=8, color="0.4")
    ax.set(xscale="log", xlim=(5e-3, 1.6), ylim=(-0.06, 1.1))
    ax.set(xlabel="distance of two replicas / support", ylabel="|correlation|, root mean square")
    ax.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])
    ax.set_title("how an environment decorrelates")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def draw_walk(walk: xr.Dataset) -> Figure:
    """Spread over environments by ``steps``; and cumulants of the rescaled tail ``chi``, where they are numbers."""
    rescaled = bool(np.isfinite(walk["chi"]).all())
    figure = _figure(9.2 if rescaled else 5.2)
    axes = np.atleast_1d(figure.subplots(1, 1 + rescaled))
    left, steps = axes[0], walk["steps"].values
    plot_measured(steps, walk["std"], walk["std_error"], ax=left, label="measured", colour=None)
    left.plot(steps, walk["exact_std"], color="C1", label="exact: two walkers", zorder=0)
    left.plot(steps, walk["bulk_std"], "--", color="0.5", label="many steps:  slope -1/4", zorder=0)
    left.set(xscale="log", yscale="log", xlabel="steps", title="spread over environments of P(X ≥ 0)")
    ticks = np.round(np.linspace(float(walk["std"].min()), float(walk["bulk_std"].max()), 5), 2)
    left.set_yticks(ticks, [f"{t:g}" for t in ticks])
    left.legend()
    for right in axes[1:]:
        for k, name in enumerate(walk["cumulant"].values):
            one = walk.sel(cumulant=name)
            plot_measured(steps, one["chi"], one["chi_error"], ax=right, label=f"{name} of χ", colour=f"C{k}")
            right.axhline(float(one["chi_limit"]), color=f"C{k}", linestyle="--", linewidth=1)
        right.set(xscale="log", xlabel="steps", title="tail: χ, and its limits (Tracy-Widom)", ylim=(-2.1, 2.2))
        right.legend(loc="upper right", ncols=2)
    for ax in axes:
        ax.set_xticks(steps, [str(n) for n in steps])
        ax.minorticks_off()
    return figure


def _figure(width: float, height: float = 3.9) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))
