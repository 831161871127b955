"""Sweep of a scenario: one run, in a file of its own, for every combination of values and seed.

Promises: every combination is checked before any run; a run's file is named after its configuration, so that what is
finished is kept, what was interrupted goes on, and a larger grid adds to a smaller one; bits depend on neither workers
nor executor. Limits: a scenario comes by name or file, since other processes have to find it; a script that starts
processes needs the guard ``if __name__ == "__main__":``.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fpsim.scenario.files import resume_file, run_to_file
from fpsim.scenario.loading import load_scenario
from fpsim.storage import load_tree, save_tree
from fpsim.support.checks import instance_of, shown, whole_number
from fpsim.support.errors import ConfigError, DomainError, FileError, FpsimError
from fpsim.sweeps.gathering import gather

__all__ = ["GATHERED", "SweepOutcome", "sweep"]

MOST_RUNS = 10_000
GATHERED = "sweep.h5"
"""Name of the file that gathers the runs."""
Values = Sequence[Any]
_INTERRUPTED = threading.Event()
"""Set in a process of a sweep that was interrupted."""


@dataclass(frozen=True)
class SweepOutcome:
    """Where a sweep left its runs and their common file, its table, and what was not as expected."""

    file: Path
    runs: tuple[Path, ...]
    report: str
    shortfalls: tuple[str, ...]


@dataclass(frozen=True)
class _Run:
    """One run: how its scenario is made, and its file."""

    scenario: str
    changes: Mapping[str, Any]
    quick: bool
    file: str
    threads: int | None


def sweep(
    scenario: str | Path,
    over: Mapping[str, Values],
    *,
    folder: str | Path,
    seeds: int = 1,
    workers: int = 1,
    executor: concurrent.futures.Executor | None = None,
    changes: Mapping[str, Any] | None = None,
    quick: bool = False,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    command: str = "fpsim.sweep",
) -> SweepOutcome:
    """Run a scenario for every combination of values and gather the results.

    Parameters
    ----------
    scenario : str or Path
        A name that :func:`fpsim.scenario.available` knows, or a file.
    over : mapping
        Values by dotted key, for example ``{"sgd.learning_rate": (0.01, 0.02)}``.
    folder : str or Path
        For the files of the runs and ``sweep.h5``; made if missing.
    seeds : int
        Runs of each combination, with seeds of their own; the first is the scenario's.
    workers : int
        Processes that run at the same time; 1 runs here.
    executor : concurrent.futures.Executor, optional
        What runs them, in place of processes of this machine; it must see the folder.
    changes : mapping, optional
        Values by dotted key, the same for all runs.
    quick : bool
        Put the scenario's quick values in place first.
    threads : int, optional
        Threads of each run; by default the machine's, shared by the workers.
    progress : callable, optional
        ``progress(done, total)`` after every run.

    Returns
    -------
    SweepOutcome

    Raises
    ------
    ConfigError
        Before any run, if a key or value is not accepted or there is nothing to run; or if runs failed, with the first
        reason: the others are kept.
    KeyboardInterrupt
        On an interrupt; the same call goes on.
    """
    grid = _checked_grid(over, seeds)
    whole_number(workers, "workers", least=1)
    instance_of(executor, (type(None), concurrent.futures.Executor), "executor")
    place = Path(folder)
    if threads is None and workers > 1:
        threads = max(1, (os.cpu_count() or 1) // workers)
    base = load_scenario(scenario, changes=changes, quick=quick)
    if seeds > 1:
        grid["seed"] = tuple(_seeds(base.parameters.seed, seeds))
    runs = list(_runs(str(scenario), grid, changes or {}, quick, place, threads))
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{place}: cannot make the folder ({error.strerror})") from None
    failed = _all(runs, workers, executor, progress)
    if failed:
        first = next(iter(failed.values()))
        raise ConfigError(f"{len(failed)} of {len(runs)} runs failed, the others are kept in {place}: {first}")
    files = [Path(run.file) for run in runs]
    gathered = gather(grid, files, scenario=base, command=command)
    save_tree(gathered, place / GATHERED)
    tree = load_tree(place / GATHERED)
    short = tuple(line for line in str(tree.attrs["shortfalls"]).splitlines() if line)
    return SweepOutcome(place / GATHERED, tuple(files), str(tree.attrs["table"]), short)


def _checked_grid(over: Mapping[str, Values], seeds: int) -> dict[str, tuple[Any, ...]]:
    if not isinstance(over, Mapping):
        raise DomainError(f"over is {shown(over)}: values by dotted key are accepted")
    whole_number(seeds, "seeds", least=1)
    grid: dict[str, tuple[Any, ...]] = {}
    for key, values in over.items():
        if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or not len(values):
            raise ConfigError(f"sweep over {key} = {shown(values)}: a list of one or more values is accepted")
        plain = tuple(value.item() if hasattr(value, "item") else value for value in values)
        twice = [value for i, value in enumerate(plain) if value in plain[:i]]
        if twice:
            raise ConfigError(f"sweep over {key}: {shown(twice[0])} stands twice; different values are accepted")
        grid[str(key)] = plain
    if not grid and seeds == 1:
        raise ConfigError("nothing to sweep over: one or more keys with values, or several seeds, are accepted")
    if "seed" in grid and seeds > 1:
        raise ConfigError("sweep over seed and several seeds: one of the two is accepted")
    count = seeds * int(np.prod([len(values) for values in grid.values()]))
    if count > MOST_RUNS:
        raise ConfigError(f"a sweep of {count} runs: up to {MOST_RUNS} are accepted")
    return grid


def _seeds(first: int, count: int) -> Iterator[int]:
    """Seeds far apart: scenarios use the numbers that follow theirs for streams of their own."""
    yield first
    for i in range(1, count):
        yield int(np.random.SeedSequence([first, i]).generate_state(1, np.uint64)[0] >> 2)


def _runs(
    scenario: str,
    grid: Mapping[str, Values],
    changes: Mapping[str, Any],
    quick: bool,
    place: Path,
    threads: int | None,
) -> Iterator[_Run]:
    """All runs, each combination of which is a scenario that is accepted."""
    for values in itertools.product(*grid.values()):
        mine = {**changes, **dict(zip(grid, values, strict=True))}
        found = load_scenario(scenario, changes=mine, quick=quick)
        digest = hashlib.sha256(found.config.encode()).hexdigest()[:12]
        yield _Run(scenario, mine, quick, str(place / f"{found.name}-{digest}.h5"), threads)


def _all(
    runs: Sequence[_Run],
    workers: int,
    executor: concurrent.futures.Executor | None,
    progress: Callable[[int, int], None] | None,
) -> dict[int, str]:
    """Do all runs; by number, why those that failed did."""
    told = progress or (lambda _done, _total: None)
    failed: dict[int, str] = {}
    if executor is None and workers == 1:
        for number, run in enumerate(runs):
            failed |= {number: said} if (said := _do(run)) else {}
            told(number + 1, len(runs))
        return failed
    own = executor is None
    pool = executor or concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_leave_interrupts_to_runs
    )
    futures = {pool.submit(_do, run): number for number, run in enumerate(runs)}
    try:
        for done, future in enumerate(concurrent.futures.as_completed(futures), 1):
            said = future.result()
            failed |= {futures[future]: said} if said else {}
            told(done, len(runs))
    except concurrent.futures.BrokenExecutor as error:
        raise ConfigError(f"a process of the sweep ended by itself ({error}); the same call goes on") from None
    finally:
        for future in futures:
            future.cancel()
        if own:
            pool.shutdown(wait=True, cancel_futures=True)
    return dict(sorted(failed.items()))


def _leave_interrupts_to_runs() -> None:
    """In a process of a sweep: an interrupt ends the run that goes on, and none is begun after it."""
    signal.signal(signal.SIGINT, lambda _number, _frame: _INTERRUPTED.set())


def _do(run: _Run) -> str:
    """Begin, go on with, or keep one run; why it failed, in words."""
    if _INTERRUPTED.is_set():
        raise KeyboardInterrupt
    try:
        scenario = load_scenario(run.scenario, changes=run.changes, quick=run.quick)
        if not Path(run.file).exists():
            run_to_file(scenario, run.file, threads=run.threads, quiet=True, command="fpsim.sweep")
        elif load_tree(run.file).attrs.get("config") != scenario.config:
            return f"{run.file}: holds another run; another folder is accepted"
        else:
            resume_file(run.file, code=scenario, threads=run.threads, quiet=True)
    except FpsimError as error:
        return str(error)
    return ""
