"""The pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fpsim.diagnostics.random_environment.random_features import feature_correlation
from fpsim.plots import plot_measured
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figures"]


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Replicas in some environments, correlation with distance, pairs, walks."""
    yield "replicas", _replicas(group(tree, "replicas"), group(tree, "pair"))
    yield "correlation", _correlation(group(tree, "environment"))
    yield "walk", _walk(group(tree, "walk"))


def _figure(width: float = 9.2, height: float = 3.9) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def _replicas(replicas: xr.Dataset, pair: xr.Dataset) -> Figure:
    figure = _figure()
    left, right = figure.subplots(1, 2)
    for name in replicas["ensemble"].values:
        one = replicas["density"].sel(ensemble=name)
        style = ("0.2", "--") if str(name) == "batches of their own" else (None, "-")
        left.plot(one["weight"], one, label=str(name), color=style[0], linestyle=style[1])
    label = replicas["weight"].attrs["long_name"]
    left.set(xlabel=label, ylabel="density", title="replicas that share their mini-batches")
    left.set_ylim(0.0, 1.45 * float(replicas["density"].max()))
    left.legend(ncols=2, loc="upper center", fontsize=8)
    own = pair.sel(batches="own")
    for k, (name, title) in enumerate((("common", "common batches"), ("own", "batches of their own"))):
        both, reference, colour = pair.sel(batches=name), own["exact"], f"C{k}"
        right.plot(both["time"], both["exact"] / reference, color=colour, label=f"{title}: equation, exact")
        right.plot(both["time"], both["sgd"] / own["sgd"], ":", color=colour, label=f"{title}: SGD, exact")
        plot_measured(
            both["time"],
            both["correlation"] / reference,
            both["correlation_error"] / reference / 4.0,
            ax=right,
            label=f"{title}: pair density (± grid error)",
            colour=colour,
        )
    right.set(xlabel="time  t", title=r"$E[xy]$ over that of independent replicas")
    top = max(float((pair.sel(batches="common")[law] / own[law]).max()) for law in ("exact", "sgd"))
    right.set_ylim(0.97, 1.0 + 2.2 * (top - 1.0))
    right.legend(fontsize=7, loc="upper left")
    return figure


def _correlation(environment: xr.Dataset) -> Figure:
    figure = _figure(8.2, 5.0)
    ax = figure.subplots()
    cases = [c for c in environment["case"].values if "T = 0" not in str(c)]
    for case, marker in zip(cases, "osD^", strict=False):
        one = environment.sel(case=case).dropna("bin")
        share = one["distance"] / float(one["support"])
        label = f"{case}: {one['regime'].item()}"
        plot_measured(share, one["correlation"], one["correlation_error"], ax=ax, label=label, colour=None, fmt=marker)
    wide = environment.sel(case="random features, wide")
    s = np.geomspace(5e-3, 1.5, 400)
    exact = np.abs(
        feature_correlation(s * float(wide["support"]), dimension=2, length=environment.attrs["feature_length"])
    )
    ax.plot(s, exact, color="C2", linewidth=1, label="random features, wide: exact", zorder=0)
    if "floor" in environment.attrs:
        ax.axhline(environment.attrs["floor"], color="C2", linestyle=":", label="random features, far apart: floor")
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


def _walk(walk: xr.Dataset) -> Figure:
    rescaled = bool(np.isfinite(walk["chi"]).all())  # for the uniform law only
    figure = _figure() if rescaled else _figure(5.2)
    axes = np.atleast_1d(figure.subplots(1, 1 + rescaled))
    left = axes[0]
    steps = walk["steps"].values
    plot_measured(steps, walk["std"], walk["std_error"], ax=left, label="measured", colour=None)
    left.plot(steps, walk["exact_std"], color="C1", label="exact: two walkers", zorder=0)
    left.plot(steps, walk["bulk_std"], "--", color="0.5", label="many steps:  slope -1/4", zorder=0)
    left.set(xscale="log", yscale="log", xlabel="steps", title="spread over environments of P(X ≥ 0)")
    ticks = np.round(np.linspace(float(walk["std"].min()), float(walk["bulk_std"].max()), 5), 2)
    left.set_yticks(ticks, [f"{t:g}" for t in ticks])
    left.legend()
    if rescaled:
        right = axes[1]
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
