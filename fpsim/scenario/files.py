"""Runs of scenarios as files: written stage by stage, resumed to the same bits, and their pictures.

Promises: the file is there from the start and is replaced whole after every stage; interrupts wait while it is being
written; long training leaves checkpoints beside it, which are removed at the end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from fpsim._version import __version__
from fpsim.scenario.running import (
    figures_of,
    report,
    run,
    run_shortfalls,
    scenario_if_known,
    scenario_of_run,
    with_unfinished,
)
from fpsim.scenario.scenario import Scenario
from fpsim.storage import (
    Checkpoint,
    check_target,
    derived_file,
    load_tree,
    remove_leftovers,
    resolved,
    save_tree,
    snapshot_at,
    writer_lock,
)
from fpsim.support.errors import FileError
from fpsim.support.interrupts import held_interrupts, noticed_interrupts
from fpsim.support.progress import Progress, reporter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Outcome", "draw_figures", "resume_file", "run_to_file", "save_figures"]

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


def run_to_file(
    scenario: Scenario,
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

    Another process can read the file while the run goes on, and :func:`resume_file` can go on with it after an
    interruption.

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
    code: Scenario | None = None,
    figures: str | Path | None = None,
    threads: int | None = None,
    quiet: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Outcome:
    """Go on with an interrupted run, to the same bits as if it had not been interrupted; a complete one stays as it is.

    Parameters
    ----------
    code : Scenario, optional
        The scenario of a user's own file, which a run names but never brings.

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
            return _outcome(done, target, figures, code)
        if done.attrs["fpsim_version"] != __version__:
            log.warning("%s was begun by fpsim %s, this is %s", target, done.attrs["fpsim_version"], __version__)
        scenario = scenario_of_run(done, where=str(path), code=code)
        command = str(done.attrs["command"])
        return _write_run(scenario, target, done, figures, threads, quiet, command, checkpoint_seconds)


def _write_run(
    scenario: Scenario,
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
                lying = save_tree(tree, target, after=lying)
            noticed()

        def show(groups: Mapping[str, xr.Dataset]) -> None:
            write(with_unfinished(current, groups))

        checkpoint = Checkpoint(target, config=scenario.config, every=checkpoint_seconds, show=show)

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
    return _outcome(tree, target, figures, scenario)


def _outcome(tree: xr.DataTree, target: Path, figures: str | Path | None, code: Scenario | None) -> Outcome:
    known = figures and scenario_if_known(tree, where=str(target), code=code) is not None
    drawn = draw_figures(tree, figures, code=code) if figures and known else ()
    return Outcome(target, drawn, report(tree), run_shortfalls(tree))


def draw_figures(tree: xr.DataTree, folder: str | Path, *, code: Scenario | None = None) -> tuple[Path, ...]:
    """Draw all pictures of a run into a folder, as PNG."""
    return save_figures(figures_of(tree, code=code), folder)


def save_figures(figures: Iterable[tuple[str, Figure]], folder: str | Path) -> tuple[Path, ...]:
    """Write figures, made while they are taken, into a folder as ``NAME.png``, in the style of the package."""
    from fpsim.plots import styled

    place = _folder(folder)
    paths = []
    with styled():
        for name, figure in figures:
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
