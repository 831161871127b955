"""Moving picture of densities through training, drawn from a run's file alone.

Theory and experiment stand side by side in the same colours (two coordinates) or on the same axis (one coordinate).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fpsim.plots import LABELS, plot_density, plot_marginal, styled
from fpsim.runs.run import Run
from fpsim.storage import derived_file
from fpsim.support.errors import DomainError, FileError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fpsim.density import Density

__all__ = ["animate"]

DECADES = 3.0
"""Orders of magnitude that the colours span below the peak."""
Rows = dict[str, dict[str, tuple["Density", ...]]]
"""By parent group (a start), by source (``ensemble``, a closure): one density for each time."""


def animate(run: Run, path: str | Path, *, variable: str | None = None, rate: int = 5) -> Path:
    """Write a GIF, or an MP4 where ffmpeg is installed.

    Parameters
    ----------
    run : Run
        A run whose groups hold densities through time.
    path : str or Path
        Ends in ``.gif`` or ``.mp4``.
    variable : str, optional
        Density to show; the first of the file by default.
    rate : int
        Pictures per second.

    Raises
    ------
    DomainError
        If the run holds no densities through time, or not this one, or the ending is not accepted.
    FileError
        If the file cannot be written, or an MP4 is asked for without ffmpeg.
    """
    target = Path(path)
    names = {n: None for by_name in run.densities.values() for n, series in by_name.items() if len(series) > 1}
    if not names:
        raise DomainError(f"{run.path}: kind {run.attributes['kind']} keeps no densities through time to animate")
    name = variable or next(iter(names))
    if name not in names:
        raise DomainError(f"variable {name!r} is no density of {run.path}: accepted are {', '.join(names)}")
    if target.suffix not in (".gif", ".mp4"):
        raise DomainError(f"{target}: accepted are names that end in .gif or .mp4")
    if target.suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise FileError(f"{target}: an MP4 needs ffmpeg, which is not installed; a .gif does not")
    with styled():
        _write(run, name, target, rate)
    return target


def _write(run: Run, name: str, target: Path, rate: int) -> None:
    from matplotlib.animation import FFMpegWriter, PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    rows, times = _rows(run, name)
    figure, panels = _figure(rows)
    FigureCanvasAgg(figure)
    _colour_bars(figure, panels, rows)
    writer = (PillowWriter if target.suffix == ".gif" else FFMpegWriter)(fps=rate)
    with derived_file(target) as part, writer.saving(figure, str(part), dpi=100):
        for index, time in enumerate(times):
            _draw(run, rows, panels, index)
            figure.suptitle(f"{run.attributes['title']}\n{name.replace('_', ' of ')},  t = {time:.3g}", fontsize=11)
            writer.grab_frame()


def _rows(run: Run, name: str) -> tuple[Rows, np.ndarray]:
    """Sources of every start that share its times, the experiment first."""
    rows: Rows = {}
    times = np.zeros(0)
    for path, by_name in run.densities.items():
        if name not in by_name or len(by_name[name]) < 2:
            continue
        times = run.times(path) if not times.size else times
        if len(by_name[name]) == times.size:
            parent, _, source = path.rpartition("/")
            rows.setdefault(parent, {})[source] = by_name[name]
    ordered = {p: dict(sorted(s.items(), key=lambda item: item[0] != "ensemble")) for p, s in rows.items()}
    return ordered, times


def _figure(rows: Rows) -> tuple[Figure, dict[str, list[Axes]]]:
    from matplotlib.figure import Figure

    first = next(iter(rows.values()))
    flat = next(iter(first.values()))[0].grid.ndim == 1
    columns = 1 if flat else max(len(sources) for sources in rows.values())
    figure = Figure(figsize=(max(3.0 * columns + 1.2, 5.0), 3.0 * len(rows) + 0.8), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row in axes[:, 1:]:
        for ax in row:
            ax.set_visible(False)
    return figure, {parent: list(axes[i]) for i, parent in enumerate(rows)}


def _peak(sources: dict[str, list[Density]]) -> float:
    """Upper end of the colours: the ensemble's peak at a typical time."""
    return float(np.median([p.values.max() for p in sources.get("ensemble", next(iter(sources.values())))]))


def _colour_bars(figure: Figure, panels: dict[str, list[Axes]], rows: Rows) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    for parent, sources in rows.items():
        if next(iter(sources.values()))[0].grid.ndim > 1:
            top = _peak({source: [_plane(p) for p in densities] for source, densities in sources.items()})
            colours = ScalarMappable(LogNorm(top * 10.0**-DECADES, top))
            bar = figure.colorbar(colours, ax=panels[parent], shrink=0.85, extend="both")
            bar.set_label("density, the same for all")


def _draw(run: Run, rows: Rows, panels: dict[str, list[Axes]], index: int) -> None:
    for parent, sources in rows.items():
        series = {source: [_plane(p) for p in densities] for source, densities in sources.items()}
        grid = next(iter(series.values()))[0].grid
        limits = _limits(series)
        for ax in panels[parent]:
            ax.clear()
        if grid.ndim == 1:
            ax = panels[parent][0]
            for source, densities in series.items():
                label = _label(run, f"{parent}/{source}".strip("/"))
                x, p = densities[index].grid.centers[0], densities[index].values
                plot_marginal(x, p, source=source, ax=ax, label=label)
            ax.set_xlim(*limits[0])
            ax.set_ylim(0, 1.1 * max(float(np.quantile([p.values.max() for p in s], 0.8)) for s in series.values()))
            ax.set_xlabel(grid.names[0])
            ax.set_ylabel(", ".join(filter(None, ("density", _title(parent)))))
            ax.legend(loc="upper right")
            continue
        peak = _peak(series)
        for column, (source, densities) in enumerate(series.items()):
            ax = panels[parent][column]
            ax.set_visible(True)
            density = densities[index]
            x, y = density.grid.centers
            plot_density(x, y, density.values, ax=ax, peak=peak, decades=DECADES)
            ax.set_xlim(*limits[0])
            ax.set_ylim(*limits[1])
            ax.set_title(_label(run, f"{parent}/{source}".strip("/")))
            ax.set_xlabel(density.grid.names[0])
            if column == 0:
                ax.set_ylabel(f"{_title(parent)}\n{density.grid.names[1]}".strip())


def _label(run: Run, path: str) -> str:
    """Name of a source: its group's own, or the one that it has everywhere."""
    source = path.rpartition("/")[2]
    return str(run.tree[path].attrs.get("label", LABELS.get(source, source)))


def _title(parent: str) -> str:
    return parent.replace("_", " ")


def _plane(density: Density) -> Density:
    """A density reduced to its first two coordinates."""
    return density if density.grid.ndim <= 2 else density.marginal(0, 1)


def _limits(series: dict[str, list[Density]]) -> list[tuple[float, float]]:
    """Where any density of any time exceeds a thousandth of its peak, along each axis."""
    ends: list[tuple[float, float]] = []
    for axis in range(next(iter(series.values()))[0].grid.ndim):
        reached = []
        for densities in series.values():
            for p in densities:
                others = tuple(a for a in range(p.grid.ndim) if a != axis)
                line = p.values.max(axis=others) if others else p.values
                where = np.flatnonzero(line > p.values.max() * 10.0**-DECADES)
                edges = p.grid.edges[axis]
                reached.append((float(edges[where[0]]), float(edges[where[-1] + 1])))
        ends.append((min(a for a, _ in reached), max(b for _, b in reached)))
    return ends
