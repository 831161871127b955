"""Data files that come with the package, verified before they are used."""

from __future__ import annotations

import hashlib

from fpsim.support.errors import FileError
from fpsim.support.resources import resource_folder

__all__ = ["read"]

SHA256 = {
    "digits.csv.gz": "e31b7ccbf8cc2b158de948b1bb7a67bf39a856fb064b3aa8ef489f12a2dc4b63",
    "iris.csv": "b6b8efc86732bc48c9fbddba53e2c191fd4f263c0ee98e2b1b7d3543e8d2121d",
}


def read(name: str) -> bytes:
    """Content of data file ``name``.

    Raises
    ------
    FileError
        If the file is missing, or its SHA-256 is not the recorded one.
    """
    path = resource_folder("data") / name
    if not path.is_file():
        raise FileError(f"{path}: no such data file; the installation of fpsim is incomplete, install it again")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[name]:
        raise FileError(f"data file {path} is damaged: SHA-256 {digest}, expected {SHA256[name]}")
    return content
