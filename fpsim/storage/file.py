"""Write and read runs as trees of labelled arrays.

Promises: a file is complete or absent: it is written beside its place and moved there in one step, so that a kill, a
full disk or a second writer never leaves half a file or destroys an old one, and a reader sees whole snapshots while a
run goes on. It is sealed with its checksum, so that damage is told and never read. Every dimension is a named HDF5
dimension scale (netCDF-4), so ``xarray.open_dataset`` and ``open_datatree`` open any group with its coordinates.
Limits: each snapshot rewrites the file from an image in memory, so its cost grows with the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import h5py
import xarray as xr

from fpsim.storage.provenance import SCHEMA_VERSION
from fpsim.support.errors import FileError

__all__ = ["check_target", "load_tree", "remove_leftovers", "save", "writer_lock"]

ENGINE: Literal["h5netcdf"] = "h5netcdf"
HDF5 = b"\x89HDF\r\n\x1a\n"
SEAL = b"fpsim256"
"""Stands behind the HDF5 image, followed by its SHA-256; other programs do not look there."""


def check_target(path: str | Path, *, overwrite: bool = False) -> Path:
    """Check, before any work is done, that an output file can be written.

    Raises
    ------
    FileError
        If the file exists and ``overwrite`` is false, its folder is missing, or the folder cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise FileError(f"{target}: is a folder; a file name such as {target / 'run.h5'} is accepted")
    if target.exists() and not overwrite:
        raise FileError(f"{target}: exists already; choose another name or allow overwriting with --force")
    folder = target.resolve().parent
    if not folder.is_dir():
        raise FileError(f"{target}: the folder {folder} does not exist")
    probe = folder / f".{target.name}.{os.getpid()}.probe"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FileError(f"{target}: cannot write there ({error.strerror})") from None
    return target


@contextlib.contextmanager
def writer_lock(path: str | Path) -> Iterator[None]:
    """Hold the right to write a file; a second writer gets a ``FileError`` at once."""
    target = Path(path).resolve()
    lock = target.with_name(f".{target.name}.lock")
    try:
        descriptor = _locked(lock)
    except BlockingIOError:
        raise FileError(f"{path}: another run is writing this file; wait for it or choose another name") from None
    except OSError as error:
        raise FileError(f"{path}: cannot write there ({error.strerror})") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(lock: Path) -> int:
    """Descriptor of the lock file, locked; one that its last owner removed in the meantime is not the lock."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and lock.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def remove_leftovers(path: str | Path) -> None:
    """Remove half-written snapshots that killed runs left beside a file; only the writer of the file may do so."""
    target = Path(path).resolve()
    ours = re.compile(rf"\.{re.escape(target.name)}\.([A-Za-z0-9-]*\.\d\.checkpoint\.)?\d+\.part")
    for part in target.parent.iterdir():
        if ours.fullmatch(part.name):
            part.unlink(missing_ok=True)


def save(tree: xr.DataTree, path: str | Path) -> None:
    """Write a tree atomically: beside its place first, then moved there.

    Raises
    ------
    FileError
        If it cannot be written; an older file at ``path`` is then untouched.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    encoding: dict[str, Any] = {
        node.path: {
            name: {"zlib": True, "complevel": 4, "shuffle": True}
            for name, variable in node.dataset.data_vars.items()
            if variable.size > 1024 and variable.dtype.kind in "fiu"
        }
        for node in tree.subtree
    }
    # The image is made in memory: HDF5 itself does not survive a disk that fills up while it writes.
    image = tree.to_netcdf(None, engine=ENGINE, encoding=encoding, write_inherited_coords=True)
    try:
        with part.open("wb") as handle:
            handle.write(image)
            handle.write(SEAL + hashlib.sha256(image).digest())
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(target)
    except OSError as error:
        raise FileError(f"{target}: cannot write ({error.strerror or error})") from None
    finally:
        part.unlink(missing_ok=True)


def load_tree(path: str | Path) -> xr.DataTree:
    """Read a run into memory.

    Returns
    -------
    xarray.DataTree
        Groups as described in docs/file-format.md; root attributes hold configuration and provenance.

    Raises
    ------
    FileError
        If the file is missing, no HDF5 file, damaged, not written by fpsim, or of a newer schema.
    """
    source = Path(path)
    if not source.is_file():
        raise FileError(f"{source}: {'is a folder' if source.is_dir() else 'no such file'}; a run's file is accepted")
    try:
        sealed = _check_seal(source)
        _check_origin(source, sealed)
        with xr.open_datatree(source, engine=ENGINE) as tree:
            # Without the encoding of the file: the width of its strings would cut longer ones that join them later.
            return tree.load().map_over_datasets(lambda data: data.drop_encoding())
    except FileError:
        raise
    except PermissionError:
        raise FileError(f"{source}: may not be read by this user") from None
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes the libraries raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileError(f"{source}: damaged or truncated HDF5 file ({reason[:120]})") from None


def _check_seal(source: Path) -> bool:
    """Whether the file bears our seal; a broken one is an error, none is what another program left when it edited."""
    digest, size = hashlib.sha256(), source.stat().st_size - len(SEAL) - 32
    with source.open("rb") as handle:
        if handle.read(len(HDF5)) != HDF5:
            raise FileError(f"{source}: not an HDF5 file; a file written by fpsim run is accepted")
        if size < 0:
            raise FileError(f"{source}: damaged or truncated HDF5 file (only {source.stat().st_size} bytes)")
        handle.seek(0)
        while size > 0 and (block := handle.read(min(size, 1 << 22))):
            digest.update(block)
            size -= len(block)
        end = handle.read()
    if not end.startswith(SEAL):
        return False
    if end[len(SEAL) :] != digest.digest():
        raise FileError(f"{source}: damaged HDF5 file (its SHA-256 is not the one it was written with)")
    return True


def _check_origin(source: Path, sealed: bool) -> None:
    """Check whose file it is; without a seal every byte is read once by h5py, which fails where a file is damaged."""
    with h5py.File(source) as file:
        attributes = dict(file.attrs)
        if "fpsim_schema" not in attributes:
            raise FileError(f"{source}: an HDF5 file, but not written by fpsim (no fpsim_schema attribute)")
        schema = int(attributes["fpsim_schema"].flat[0])
        if schema > SCHEMA_VERSION:
            raise FileError(f"{source}: schema {schema} is newer than this fpsim reads ({SCHEMA_VERSION})")

        def read(_name: str, item: h5py.Dataset | h5py.Group) -> None:
            dict(item.attrs)
            if isinstance(item, h5py.Dataset):
                item[()]

        if not sealed:
            file.visititems(read)
