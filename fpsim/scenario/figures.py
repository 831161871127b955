"""Pictures of a bottleneck run, drawn from its tree of labelled arrays alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fpsim.plots import COLOURS, LABELS, plot_curves, plot_density, plot_distances, plot_image, plot_marginal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bottleneck_figures"]

SOURCES = ("ensemble", "conditional", "mean-field")
OBSERVABLES = {
    "density W1": "weights W1",
    "density W2": "weights W2",
    "pooled outputs": "outputs pooled over data",
    "outputs at probes": "outputs at probe images",
    "loss": "loss of a replica",
}
SNAPSHOTS = 4


def bottleneck_figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every picture of a bottleneck run."""
    yield "densities", densities_figure(tree)
    yield "widths", widths_figure(tree)
    yield "marginals", marginals_figure(tree)
    yield "outputs", outputs_figure(tree)
    yield "distances", distances_figure(tree)


def _cases(tree: xr.DataTree) -> list[str]:
    return list(tree.children)


def _sources(tree: xr.DataTree, case: str) -> list[str]:
    return [s for s in SOURCES if s in tree[case].children]


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def _start_title(case: str) -> str:
    return f"start: {case.replace('_', ' ')}"


def _plane(array: xr.DataArray) -> xr.DataArray:
    """A density of one time reduced to its first two coordinates."""
    extra = array.dims[2:]
    return array if not extra else array.sum(extra) * float(np.prod([array[d].attrs["spacing"] for d in extra]))


def densities_figure(tree: xr.DataTree, *, matrix: str = "W1") -> Figure:
    """Density of one matrix through time: experiment above, closures below, one colour scale per column."""
    cases = _cases(tree)
    rows = len(_sources(tree, cases[0]))
    figure = _figure(1.9 * SNAPSHOTS * len(cases) + 0.6, 2.0 * rows + 0.5)
    for panel, case in zip(np.atleast_1d(figure.subfigures(1, len(cases))), cases, strict=True):
        times = tree[case]["ensemble"]["time"].values
        chosen = np.unique(np.round(np.linspace(0, 1, SNAPSHOTS) ** 1.5 * (len(times) - 1)).astype(int))
        axes = panel.subplots(rows, len(chosen), sharex=True, sharey=True, squeeze=False)
        panel.suptitle(f"density of {matrix}, {_start_title(case)}", fontsize=11)
        for column, index in enumerate(chosen):
            peak = float(_snapshot(tree, case, "ensemble", matrix, index).max())
            for row, source in enumerate(_sources(tree, case)):
                _draw_density(axes[row, column], _snapshot(tree, case, source, matrix, index), peak)
                if column == 0:
                    axes[row, column].set_ylabel(LABELS[source])
            axes[0, column].set_title(f"t = {times[index]:.3g}")
        box = tree[case]["ensemble"].to_dataset()
        _zoom(axes[0, 0], box, matrix)
    return figure


def _snapshot(tree: xr.DataTree, case: str, source: str, matrix: str, index: int) -> xr.DataArray:
    return _plane(tree[case][source][f"density_{matrix}"].isel(time=index))


def _draw_density(ax: Axes, density: xr.DataArray, peak: float) -> None:
    if density.ndim == 1:
        plot_marginal(density[density.dims[0]], density, source="theory", ax=ax)
        return
    x, y = (density[d].values for d in density.dims)
    plot_density(x, y, density.values, ax=ax, peak=peak)


def _zoom(ax: Axes, ensemble: xr.Dataset, matrix: str) -> None:
    """Show where the ensemble is at any time, to three standard deviations."""
    names = [n for n in ensemble["weight"].values if n.startswith(matrix)][:2]
    if len(names) < 2:
        return
    mean, std = (ensemble[k].sel(weight=names).values for k in ("mean", "std"))
    (x0, y0), (x1, y1) = (mean - 3 * std).min(axis=0), (mean + 3 * std).max(axis=0)
    ax.set_xlim(x0, x1)
    ax.set_ylim(y0, y1)


def widths_figure(tree: xr.DataTree) -> Figure:
    """Mean and standard deviation of every weight against time."""
    cases = _cases(tree)
    names = list(tree[cases[0]]["ensemble"]["weight"].values)
    figure = _figure(3.2 * len(names), 2.5 * 2 * len(cases))
    axes = figure.subplots(2 * len(cases), len(names), squeeze=False, sharex=True)
    for i, case in enumerate(cases):
        time = tree[case]["ensemble"]["time"].values
        for j, name in enumerate(names):
            for row, key in enumerate(("mean", "std")):
                curves = {s: tree[case][s][key].sel(weight=name).values for s in _sources(tree, case)}
                errors = {"ensemble": tree[case]["ensemble"][f"{key}_error"].sel(weight=name).values}
                ax = plot_curves(time, curves, ax=axes[2 * i + row, j], errors=errors)
                ax.set_xlabel("")
                ax.set_title(f"{key} of {name}")
            axes[2 * i + 1, j].set_ylim(bottom=0)
        axes[2 * i, 0].set_ylabel(_start_title(case))
    for ax in axes[-1]:
        ax.set_xlabel("training time t")
    axes[0, 0].legend()
    return figure


def marginals_figure(tree: xr.DataTree) -> Figure:
    """Marginal densities of every weight at the last time."""
    cases = _cases(tree)
    names = list(tree[cases[0]]["ensemble"]["weight"].values)
    figure = _figure(3.2 * len(names), 2.6 * len(cases))
    axes = figure.subplots(len(cases), len(names), squeeze=False)
    for i, case in enumerate(cases):
        for j, name in enumerate(names):
            ax = axes[i, j]
            tops = []
            for source in _sources(tree, case):
                array = tree[case][source][f"density_{name[:2]}"].isel(time=-1)
                others = [d for d in array.dims if d != name]
                volume = float(np.prod([array[d].attrs["spacing"] for d in others]))
                marginal = array.sum(others) * volume
                plot_marginal(array[name], marginal, source=source, ax=ax, filled=source == "ensemble")
                tops.append(float(marginal.max()))
            ax.set_xlabel(name)
            mean, std = (float(tree[case]["ensemble"][k].sel(weight=name).isel(time=-1)) for k in ("mean", "std"))
            ax.set_xlim(mean - 5 * std, mean + 5 * std)
            if len(tops) > 1 and tops[-1] > 3 * max(tops[:-1]):
                ax.set_ylim(0, 2.2 * max(tops[:-1]))
                ax.annotate(
                    f"{LABELS[_sources(tree, case)[-1]]} reaches {tops[-1]:.3g}",
                    (0.98, 0.97),
                    xycoords="axes fraction",
                    ha="right",
                    va="top",
                    fontsize=8,
                    color=COLOURS["mean-field"],
                )
        axes[i, 0].set_ylabel(f"density, {_start_title(case)}")
        axes[i, 0].set_title(f"t = {float(tree[case]['ensemble']['time'][-1]):.3g}")
    axes[0, 0].legend(loc="upper left", fontsize=8)
    return figure


def outputs_figure(tree: xr.DataTree) -> Figure:
    """Outputs pooled over the data, outputs at the probe images, and losses, at the last time."""
    cases = _cases(tree)
    count = tree[cases[0]]["outputs"].sizes.get("probe", 0)
    shown = min(count, 3)
    figure = _figure(3.3 * (2 + shown), 2.9 * len(cases))
    axes = figure.subplots(len(cases), 2 + shown, squeeze=False)
    for i, case in enumerate(cases):
        outputs = tree[case]["outputs"]
        for source in outputs["source"].values:
            filled = source == "ensemble"
            one = outputs.sel(source=source)
            plot_marginal(one["output"], one["pooled"], source=source, ax=axes[i, 0], filled=filled)
            for q in range(shown):
                values = one["at_probe"].isel(probe=q)
                plot_marginal(one["output"], values, source=source, ax=axes[i, 1 + q], filled=filled)
            plot_marginal(one["loss"], one["loss_density"], source=source, ax=axes[i, -1], filled=filled)
        axes[i, 0].set_title("first output, pooled over the data")
        axes[i, 0].set_ylabel(f"density, {_start_title(case)}")
        for q in range(shown):
            axes[i, 1 + q].set_title(f"first output at probe image {q + 1}")
            if "probe_image" in outputs:
                inset = axes[i, 1 + q].inset_axes((0.03, 0.68, 0.24, 0.3))
                plot_image(outputs["probe_image"].isel(probe=q), ax=inset)
        axes[i, -1].set_title("loss of a replica")
    axes[0, 0].legend(loc="upper left", fontsize=8)
    return figure


def distances_figure(tree: xr.DataTree) -> Figure:
    """Total variation between theory and experiment against time, with the sampling floor."""
    cases = _cases(tree)
    names = [n for n in OBSERVABLES if n in tree[cases[0]]["comparison"]["observable"].values]
    figure = _figure(3.3 * len(names), 2.9 * len(cases))
    axes = figure.subplots(len(cases), len(names), squeeze=False, sharex=True, sharey=True)
    for i, case in enumerate(cases):
        table = tree[case]["comparison"].to_dataset()
        for j, name in enumerate(names):
            part = table.sel(observable=name)
            values = {c: part["distance"].sel(closure=c).values for c in part["closure"].values}
            first = part.isel(closure=0)
            plot_distances(part["time"], values, first["floor"], first["spread"], ax=axes[i, j])
            axes[i, j].set_title(OBSERVABLES[name])
            if i < len(cases) - 1:
                axes[i, j].set_xlabel("")
        axes[i, 0].set_ylabel(f"total variation, {_start_title(case)}")
    axes[0, 0].legend(fontsize=8)
    return figure
