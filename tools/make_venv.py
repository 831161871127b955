"""Make a virtual environment with pip, also where Python ships without ensurepip (plain Debian and Ubuntu).

Usage: python3 tools/make_venv.py FOLDER
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import venv
from pathlib import Path

INDEX = "https://pypi.org/pypi/pip/json"


def fetch_pip(folder: Path) -> Path:
    """Download pip's newest wheel from PyPI into ``folder`` and verify its checksum."""
    with urllib.request.urlopen(INDEX, timeout=60) as answer:
        release = next(u for u in json.load(answer)["urls"] if u["packagetype"] == "bdist_wheel")
    with urllib.request.urlopen(urllib.parse.urljoin(INDEX, release["url"]), timeout=300) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != release["digests"]["sha256"]:
        raise SystemExit("make_venv: the download of pip is damaged; try again")
    wheel = folder / release["filename"]
    wheel.write_bytes(content)
    return wheel


def main() -> None:
    """Create the environment named on the command line."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what tells a user of an older Python
        raise SystemExit(
            f"fpsim needs Python >= 3.11, this is {sys.version.split()[0]}; name another: make PYTHON=python3.12 ..."
        )
    target = Path(sys.argv[1])
    has_pip = importlib.util.find_spec("ensurepip") is not None
    venv.create(target, clear=True, with_pip=has_pip, symlinks=True)
    if has_pip:
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            wheel = fetch_pip(Path(folder))
        except urllib.error.URLError as error:
            raise SystemExit(
                f"make_venv: this Python has no ensurepip and PyPI is out of reach ({error.reason}); "
                "on Debian or Ubuntu: sudo apt install python3-venv"
            ) from None
        subprocess.run([target / "bin" / "python", wheel / "pip", "install", "--quiet", wheel], check=True)


if __name__ == "__main__":
    main()
