"""Pictures of a file: those of its scenario, of a sweep, or of stored objects.

Limits: a run whose scenario is code that is not here has none; :func:`pictures_need` names the file that draws them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from fpsim.scenario.files import draw_figures, save_figures
from fpsim.scenario.running import figures_of, scenario_if_known
from fpsim.scenario.scenario import Scenario
from fpsim.support.errors import DomainError
from fpsim.sweeps import sweep_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_pictures", "pictures", "pictures_need"]


def pictures_need(tree: xr.DataTree, *, code: Scenario | None = None) -> str:
    """Name of the scenario's file without which nothing can be drawn; empty if all is here."""
    if "content" in tree.attrs or scenario_if_known(tree, where="the file", code=code) is not None:
        return ""
    return str(tree.attrs["kind"])


def pictures(tree: xr.DataTree, *, code: Scenario | None = None) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every picture of a file."""
    return sweep_figures(tree) if tree.attrs.get("content") == "sweep" else figures_of(tree, code=code)


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
    return draw_figures(tree, folder, code=code)
