"""Progress of long work: bars on a terminal, log lines elsewhere, nothing in the library.

Long functions take ``progress: Callable[[int, int], None] | None`` and call it with (done, total). This module makes
such callables for the command line.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["Reporter", "reporter", "share_of"]

log = logging.getLogger(__name__)

Reporter = Callable[[str], Callable[[int, int], None]]
"""Takes the name of a task and answers its ``progress(done, total)``."""


def share_of(progress: Callable[[int, int], None]) -> Callable[[float], None]:
    """Progress of a continuous quantity, a share from 0 to 1, told in thousandths."""
    return lambda share: progress(round(1000 * share), 1000)


@contextlib.contextmanager
def reporter(*, quiet: bool = False) -> Iterator[Reporter]:
    """Progress for a block: bars if standard error is a terminal, else one log line per task and ten seconds."""
    if quiet:
        yield lambda _task: lambda _done, _total: None
    elif sys.stderr.isatty():
        with _bars() as make:
            yield make
    else:
        yield _log_lines


@contextlib.contextmanager
def _bars() -> Iterator[Reporter]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>4.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def make(name: str) -> Callable[[int, int], None]:
            task = bars.add_task(name, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield make


def _log_lines(name: str) -> Callable[[int, int], None]:
    begun = last = time.monotonic()

    def update(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done >= total or now - last >= 10.0:
            last = now
            log.info("%s: %d of %d (%.1f s)", name, done, total, now - begun)

    return update
