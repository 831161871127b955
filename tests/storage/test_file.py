"""Files are complete or absent; a bad one gives one clear error; an old one is never lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from fpsim.storage import check_target, load_tree, provenance, remove_leftovers, save_tree, writer_lock
from fpsim.support.errors import FileError


def tree(value=1.0, *, noisy=False):
    size = 100_000 if noisy else 2000
    x = np.full(size, value) + noisy * np.random.default_rng(0).normal(size=size)
    data = xr.Dataset({"x": ("time", x)}, coords={"time": np.arange(float(size))})
    result = xr.DataTree.from_dict({"/a/b": data})
    result.attrs = provenance(config="", seed=1, command="test")
    return result


def test_round_trip(tmp_path):
    path = tmp_path / "run.h5"
    save_tree(tree(), path)
    back = load_tree(path)
    assert np.array_equal(back["a/b"]["x"], tree()["a/b"]["x"])
    assert back.attrs["seed"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_longer_strings_may_join_those_of_a_file(tmp_path):
    """What was read does not decide how what joins it is written."""
    first = tree()
    first["names"] = xr.DataTree(xr.Dataset({"name": ("row", ["short"]), "x": ("row", [1])}))
    save_tree(first, tmp_path / "first.h5")
    back = load_tree(tmp_path / "first.h5")
    more = xr.Dataset({"name": ("row", ["much longer"]), "x": ("row", [0.5])})
    back["names"] = xr.DataTree(xr.concat([back["names"].to_dataset(inherit=False), more], dim="row"))
    save_tree(back, tmp_path / "second.h5")
    joined = load_tree(tmp_path / "second.h5")["names"]
    assert list(joined["name"].values) == ["short", "much longer"]
    assert list(joined["x"].values) == [1.0, 0.5]


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_plain_xarray_opens_a_run_with_named_coordinates(quick_run, engine):
    with xr.open_dataset(quick_run.file, group="offset/ensemble", engine=engine) as ensemble:
        assert set(ensemble["density_W1"].dims) == {"time", "W1_1_1", "W1_1_2"} <= set(ensemble.coords)
        assert ensemble["density_W1"].attrs["units"] == "weight^-2"
    with xr.open_dataset(quick_run.file, engine=engine) as root:
        assert root["std"].sel(start="offset", source="ensemble", weight="W1_1_1").dims == ("time",)
        assert {"start", "time", "theory", "compared"} == set(root["distance"].dims) <= set(root.coords)
    with xr.open_datatree(quick_run.file, engine=engine) as everything:
        assert {"offset", "symmetric", "claims"} == set(everything.children)
        assert "[sgd]" in everything.attrs["config"]


def test_both_engines_read_the_same_from_every_group(quick_run):
    with h5py.File(quick_run.file) as file:
        groups = ["/"]
        file.visititems(lambda name, item: groups.append(name) if isinstance(item, h5py.Group) else None)
    assert len(groups) > 8
    for group in groups:
        one, other = (xr.open_dataset(quick_run.file, group=group, engine=e) for e in ("h5netcdf", "netcdf4"))
        with one, other:
            xr.testing.assert_equal(one, other)
            for name, variable in one.data_vars.items():
                said = {"units", "long_name"} if variable.dtype.kind in "fiu" else {"long_name"}
                assert said <= set(variable.attrs), (group, name)


def test_no_anonymous_dimension(quick_run):
    def visit(name, item):
        if isinstance(item, h5py.Dataset) and not item.is_scale:
            for dimension in item.dims:
                assert len(dimension) == 1, name

    with h5py.File(quick_run.file) as file:
        file.visititems(visit)


def test_existing_file_is_refused_and_kept(tmp_path):
    path = tmp_path / "run.h5"
    path.write_text("precious")
    with pytest.raises(FileError, match="exists already"):
        check_target(path)
    assert path.read_text() == "precious"
    assert check_target(path, overwrite=True) == path


def test_target_that_cannot_be_written(tmp_path):
    with pytest.raises(FileError, match="does not exist"):
        check_target(tmp_path / "nowhere" / "run.h5")
    with pytest.raises(FileError, match="is a folder"):
        check_target(tmp_path)
    with pytest.raises(FileError, match="cannot write there"):
        check_target("/proc/run.h5")


FULL_DISK = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from test_file import tree
from fpsim.support.errors import FileError
from fpsim.storage import save_tree
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    save_tree(tree(2.0, noisy=True), sys.argv[1])
except FileError as error:
    print(error)
"""


@pytest.mark.parametrize("room", [0, 3_000, 200_000])
def test_full_disk_leaves_the_old_file(tmp_path, room):
    """In a process that may not write more than some bytes into a file; HDF5 itself would crash there."""
    path = tmp_path / "run.h5"
    save_tree(tree(1.0), path)
    command = [sys.executable, "-c", FULL_DISK, str(path), str(Path(__file__).parent), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cannot write (File too large)" in done.stdout
    assert float(load_tree(path)["a/b"]["x"][0]) == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    left = [".run.h5.123.part", ".run.h5.a-b.0.checkpoint.7.part"]
    others = [".other.h5.123.part", ".run.h5.a-b.0.checkpoint", ".run.h5.h5.123.part", "run.h5"]
    for name in left + others:
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path / "run.h5")
    assert sorted(p.name for p in tmp_path.iterdir()) == others


def test_second_writer_is_refused(tmp_path):
    with (
        writer_lock(tmp_path / "run.h5"),
        pytest.raises(FileError, match="another run"),
        writer_lock(tmp_path / "run.h5"),
    ):
        pass
    with writer_lock(tmp_path / "run.h5"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_writer_is_free(tmp_path):
    code = "import sys, os; from fpsim.storage import writer_lock; lock = writer_lock(sys.argv[1]); lock.__enter__()"
    subprocess.run([sys.executable, "-c", f"{code}; os.kill(os.getpid(), 9)", str(tmp_path / "run.h5")], check=False)
    assert [p.name for p in tmp_path.iterdir()] == [".run.h5.lock"]
    with writer_lock(tmp_path / "run.h5"):
        pass


def test_files_that_are_not_ours(tmp_path):
    path = tmp_path / "x.h5"
    with pytest.raises(FileError, match="no such file"):
        load_tree(path)
    path.write_text("hello")
    with pytest.raises(FileError, match="not an HDF5 file"):
        load_tree(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1.0
    with pytest.raises(FileError, match="not written by fpsim"):
        load_tree(path)
    newer = tree()
    newer.attrs["fpsim_schema"] = 99
    save_tree(newer, path)
    with pytest.raises(FileError, match="schema 99 is newer"):
        load_tree(path)


def damaged(whole, rng, trial):
    """Truncated, flipped in one bit, overwritten in a block, extended or emptied."""
    broken = bytearray(whole)
    place = int(rng.integers(8, len(whole)))
    match trial % 5:
        case 0:
            return bytes(broken[:place])
        case 1:
            broken[place] ^= 1 << int(rng.integers(8))
        case 2:
            length = len(broken[place : place + 64])
            broken[place : place + 64] = rng.bytes(length)
        case 3:
            broken[place:place] = rng.bytes(16)
        case 4:
            return bytes(len(broken)) if trial % 2 else b""
    return bytes(broken)


def test_a_hundred_damaged_files_give_one_line(tmp_path):
    """Damage is told or harmless (behind the data, in the seal's name); no wrong number is ever read."""
    path = tmp_path / "run.h5"
    save_tree(tree(), path)
    whole = path.read_bytes()
    rng, refused = np.random.default_rng(1), 0
    for trial in range(100):
        broken = damaged(whole, rng, trial)
        path.write_bytes(broken)
        try:
            assert load_tree(path).identical(tree_read(whole, tmp_path))
        except FileError as error:
            refused += 1
            assert str(path) in str(error)
            assert "\n" not in str(error)
        assert path.read_bytes() == broken
    assert refused > 90


def tree_read(whole, folder):
    (folder / "whole.h5").write_bytes(whole)
    return load_tree(folder / "whole.h5")


def test_a_file_that_another_program_edited_still_opens(tmp_path):
    """Adding an attribute breaks the seal's place, not the file."""
    path = tmp_path / "run.h5"
    save_tree(tree(), path)
    with h5py.File(path, "a") as file:
        file.attrs["note"] = "looked at"
    assert load_tree(path).attrs["note"] == "looked at"
