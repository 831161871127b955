"""Run files: written whole or not at all, sealed with their checksum, read back as trees of labelled arrays.

Promises: a kill, a full disk or a second writer never leaves half a file or destroys an old one, and a reader sees
whole snapshots while a run goes on; what another program put in a run's place stays. Damage is told and never read.
Limits: each snapshot rewrites the file from an image in memory, so its cost grows with the file. A file without its
checksum is read by another process first, which takes a second.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import xarray as xr

from fpsim.storage.layout import read_image, write_image
from fpsim.storage.places import resolved
from fpsim.storage.provenance import SCHEMA_VERSION
from fpsim.storage.replacement import HDF5, Stamp, replace_file, stamp_of
from fpsim.support.errors import FileError, MemoryLimitError
from fpsim.support.memory import check_memory

__all__ = ["Snapshot", "load_tree", "save_tree", "snapshot_at"]

SEAL = b"fpsim256"
"""Stands behind the HDF5 image, followed by its SHA-256; other programs do not look there."""
SEALED = len(SEAL) + hashlib.sha256().digest_size
FLAGS = slice(20, 24)
"""Bytes of the superblock (versions 0 and 1) that programs set while they have a file open for writing."""
END_ADDRESS = slice(40, 48)
"""Bytes of the superblock (version 0) that say where the file ends."""
PATIENCE = 20.0
"""Seconds that reading a file without checksum may take, beside 10 MB per second."""
REFUSED = 3
READ = f"""
import sys
from fpsim.storage.layout import read_image
try:
    read_image(sys.stdin.buffer.read())
except BaseException as error:
    print(f"{{error}}".replace("\\n", " "), file=sys.stderr)
    sys.exit({REFUSED})
"""
"""Program that reads an image from its standard input."""
TEXTS = ("title", "scenario", "kind", "config", "command", "created", "fpsim_version", "libraries", "machine")
NUMBERS = ("complete", "seed", "fpsim_schema")


@dataclass(frozen=True)
class Snapshot:
    """A run's file as this process left or found it: what tells it from another file in its place."""

    stamp: Stamp | None
    digest: bytes = b""


def snapshot_at(path: str | Path) -> Snapshot:
    """What lies at a path now; only that will be replaced."""
    return Snapshot(stamp_of(resolved(path)))


def save_tree(tree: xr.DataTree, path: str | Path, *, after: Snapshot | None = None) -> Snapshot:
    """Write a tree in one step: beside its place first, then moved there.

    Parameters
    ----------
    tree : DataTree
    path : str or Path
        A symbolic link stays one; the file that it leads to is replaced.
    after : Snapshot, optional
        What is to lie there now; whatever does, by default.

    Raises
    ------
    FileError
        If it cannot be written; an older file at ``path`` is then untouched. If something else than ``after`` lies
        there: it stays, and the message names the file beside it that holds the tree.
    """
    target = resolved(path)
    try:
        image = write_image(tree)
    except (ValueError, TypeError, UnicodeError) as error:
        raise FileError(f"{path}: cannot hold this run ({_first_line(error)})") from None
    digest = hashlib.sha256(image).digest()

    def write(handle: IO[bytes]) -> None:
        handle.write(image)
        handle.write(SEAL + digest)

    known = snapshot_at(target) if after is None else after
    try:
        if known.stamp != stamp_of(target) and _only_opened(target, known):
            known = snapshot_at(target)
        stamp = replace_file(target, write, expected=known.stamp)
        if stamp is None:
            beside = _free_name(target)
            replace_file(beside, write, expected=None)
            raise FileError(
                f"{path}: another file was put there during the run and is kept; what the run has is in {beside}: "
                f"fpsim resume goes on with it"
            )
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot write ({error.strerror or error})") from None
    return Snapshot(stamp, digest)


def _only_opened(target: Path, known: Snapshot) -> bool:
    """Whether the file is still the one we left, touched but not changed by a program that opened it for writing."""
    return bool(known.digest) and target.is_file() and _digest(_split(target.read_bytes())[0]) == known.digest


def _free_name(target: Path) -> Path:
    names = (target.with_name(f"{target.stem}-{i}{target.suffix}") for i in itertools.count(2))
    return next(name for name in names if not name.exists())


def _split(content: bytes) -> tuple[bytes, bytes]:
    """The HDF5 image and the checksum behind it, empty where there is none."""
    seal = content[-SEALED:]
    if len(content) > SEALED and seal.startswith(SEAL):
        return content[:-SEALED], seal[len(SEAL) :]
    return content, b""


def _digest(image: bytes) -> bytes:
    """Checksum of an image, as it was before a program that opened it for writing set its flags."""
    view, digest = memoryview(image), hashlib.sha256()
    for part in (view[: FLAGS.start], bytes(FLAGS.stop - FLAGS.start), view[FLAGS.stop :]):
        digest.update(part)
    return digest.digest()


def load_tree(path: str | Path) -> xr.DataTree:
    """Read a run into memory.

    Returns
    -------
    xarray.DataTree
        Groups as described in docs/file-format.md; root attributes hold configuration and provenance.

    Raises
    ------
    FileError
        If the file is missing, no HDF5 file, damaged, not written by fpsim, or of a newer schema; if it refers to bytes
        outside of itself, or declares more than it can hold.
    MemoryLimitError
        If it holds more than the machine.
    """
    source = resolved(path)
    try:
        if not source.is_file():
            raise FileError(f"{path}: {_what_is_there(source)}; a run's file is accepted")
        check_memory(2.0 * source.stat().st_size, str(path))
        image, checked = _checked_image(path, source.read_bytes())
        if not checked:
            _check_in_another_process(image)
        tree = read_image(image)
        _check_origin(path, tree.attrs)
    except PermissionError:
        raise FileError(f"{path}: may not be read by this user") from None
    except FileError as error:
        said = str(error)
        raise FileError(said if said.startswith(str(path)) else f"{path}: {said}; a run's file is accepted") from None
    except MemoryLimitError:
        raise
    except OSError as error:
        raise FileError(f"{path}: damaged HDF5 file, or it cannot be read ({_first_line(error)})") from None
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes the libraries raise
        raise FileError(f"{path}: damaged or truncated HDF5 file ({_first_line(error)})") from None
    return tree


def _what_is_there(source: Path) -> str:
    if source.is_dir():
        return "is a folder"
    return "is a device or a pipe" if source.exists() else "no such file"


def _first_line(error: Exception) -> str:
    said = str(error).splitlines()
    return (said[0] if said else type(error).__name__)[:120]


def _checked_image(path: str | Path, content: bytes) -> tuple[bytes, bool]:
    """The HDF5 image, and whether it had its checksum: another program that edited the file has dropped it."""
    if not content.startswith(HDF5):
        raise FileError(f"{path}: not an HDF5 file; a file written by fpsim run is accepted")
    image, digest = _split(content)
    if digest and digest != _digest(image):
        raise FileError(
            f"{path}: damaged HDF5 file (its SHA-256 is not the one it was written with); if another program changed "
            f"it on purpose, truncate -s -{SEALED} FILE takes the checksum off"
        )
    if image[len(HDF5)] == 0 and int.from_bytes(image[END_ADDRESS], "little") > len(image):
        raise FileError(f"{path}: damaged or truncated HDF5 file (it ends after {len(image)} bytes)")
    return image, bool(digest)


def _check_in_another_process(image: bytes) -> None:
    """Read an image where it may do no harm: HDF5 itself does not survive every damaged file."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command, seconds = [sys.executable, "-c", READ], PATIENCE + len(image) / 1e7
    try:
        done = subprocess.run(command, input=image, capture_output=True, env=environment, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise FileError(f"damaged HDF5 file (reading it takes more than {seconds:.0f} s)") from None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode == REFUSED and said:
        raise FileError(said[-1][:200])
    if done.returncode:
        raise FileError("damaged HDF5 file (HDF5 fails on it)")


def _check_origin(path: str | Path, attributes: dict[Any, Any]) -> None:
    """Check that the root says all that a run says."""
    if "fpsim_schema" not in attributes:
        raise FileError(f"{path}: an HDF5 file, but not written by fpsim (no fpsim_schema attribute)")
    wrong = [name for name in TEXTS if not isinstance(attributes.get(name, ""), str)]
    wrong += [name for name in NUMBERS if not isinstance(attributes.get(name, 0), int | np.integer)]
    if wrong:
        raise FileError(f"{path}: not written by fpsim (attribute {wrong[0]} is of another type)")
    schema = int(attributes["fpsim_schema"])
    if schema > SCHEMA_VERSION:
        raise FileError(f"{path}: schema {schema} is newer than this fpsim reads ({SCHEMA_VERSION})")
