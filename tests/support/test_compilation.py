"""The cache of compiled kernels: rebuilt where it is damaged, given up where it has no place, never in the way."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "fpsim"
KERNELS = """
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s")
from fpsim.support.compilation import njit, vectorize

@njit(cache=True)
def double(x):
    return 2 * x

@vectorize(cache=True)
def successor(x):
    return x + 1

print(double(21), successor(41.0))
"""


@pytest.fixture
def program(tmp_path):
    """A copy of the package beside a program with two kernels; a call runs it and answers the process."""
    shutil.copytree(PACKAGE, tmp_path / "fpsim", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "kernels.py").write_text(KERNELS)

    def run(command="import kernels", **options):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_", "PYTHON"))}
        environment |= options.pop("env", {})
        return subprocess.run(
            [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {command}"],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            cwd=tmp_path,
            **options,
        )

    return run


def cached(folder, suffix):
    return sorted(folder.rglob(f"*{suffix}"))


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:-40] + bytes([b[-40] ^ 1]) + b[-39:]]
)
def test_damaged_cache_is_made_anew(program, tmp_path, suffix, damage):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert program(env=environment).stdout == "42 42.0\n"
    files = cached(tmp_path / "cache", suffix)
    whole = [path.read_bytes() for path in files]
    assert len(files) == 2
    for path, content in zip(files, whole, strict=True):
        path.write_bytes(damage(content))
    again = program(env=environment)
    assert (again.returncode, again.stdout) == (0, "42 42.0\n")
    assert again.stderr.count("damaged cache") == 2
    third = program(env=environment)
    assert (third.stdout, third.stderr) == ("42 42.0\n", "")


def forget_privileges():
    """Hold even a superuser to the permissions of files (Linux: CAP_DAC_OVERRIDE is dropped)."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.fixture
def read_only(tmp_path):
    """The folder of the program, which nobody may write."""
    folders = [tmp_path, *(p for p in tmp_path.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield tmp_path
    for folder in folders:
        folder.chmod(stat.S_IRWXU)


@pytest.mark.skipif(sys.platform != "linux", reason="privileges are dropped as Linux does it")
def test_read_only_package_without_a_home_uses_a_temporary_folder(program, read_only, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    environment = {"HOME": str(read_only), "TMPDIR": str(scratch)}
    found = program(env=environment, preexec_fn=forget_privileges)
    assert (found.returncode, found.stdout) == (0, "42 42.0\n")
    assert found.stderr.count("\n") == 1
    assert "NUMBA_CACHE_DIR" in found.stderr
    assert len(cached(scratch, ".nbc")) == 2
    (folder,) = scratch.glob("fpsim-numba-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform != "linux", reason="privileges are dropped as Linux does it")
def test_a_folder_that_others_may_write_is_not_trusted(program, read_only, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    shared = scratch / f"fpsim-numba-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    environment = {"HOME": str(read_only), "TMPDIR": str(scratch)}
    assert program(env=environment, preexec_fn=forget_privileges).stdout == "42 42.0\n"
    assert list(shared.iterdir()) == []
    assert len(cached(scratch, ".nbc")) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="privileges are dropped as Linux does it")
def test_nothing_is_kept_where_no_folder_can_be_written(program, read_only):
    command = "import tempfile; tempfile.tempdir = sys.path[0]; import kernels"
    found = program(command, env={"HOME": str(read_only)}, preexec_fn=forget_privileges)
    assert (found.returncode, found.stdout) == (0, "42 42.0\n")
    assert "nothing is kept" in found.stderr


def test_kernels_run_uncompiled(program):
    assert program(env={"NUMBA_DISABLE_JIT": "1"}).stdout.split() == ["42", "42.0"]
