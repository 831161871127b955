"""Run a scenario of any kind, write its file, draw its pictures."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from fpsim.errors import FileError
from fpsim.progress import Reporter, reporter
from fpsim.scenario.kind import kind_named
from fpsim.scenario.loading import scenario_from, to_toml
from fpsim.scenario.sections import ScenarioBase
from fpsim.storage import check_target, load, provenance, save, writer_lock

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Outcome", "draw", "figures_of", "report", "resume", "run", "run_to_file", "shortfalls"]


@dataclass(frozen=True)
class Outcome:
    """Where a run left its results, and its table."""

    file: Path
    figures: tuple[Path, ...]
    report: str


def run(
    scenario: ScenarioBase,
    *,
    threads: int | None = None,
    report: Reporter | None = None,
    command: str = "fpsim.run",
    done: xr.DataTree | None = None,
    snapshot: Callable[[xr.DataTree], None] | None = None,
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
    done : xarray.DataTree, optional
        An interrupted run of the same scenario; its groups are kept and not computed again.
    snapshot : callable, optional
        Called with the tree at the start and after every stage; its attribute ``complete`` is 1 at the end only.

    Returns
    -------
    xarray.DataTree
        What the file holds, provenance included.
    """
    kind = kind_named(_name(scenario))
    kind.check(scenario)
    silent: Reporter = lambda _task: lambda _done, _total: None  # noqa: E731
    tree = xr.DataTree() if done is None else done.copy()
    tree.attrs = {
        "title": scenario.title or scenario.name,
        "scenario": scenario.name,
        "kind": _name(scenario),
        "complete": 0,
        **provenance(config=to_toml(scenario), seed=scenario.seed, command=command),
    }
    keep = snapshot or (lambda _tree: None)
    keep(tree)
    for groups in kind.stages(scenario, tree, threads=threads, report=report or silent):
        for path, dataset in groups.items():
            tree[path] = xr.DataTree(dataset)
        keep(tree)
    tree.dataset = kind.summary(tree).assign_attrs({**tree.attrs, "complete": 1})
    keep(tree)
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
    done: xr.DataTree | None = None,
) -> Outcome:
    """Run a scenario, write one HDF5 file and, if a folder is given, its pictures.

    The file is there from the start and is replaced whole after every stage, so another process can read it while the
    run goes on, and :func:`resume` can go on with it after an interruption.

    Raises
    ------
    FileError
        Before any work, if the file exists or cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    target = check_target(path, overwrite=overwrite)
    with writer_lock(target), reporter(quiet=quiet) as progress:
        tree = run(
            scenario, threads=threads, report=progress, command=command, snapshot=lambda t: save(t, target), done=done
        )
    return Outcome(target, draw(tree, figures) if figures else (), report(tree))


def resume(
    path: str | Path, *, figures: str | Path | None = None, threads: int | None = None, quiet: bool = False
) -> Outcome:
    """Go on with an interrupted run, to the same bits as if it had not been interrupted.

    Raises
    ------
    FileError
        If the file is not a run's, or another process is writing it.
    """
    done = load(path)
    scenario = scenario_from(tomllib.loads(str(done.attrs["config"])), where=str(path))
    return run_to_file(
        scenario,
        path,
        figures=figures,
        overwrite=True,
        threads=threads,
        quiet=quiet,
        command=str(done.attrs["command"]),
        done=done,
    )


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
        for name, figure in figures_of(tree):
            paths.append(place / f"{name}.png")
            figure.savefig(paths[-1])
    return tuple(paths)


def figures_of(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every picture of a run."""
    return kind_named(tree.attrs["kind"]).figures(tree)


def report(tree: xr.DataTree) -> str:
    """The table of a run."""
    return kind_named(tree.attrs["kind"]).report(tree)


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """One line per comparison, identity or claim of a run that did not hold."""
    return kind_named(tree.attrs["kind"]).shortfalls(tree)
