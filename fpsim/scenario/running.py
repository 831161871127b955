"""Execution of a scenario: stages into a file, checkpoints, pictures and the table."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from fpsim._version import __version__
from fpsim.scenario.interrupts import held_interrupts, noticed_interrupts
from fpsim.scenario.kind import Kind, kind_named
from fpsim.scenario.loading import read_config, scenario_from, to_toml
from fpsim.scenario.missing import NOT_COMPUTABLE, missing_from, possible, reason
from fpsim.scenario.sections import ScenarioBase
from fpsim.scenario.shared.records import labelled
from fpsim.storage import (
    Checkpoint,
    check_target,
    derived_file,
    load_tree,
    provenance,
    remove_leftovers,
    resolved,
    save,
    snapshot_at,
    writer_lock,
)
from fpsim.support.checks import shown
from fpsim.support.errors import ConfigError, DomainError, FileError
from fpsim.support.progress import Progress, Reporter, reporter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Outcome",
    "draw_figures",
    "figures_of",
    "report",
    "resume_file",
    "run",
    "run_shortfalls",
    "run_to_file",
    "scenario_of_run",
]

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 15.0
"""Seconds between two checkpoints of a long stage."""


@dataclass(frozen=True)
class Outcome:
    """Where a run left its results, its table, and what did not hold."""

    file: Path
    figures: tuple[Path, ...]
    report: str
    shortfalls: tuple[str, ...]


def run(
    scenario: ScenarioBase,
    *,
    threads: int | None = None,
    report: Reporter | None = None,
    command: str = "fpsim.run",
    done: xr.DataTree | None = None,
    snapshot: Callable[[xr.DataTree], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> xr.DataTree:
    """Run a scenario in memory.

    Parameters
    ----------
    scenario : ScenarioBase
        From :func:`fpsim.scenario.load_scenario` or built in Python.
    threads : int, optional
        Number of threads; results are the same for any number.
    report : Reporter, optional
        Makes progress callables (see :mod:`fpsim.support.progress`).
    done : xarray.DataTree, optional
        An interrupted run of the same scenario; its finished groups are kept and not computed again.
    snapshot : callable, optional
        Called with the tree at the start and after every stage; its attribute ``complete`` is 1 at the end only.
    checkpoint : Checkpoint, optional
        Handed to the stages of kinds whose ``stages`` has a parameter of this name.

    Returns
    -------
    xarray.DataTree
        What the file holds, provenance included.

    Raises
    ------
    DomainError
        If ``scenario`` is not a validated scenario.
    """
    if not isinstance(scenario, ScenarioBase):
        raise DomainError(f"scenario is {shown(scenario)}: what load_scenario answers is accepted")
    kind = kind_named(_name(scenario))
    kind.check(scenario)
    silent: Reporter = lambda _task: lambda _share: None  # noqa: E731
    tree = xr.DataTree() if done is None else finished_part(done)
    tree.attrs = {
        "title": scenario.title or scenario.name,
        "scenario": scenario.name,
        "kind": _name(scenario),
        "complete": 0,
        **provenance(config=to_toml(scenario), seed=scenario.seed, command=command),
    }
    keep = snapshot or (lambda _tree: None)
    keep(tree)
    extra = {"checkpoint": checkpoint} if "checkpoint" in inspect.signature(kind.stages).parameters else {}
    tasks = [_name(scenario)]

    def noted(task: str) -> Progress:
        tasks.append(task)
        return (report or silent)(task)

    try:
        for groups in kind.stages(scenario, tree, threads=threads, report=noted, **extra):
            for path, dataset in groups.items():
                tree[path] = xr.DataTree(labelled(dataset))
            keep(tree)
    except NOT_COMPUTABLE as error:
        keep(tree)  # an interrupt may be the reason; it is told here
        tree.attrs["missing"] = reason(error, tasks[-1], scenario)
    summary = possible(kind.summary, tree, xr.Dataset())
    tree.dataset = labelled(summary).assign_attrs({**tree.attrs, "complete": 1})
    tree.attrs["table"] = _with_missing(possible(kind.report, tree, ""), tree)
    keep(tree)
    return tree


def _with_missing(table: str, tree: xr.DataTree) -> str:
    """A table under what is missing from it."""
    return "\n".join([*(f"missing: {line}" for line in missing_from(tree)), *([table] if table else [])])


def finished_part(tree: xr.DataTree) -> xr.DataTree:
    """A run without the groups that were unfinished (attribute ``complete`` = 0) when it was interrupted."""
    groups = {n.path: n.to_dataset(inherit=False) for n in tree.subtree if n.path == "/" or n.attrs.get("complete", 1)}
    return xr.DataTree.from_dict(groups)


def with_unfinished(tree: xr.DataTree, groups: Mapping[str, xr.Dataset]) -> xr.DataTree:
    """A copy of a run with groups that are still growing, marked with the attribute ``complete`` = 0."""
    grown = tree.copy()
    for path, dataset in groups.items():
        grown[path] = xr.DataTree(labelled(dataset).assign_attrs(complete=0))
    return grown


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
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Outcome:
    """Run a scenario, write one HDF5 file and, if a folder is given, its pictures.

    The file is there from the start and is replaced whole after every stage, so another process can read it while the
    run goes on, and :func:`resume_file` can go on with it after an interruption. Long stages also leave checkpoints
    beside the file, which are removed at the end.

    Parameters
    ----------
    checkpoint_seconds : float
        Seconds between two checkpoints of a stage that makes them.

    Raises
    ------
    FileError
        Before any work, if the file exists or cannot be written.
    KeyboardInterrupt
        On an interrupt; the file holds all finished stages.
    """
    try:
        resolved(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path}: cannot make the folder ({error.strerror})") from None
    check_target(path, overwrite=overwrite)
    target = Path(path)
    with writer_lock(target):
        check_target(path, overwrite=overwrite)  # again: another run may have ended since
        return _write_run(scenario, target, None, figures, threads, quiet, command, checkpoint_seconds)


def resume_file(
    path: str | Path,
    *,
    figures: str | Path | None = None,
    threads: int | None = None,
    quiet: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Outcome:
    """Go on with an interrupted run, to the same bits as if it had not been interrupted; a complete one stays as it is.

    Raises
    ------
    FileError
        If the file is not a run's, or another process is writing it.
    KeyboardInterrupt
        On an interrupt; the file holds all finished stages.
    """
    target = Path(path)
    if not target.is_file():
        raise FileError(f"{target}: no such file")
    with writer_lock(target):
        done = load_tree(target)
        if done.attrs.get("complete") == 1:
            return _outcome(done, target, figures)
        if done.attrs["fpsim_version"] != __version__:
            log.warning("%s was begun by fpsim %s, this is %s", target, done.attrs["fpsim_version"], __version__)
        scenario = scenario_of_run(done, where=str(path))
        command = str(done.attrs["command"])
        return _write_run(scenario, target, done, figures, threads, quiet, command, checkpoint_seconds)


def _write_run(
    scenario: ScenarioBase,
    target: Path,
    done: xr.DataTree | None,
    figures: str | Path | None,
    threads: int | None,
    quiet: bool,
    command: str,
    checkpoint_seconds: float,
) -> Outcome:
    """Run under the writer's lock; interrupts wait while the file is being written."""
    current, lying = xr.DataTree(), snapshot_at(target)
    if figures is not None and resolved(figures) == resolved(target):
        raise FileError(f"{target}: the pictures need a folder of another name than the run's file")
    with noticed_interrupts() as noticed, reporter(quiet=quiet) as progress:

        def write(tree: xr.DataTree) -> None:
            nonlocal lying
            noticed()
            with held_interrupts():
                lying = save(tree, target, after=lying)
            noticed()

        def show(groups: Mapping[str, xr.Dataset]) -> None:
            write(with_unfinished(current, groups))

        checkpoint = Checkpoint(target, config=to_toml(scenario), every=checkpoint_seconds, show=show)

        def snapshot(tree: xr.DataTree) -> None:
            nonlocal current
            if not current.attrs:  # the first: the checks have passed, and nothing of an older run may stay
                if figures is not None:
                    _folder(figures)
                remove_leftovers(target)
                if done is None:
                    checkpoint.remove()
            current = tree
            write(tree)

        def watched(task: str) -> Progress:
            update = progress(task)

            def step(share: float) -> None:
                noticed()
                update(share)

            return step

        try:
            tree = run(
                scenario,
                threads=threads,
                report=watched,
                command=command,
                snapshot=snapshot,
                done=done,
                checkpoint=checkpoint,
            )
        except Exception:
            noticed()  # a stage that an interrupt cut short may fail in a way of its own
            raise
        checkpoint.remove()
    return _outcome(tree, target, figures)


def _outcome(tree: xr.DataTree, target: Path, figures: str | Path | None) -> Outcome:
    return Outcome(target, draw_figures(tree, figures) if figures else (), report(tree), run_shortfalls(tree))


def scenario_of_run(tree: xr.DataTree, *, where: str) -> ScenarioBase:
    """The resolved scenario of a run's file, also of a file that an earlier version wrote.

    Raises
    ------
    FileError
        If this version does not know the kind or a key of it; the message names the version that does.
    """
    try:
        return scenario_from(read_config(str(tree.attrs.get("config", "")), where), where=where)
    except ConfigError as error:
        raise FileError(f"{error}; {_way_out(tree)}") from None


def _kind_of_run(tree: xr.DataTree) -> Kind:
    try:
        return kind_named(tree.attrs["kind"])
    except ConfigError as error:
        raise FileError(f"{error}; {_way_out(tree)}") from None


def _way_out(tree: xr.DataTree) -> str:
    version = tree.attrs.get("fpsim_version", "of an unknown version")
    return (
        f"the file was written by fpsim {version}, this is fpsim {__version__}: that version draws and resumes it, "
        "and xarray.open_datatree reads its arrays"
    )


def draw_figures(tree: xr.DataTree, folder: str | Path) -> tuple[Path, ...]:
    """Draw all pictures of a run into a folder, as PNG."""
    from fpsim.plots import styled

    place = _folder(folder)
    paths = []
    with styled():
        for name, figure in figures_of(tree):
            paths.append(place / f"{name}.png")
            with derived_file(paths[-1]) as part:
                figure.savefig(part)
    return tuple(paths)


def _folder(path: str | Path) -> Path:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path}: cannot make the folder for the pictures ({error.strerror})") from None
    return Path(path)


def figures_of(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every picture of a run; of an interrupted run those for which everything is there."""
    figures = _kind_of_run(tree).figures
    if tree.attrs.get("complete") == 1 and not missing_from(tree):
        yield from figures(tree)
        return
    with contextlib.suppress(LookupError, ValueError, TypeError, AttributeError):  # a group that is not there yet
        yield from figures(finished_part(tree))


def report(tree: xr.DataTree) -> str:
    """The table of a run, from its file if it is there; of an interrupted one what there is."""
    if "table" in tree.attrs:
        return str(tree.attrs["table"])
    table = _kind_of_run(tree).report
    if tree.attrs.get("complete") == 1:
        return _with_missing(possible(table, tree, ""), tree)
    with contextlib.suppress(LookupError, ValueError, TypeError, AttributeError):
        return f"This run is not complete; fpsim resume goes on with it.\n\n{table(finished_part(tree))}".strip()
    return "This run is not complete; fpsim resume goes on with it."


def run_shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """One line per comparison, identity or claim of a run that did not hold, and per result that is missing."""
    missing, none = tuple(f"missing: {line}" for line in missing_from(tree)), tuple[str, ...]()
    return (*missing, *possible(_kind_of_run(tree).shortfalls, tree, none))
