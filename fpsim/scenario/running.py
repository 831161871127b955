"""Run a scenario of any kind, write its file, draw its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from fpsim.errors import ConfigError, FileError
from fpsim.progress import Reporter, reporter
from fpsim.scenario.config import ScenarioBase
from fpsim.scenario.loading import to_toml
from fpsim.storage import check_target, provenance, save, writer_lock

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Outcome", "draw", "report", "run", "run_to_file"]


@dataclass(frozen=True)
class _Kind:
    """What a kind of scenario brings: how to run it, draw it and report it."""

    run: Callable[..., xr.DataTree]
    figures: Callable[[xr.DataTree], Iterator[tuple[str, Figure]]]
    report: Callable[[xr.DataTree], str]


def _kind(name: str) -> _Kind:
    if name == "bottleneck":
        from fpsim.scenario.bottleneck import run_bottleneck
        from fpsim.scenario.figures import bottleneck_figures
        from fpsim.scenario.report import bottleneck_report

        return _Kind(run_bottleneck, bottleneck_figures, bottleneck_report)
    raise ConfigError(f"kind = {name!r}: bottleneck is accepted")


@dataclass(frozen=True)
class Outcome:
    """Where a run left its results, and its table."""

    file: Path
    figures: tuple[Path, ...]
    report: str


def run(
    scenario: ScenarioBase, *, threads: int | None = None, report: Reporter | None = None, command: str = "fpsim.run"
) -> xr.DataTree:
    """Run a scenario in memory.

    Parameters
    ----------
    scenario : ScenarioBase
        From :func:`fpsim.scenario.load_scenario` or built in Python.
    threads : int, optional
        Number of threads; results are the same for any number.
    report : Reporter, optional
        Makes progress callables (see :mod:`fpsim.progress`).

    Returns
    -------
    xarray.DataTree
        What the file holds, provenance included.
    """
    silent: Reporter = lambda _task: lambda _done, _total: None  # noqa: E731
    tree = _kind(_name(scenario)).run(scenario, threads=threads, report=report or silent)
    tree.attrs = {
        "title": scenario.title or scenario.name,
        "scenario": scenario.name,
        "kind": _name(scenario),
        **provenance(config=to_toml(scenario), seed=scenario.seed, command=command),
    }
    return tree


def _name(scenario: ScenarioBase) -> str:
    kind: Any = getattr(scenario, "kind", "")
    return str(kind)


def run_to_file(
    scenario: ScenarioBase,
    path: str | Path,
    *,
    figures: str | Path | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    quiet: bool = False,
    command: str = "fpsim.run",
) -> Outcome:
    """Run a scenario, write one HDF5 file and, if a folder is given, its pictures.

    Raises
    ------
    FileError
        Before any work, if the file exists or cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    target = check_target(path, overwrite=overwrite)
    with writer_lock(target), reporter(quiet=quiet) as progress:
        tree = run(scenario, threads=threads, report=progress, command=command)
        save(tree, target)
    return Outcome(target, draw(tree, figures) if figures else (), report(tree))


def draw(tree: xr.DataTree, folder: str | Path) -> tuple[Path, ...]:
    """Draw all pictures of a run into a folder, as PNG."""
    from fpsim.plots import styled

    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{place}: cannot make the folder for the pictures ({error.strerror})") from None
    paths = []
    with styled():
        for name, figure in _kind(str(tree.attrs["kind"])).figures(tree):
            paths.append(place / f"{name}.png")
            figure.savefig(paths[-1])
    return tuple(paths)


def report(tree: xr.DataTree) -> str:
    """The table of a run."""
    return _kind(str(tree.attrs["kind"])).report(tree)
