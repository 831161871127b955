"""Compiled kernels: numba's ``njit`` and ``vectorize`` with a cache on disk that never stops a program.

Compiled code is kept where numba keeps it: in the folder that the environment variable ``NUMBA_CACHE_DIR`` names, else
beside the source, else in the user's cache folder. Where none of these can be written (a read-only installation without
a home) a temporary folder takes their place, and where that is missing too nothing is kept; one line of the log says
so. A damaged file of the cache is told by its checksum and made anew; a full disk ends the keeping and not the program.

Limits: the source of a kernel is noticed when it changes, not that of kernels in other files that it calls; after
editing a shared kernel, remove the ``__pycache__`` folders.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

__all__ = ["inlined", "lane_kernel", "njit", "vectorize"]

log = logging.getLogger(__name__)
config: Any = numba.config
DIGEST = hashlib.sha256().digest_size


def njit(*function: Callable[..., Any], cache: bool = False, **options: Any) -> Any:
    """Compile a function as :func:`numba.njit` does, with a cache that never stops a program.

    Parameters
    ----------
    cache : bool
        Keep what was compiled on disk.
    **options
        Those of :func:`numba.njit`.
    """

    def compiled(python_function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(python_function)
        if cache and not config.DISABLE_JIT:
            dispatcher._cache = _kernel_cache(python_function) or dispatcher._cache
        return dispatcher

    return compiled(*function) if function else compiled


def vectorize(*, cache: bool = False, **options: Any) -> Any:
    """Compile a function of numbers into a NumPy ufunc as :func:`numba.vectorize` does; for ``cache`` see ``njit``."""

    def compiled(python_function: Callable[..., Any]) -> Any:
        ufunc = numba.vectorize(**options)(python_function)
        if cache and not config.DISABLE_JIT:
            ufunc._dispatcher.cache = _kernel_cache(python_function) or ufunc._dispatcher.cache
        return ufunc

    return compiled


LANES: dict[str, Any] = {
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
"""Options of functions that work on arrays owned by their caller and allocate nothing.

Reference counts, updated atomically at every use of an array, would cost more than the arithmetic, and Python's check
of every division would keep loops from becoming vector instructions. No fast-math: results are the same bits on every
machine and for every width of its vectors.
"""

lane_kernel = njit(**LANES)
"""Compiles a function of arrays that other kernels call."""

inlined = njit(**LANES, forceinline=True)
"""Compiles a function of numbers inside the loops of such kernels."""


class _SealedFiles(IndexDataCacheFile):
    """Files of one kernel's cache, each followed by its SHA-256: damaged machine code would end the process."""

    def _dump(self, obj: object) -> bytes:
        content: bytes = super()._dump(obj)
        return content + hashlib.sha256(content).digest()

    def _load_index(self) -> Any:
        with contextlib.suppress(FileNotFoundError), Path(self._index_path).open("rb") as file:
            if pickle.load(file) == self._version:
                _unsealed(file.read())
        return super()._load_index()

    def _load_data(self, name: str) -> Any:
        return pickle.loads(_unsealed(Path(self._data_path(name)).read_bytes()))


def _unsealed(content: bytes) -> bytes:
    if hashlib.sha256(content[:-DIGEST]).digest() != content[-DIGEST:]:
        raise pickle.UnpicklingError("its SHA-256 is not the one it was written with")
    return content[:-DIGEST]


class _KernelCache(FunctionCache):
    """Cache of one kernel that is rebuilt where it is damaged and given up where it cannot be written."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        plain = self._cache_file
        self._cache_file = _SealedFiles(
            cache_path=plain._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=plain._source_stamp,
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # noqa: BLE001 - whatever a damaged file makes the reader raise
            log.info("%s: damaged cache of compiled code, made anew (%s)", self._cache_file._index_path, error)
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            log.warning("%s: compiled code cannot be kept there (%s)", self.cache_path, error.strerror or error)
            self.disable()


_told = False


def _kernel_cache(function: Callable[..., Any]) -> _KernelCache | None:
    """Cache of a kernel, or ``None`` where nothing can be kept."""
    try:
        return _KernelCache(function)
    except RuntimeError:  # numba has no place for it
        pass
    global _told
    folder = _temporary_folder()
    if not _told:
        _told = True
        place = folder or "nothing is kept"
        log.warning("no folder for compiled code can be written: %s (NUMBA_CACHE_DIR names another)", place)
    if folder is None:
        return None
    config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"] = folder
    return _KernelCache(function)


def _temporary_folder() -> str | None:
    """A temporary folder that only this user can write: what lies in a cache is executed."""
    try:
        own = Path(tempfile.gettempdir()) / f"fpsim-numba-{os.getuid()}"
        with contextlib.suppress(FileExistsError):
            own.mkdir(mode=0o700)
        found = own.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return str(own)
        return tempfile.mkdtemp(prefix="fpsim-numba-")
    except OSError:
        return None
