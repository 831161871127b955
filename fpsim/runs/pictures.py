"""Pictures of a file: those of its scenario, of a sweep, or of stored objects.

Limits: a run whose scenario is code that is not here has none; :func:`pictures_need` names the file that draws them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fpsim.plots import LABELS, plot_density, plot_marginal
from fpsim.runs.run import Run
from fpsim.runs.run_comparison import ENSEMBLE
from fpsim.scenario.files import save_figures
from fpsim.scenario.running import figures_of, scenario_if_known
from fpsim.scenario.scenario import Scenario
from fpsim.support.errors import DomainError
from fpsim.sweeps import sweep_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fpsim.density import Density

__all__ = ["draw_pictures", "pictures", "pictures_need"]

MOST_TIMES = 4
"""Times at which stored densities are drawn."""


def pictures_need(tree: xr.DataTree, *, code: Scenario | None = None) -> str:
    """Name of the scenario's file without which nothing can be drawn; empty if all is here."""
    if "content" in tree.attrs or scenario_if_known(tree, where="the file", code=code) is not None:
        return ""
    return str(tree.attrs["kind"])


def pictures(tree: xr.DataTree, *, code: Scenario | None = None) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every picture of a file."""
    content = tree.attrs.get("content")
    if content == "objects":
        return _object_figures(tree)
    return sweep_figures(tree) if content == "sweep" else figures_of(tree, code=code)


def draw_pictures(
    tree: xr.DataTree,
    folder: str | Path,
    *,
    code: Scenario | None = None,
    scalars: Sequence[str] = (),
    against: str | None = None,
) -> tuple[Path, ...]:
    """Draw the pictures of a file into a folder, as PNG.

    Parameters
    ----------
    scalars, against
        As of :func:`fpsim.sweeps.sweep_figures`; for sweeps only.

    Raises
    ------
    DomainError
        If scalars or a key are asked for and the file is no sweep.
    """
    if tree.attrs.get("content") == "sweep":
        return save_figures(sweep_figures(tree, scalars=scalars, against=against), folder)
    if scalars or against:
        raise DomainError("scalars against keys: a file of fpsim sweep has them, this one does not")
    return save_figures(pictures(tree, code=code), folder)


def _object_figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Densities of stored objects at up to four times, everything of one name in one figure."""
    from matplotlib.figure import Figure

    run = Run(Path("objects"), None, tree)
    series: dict[str, dict[str, tuple[Density, ...]]] = {}
    for path, by_name in run.densities.items():
        for name, densities in by_name.items():
            series.setdefault(name, {})[path] = densities
    labels = {path: LABELS.get(path, path) for path in run.densities}
    labels |= {path: "sample paths" for path in run.densities if "positions" in tree[path]}
    for name, sources in series.items():
        longest = max(sources, key=lambda path: (path != ENSEMBLE, len(sources[path])))
        times = run.times(longest)
        shown = [times[i] for i in np.unique(np.linspace(0, len(times) - 1, min(MOST_TIMES, len(times))).astype(int))]
        flat = sources[longest][0].grid.ndim == 1
        rows = 1 if flat else len(sources)
        figure = Figure(figsize=(3.2 * len(shown) + 0.6, 2.9 * rows + 0.3))
        panels = figure.subplots(rows, len(shown), squeeze=False)
        for column, time in enumerate(shown):
            for row, (path, densities) in enumerate(sources.items()):
                index = int(np.argmin(np.abs(run.times(path) - time)))
                ax = panels[0 if flat else row][column]
                if not np.isclose(run.times(path)[index], time):
                    continue
                density = densities[index]
                if flat:
                    x = density.grid.centers[0]
                    plot_marginal(x, density.values, source=path, ax=ax, filled=path == ENSEMBLE, label=labels[path])
                else:
                    plane = density if density.grid.ndim == 2 else density.marginal(0, 1)
                    plot_density(plane.grid.centers[0], plane.grid.centers[1], plane.values, ax=ax)
                    ax.set_ylabel(f"{labels[path]}\n{plane.grid.names[1]}" if column == 0 else "")
                ax.set_xlabel(density.grid.names[0])
                ax.set_title(f"t = {time:.3g}")
        if flat:
            panels[0][0].set_ylabel("density")
            panels[0][-1].legend(fontsize=8)
        yield name, figure
