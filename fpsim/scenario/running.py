"""Execution of a scenario in memory: stages, then claims, tables and conclusions computed from their groups.

A stage whose numbers do not allow its result is recorded as missing, with the reason; later stages that do not need it
go on. What is said about a run stands in its file: table, claims and conclusions need no code to be read again.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import xarray as xr

from fpsim._version import __version__
from fpsim.scenario.catalogue import programs
from fpsim.scenario.judgement import CLAIMS, shortfalls_of, verdict_dataset, verdict_tables
from fpsim.scenario.loading import scenario_from
from fpsim.scenario.missing import INCOMPLETE, NOT_COMPUTABLE, missing_from, reason, with_missing
from fpsim.scenario.parameters.sections import Data, Parameters, Section
from fpsim.scenario.parameters.toml_text import read_toml_text
from fpsim.scenario.records import group, labelled
from fpsim.scenario.results import MissingGroupError, Results, Workbench
from fpsim.scenario.scenario import Scenario
from fpsim.scenario.tables import read_tables, table_text, tables_as_json
from fpsim.storage import Checkpoint, provenance
from fpsim.support.checks import shown
from fpsim.support.errors import ConfigError, DomainError, FileError, FpsimError
from fpsim.support.progress import Reporter
from fpsim.support.resources import resource_folder
from fpsim.uncertainty.verdict import judged_together

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "account_cells",
    "account_text",
    "figures_of",
    "finished_part",
    "report",
    "run",
    "run_shortfalls",
    "scenario_if_known",
    "scenario_of_run",
    "with_unfinished",
]

T = TypeVar("T")


def run(
    scenario: Scenario,
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
    scenario : Scenario
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
        Keeps the state of long training.

    Returns
    -------
    xarray.DataTree
        What the file holds, provenance included.

    Raises
    ------
    DomainError
        If ``scenario`` is none.
    """
    if not isinstance(scenario, Scenario):
        raise DomainError(f"scenario is {shown(scenario)}: what load_scenario answers is accepted")
    origins = _origins_of_data(scenario.parameters)
    if done is not None and done.attrs.get("data_sha256", "") != origins.get("data_sha256", ""):
        raise FileError(f"{origins.get('data', 'data')}: changed since the run began; the file as it was is accepted")
    if scenario.check is not None:
        with _told(scenario.check):
            scenario.check(scenario.parameters)
    tree = xr.DataTree() if done is None else finished_part(done)
    tree.attrs = {
        "title": scenario.title,
        "scenario": scenario.name or "unnamed",
        "kind": scenario.source or "python",
        "description": scenario.purpose,
        "changed": "\n".join(scenario.changed) if done is None else str(done.attrs.get("changed", "")),
        **origins,
        "complete": 0,
        **provenance(config=scenario.config, seed=scenario.parameters.seed, command=command),
    }
    silent: Reporter = lambda _task: lambda _share: None  # noqa: E731
    keep = snapshot or (lambda _tree: None)
    keep(tree)
    _compute(scenario, Workbench(tree, threads=threads, reporter=report or silent, checkpoint=checkpoint), keep)
    _conclude(scenario, tree)
    tree.attrs["complete"] = 1
    keep(tree)
    return tree


def _data_of(value: Any) -> Iterator[Data]:
    """Training sets among parameters, wherever they lie."""
    if isinstance(value, Data):
        yield value
    elif isinstance(value, Section):
        for _, inner in value:
            yield from _data_of(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _data_of(inner)


def _origins_of_data(parameters: Parameters) -> dict[str, str]:
    """Attributes that say where data of one's own come from, one line a table; a table that is refused is told here."""
    tables = [data.table() for data in _data_of(parameters) if data.is_own]
    if not tables:
        return {}
    said = [f"{t.path}: {t.values.shape[0]} rows of {', '.join(t.columns)}" for t in tables]
    return {"data": "\n".join(said), "data_sha256": "\n".join(t.sha256 for t in tables)}


def _compute(scenario: Scenario, work: Workbench, keep: Callable[[xr.DataTree], None]) -> None:
    """Put every group that is not there yet into the tree."""
    tree, missing = work.tree, []
    for function, path, keys in scenario.parts():
        if path in tree.groups:
            continue
        work.path = path
        try:
            with _told(function):
                found = function(scenario.parameters, work, *keys)
        except MissingGroupError as error:
            missing.append(f"{path}: {error}")
        except NOT_COMPUTABLE as error:
            missing.append(reason(error, path, scenario.parameters))
        else:
            if not isinstance(found, xr.Dataset):
                raise ConfigError(f"stage {function.__name__} answered {shown(found)}: an xarray.Dataset is accepted")
            tree[path] = xr.DataTree(labelled(found))
        keep(tree)  # an interrupt may be the reason that something is missing; it is told here
    if missing:
        tree.attrs["missing"] = "\n".join(missing)


def _conclude(scenario: Scenario, tree: xr.DataTree) -> None:
    """Claims, tables and conclusions: computed from the groups, kept in the file."""
    p, run = scenario.parameters, Results(tree)
    records = judged_together(_all(scenario.claims, p, run))
    if records:
        tree[CLAIMS] = xr.DataTree(verdict_dataset(records))
    tables = _all(scenario.tables, p, run)
    sentences = _all(scenario.conclusions, p, run)
    summary = xr.Dataset()
    if scenario.summary is not None:
        with contextlib.suppress(MissingGroupError), _told(scenario.summary):
            summary = scenario.summary(p, run)
    tree.dataset = labelled(summary).assign_attrs(tree.attrs)
    tree.attrs["tables"] = tables_as_json(tables)
    tree.attrs["conclusions"] = "\n".join(sentences)
    tree.attrs["table"] = account_text(tree)


def _all(function: Callable[[Any, Results], Iterable[T]] | None, p: Any, run: Results) -> list[T]:
    """Everything a function yields until a group that it needs is missing."""
    found: list[T] = []
    if function is not None:
        with contextlib.suppress(MissingGroupError), _told(function):
            found.extend(function(p, run))  # what came before a missing group stays
    return found


@contextlib.contextmanager
def _told(function: Callable[..., Any]) -> Iterator[None]:
    """Tell of an error in a user's scenario or functions with its line; any other one is a fault of ours.

    Raises
    ------
    ConfigError
        In place of every error that is none of fpsim's own.
    """
    file = inspect.getsourcefile(inspect.unwrap(function))
    try:
        yield
    except (*NOT_COMPUTABLE, FpsimError, OSError, MemoryError):
        raise
    except Exception as error:
        lines = [f for f in traceback.extract_tb(error.__traceback__) if not _is_of_a_library(f.filename)]
        if file is None or (_is_of_a_library(file) and not lines) or os.environ.get("FPSIM_TRACEBACK"):
            raise
        where = f"{lines[-1].filename}, line {lines[-1].lineno}" if lines else file
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"[:600]
        raise ConfigError(f"{where}: {said} (FPSIM_TRACEBACK=1 shows where)") from None


def _is_of_a_library(file: str) -> bool:
    """Whether a file of code is none of a user's: of the package, its scenarios, Python or what is installed."""
    folders = [Path(__file__).parents[1], resource_folder("scenarios"), Path(sys.prefix), Path(sys.base_prefix)]
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in folders)


def account_cells(tree: xr.DataTree) -> list[dict[str, Any]]:
    """Tables and verdicts of a file, each as :meth:`fpsim.scenario.tables.Table.as_cells` gives it."""
    verdicts = verdict_tables(group(tree, CLAIMS)) if CLAIMS in tree.children else []
    return [*read_tables(tree), *(table.as_cells() for table in verdicts)]


def account_text(tree: xr.DataTree) -> str:
    """Tables, verdicts and conclusions of a file, and what is missing."""
    blocks = [*map(table_text, account_cells(tree)), str(tree.attrs.get("conclusions", ""))]
    return with_missing("\n\n".join(block for block in blocks if block), tree)


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


def scenario_of_run(tree: xr.DataTree, *, where: str, code: Scenario | None = None) -> Scenario:
    """The resolved scenario of a run's file, also of a file that an earlier version wrote.

    Parameters
    ----------
    code : Scenario, optional
        The scenario of a user's own file, which a run names but never brings.

    Raises
    ------
    FileError
        If the scenario or a key of it is not known here; the message says where it is.
    """
    try:
        raw = read_toml_text(str(tree.attrs.get("config", "")), where)
        if code is None and str(raw.get("scenario")).endswith(".py"):
            raise FileError(
                f"{where}: its scenario is in a file of your own, {raw['scenario']}: --scenario FILE gives it"
            )
        return scenario_from(raw, where=where, code=code)
    except ConfigError as error:
        raise FileError(f"{error}; {_way_out(tree)}") from None


def scenario_if_known(tree: xr.DataTree, *, where: str, code: Scenario | None = None) -> Scenario | None:
    """As :func:`scenario_of_run`; ``None`` for a run whose scenario is code that is not here, a user's or bygone."""
    config = read_toml_text(str(tree.attrs.get("config", "")), where)
    if code is None and config.get("scenario") not in programs():
        return None
    return scenario_of_run(tree, where=where, code=code)


def _way_out(tree: xr.DataTree) -> str:
    version, reads = tree.attrs.get("fpsim_version", "of an unknown version"), "xarray.open_datatree reads its arrays"
    if version == __version__:
        return reads
    return (
        f"the run was written by fpsim {version}, this is {__version__}: that version draws and resumes it, and {reads}"
    )


def figures_of(tree: xr.DataTree, *, code: Scenario | None = None) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every picture of a run; of an interrupted run those for which everything is there.

    Raises
    ------
    FileError
        If the scenario is not known here.
    """
    draw = _drawing(tree, code)
    if tree.attrs.get("complete") == 1 and not missing_from(tree):
        yield from draw(tree)
        return
    with contextlib.suppress(*INCOMPLETE):  # a group that is not there yet
        yield from draw(finished_part(tree))


def _drawing(tree: xr.DataTree, code: Scenario | None) -> Callable[[xr.DataTree], Iterable[tuple[str, Figure]]]:
    scenario = scenario_of_run(tree, where=str(tree.attrs["scenario"]), code=code)
    figures, parameters = scenario.figures, scenario.parameters
    return (lambda found: figures(parameters, Results(found))) if figures else lambda _found: ()


def report(tree: xr.DataTree) -> str:
    """The table of a run, from its file if it is there; of an interrupted one what there is."""
    if "table" in tree.attrs:
        return str(tree.attrs["table"])
    if tree.attrs.get("complete") == 1:  # of another version, which says so
        scenario_of_run(tree, where=str(tree.attrs["scenario"]))
    return "This run is not complete; fpsim resume goes on with it."


def run_shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """One line per comparison, identity or claim of a run that is not as expected, and per result that is missing."""
    missing, none = tuple(f"missing: {line}" for line in missing_from(tree)), tuple[str, ...]()
    return (*missing, *(shortfalls_of(group(tree, CLAIMS)) if CLAIMS in tree.children else none))
