"""Share the blocks of a lane kernel among threads.

Blocks are independent and kernels release the interpreter lock, so threads change the time and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fpsim.support.errors import DomainError

__all__ = ["for_blocks"]

PARTS = 4
"""Parts per thread: small enough to even out threads that a busy machine slows down."""


def for_blocks(work: Callable[[slice], None], blocks: int, threads: int | None = None) -> None:
    """Call ``work(part)`` for slices that cover ``range(blocks)``, on ``threads`` threads.

    The default is all processors of this process.

    Raises
    ------
    DomainError
        If ``threads`` is not positive.
    """
    if threads is not None and threads < 1:
        raise DomainError(f"threads = {threads}; a positive number is accepted")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    size = min(threads or available, blocks)
    if size == 1:
        work(slice(0, blocks))
        return
    length = -(-blocks // (size * PARTS))
    with ThreadPoolExecutor(size, thread_name_prefix="fpsim") as pool:
        for _ in pool.map(work, (slice(i, i + length) for i in range(0, blocks, length))):
            pass
