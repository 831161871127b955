"""Replacement of files in one step: written beside their place first, then moved there.

Promises: a kill or a full disk leaves the old file or the new one, never half of either; permissions of a file that is
replaced are kept; derived files (pictures, pages) never replace a run, a folder or a device; a file that another
program put in a run's place is told from the one that was left there. Limits: the last look at the place and the move
are two calls, microseconds apart, except where nothing lay there before.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fpsim.storage.places import part_path, resolved
from fpsim.support.errors import FileError

__all__ = ["Stamp", "derived_file", "flush_to_disk", "replace_file", "stamp_of"]

HDF5 = b"\x89HDF\r\n\x1a\n"
NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""Answers of file systems that know no ``fsync``."""
_numbers = itertools.count()


@dataclass(frozen=True)
class Stamp:
    """What tells a file from another one that takes its place: its inode, size and time of change."""

    device: int
    inode: int
    size: int
    changed: int


def stamp_of(path: Path) -> Stamp | None:
    """Stamp of a file, ``None`` if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def flush_to_disk(handle: IO[bytes]) -> None:
    """Write out what is buffered, down to the disk where the file system can do so."""
    handle.flush()
    try:
        os.fsync(handle.fileno())
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def replace_file(target: Path, write: Callable[[IO[bytes]], object], *, expected: Stamp | None) -> Stamp | None:
    """Replace a file by what ``write(handle)`` writes, in one step.

    Parameters
    ----------
    target : Path
        Resolved.
    write : callable
    expected : Stamp or None
        The file that lies at ``target``, as this process knows it; ``None`` if nothing lies there.

    Returns
    -------
    Stamp or None
        Of the new file; ``None`` if something else than ``expected`` lay there, which then stays.

    Raises
    ------
    OSError
        If it cannot be written; the old file is then untouched.
    """
    part = part_path(target)
    try:
        with part.open("wb") as handle:
            write(handle)
            flush_to_disk(handle)
            _keep_permissions(target, handle.fileno())
        return stamp_of(target) if _moved(part, target, expected) else None
    finally:
        part.unlink(missing_ok=True)


def _moved(part: Path, target: Path, expected: Stamp | None) -> bool:
    found = stamp_of(target)
    if found is None:
        try:
            os.link(part, target)  # unlike a move, it fails if something is there by now
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if target.exists():
                return False
            part.replace(target)
        return True
    if found != expected:
        return False
    part.replace(target)
    return True


def _keep_permissions(target: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        old = target.stat()
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        mine = os.fstat(descriptor)
        if (old.st_uid, old.st_gid) != (mine.st_uid, mine.st_gid):
            os.fchown(descriptor, old.st_uid, old.st_gid)


@contextlib.contextmanager
def derived_file(path: str | Path) -> Iterator[Path]:
    """A path to write a picture or page to, moved to ``path`` at the end of the block.

    Raises
    ------
    FileError
        If a run, a folder or a device lies there, or nothing can be written.
    """
    target = resolved(path)
    part = target.with_name(f".{os.getpid()}-{next(_numbers)}.part{target.suffix}")
    try:
        _check_replaceable(path, target)
        yield part
        with part.open("rb") as handle:
            _keep_permissions(target, handle.fileno())
        _check_replaceable(path, target)
        part.replace(target)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot write there ({error.strerror or error})") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _check_replaceable(path: str | Path, target: Path) -> None:
    if not target.exists():
        return
    if not target.is_file():
        what = "a folder" if target.is_dir() else "a device or a pipe"
        raise FileError(f"{path}: is {what}, which pictures and pages never replace; another name is accepted")
    with target.open("rb") as handle:
        if handle.read(len(HDF5)) == HDF5:
            raise FileError(f"{path}: holds a run, which pictures and pages never replace; another name is accepted")
