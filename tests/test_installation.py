"""The package installed in the ways that people install it: commands, data and scenarios are found from any folder."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARIES = sysconfig.get_path("purelib")
"""Where the libraries are that fpsim needs: they are lent to every installation, behind its own folder."""
SOURCES = ("fpsim", "data", "scenarios", "setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
CHECK = """
import pathlib, fpsim
from fpsim.cli import main
assert main(["list"]) == 0
print(pathlib.Path(fpsim.__file__).parent, fpsim.datasets.iris(None).x.shape, fpsim.datasets.digits(None).x.shape)
print(fpsim.load_scenario("momentum").title)
"""

setuptools = pytest.importorskip("setuptools", reason="setuptools builds the distributions")
BUILD = ("--no-build-isolation",) if int(setuptools.__version__.split(".")[0]) >= 77 else ()
"""An older one than pyproject.toml asks for makes pip fetch a newer one."""


def run(*command, **options):
    """Standard output of a command; what went wrong is shown."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | options.pop("env", {})
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(kind, source, folder):
    """A wheel or an sdist of a source tree, as an installer asks the build system for it."""
    code = f"import setuptools.build_meta as b; print(b.build_{kind}({str(folder)!r}))"
    return folder / run(sys.executable, "-c", code, cwd=source).splitlines()[-1]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what a distribution is made from."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, folder / name)
    return folder


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory):
    return build("sdist", source, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """A wheel made from the unpacked sdist, so that what the sdist lacks is missed."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *BUILD, "-w", str(folder), str(sdist))
    (built,) = folder.glob("*.whl")
    return built


def install(*arguments, python=sys.executable, **options):
    command = (python, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check")
    return run(*command, *map(str, arguments), **options)


def environment(folder):
    """Interpreter and site-packages of a virtual environment that borrows the libraries."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").split()
    Path(site, "zz_libraries.pth").write_text(f"{LIBRARIES}\n")
    return python, Path(site)


def check(python, place, elsewhere, **options):
    """Commands and data work from another folder, with the package that lies in ``place``."""
    said = run(python, "-c", CHECK, cwd=elsewhere, **options)
    assert "  digits-bottleneck " in said
    assert f"{place / 'fpsim'} (150, 4) (1797, 64)" in said
    assert "Momentum: an effective learning rate" in said


def test_both_distributions_hold_the_same(source, wheel, tmp_path):
    """What is tracked under data and scenarios is in the wheel, and nothing lies outside the package."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in ("data", "scenarios"):
        for path in (source / folder).iterdir():
            assert f"fpsim/{folder}/{path.name}" in names
    modules = {p.relative_to(source).as_posix() for p in (source / "fpsim").rglob("*.py")}
    assert modules <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"fpsim"}


def test_installed_with_target(wheel, tmp_path):
    install(wheel, "--target", tmp_path / "site")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    check(sys.executable, tmp_path / "site", elsewhere, env={"PYTHONPATH": str(tmp_path / "site")})


def installed_in_venv(wheel, _source, tmp_path):
    python, site = environment(tmp_path / "venv")
    install(wheel, "--target", site)
    return python, site, {}


def installed_editable(_wheel, source, tmp_path):
    python, _ = environment(tmp_path / "venv")
    install("--editable", *BUILD, str(source), python=python)
    return python, source, {}


def installed_for_user(wheel, _source, tmp_path):
    """``pip install --user`` puts the package where the interpreter looks for its user's own."""
    base = os.path.realpath(sys.executable)
    env = {"PYTHONUSERBASE": str(tmp_path / "user")}
    install(wheel, "--user", "--break-system-packages", python=base, env=env)
    (site,) = run(base, "-c", "import site; print(site.getusersitepackages())", env=env).split()
    Path(site, "zz_libraries.pth").write_text(f"{LIBRARIES}\n")
    return base, Path(site), env


def forget_privileges():
    """Hold even a superuser to the permissions of files (Linux: CAP_DAC_OVERRIDE is dropped)."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def installed_read_only(wheel, source, tmp_path):
    python, site, _ = installed_in_venv(wheel, source, tmp_path)
    for folder in (site, *(p for p in site.rglob("*") if p.is_dir())):
        folder.chmod(0o555)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return python, site, {"HOME": str(site), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("way", [installed_in_venv, installed_for_user, installed_read_only, installed_editable])
def test_installed_and_run_from_another_folder(way, wheel, source, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    python, place, env = way(wheel, source, tmp_path)
    options = {"preexec_fn": forget_privileges} if way is installed_read_only else {}
    check(python, place, elsewhere, env=env, **options)
    run(python, "-m", "fpsim", "run", "double-well", "--quick", "--quiet", cwd=elsewhere, env=env, **options)
    assert (elsewhere / "double-well.h5").is_file()
