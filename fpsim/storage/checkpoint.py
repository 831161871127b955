"""State of a long stage, kept beside the run's file so that an interrupted run loses seconds and not hours.

Promises: a checkpoint is written beside its place and moved there in one step; two generations are kept, and the older
one is used when the newer is damaged; one of another configuration, stage or version is never used. All are removed
when the run has ended. Limits: a private format, read by the version of fpsim that wrote it and by nothing else.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fpsim._version import __version__
from fpsim.storage.places import checkpoint_paths, resolved, unfinished
from fpsim.storage.replacement import flush_to_disk
from fpsim.support.errors import FileError

__all__ = ["Checkpoint"]

Arrays = Mapping[str, NDArray[np.generic]]


class Checkpoint:
    """Keeps the state of stages beside a file.

    Parameters
    ----------
    target : Path
        The run's file.
    config : str
        Resolved configuration; a checkpoint made under another one is not used.
    every : float
        Seconds between two checkpoints.
    show : callable, optional
        Called by :meth:`show` with unfinished groups, to put them into the file for readers.
    """

    def __init__(
        self,
        target: Path,
        *,
        config: str,
        every: float = 15.0,
        show: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._target = resolved(target)
        self._identity = hashlib.sha256(f"{__version__}\n{config}".encode()).hexdigest()
        self._every = every
        self._show = show
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self._last >= self._every

    def show(self, groups: Mapping[str, Any]) -> None:
        """Put unfinished groups into the file, for another process to read while the stage goes on."""
        if self._show is not None:
            self._show(groups)

    def save(self, stage: str, arrays: Arrays) -> None:
        """Keep the state of a stage; the older of two generations is replaced.

        Raises
        ------
        FileError
            If it cannot be written; what was kept before is then untouched.
        """
        numbers = [self._read(path, stage)[0] for path in checkpoint_paths(self._target, stage)]
        path = checkpoint_paths(self._target, stage)[int(np.argmin(numbers))]
        part = unfinished(path)
        try:
            with part.open("wb") as handle:
                self._write(handle, {"stage": stage, "number": max(numbers) + 1, "names": list(arrays)}, arrays)
                flush_to_disk(handle)
            part.replace(path)
        except OSError as error:
            raise FileError(f"{path}: cannot write a checkpoint ({error.strerror or error})") from None
        finally:
            part.unlink(missing_ok=True)
        self._last = time.monotonic()

    def load(self, stage: str) -> dict[str, NDArray[np.generic]] | None:
        """The newest intact state of a stage, or ``None``."""
        number, arrays = max(
            (self._read(path, stage) for path in checkpoint_paths(self._target, stage)), key=lambda found: found[0]
        )
        return arrays if number >= 0 else None

    def remove(self) -> None:
        """Remove the checkpoints of all stages."""
        ours = re.compile(rf"\.{re.escape(self._target.name)}\.[A-Za-z0-9-]*\.\d\.checkpoint")
        for path in self._target.parent.iterdir():
            if ours.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _write(self, handle: IO[bytes], header: dict[str, object], arrays: Arrays) -> None:
        stream = _Hashed(handle)
        stream.write(json.dumps({"identity": self._identity, **header}).encode() + b"\n")
        for array in arrays.values():
            np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
        handle.write(stream.digest.digest())

    def _read(self, path: Path, stage: str) -> tuple[int, dict[str, NDArray[np.generic]]]:
        """Number and arrays of one generation; number -1 if it is missing, damaged or of something else."""
        try:
            content = path.read_bytes()
        except OSError:
            return -1, {}
        body, digest = content[:-32], content[-32:]
        if hashlib.sha256(body).digest() != digest:
            return -1, {}
        stream = io.BytesIO(body)
        header = json.loads(stream.readline())
        if header["identity"] != self._identity or header["stage"] != stage:
            return -1, {}
        return header["number"], {name: np.lib.format.read_array(stream) for name in header["names"]}


class _Hashed:
    """A stream that keeps the digest of what went through it."""

    def __init__(self, handle: IO[bytes]) -> None:
        self.handle = handle
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.handle.write(data)
