"""Interrupts (Ctrl-C): none is lost, none cuts a piece of work or a write of a file.

Numerical loops may turn an interrupt into a shorter result of their own. What is written into a file must be whole, so
a run notices every interrupt by itself, whoever else handled it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["deferred_interrupt", "held_interrupts", "noticed_interrupts"]


@contextlib.contextmanager
def held_interrupts() -> Iterator[None]:
    """Let nothing be cut short by an interrupt inside the block; a surrounding :func:`noticed_interrupts` tells of it.

    A handler that does nothing is put in place of the usual one: a signal mask would not do, since other threads of
    the process could still receive the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def noticed_interrupts() -> Iterator[Callable[[], None]]:
    """Answer a function that raises ``KeyboardInterrupt`` if an interrupt came since the block began.

    Outside the main thread, where Python delivers no signals, it never raises.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def noticed() -> None:
        with contextlib.suppress(BlockingIOError):
            if signal.SIGINT in os.read(read, 4096):
                raise KeyboardInterrupt

    try:
        yield noticed
    finally:
        signal.set_wakeup_fd(before)
        os.close(read)
        os.close(write)


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """Turn the first interrupt into an event that is set; a second one interrupts as usual.

    Outside the main thread, where Python delivers no signals, the event is never set.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(_number: int, _frame: FrameType | None) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
