"""Pictures of a network study: an ensemble and theories, drawn from the groups of a run alone.

Densities, widths and marginals, outputs, distances and causes; one row or panel for each start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fpsim.plots.budget import plot_budget
from fpsim.plots.densities import plot_curves, plot_density, plot_distances, plot_image, plot_marginal
from fpsim.plots.style import COLOURS, LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["study_figures"]

Groups = Mapping[str, xr.Dataset]
SNAPSHOTS = 4
MOST_PANELS = 6


def study_figures(run: Groups, starts: Sequence[str], laws: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every picture.

    Parameters
    ----------
    run : mapping of str to Dataset
        Groups ``start/ensemble``, ``start/LAW``, ``start/outputs``, ``start/comparison`` and ``start/budget``.
    starts, laws : sequence of str
        In their order.
    """
    yield "densities", densities_figure(run, starts, laws)
    yield "outputs", outputs_figure(run, starts)
    yield "widths", widths_figure(run, starts, laws)
    yield "marginals", marginals_figure(run, starts, laws)
    yield "distances", distances_figure(run, starts)
    yield "budget", budget_figure(run, starts)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def _panels(starts: int, count: int, *, height: float, share: bool = False) -> tuple[Figure, Any]:
    """A row of panels for each start; those of a single start in rows of three, so that a phone can show them."""
    across = min(count, 3) if starts == 1 else count
    rows = -(-count // across) if starts == 1 else starts
    figure = _figure(3.3 * across, height * rows)
    axes = figure.subplots(rows, across, squeeze=False, sharex=share, sharey=share)
    if starts == 1:
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


def densities_figure(run: Groups, starts: Sequence[str], laws: Sequence[str], *, matrix: str = "W1") -> Figure:
    """Density of one matrix through time: experiment above, theories below, one colour scale per start."""
    sources = ("ensemble", *laws)
    rows = len(sources)
    figure = _figure((1.9 * SNAPSHOTS + 0.9) * len(starts), 2.0 * rows + 0.6)
    for panel, case in zip(figure.subfigures(1, len(starts), squeeze=False)[0], starts, strict=True):
        times = run[f"{case}/ensemble"]["time"].values
        chosen = np.unique(np.round(np.linspace(0, 1, SNAPSHOTS) ** 1.5 * (len(times) - 1)).astype(int))
        axes = panel.subplots(rows, len(chosen), sharex=True, sharey=True, squeeze=False)
        panel.suptitle(f"density of {matrix}, {_start_title(case)}", fontsize=11)
        peak = max(float(_snapshot(run, case, "ensemble", matrix, i).max()) for i in chosen)
        for column, index in enumerate(chosen):
            for row, source in enumerate(sources):
                _draw_density(axes[row, column], _snapshot(run, case, source, matrix, index), peak)
                if column == 0:
                    axes[row, column].set_ylabel(f"{LABELS.get(source, source)}\n{_second_axis(run, case, matrix)}")
            axes[0, column].set_title(f"t = {times[index]:.3g}")
        _zoom(axes[0, 0], run[f"{case}/ensemble"], matrix)
        if axes[0, 0].collections:
            bar = panel.colorbar(axes[0, 0].collections[0], ax=axes, shrink=0.7, extend="both")
            bar.set_label(f"density of {matrix}, theory and experiment alike")
        for ax, name in zip(axes[-1], run[f"{case}/ensemble"][f"density_{matrix}"].dims[1:2] * 9, strict=False):
            ax.set_xlabel(str(name))
    return figure


def _second_axis(run: Groups, case: str, matrix: str) -> str:
    names = run[f"{case}/ensemble"][f"density_{matrix}"].dims[1:]
    return str(names[1]) if len(names) > 1 else "density"


def _snapshot(run: Groups, case: str, source: str, matrix: str, index: int) -> xr.DataArray:
    density = _plane(run[f"{case}/{source}"][f"density_{matrix}"].isel(time=index))
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


def widths_figure(run: Groups, starts: Sequence[str], laws: Sequence[str]) -> Figure:
    """Mean and standard deviation of the first weights against time."""
    names = _weights(run, starts)
    figure = _figure(3.2 * len(names), 2.5 * 2 * len(starts))
    axes = figure.subplots(2 * len(starts), len(names), squeeze=False, sharex=True)
    for i, case in enumerate(starts):
        sgd = run[f"{case}/ensemble"]
        for j, name in enumerate(names):
            for row, key in enumerate(("mean", "std")):
                curves = {s: run[f"{case}/{s}"][key].sel(weight=name).values for s in ("ensemble", *laws)}
                errors = {"ensemble": sgd[f"{key}_error"].sel(weight=name).values}
                ax = plot_curves(sgd["time"].values, curves, ax=axes[2 * i + row, j], errors=errors)
                ax.set_xlabel("")
                ax.set_title(f"{key} of {name}")
                ax.collections[-1].set_label("± 4 standard errors")
            axes[2 * i + 1, j].set_ylim(bottom=0)
        axes[2 * i, 0].set_ylabel(_start_title(case))
    for ax in axes[-1]:
        ax.set_xlabel("training time t")
    axes[0, 0].legend()
    return figure


def _weights(run: Groups, starts: Sequence[str]) -> list[str]:
    """Weights that are shown: those of the planes of both matrices."""
    sgd = run[f"{starts[0]}/ensemble"]
    return [str(d) for m in ("W1", "W2") for d in sgd[f"density_{m}"].dims if d != "time"]


def marginals_figure(run: Groups, starts: Sequence[str], laws: Sequence[str]) -> Figure:
    """Marginal densities of the first weights at the last time."""
    names = _weights(run, starts)
    figure = _figure(3.2 * len(names), 2.6 * len(starts))
    axes = figure.subplots(len(starts), len(names), squeeze=False)
    for i, case in enumerate(starts):
        sgd = run[f"{case}/ensemble"].isel(time=-1)
        for j, name in enumerate(names):
            ax, tops = axes[i, j], {}
            for source in ("ensemble", *laws):
                array = run[f"{case}/{source}"][f"density_{name[:2]}"].isel(time=-1)
                others = [d for d in array.dims if d != name]
                marginal = array.sum(others) * float(np.prod([array[d].attrs["spacing"] for d in others]))
                plot_marginal(array[name], marginal, source=source, ax=ax, filled=source == "ensemble")
                tops[source] = float(marginal.max())
            ax.set_xlabel(name)
            mean, std = (float(sgd[k].sel(weight=name)) for k in ("mean", "std"))
            ax.set_xlim(mean - 5 * std, mean + 5 * std)
            highest = max(tops, key=lambda source: tops[source])
            rest = max(top for source, top in tops.items() if source != highest) if len(tops) > 1 else np.inf
            if tops[highest] > 2.2 * rest:
                ax.set_ylim(0, 2.2 * rest)
                note = f"{LABELS.get(highest, highest)} reaches {tops[highest]:.3g}"
                ax.set_title(note, loc="right", fontsize=8, color=COLOURS.get(highest))
        axes[i, 0].set_ylabel(f"density, {_start_title(case)}")
        axes[i, 0].set_title(f"t = {float(sgd['time']):.3g}")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    return figure


def outputs_figure(run: Groups, starts: Sequence[str]) -> Figure:
    """Outputs, losses and own observables at the last time, theory on experiment."""
    names = [str(o) for o in run[f"{starts[0]}/outputs"]["observable"].values][:MOST_PANELS]
    figure, axes = _panels(len(starts), len(names), height=3.1)
    for i, case in enumerate(starts):
        outputs = run[f"{case}/outputs"]
        for j, name in enumerate(names):
            one, ax = outputs.sel(observable=name), axes[i, j]
            for source in outputs["law"].values:
                density = one["density"].sel(law=source)
                plot_marginal(one["centre"], density, source=str(source), ax=ax, filled=source == "ensemble")
            ax.set_ylim(0, 1.45 * float(one["density"].sel(law="ensemble").max()))
            ax.set_title(f"first {name}" if name.startswith("output") else name)
            ax.set_xlabel("first output" if "output" in name else name)
            _note_beyond(ax, one["centre"], one["density"])
            if name.startswith("output at probe") and "probe_image" in outputs:
                image = outputs["probe_image"].isel(probe=int(name.rsplit(" ", 1)[1]) - 1)
                plot_image(image, ax=ax.inset_axes((0.02, 0.72, 0.2, 0.27)))
        axes[i, 0].set_ylabel(f"density, {_start_title(case)}")
    figure.legend(*axes[0, -1].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    return figure


def _note_beyond(ax: Axes, centres: xr.DataArray, densities: xr.DataArray, least: float = 0.05) -> None:
    """Say how much of a source lies beyond the axis: densities are normalised by all values, shown or not."""
    width, line = float(centres[1] - centres[0]), 0
    for source in densities["law"].values:
        beyond = 1.0 - width * float(densities.sel(law=source).sum())
        if beyond < least:
            continue
        note = ax.text(
            0.99,
            0.97 - 0.08 * line,
            f"{LABELS.get(source, source)}: {100 * beyond:.0f} % beyond the axis",
            transform=ax.transAxes,
            ha="right",
            va="top",
            fontsize=8,
            color=COLOURS.get(source),
        )
        note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.0})
        line += 1


def distances_figure(run: Groups, starts: Sequence[str]) -> Figure:
    """Total variation between theory and experiment against time, with the sampling floor of every theory."""
    names = [str(o) for o in run[f"{starts[0]}/comparison"]["observable"].values][:MOST_PANELS]
    figure, axes = _panels(len(starts), len(names), height=2.9, share=True)
    for i, case in enumerate(starts):
        table = run[f"{case}/comparison"]
        for j, name in enumerate(names):
            for theory in table["theory"].values:
                one = table.sel(observable=name, theory=theory)
                if np.isfinite(one["distance"]).any():
                    _distance_with_floor(axes[i, j], one, str(theory))
            axes[i, j].set_title(name)
            if i < len(starts) - 1:
                axes[i, j].set_xlabel("")
        axes[i, 0].set_ylabel(f"total variation, {_start_title(case)}")
    axes[0, 0].legend(fontsize=8)
    return figure


def _distance_with_floor(ax: Axes, one: xr.Dataset, theory: str) -> None:
    """A theory's distance, and its own sampling floor in its colour."""
    plot_distances(one["time"], {theory: one["distance"].values}, one["floor"], one["spread"], ax=ax)
    band, middle = ax.collections[-1], ax.lines[-2]
    band.set(color=COLOURS.get(theory, "0.5"), alpha=0.18, label=f"its {band.get_label()}")
    middle.set_color(COLOURS.get(theory, "0.5"))


def budget_figure(run: Groups, starts: Sequence[str]) -> Figure:
    """Causes of the distance of every theory, at the last time: one panel for each start and theory."""
    theories = [str(c) for c in run[f"{starts[0]}/budget"]["theory"].values]
    figure = _figure(5.2 * len(theories) + 0.6, 2.5 * len(starts) + 0.9)
    axes = figure.subplots(len(starts), len(theories), squeeze=False)
    for i, case in enumerate(starts):
        table = run[f"{case}/budget"]
        causes = [str(c) for c in table["cause"].values]
        labelled: list[str] = []
        for j, theory in enumerate(theories):
            there = table["total"].sel(theory=theory).dropna("observable")["observable"]
            one, names = table.sel(theory=theory, observable=there), [str(o) for o in there.values]
            plot_budget(
                names,
                {c: one["error"].sel(cause=c).values for c in causes},
                total=one["total"].values,
                floor=one["total_floor"].values,
                resolved={c: one["resolved"].sel(cause=c).values for c in causes},
                ax=axes[i, j],
            )
            axes[i, j].set_title(f"{LABELS.get(theory, theory)}, {_start_title(case)}")
            if names == labelled:
                axes[i, j].set_yticklabels([])
            labelled = names
    for ax in axes[-1]:
        ax.set_xlabel("total variation, and its parts (pale: within sampling)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
    return figure
