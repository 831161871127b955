"""Places of files: one resolved path for a run and for everything that it keeps beside its file.

Symbolic links are resolved once, so that the file, its lock, its snapshots and its checkpoints lie in one folder,
whatever name the run was given. Names that are too long for what is kept beside them are refused before any work.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from pathlib import Path

from fpsim.support.errors import FileError

__all__ = ["check_target", "checkpoint_paths", "lock_path", "part_path", "remove_leftovers", "resolved", "unfinished"]

GENERATIONS = 2
"""Checkpoints that are kept of a stage."""
LONGEST_STAGE = 40
"""Characters of a stage's name within a checkpoint's; longer ones are cut, and a digest keeps them apart."""
FALLBACK_NAME_MAX = 255


def resolved(path: str | Path) -> Path:
    """The place that a path leads to, through symbolic links; the file itself may be missing.

    Raises
    ------
    FileError
        If the path holds a null character, or its links lead in a circle.
    """
    try:
        return Path(path).resolve()
    except ValueError:
        raise FileError(f"{str(path)!r}: holds a null character; a path without one is accepted") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its links lead in a circle"
        raise FileError(f"{path}: leads nowhere ({reason}); another path is accepted") from None


def lock_path(target: Path) -> Path:
    """Where the right to write a run's file is held."""
    return target.with_name(f".{target.name}.lock")


def part_path(target: Path) -> Path:
    """Where this process writes a snapshot that is to be moved to ``target``."""
    return unfinished(target.with_name(f".{target.name}"))


def unfinished(path: Path) -> Path:
    """Where this process writes what is to be moved to a hidden path."""
    return path.with_name(f"{path.name}.{os.getpid()}.part")


def checkpoint_paths(target: Path, stage: str) -> list[Path]:
    """Where the generations of a stage's checkpoint lie."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", stage)
    if len(slug) > LONGEST_STAGE:
        slug = f"{slug[: LONGEST_STAGE - 9]}-{hashlib.sha256(stage.encode()).hexdigest()[:8]}"
    return [target.with_name(f".{target.name}.{slug}.{i}.checkpoint") for i in range(GENERATIONS)]


def remove_leftovers(path: str | Path) -> None:
    """Remove half-written snapshots that killed runs left beside a file; only the writer of the file may do so."""
    target = resolved(path)
    ours = re.compile(rf"\.{re.escape(target.name)}\.([A-Za-z0-9-]*\.\d\.checkpoint\.)?\d+\.part")
    for part in target.parent.iterdir():
        if ours.fullmatch(part.name):
            part.unlink(missing_ok=True)


def check_target(path: str | Path, *, overwrite: bool = False) -> Path:
    """Check, before any work is done, that an output file can be written; answers its resolved path.

    Raises
    ------
    FileError
        If the file exists and ``overwrite`` is false, it is a folder or a device, its name is too long for what is kept
        beside it, its folder is missing, or the folder cannot be written.
    """
    if not str(path).strip():
        raise FileError("the name of the output file is empty; a name such as run.h5 is accepted")
    target = resolved(path)
    if not target.name or target.is_dir():
        raise FileError(f"{path}: is a folder; a file name such as {target / 'run.h5'} is accepted")
    longest = unfinished(checkpoint_paths(target, "x" * LONGEST_STAGE)[0])
    _check_length(target, longest)
    if not target.parent.is_dir():
        raise FileError(f"{path}: the folder {target.parent} does not exist")
    if target.exists():
        if not stat.S_ISREG(target.stat().st_mode):
            raise FileError(f"{path}: is a device or a pipe, which a run never replaces; a file is accepted")
        if not overwrite:
            raise FileError(f"{path}: exists already; choose another name or allow overwriting with --force")
    try:
        longest.touch()
        longest.unlink()
    except OSError as error:
        raise FileError(f"{path}: cannot write there ({error.strerror})") from None
    return target


def _check_length(target: Path, longest: Path) -> None:
    """Refuse a name that is too long for the file system once what is kept beside it has been named after it."""
    try:
        most = os.pathconf(target.parent, "PC_NAME_MAX")
    except (OSError, ValueError):
        most = FALLBACK_NAME_MAX
    name, beside = len(os.fsencode(target.name)), len(os.fsencode(longest.name))
    too_long = beside > most
    if not too_long:
        try:
            longest.lstat()
        except OSError as error:
            too_long = error.errno == errno.ENAMETOOLONG
    if too_long:
        shown = target.name if name <= 80 else f"{target.name[:60]}..."
        raise FileError(
            f"{shown}: its name of {name} bytes, or its path, is too long for the checkpoints and the lock beside it; "
            f"names of up to {max(most - (beside - name), 0)} bytes are accepted"
        )
