"""Progress of long work: bars on a terminal, log lines elsewhere, nothing in the library.

Long functions take ``progress: Progress | None`` and call it from time to time with the share of the work that is done,
from 0 to 1. This module makes such callables for the command line.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from fpsim.support.checks import shown
from fpsim.support.errors import DomainError

__all__ = ["Progress", "Reporter", "check_progress", "reporter"]

log = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[float], None]
"""Takes the share of the work that is done, from 0 to 1."""

Reporter: TypeAlias = Callable[[str], Progress]
"""Takes the name of a task and answers its ``progress(share)``."""


def check_progress(progress: object) -> None:
    """``DomainError`` if a value is neither ``None`` nor a function."""
    if progress is not None and not callable(progress):
        raise DomainError(f"progress is {shown(progress)}: a function of the share that is done, or None, is accepted")


@contextlib.contextmanager
def reporter(*, quiet: bool = False) -> Iterator[Reporter]:
    """Progress for a block: bars if standard error is a terminal, else one log line per task and ten seconds."""
    if quiet:
        yield lambda _task: lambda _share: None
    elif sys.stderr.isatty():
        with _bars() as make:
            yield make
    else:
        yield _log_lines


@contextlib.contextmanager
def _bars() -> Iterator[Reporter]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>4.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def make(name: str) -> Progress:
            task = bars.add_task(name, total=None)
            return lambda share: bars.update(task, completed=share, total=1.0)

        yield make


def _log_lines(name: str) -> Progress:
    begun = last = time.monotonic()

    def update(share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if share >= 1.0 or now - last >= 10.0:
            last = now
            log.info("%s: %.0f %% (%.1f s)", name, 100.0 * share, now - begun)

    return update
