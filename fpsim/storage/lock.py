"""Writer's lock of a run's file: one process at a time may write it.

The lock is held with ``flock``, which the system releases when its owner ends, however that happens. Where the file
system has no ``flock`` (some network file systems), the lock file itself is the lock: it is made exclusively and names
its owner and since when. A lock whose owner has certainly ended (a process of this machine) is taken over.
Limits: a lock file left on such a file system by another machine, or before a restart, is removed by hand; the message
names it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fpsim.storage.places import lock_path, resolved, unfinished
from fpsim.support.errors import FileError

__all__ = ["writer_lock"]

ATTEMPTS = 100
"""Times that a lock which vanishes under our hands is tried again."""


class _HeldError(Exception):
    """The lock belongs to another writer; carries what is known of the owner."""


@contextlib.contextmanager
def writer_lock(path: str | Path) -> Iterator[None]:
    """Hold the right to write a file.

    Raises
    ------
    FileError
        If another writer holds it, with its process, machine and age and the way out; or if nothing can be written.
    """
    lock = lock_path(resolved(path))
    try:
        descriptor = _acquired(lock)
    except _HeldError as held:
        raise FileError(
            f"{path}: another run is writing this file ({_described(held.args[0])}); wait for it or choose another "
            f"name; if that process has ended, remove {lock}"
        ) from None
    except OSError as error:
        raise FileError(f"{path}: cannot write there ({error.strerror})") from None
    try:
        yield
    finally:
        if _is_at(descriptor, lock):
            lock.unlink(missing_ok=True)
        os.close(descriptor)


def _acquired(lock: Path) -> int:
    """Descriptor of the lock file, ours."""
    for _ in range(ATTEMPTS):
        descriptor, made = _opened(lock)
        try:
            if descriptor is not None and _taken(descriptor, lock, made):
                return descriptor
        except BaseException:
            if descriptor is not None:
                os.close(descriptor)
            raise
        if descriptor is not None:
            os.close(descriptor)
    raise _HeldError({})


def _opened(lock: Path) -> tuple[int | None, bool]:
    """Descriptor of the lock file, and whether this call made it; ``None`` if it vanished in between."""
    with contextlib.suppress(FileExistsError):
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644), True
    with contextlib.suppress(FileNotFoundError):
        return os.open(lock, os.O_RDWR), False
    return None, False


def _taken(descriptor: int, lock: Path, made: bool) -> bool:
    """Whether the lock is ours now; false if it is to be tried again."""
    owner = _owner(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        flocked = True
    except BlockingIOError:
        raise _HeldError(owner) from None
    except OSError:  # a file system without flock answers in many ways
        flocked = False
    if not _is_at(descriptor, lock):  # its last owner removed it in the meantime
        return False
    # A lock that was made without flock is held by its being there, whether or not we have flock.
    if not made and not (flocked and owner.get("flock", True)):
        if not _has_ended(owner):
            raise _HeldError(owner)
        if not flocked:
            _remove_abandoned(descriptor, lock)
            return False
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({**_process(), "flock": flocked}).encode(), 0)
    return True


def _is_at(descriptor: int, lock: Path) -> bool:
    with contextlib.suppress(OSError):
        found, mine = lock.stat(), os.fstat(descriptor)
        return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)
    return False


def _remove_abandoned(descriptor: int, lock: Path) -> None:
    """Remove a lock whose owner has ended; one that another writer put there in the meantime is put back."""
    aside = unfinished(lock)
    with contextlib.suppress(FileNotFoundError):
        lock.rename(aside)
        if not _is_at(descriptor, aside):
            with contextlib.suppress(FileExistsError):
                os.link(aside, lock)
        aside.unlink(missing_ok=True)


def _process() -> dict[str, Any]:
    return {
        "process": os.getpid(),
        "machine": socket.gethostname(),
        "system": _system(),
        "since": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def _system() -> str:
    """The running system and its table of processes: within one, the number of a process says whether it runs."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _owner(descriptor: int) -> dict[str, Any]:
    """What a lock file says about its owner; nothing if it says nothing that can be read."""
    try:
        said = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _has_ended(owner: dict[str, Any]) -> bool:
    """Whether the owner certainly runs no more: a process of this system that is not there."""
    process = owner.get("process")
    if owner.get("system") != _system() or not isinstance(process, int) or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _described(owner: dict[str, Any]) -> str:
    try:
        since = dt.datetime.fromisoformat(str(owner["since"]))
        minutes = (dt.datetime.now(dt.UTC) - since).total_seconds() / 60.0
        return f"process {owner['process']} on {owner['machine']} since {since:%Y-%m-%d %H:%M} UTC, {minutes:.0f} min"
    except (KeyError, ValueError, TypeError):
        return "its owner is unknown"
