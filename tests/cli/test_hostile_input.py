"""Hostile files, scenarios, names and streams: one line, status 2, nothing replaced, never an error inside fpsim."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from fpsim.cli import main
from fpsim.storage import load_tree, provenance, save_tree
from fpsim.support.errors import FileError

RUN = ["run", "double-well", "--quick", "--quiet"]
RUN += [f"--set={change}" for change in ("ensemble.replicas=200", "theory.cells=24", "time.end=0.5", "time.records=1")]
READERS = ("info", "plot", "report", "animate", "compare", "resume")


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "run.h5"
    assert main([*RUN, "--out", str(path)]) == 0
    return path


def refused(arguments, capsys):
    """The one line of a command that must end with status 2."""
    status = main([str(a) for a in arguments])
    said = capsys.readouterr()
    assert status == 2, (arguments, said.err)
    assert said.out == "", arguments
    (line,) = said.err.splitlines()
    assert line.startswith("fpsim: ")
    assert line.isprintable()
    assert "inside fpsim" not in line, line
    return line


def listing(folder):
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("out", ["", " ", ".", "..", "/", "/dev/null", "/dev/null/run.h5", "loop", "x" * 250, "folder"])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_outputs_that_are_none(out, force, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    before = Path("/dev/null").stat()
    refused([*RUN, "--out", out, *force], capsys)
    assert Path("/dev/null").stat() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "loop"]


@pytest.mark.parametrize("length", [180, 181, 200, 236, 251])
def test_names_too_long_for_what_is_kept_beside_them(length, tmp_path, capsys):
    """255 bytes are the limit here; a name is accepted if the longest checkpoint of any stage fits, or refused."""
    name = "n" * (length - 3) + ".h5"
    longest = len(f".{name}.{'s' * 40}.0.checkpoint.{os.getpid()}.part")
    if longest > 255:
        assert "too long" in refused([*RUN, "--out", tmp_path / name], capsys)
        assert list(tmp_path.iterdir()) == []
    else:
        assert main([*RUN, "--out", str(tmp_path / name)]) == 0


@pytest.mark.parametrize(("command", "name"), [("report", "a.html"), ("animate", "a.gif"), ("plot", "a.h5")])
def test_derived_files_never_replace_a_run(command, name, run_file, tmp_path, capsys):
    run = tmp_path / name
    run.write_bytes(run_file.read_bytes())
    for out in (run, tmp_path / "link.html", tmp_path / "link.gif"):
        if out != run and not out.is_symlink():
            out.symlink_to(run)
    options = [] if command == "plot" else ["--out", tmp_path / f"link{run.suffix}"]
    if command == "plot":
        (tmp_path / "pictures").mkdir()
        assert main(["plot", str(run), "--out", str(tmp_path / "pictures")]) == 0
        capsys.readouterr()
        for picture in (tmp_path / "pictures").iterdir():
            picture.unlink()
            picture.symlink_to(run)
        options = ["--out", tmp_path / "pictures"]
    before = run.read_bytes()
    assert "never replace" in refused([command, run, *options], capsys)
    if command != "plot":
        assert "never replace" in refused([command, run], capsys)
    assert run.read_bytes() == before


def test_a_run_is_not_replaced_whatever_its_name(run_file, tmp_path, capsys):
    for name in ("a.html", "a.gif", "a.toml", "a", "run.h5"):
        (tmp_path / name).write_bytes(run_file.read_bytes())
        assert "--force" in refused([*RUN, "--out", tmp_path / name], capsys)
        (tmp_path / f"link-{name}").symlink_to(name)
        assert "--force" in refused([*RUN, "--out", tmp_path / f"link-{name}"], capsys)
        assert (tmp_path / name).read_bytes() == run_file.read_bytes()


def test_force_keeps_the_mode_and_the_link(run_file, tmp_path):
    target, link = tmp_path / "real" / "run.h5", tmp_path / "link.h5"
    target.parent.mkdir()
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert main([*RUN, "--out", str(link), "--force"]) == 0
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert load_tree(link).attrs["complete"] == 1
    assert [p.name for p in target.parent.iterdir()] == ["run.h5"]


def test_a_file_put_in_the_place_of_a_run_is_kept(tmp_path, capsys, monkeypatch):
    """By another program, after the first snapshot; what the run has lies beside it and goes on from there."""
    from fpsim.scenario import files

    original, target = files.save_tree, tmp_path / "run.h5"

    def save_and_lose(*arguments, **options):
        left = original(*arguments, **options)
        target.unlink()
        target.write_text("precious")
        monkeypatch.setattr(files, "save_tree", original)
        return left

    monkeypatch.setattr(files, "save_tree", save_and_lose)
    assert main([*RUN, "--out", str(target)]) == 2
    assert "is kept; what the run has is in" in capsys.readouterr().err.splitlines()[-1]
    assert target.read_text() == "precious"
    assert main(["resume", str(tmp_path / "run-2.h5"), "--quiet"]) == 0
    assert load_tree(tmp_path / "run-2.h5").attrs["complete"] == 1


MADE = (
    "from fpsim.scenario import Parameters, Scenario\ndef s(p, run): pass\n"
    "scenario = Scenario(parameters=Parameters(), stages=(s,), "
)
SCENARIOS = {
    "sys.exit": "import sys\nsys.exit(0)",
    "sys.exit with words": "import sys\nsys.exit('words')",
    "GeneratorExit": "raise GeneratorExit",
    "own base exception": "class Odd(BaseException):\n    def __str__(self): return 'a\\nb\\x1b[31m'\nraise Odd",
    "endless recursion": "def f(): return f()\nf()",
    "a mapping": "scenario = {'name': 'x', 'kind': 'problem'}",
    "a function": "def scenario():\n    raise SystemExit(3)",
    "null in the title": f"{MADE}title='a\\0b')",
    "escapes in the title": f"{MADE}title='\\x1b]0;owned\\x07')",
    "half a character": f"{MADE}title='\\ud800')",
    "a list as title": f"{MADE}title=[])",
    "a place as name": f"{MADE}title='x', name='../../x')",
    "quick that is no mapping": f"{MADE}title='x', quick=3)",
    "quick of keys that are not there": f"{MADE}title='x', quick={{'a.b': 1}})",
    "keys of numbers": f"{MADE}title='x', quick={{1: 2}})",
    "no stages": "from fpsim.scenario import *\nscenario = Scenario(title='x', parameters=Parameters(), stages=())",
    "stages that are none": "from fpsim.scenario import *\nscenario = Scenario(title='x', parameters=3, stages=4)",
    "a stage that answers nothing": f"{MADE}title='x')",
    "a stage that fails": "from fpsim.scenario import *\ndef s(p, run): {}[0]\n"
    "scenario = Scenario(title='x', parameters=Parameters(), stages=(s,))",
}


@pytest.mark.parametrize("case", SCENARIOS)
def test_python_scenarios_that_are_none(case, tmp_path, capsys):
    (tmp_path / "own.py").write_text(SCENARIOS[case])
    line = refused(["run", tmp_path / "own.py", "--out", tmp_path / "run.h5"], capsys)
    assert len(line) < 1500
    begun = {"run", "run.h5"} if case.startswith("a stage") else set()  # what was done before stays
    assert {p.name for p in tmp_path.iterdir()} == {"own.py", *begun}


LONG = ["a." * 20_000 + "a=1", "theory.cells=" + "[" * 20_000, "a." * 9 + "a=1"]


@pytest.mark.parametrize("change", [*LONG, 'title="a\\u0000b"', 'title="\\u001b[2J"'])
def test_keys_and_titles_that_are_none(change, tmp_path, capsys):
    assert len(refused([*RUN, "--set", change, "--out", tmp_path / "run.h5"], capsys)) < 1500
    (tmp_path / "own.toml").write_text(f"[{'.'.join('a' * 20_000)}]\nb = 1\n")
    refused(["run", tmp_path / "own.toml", "--out", tmp_path / "run.h5"], capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["own.toml"]


def tampered(tree, rng):
    """A run whose attributes, groups or arrays were changed, dropped or put elsewhere."""
    tree = tree.copy(deep=True)
    paths = [node.path for node in tree.subtree]
    for _ in range(rng.integers(1, 4)):
        path = paths[rng.integers(len(paths))]
        if path not in tree.groups:
            continue
        with contextlib.suppress(ValueError):  # what no tree can be
            tamper(tree, path, rng)
    return tree


def tamper(tree, path, rng):
    node = tree[path]
    match rng.integers(8):
        case 0 if path != "/":
            del node.parent[node.name]
        case 1 if node.data_vars:
            name = list(node.data_vars)[rng.integers(len(node.data_vars))]
            node.dataset = node.to_dataset().drop_vars(name)
        case 2 if node.data_vars:
            name = list(node.data_vars)[rng.integers(len(node.data_vars))]
            node.dataset = node.to_dataset().rename({name: "other"})
        case 3 if node.sizes:
            name = list(node.sizes)[rng.integers(len(node.sizes))]
            node.dataset = node.to_dataset().isel({name: slice(0, int(rng.integers(2)))})
        case 4 if node.attrs:
            del node.attrs[list(node.attrs)[rng.integers(len(node.attrs))]]
        case 5 if node.attrs:
            junk = ("\x1b[31mred", 7, -1.0, "", np.arange(3.0), np.nan)
            node.attrs[list(node.attrs)[rng.integers(len(node.attrs))]] = junk[rng.integers(len(junk))]
        case 6:
            tree.attrs["config"] = ("[", 'kind = "none"', tree.attrs.get("config", "") + "x = 1\n")[rng.integers(3)]
        case _ if node.data_vars:
            name = list(node.data_vars)[rng.integers(len(node.data_vars))]
            if node[name].dtype.kind == "f":
                node[name].values[...] = (np.nan, np.inf, -1.0, 0.0)[rng.integers(4)]


def campaign(run_file, folder, capsys, count, seed):
    """Readers of tampered runs: each succeeds or says one line; the run's bytes stay."""
    whole, rng, statuses = load_tree(run_file), np.random.default_rng(seed), []
    path = folder / "run.h5"
    for trial in range(count):
        changed = tampered(whole, rng)
        try:
            save_tree(changed, path)
        except FileError as error:  # what our own writer refuses cannot be a file
            assert "cannot hold" in str(error)
            continue
        before, command = path.read_bytes(), READERS[trial % 5]
        status = main([command, str(path)])
        said = capsys.readouterr()
        statuses.append(status)
        assert status in (0, 2), (command, said.err)
        assert "\x1b" not in said.out + said.err
        if status == 2:
            (line,) = said.err.splitlines()
            assert line.startswith("fpsim: ")
            assert "inside fpsim" not in line
        assert path.read_bytes() == before
    return statuses


pytestmark = pytest.mark.filterwarnings("ignore")


def test_tampered_runs(run_file, tmp_path, capsys):
    statuses = campaign(run_file, tmp_path, capsys, count=40, seed=1)
    assert len(statuses) > 30
    assert 2 in statuses


@pytest.mark.slow
def test_five_hundred_tampered_runs(run_file, tmp_path, capsys):
    statuses = campaign(run_file, tmp_path, capsys, count=500, seed=2)
    assert statuses.count(2) > 100


def test_escapes_of_a_file_do_not_reach_the_terminal(run_file, tmp_path, capsys):
    tree = load_tree(run_file)
    tree.attrs.update(title="\x1b[2Jgone\x07", table="\x1b]0;x\x07", machine="a\rb")
    save_tree(tree, tmp_path / "run.h5")
    assert main(["info", str(tmp_path / "run.h5")]) == 0
    said = capsys.readouterr().out
    assert "gone" in said
    assert not {"\x1b", "\x07", "\r"} & set(said)


def shell(command, folder):
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = command.replace("FPSIM", f"{sys.executable} -m fpsim")
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("FPSIM info run.h5 2>&-", 0),
        ("FPSIM info run.h5 >&-", 0),
        ("FPSIM info run.h5 >&- 2>&- <&-", 0),
        ("FPSIM info absent.h5 2>&-", 2),
        ("FPSIM info absent.h5 >&- 2>&- <&-", 2),
        ("FPSIM info run.h5 > /dev/full", 2),
        ("FPSIM info absent.h5 2> /dev/full", 2),
        ("PYTHONIOENCODING=ascii FPSIM info run.h5", 0),
    ],
)
def test_closed_and_full_streams(command, status, run_file, tmp_path):
    (tmp_path / "run.h5").write_bytes(run_file.read_bytes())
    done = shell(command, tmp_path)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
    assert (tmp_path / "run.h5").read_bytes() == run_file.read_bytes()


# Files made by other programs, or to do harm.


def root(file, **more):
    file.attrs.update({**provenance(config="", seed=1, command="x"), **more})


def outside(file, folder):
    (folder / "secret").write_bytes(bytes(800))
    file.create_dataset("x", (100,), "f8", external=[(str(folder / "secret"), 0, 800)])


def linked(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.arange(3.0)
    file["x"] = h5py.ExternalLink(str(folder / "other.h5"), "/x")


def virtual(file, folder):
    linked(file, folder)
    del file["x"]
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (3,))
    file.create_virtual_dataset("x", layout)


def circle(file, _folder):
    group = file.create_group("a/b/c")
    group["again"] = file["a"]


def many_groups(file, _folder):
    for i in range(3000):
        file.create_group(f"g{i}")


def deep_groups(file, _folder):
    file.create_group("/".join("g" * 300))


def huge(file, _folder):
    file.create_dataset("x", (10**12,), "f8", chunks=(1000,), compression="gzip")


def huge_and_plain(file, _folder):
    file.create_dataset("x", (10**11,), "f8")


def huge_scale(file, _folder):
    file.create_dataset("x", (10**12,), "f8", chunks=(1000,)).make_scale("x")


def soft(file, _folder):
    file.create_group("a")
    file["b"] = h5py.SoftLink("/a")


def twice(file, _folder):
    file["x"] = np.arange(3.0)
    file["y"] = file["x"]


def compound(file, _folder):
    file["x"] = np.zeros(3, [("a", "f8"), ("b", "i4")])


def references(file, _folder):
    file.create_dataset("x", (1,), h5py.ref_dtype)[0] = file.ref


def named_type(file, _folder):
    file["t"] = np.dtype("f8")


def unnamed_axis(file, _folder):
    file["x"] = np.zeros((3, 3))


def many_attributes(file, _folder):
    for i in range(1500):
        file.attrs[f"a{i}"] = i


HARMFUL = [outside, linked, virtual, circle, many_groups, deep_groups, huge, huge_and_plain, huge_scale, soft, twice]
HARMFUL += [compound, references, named_type, unnamed_axis, many_attributes]


@pytest.mark.parametrize("make", HARMFUL)
def test_files_that_do_more_than_hold_a_run(make, tmp_path, capsys):
    command = READERS[HARMFUL.index(make) % len(READERS)]
    path = tmp_path / "run.h5"
    with h5py.File(path, "w", track_order=make is many_attributes) as file:
        root(file)
        make(file, tmp_path)
    before = path.read_bytes()
    line = refused([command, path], capsys)
    assert line.startswith(f"fpsim: {path}")
    assert path.read_bytes() == before


def test_foreign_files_of_netcdf(tmp_path, capsys):
    data = xr.Dataset({"x": ("t", [1.0, 2.0])}, attrs={"fpsim_schema": "one"})
    data.to_netcdf(tmp_path / "typed.h5", engine="h5netcdf")
    data.assign_attrs(fpsim_schema=99).to_netcdf(tmp_path / "newer.h5", engine="h5netcdf")
    data.assign_attrs(fpsim_schema=1).to_netcdf(tmp_path / "bare.h5", engine="h5netcdf")
    data.drop_attrs().to_netcdf(tmp_path / "foreign.h5", engine="h5netcdf")
    for name in ("typed", "newer", "bare", "foreign"):
        for command in ("info", "resume"):
            refused([command, tmp_path / f"{name}.h5"], capsys)


def flipped(run_file, folder, count, seed):
    """Files without checksum in which some bytes are others: how many were read, how many refused in one line."""
    whole, rng, found = run_file.read_bytes()[:-40], np.random.default_rng(seed), Counter()
    path = folder / "run.h5"
    for _ in range(count):
        content = bytearray(whole)
        for place in rng.integers(9, len(content) - 8, rng.integers(1, 6)):
            content[place : place + 8] = rng.bytes(8)
        path.write_bytes(bytes(content))
        try:
            load_tree(path)
            found["read"] += 1
        except FileError as error:
            found["refused"] += 1
            assert str(error).startswith(str(path))
            assert "\n" not in str(error)
    return found


def test_flipped_bytes_without_a_checksum(run_file, tmp_path):
    assert sum(flipped(run_file, tmp_path, count=5, seed=1).values()) == 5


@pytest.mark.slow
def test_five_hundred_files_with_flipped_bytes(run_file, tmp_path):
    """HDF5 itself aborts on some of them: that ends another process, not this one."""
    found = flipped(run_file, tmp_path, count=500, seed=2)
    assert found["refused"] > 50
