"""Find a data file in a source checkout or an installation and verify it before it is used."""

from __future__ import annotations

import hashlib
import sysconfig
from pathlib import Path

from fpsim.support.errors import FileError

__all__ = ["read"]

SHA256 = {
    "digits.csv.gz": "e31b7ccbf8cc2b158de948b1bb7a67bf39a856fb064b3aa8ef489f12a2dc4b63",
    "iris.csv": "b6b8efc86732bc48c9fbddba53e2c191fd4f263c0ee98e2b1b7d3543e8d2121d",
}


def _folders() -> tuple[Path, ...]:
    package = Path(__file__).resolve().parents[1]
    return package / "data", package.parent / "data", Path(sysconfig.get_path("data")) / "share" / "fpsim"


def read(name: str) -> bytes:
    """Content of data file ``name``.

    Raises
    ------
    FileError
        If the file is in none of the places where it is installed, or its SHA-256 is not the recorded one.
    """
    path = next((folder / name for folder in _folders() if (folder / name).is_file()), None)
    if path is None:
        raise FileError(f"data file {name} not found in {', '.join(map(str, _folders()))}; reinstall fpsim")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[name]:
        raise FileError(f"data file {path} is damaged: SHA-256 {digest}, expected {SHA256[name]}")
    return content
