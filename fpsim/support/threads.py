"""Threads and fixed-chunk sums: the same bits for any number of threads.

Kernels are compiled without the interpreter lock and take the range of lines they work on; a :class:`Team` cuts the
range into one part per thread. Lines are independent, so parts do not matter to the result. Sums over cells are cut
into chunks of fixed size, each summed in order, and the chunk sums are added in order: a grouping that depended on the
number of threads would change the last digits with it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any, Self

import numpy as np
from numba import get_num_threads, set_num_threads
from numpy.typing import NDArray

from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError

__all__ = ["CHUNK", "Team", "chunked_distance", "threads"]

Array = NDArray[np.float64]

CHUNK = 8192
"""Cells per chunk of a reduction; part of the definition of every sum, so never tuned to the machine."""

LANES = 32  # parts begin at whole groups of lines that kernels treat together
SMALLEST = 30_000  # cells below which handing work to another thread costs more than it saves


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Run a block with ``count`` numba threads (``None``: leave as is) and restore the old number after it."""
    before = get_num_threads()
    if count is not None:
        set_num_threads(min(count, before) if count > 0 else before)
    try:
        yield get_num_threads()
    finally:
        set_num_threads(before)


class Team:
    """Threads that share the work of a sweep, each with its own scratch memory.

    Parameters
    ----------
    threads : int, optional
        Number of threads; all processors of this process by default.
    """

    def __init__(self, threads: int | None = None) -> None:
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if threads is not None and not (hasattr(threads, "__index__") and threads >= 1):
            raise DomainError(f"threads is {threads}: a whole number >= 1 is accepted")
        self.size = available if threads is None else threads
        self._pool: ThreadPoolExecutor | None = None
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
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.size - 1, thread_name_prefix="fpsim")
        groups = -(-count // LANES)
        cuts = [min(groups * part // parts * LANES, count) for part in range(parts + 1)]
        others = [self._pool.submit(work, part, cuts[part], cuts[part + 1]) for part in range(1, parts)]
        work(0, cuts[0], cuts[1])
        for other in others:
            other.result()

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
