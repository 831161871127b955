"""Pictures of a bottleneck run, drawn from its tree of labelled arrays alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fpsim.plots import (
    COLOURS,
    LABELS,
    plot_budget,
    plot_curves,
    plot_density,
    plot_distances,
    plot_image,
    plot_marginal,
)
from fpsim.scenario.records import group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bottleneck_figures"]

SOURCES = ("ensemble", "conditional", "mean-field")
OBSERVABLES = {
    "density W1": "weights W1",
    "density W2": "weights W2",
    "pooled outputs": "outputs pooled over data",
    "output at probe 1": "output at one probe",
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
    if any("budget" in tree[case].children for case in _cases(tree)):
        yield "budget", budget_figure(tree)


def _cases(tree: xr.DataTree) -> list[str]:
    return [case for case in tree.children if "comparison" in tree[case].children]


def _sources(tree: xr.DataTree, case: str) -> list[str]:
    return [s for s in SOURCES if s in tree[case].children]


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def _panels(cases: int, count: int, *, height: float, share: bool = False) -> tuple[Figure, Any]:
    """A row of panels for each start; those of a single start in rows of three, so that a phone can show them."""
    across = min(count, 3) if cases == 1 else count
    rows = -(-count // across) if cases == 1 else cases
    figure = _figure(3.3 * across, height * rows)
    axes = figure.subplots(rows, across, squeeze=False, sharex=share, sharey=share)
    if cases == 1:
        for ax in axes.ravel():
            ax.tick_params(labelbottom=True)  # shared axes show it in the last row only, which may be short
        for ax in axes.ravel()[count:]:
            ax.set_axis_off()
        axes = axes.reshape(1, -1)[:, :count]
    return figure, axes


def _start_title(case: str) -> str:
    return f"start: {case.replace('_', ' ')}"


def _coarse(array: xr.DataArray, most: int = 64) -> xr.DataArray:
    """Mean over blocks of cells, for histograms: fewer, fuller bins."""
    blocks = {d: -(-size // most) for d, size in array.sizes.items()}
    return array.coarsen(blocks, boundary="trim").mean()


def _plane(array: xr.DataArray) -> xr.DataArray:
    """A density of one time reduced to its first two coordinates."""
    extra = array.dims[2:]
    return array if not extra else array.sum(extra) * float(np.prod([array[d].attrs["spacing"] for d in extra]))


def densities_figure(tree: xr.DataTree, *, matrix: str = "W1") -> Figure:
    """Density of one matrix through time: experiment above, closures below, one colour scale per start."""
    cases = _cases(tree)
    rows = len(_sources(tree, cases[0]))
    figure = _figure((1.9 * SNAPSHOTS + 0.9) * len(cases), 2.0 * rows + 0.6)
    for panel, case in zip(figure.subfigures(1, len(cases), squeeze=False)[0], cases, strict=True):
        times = group(tree, case, "ensemble")["time"].values
        chosen = np.unique(np.round(np.linspace(0, 1, SNAPSHOTS) ** 1.5 * (len(times) - 1)).astype(int))
        axes = panel.subplots(rows, len(chosen), sharex=True, sharey=True, squeeze=False)
        panel.suptitle(f"density of {matrix}, {_start_title(case)}", fontsize=11)
        peak = max(float(_snapshot(tree, case, "ensemble", matrix, i).max()) for i in chosen)
        for column, index in enumerate(chosen):
            for row, source in enumerate(_sources(tree, case)):
                _draw_density(axes[row, column], _snapshot(tree, case, source, matrix, index), peak)
                if column == 0:
                    axes[row, column].set_ylabel(f"{LABELS[source]}\n{_second_axis(tree, case, matrix)}")
            axes[0, column].set_title(f"t = {times[index]:.3g}")
        _zoom(axes[0, 0], group(tree, case, "ensemble"), matrix)
        if axes[0, 0].collections:
            bar = panel.colorbar(axes[0, 0].collections[0], ax=axes, shrink=0.7, extend="both")
            bar.set_label(f"density of {matrix}, theory and experiment alike")
        for ax, name in zip(axes[-1], group(tree, case, "ensemble")[f"density_{matrix}"].dims[1:2] * 9, strict=False):
            ax.set_xlabel(str(name))
    return figure


def _second_axis(tree: xr.DataTree, case: str, matrix: str) -> str:
    names = group(tree, case, "ensemble")[f"density_{matrix}"].dims[1:]
    return str(names[1]) if len(names) > 1 else "density"


def _snapshot(tree: xr.DataTree, case: str, source: str, matrix: str, index: int) -> xr.DataArray:
    density = _plane(group(tree, case, source)[f"density_{matrix}"].isel(time=index))
    return _coarse(density) if source == "ensemble" else density


def _draw_density(ax: Axes, density: xr.DataArray, peak: float) -> None:
    if density.ndim == 1:
        plot_marginal(density[density.dims[0]], density, source="theory", ax=ax)
        return
    x, y = (density[d].values for d in density.dims)
    plot_density(x, y, density.values, ax=ax, peak=peak)


def _zoom(ax: Axes, ensemble: xr.Dataset, matrix: str) -> None:
    """Show where the ensemble is at any time, to four standard deviations."""
    names = [n for n in ensemble["weight"].values if n.startswith(matrix)][:2]
    if len(names) < 2:
        return
    mean, std = (ensemble[k].sel(weight=names).values for k in ("mean", "std"))
    (x0, y0), (x1, y1) = (mean - 4 * std).min(axis=0), (mean + 4 * std).max(axis=0)
    ax.set_xlim(x0, x1)
    ax.set_ylim(y0, y1)


def widths_figure(tree: xr.DataTree) -> Figure:
    """Mean and standard deviation of every weight against time."""
    cases = _cases(tree)
    names = list(group(tree, cases[0], "ensemble")["weight"].values)
    figure = _figure(3.2 * len(names), 2.5 * 2 * len(cases))
    axes = figure.subplots(2 * len(cases), len(names), squeeze=False, sharex=True)
    for i, case in enumerate(cases):
        time = group(tree, case, "ensemble")["time"].values
        for j, name in enumerate(names):
            for row, key in enumerate(("mean", "std")):
                curves = {s: group(tree, case, s)[key].sel(weight=name).values for s in _sources(tree, case)}
                errors = {"ensemble": group(tree, case, "ensemble")[f"{key}_error"].sel(weight=name).values}
                ax = plot_curves(time, curves, ax=axes[2 * i + row, j], errors=errors)
                ax.set_xlabel("")
                ax.set_title(f"{key} of {name}")
                ax.collections[-1].set_label("± 4 standard errors")
            axes[2 * i + 1, j].set_ylim(bottom=0)
        axes[2 * i, 0].set_ylabel(_start_title(case))
    for ax in axes[-1]:
        ax.set_xlabel("training time t")
    axes[0, 0].legend()
    return figure


def marginals_figure(tree: xr.DataTree) -> Figure:
    """Marginal densities of every weight at the last time."""
    cases = _cases(tree)
    names = list(group(tree, cases[0], "ensemble")["weight"].values)
    figure = _figure(3.2 * len(names), 2.6 * len(cases))
    axes = figure.subplots(len(cases), len(names), squeeze=False)
    for i, case in enumerate(cases):
        for j, name in enumerate(names):
            ax = axes[i, j]
            tops = []
            for source in _sources(tree, case):
                array = group(tree, case, source)[f"density_{name[:2]}"].isel(time=-1)
                others = [d for d in array.dims if d != name]
                volume = float(np.prod([array[d].attrs["spacing"] for d in others]))
                marginal = array.sum(others) * volume
                plot_marginal(array[name], marginal, source=source, ax=ax, filled=source == "ensemble")
                tops.append(float(marginal.max()))
            ax.set_xlabel(name)
            mean, std = (
                float(group(tree, case, "ensemble")[k].sel(weight=name).isel(time=-1)) for k in ("mean", "std")
            )
            ax.set_xlim(mean - 5 * std, mean + 5 * std)
            if len(tops) > 1 and tops[-1] > 2.2 * max(tops[:-1]):
                ax.set_ylim(0, 2.2 * max(tops[:-1]))
                note = f"{LABELS[_sources(tree, case)[-1]]} reaches {tops[-1]:.3g}"
                ax.set_title(note, loc="right", fontsize=8, color=COLOURS["mean-field"])
        axes[i, 0].set_ylabel(f"density, {_start_title(case)}")
        axes[i, 0].set_title(f"t = {float(group(tree, case, 'ensemble')['time'][-1]):.3g}")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def outputs_figure(tree: xr.DataTree) -> Figure:
    """Outputs pooled over the data, outputs at the probe images, and losses, at the last time.

    A closure claims one density per matrix: its outputs are those of weights drawn independently from the two.
    """
    cases = _cases(tree)
    shown = min(group(tree, cases[0], "outputs").sizes.get("probe", 0), 3)
    figure, axes = _panels(len(cases), 2 + shown, height=3.1)
    probe_name = "probe image" if "probe_image" in group(tree, cases[0], "outputs") else "probe"
    for i, case in enumerate(cases):
        outputs = group(tree, case, "outputs")
        for source in outputs["source"].values:
            style = {"source": source, "filled": source == "ensemble"}
            one = outputs.sel(source=source)
            plot_marginal(one["output"], one["pooled"], ax=axes[i, 0], **style)
            plot_marginal(one["loss"], one["loss_density"], ax=axes[i, -1], **style)
            for q in range(shown):
                probe = one.isel(probe=q)
                plot_marginal(probe["probe_output"], probe["at_probe"], ax=axes[i, 1 + q], **style)
        axes[i, 0].set_title("first output, pooled over the data")
        axes[i, 0].set_ylabel(f"density, {_start_title(case)}")
        _note_beyond(axes[i, 0], outputs["output"], outputs["pooled"])
        for q in range(shown):
            axes[i, 1 + q].set_title(f"first output at {probe_name} {q + 1}")
            _show_probe(axes[i, 1 + q], outputs, q)
            _note_beyond(axes[i, 1 + q], outputs["probe_output"].isel(probe=q), outputs["at_probe"].isel(probe=q))
        axes[i, -1].set_title("loss of a replica")
        axes[i, -1].set_ylim(0, 1.6 * float(outputs["loss_density"].sel(source="ensemble").max()))
        _note_beyond(axes[i, -1], outputs["loss"], outputs["loss_density"])
        for ax in axes[i, :-1]:
            ax.set_xlabel("first output")
        axes[i, -1].set_xlabel("loss")
    figure.legend(*axes[0, -1].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _note_beyond(ax: Axes, centres: xr.DataArray, densities: xr.DataArray, least: float = 0.05) -> None:
    """Say how much of a source lies beyond the axis: densities are normalised by all values, shown or not."""
    width, line = float(centres[1] - centres[0]), 0
    for source in densities["source"].values:
        beyond = 1.0 - width * float(densities.sel(source=source).sum())
        if beyond < least:
            continue
        note = ax.text(
            0.99,
            0.97 - 0.08 * line,
            f"{LABELS[source]}: {100 * beyond:.0f} % beyond the axis",
            transform=ax.transAxes,
            ha="right",
            va="top",
            fontsize=8,
            color=COLOURS[source],
        )
        note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.0})
        line += 1


def _show_probe(ax: Axes, outputs: xr.Dataset, probe: int) -> None:
    """The probe's image above the curves, where it hides none of them."""
    ax.set_ylim(0, 1.45 * float(outputs["at_probe"].isel(probe=probe).max()))
    if "probe_image" in outputs:
        plot_image(outputs["probe_image"].isel(probe=probe), ax=ax.inset_axes((0.02, 0.72, 0.2, 0.27)))


def distances_figure(tree: xr.DataTree) -> Figure:
    """Total variation between theory and experiment against time, with the sampling floor of every closure."""
    cases = _cases(tree)
    names = [n for n in OBSERVABLES if n in group(tree, cases[0], "comparison")["observable"].values]
    figure, axes = _panels(len(cases), len(names), height=2.9, share=True)
    for i, case in enumerate(cases):
        table = group(tree, case, "comparison")
        for j, name in enumerate(names):
            part = table.sel(observable=name)
            for closure in part["closure"].values:
                _distance_with_floor(axes[i, j], part.sel(closure=closure), str(closure))
            axes[i, j].set_title(OBSERVABLES[name])
            if i < len(cases) - 1:
                axes[i, j].set_xlabel("")
        axes[i, 0].set_ylabel(f"total variation, {_start_title(case)}")
    axes[0, 0].legend(fontsize=8)
    return figure


def _distance_with_floor(ax: Axes, one: xr.Dataset, closure: str) -> None:
    """A closure's distance, and its own sampling floor in its colour."""
    plot_distances(one["time"], {closure: one["distance"].values}, one["floor"], one["spread"], ax=ax)
    band, middle = ax.collections[-1], ax.lines[-2]
    band.set(color=COLOURS[closure], alpha=0.18, label=f"its {band.get_label()}")
    middle.set_color(COLOURS[closure])


def budget_figure(tree: xr.DataTree) -> Figure:
    """Causes of the distance of every closure, at the last time: one panel for each start and closure."""
    cases = [case for case in _cases(tree) if "budget" in tree[case].children]
    closures = [str(c) for c in group(tree, cases[0], "budget")["closure"].values]
    figure = _figure(5.2 * len(closures) + 0.6, 2.5 * len(cases) + 0.9)
    axes = figure.subplots(len(cases), len(closures), squeeze=False)
    for i, case in enumerate(cases):
        table = group(tree, case, "budget")
        causes = [str(c) for c in table["cause"].values]
        names = [OBSERVABLES.get(str(o), str(o)) for o in table["observable"].values]
        for j, closure in enumerate(closures):
            one = table.sel(closure=closure)
            plot_budget(
                names,
                {c: one["error"].sel(cause=c).values for c in causes},
                total=one["total"].values,
                floor=one["total_floor"].values,
                resolved={c: one["resolved"].sel(cause=c).values for c in causes},
                ax=axes[i, j],
            )
            axes[i, j].set_title(f"{LABELS[closure]}, {_start_title(case)}")
            if j:
                axes[i, j].set_yticklabels([])
    for ax in axes[-1]:
        ax.set_xlabel("total variation, and its parts (pale: within sampling)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
    return figure
