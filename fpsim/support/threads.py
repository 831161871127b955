"""Threads and fixed-chunk sums: the same bits for any number of threads.

Kernels are compiled without the interpreter lock and take the range of lines they work on; a :class:`Team` cuts the
range into parts. Lines are independent, so parts do not matter to the result. Sums over cells are cut into chunks of
fixed size, each summed in order, and the chunk sums are added in order: a grouping that depended on the number of
threads would change the last digits with it. The threads are Python's: several callers may work at once, each with its
own team, and a forked child begins with new ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fpsim.support.checks import whole_number
from fpsim.support.compilation import njit

__all__ = ["CHUNK", "Team", "chunked_distance"]

Array = NDArray[np.float64]

CHUNK = 8192
"""Cells per chunk of a reduction; part of the definition of every sum, so never tuned to the machine."""

LANES = 32  # parts begin at whole groups of lines that kernels treat together
SMALLEST = 30_000  # cells below which handing work to another thread costs more than it saves
SHARES = 4
"""Parts per thread of work that is shared: small enough to even out threads that a busy machine slows down."""


class Team:
    """Threads that share work, each with its own scratch memory.

    Parameters
    ----------
    threads : int, optional
        Number of threads; all processors of this process by default.

    Raises
    ------
    DomainError
        If that is not a whole number of at least one.
    """

    def __init__(self, threads: int | None = None) -> None:
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.size = available if threads is None else whole_number(threads, "threads", least=1)
        self._pool: ThreadPoolExecutor | None = None
        self._process = os.getpid()
        self._scratch = [np.empty(0) for _ in range(self.size + 1)]
        self._views: list[dict[tuple[int, ...], Array]] = [{} for _ in self._scratch]

    def scratch(self, part: int, shape: tuple[int, ...]) -> Array:
        """Scratch array of a thread; the same memory for every caller, kept between calls."""
        known = self._views[part].get(shape)
        if known is not None:
            return known
        size = prod(shape)
        if self._scratch[part].size < size:
            self._scratch[part] = np.empty(size)
            self._views[part].clear()  # they would keep the old memory
        self._views[part][shape] = view = self._scratch[part][:size].reshape(shape)
        return view

    def shared(self, shape: tuple[int, ...]) -> Array:
        """Scratch array that all threads write to, each in its own part."""
        return self.scratch(self.size, shape)

    def run(self, work: Callable[[int, int, int], Any], count: int, cells: int) -> None:
        """Call ``work(part, begin, end)`` for parts that cover ``range(count)``."""
        parts = 1 if cells < SMALLEST else min(self.size, -(-count // LANES))
        if parts == 1:
            work(0, 0, count)
            return
        pool, groups = self._threads(), -(-count // LANES)
        cuts = [min(groups * part // parts * LANES, count) for part in range(parts + 1)]
        others = [pool.submit(work, part, cuts[part], cuts[part + 1]) for part in range(1, parts)]
        work(0, cuts[0], cuts[1])
        for other in others:
            other.result()

    def share(self, work: Callable[[int, int], Any], count: int) -> None:
        """Call ``work(begin, end)`` for small parts that cover ``range(count)``, as threads become free."""
        if min(self.size, count) == 1:
            work(0, count)
            return
        length = -(-count // (self.size * SHARES))
        for part in [self._threads().submit(work, i, min(i + length, count)) for i in range(0, count, length)]:
            part.result()

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None or self._process != os.getpid():  # a forked child has none of its parent's threads
            self._pool = ThreadPoolExecutor(self.size, thread_name_prefix="fpsim")
            self._process = os.getpid()
        return self._pool

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@njit(cache=True, nogil=True)
def _chunk_distances(a: Array, b: Array, first: int, last: int, out: Array) -> None:
    for c in range(first, last):
        total = 0.0
        for i in range(c * CHUNK, min((c + 1) * CHUNK, a.size)):
            total += abs(a[i] - b[i])
        out[c] = total


def chunked_distance(a: Array, b: Array, team: Team) -> float:
    """``sum |a - b|`` of two flat arrays."""
    out = np.empty(-(-a.size // CHUNK))
    team.run(lambda _, begin, end: _chunk_distances(a, b, begin, end, out), out.size, a.size)
    return float(np.sum(out))
