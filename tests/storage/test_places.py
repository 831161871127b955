"""Places of files: links, locks without flock, long names, files of others in a run's place, permissions."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from test_file import tree

from fpsim.storage import (
    Checkpoint,
    check_target,
    derived_file,
    load_tree,
    remove_leftovers,
    save_tree,
    snapshot_at,
    writer_lock,
)
from fpsim.support.errors import FileError


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def linked(tmp_path):
    """A link in one folder to a run's file, which is not there yet, in another."""
    (tmp_path / "links").mkdir()
    (tmp_path / "runs").mkdir()
    link = tmp_path / "links" / "latest.h5"
    link.symlink_to(tmp_path / "runs" / "run.h5")
    return link


def test_all_that_belongs_to_a_run_lies_where_its_link_leads(linked):
    runs = linked.parent.parent / "runs"
    with writer_lock(linked):
        assert names(runs) == [".run.h5.lock"]
        for other in (linked, runs / "run.h5", runs / ".." / "runs" / "run.h5"):
            with pytest.raises(FileError, match="another run"), writer_lock(other):
                pass
        Checkpoint(linked, config="a").save("train", {"w": np.ones(3)})
        save_tree(tree(), linked)
        assert names(runs) == [".run.h5.lock", ".run.h5.train.0.checkpoint", "run.h5"]
    assert Checkpoint(runs / "run.h5", config="a").load("train")["w"].size == 3
    assert linked.is_symlink()
    assert names(linked.parent) == ["latest.h5"]
    (runs / ".run.h5.7.part").write_text("x")
    remove_leftovers(linked)
    assert ".run.h5.7.part" not in names(runs)
    with pytest.raises(FileError, match="exists already"):
        check_target(linked)


NO_FLOCK = [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EIO]


@pytest.fixture
def without_flock(monkeypatch):
    def refuse(number):
        def flock(_descriptor, _operation):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", flock)

    return refuse


@pytest.mark.parametrize("number", NO_FLOCK)
def test_without_flock_the_lock_file_is_the_lock(number, without_flock, tmp_path):
    without_flock(number)
    path = tmp_path / "run.h5"
    with writer_lock(path):
        with pytest.raises(FileError, match=rf"process {os.getpid()} on .* 0 min.*remove .*\.run\.h5\.lock"):
            writer_lock(path).__enter__()
        assert names(tmp_path) == [".run.h5.lock"]
    assert names(tmp_path) == []
    with writer_lock(path):
        pass


def owner(folder, **changes):
    """A lock file that says who holds it."""
    lock = folder / ".run.h5.lock"
    with writer_lock(folder / "run.h5"):
        said = json.loads(lock.read_text())
    lock.write_text(json.dumps({**said, **changes}))
    return lock


def ended_process():
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()
    return process.pid


def test_a_lock_whose_owner_ended_is_taken_over(without_flock, tmp_path):
    without_flock(errno.ENOLCK)
    owner(tmp_path, process=ended_process())
    with writer_lock(tmp_path / "run.h5"):
        assert json.loads((tmp_path / ".run.h5.lock").read_text())["process"] == os.getpid()
    assert names(tmp_path) == []


@pytest.mark.parametrize("changes", [{"system": "another"}, {"process": os.getppid()}, {"process": "x"}, None])
def test_a_lock_whose_owner_may_live_is_kept(changes, without_flock, tmp_path):
    """Of another machine, of a living process, or unreadable: the message names the file to remove."""
    without_flock(errno.ENOLCK)
    lock = owner(tmp_path, **(changes or {}))
    if changes is None:
        lock.write_text("")
    with pytest.raises(FileError, match=f"remove {lock}"), writer_lock(tmp_path / "run.h5"):
        pass
    lock.unlink()
    with writer_lock(tmp_path / "run.h5"):
        pass


def test_one_with_flock_respects_one_without(tmp_path, monkeypatch):
    lock = owner(tmp_path, system="another machine", flock=False)
    with pytest.raises(FileError, match="another run"), writer_lock(tmp_path / "run.h5"):
        pass
    lock.write_text("")  # what a killed writer of earlier versions left: flock decides
    with writer_lock(tmp_path / "run.h5"):
        pass


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_fsync_that_is_not_supported_is_no_failure(number, tmp_path, monkeypatch):
    def fsync(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    save_tree(tree(), tmp_path / "run.h5")
    Checkpoint(tmp_path / "run.h5", config="a").save("train", {"w": np.ones(3)})
    assert load_tree(tmp_path / "run.h5").attrs["seed"] == 1


def test_fsync_that_fails_is_a_failure(tmp_path, monkeypatch):
    def fsync(_descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    save_tree(tree(1.0), tmp_path / "run.h5")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(FileError, match="cannot write"):
        save_tree(tree(2.0), tmp_path / "run.h5")
    assert float(load_tree(tmp_path / "run.h5")["a/b"]["x"][0]) == 1.0
    assert names(tmp_path) == ["run.h5"]


def replaced(path):
    path.unlink()
    path.write_text("precious")


def overwritten(path):
    path.write_text("precious")


@pytest.mark.parametrize("put", [replaced, overwritten])
@pytest.mark.parametrize("links", [True, False])
def test_a_file_put_in_the_place_of_a_run_stays(put, links, tmp_path, monkeypatch):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    path = tmp_path / "run.h5"
    left = save_tree(tree(1.0), path)
    left = save_tree(tree(2.0), path, after=left)
    put(path)
    with pytest.raises(FileError, match=r"is kept; what the run has is in .*run-2\.h5"):
        save_tree(tree(3.0), path, after=left)
    assert path.read_text() == "precious"
    assert float(load_tree(tmp_path / "run-2.h5")["a/b"]["x"][0]) == 3.0
    assert names(tmp_path) == ["run-2.h5", "run.h5"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_before_the_first_snapshot_stays(links, tmp_path, monkeypatch):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    path = tmp_path / "run.h5"
    nothing = snapshot_at(path)
    path.write_text("precious")
    with pytest.raises(FileError, match="is kept"):
        save_tree(tree(), path, after=nothing)
    assert path.read_text() == "precious"


def test_a_run_whose_file_was_removed_writes_it_again(tmp_path):
    left = save_tree(tree(1.0), tmp_path / "run.h5")
    (tmp_path / "run.h5").unlink()
    save_tree(tree(2.0), tmp_path / "run.h5", after=left)
    assert float(load_tree(tmp_path / "run.h5")["a/b"]["x"][0]) == 2.0


@pytest.mark.parametrize("closed", [True, False])
def test_a_file_that_was_only_opened_for_writing_is_whole(closed, tmp_path):
    """HDF5 sets a flag in the superblock while a file is open for writing, and drops our checksum when it closes."""
    path = tmp_path / "run.h5"
    left = save_tree(tree(1.0), path)
    file = h5py.File(path, "r+")
    content = path.read_bytes()
    file.close()
    if not closed:  # the program was killed
        path.write_bytes(content)
    found, fresh = load_tree(path), tree_of(tmp_path)
    del found.attrs["created"], fresh.attrs["created"]  # may be a second apart
    assert found.identical(fresh)
    save_tree(tree(2.0), path, after=left)  # and a run that is still writing goes on
    assert float(load_tree(path)["a/b"]["x"][0]) == 2.0
    assert names(tmp_path) == ["fresh.h5", "run.h5"]


def tree_of(folder):
    whole = tree(1.0)
    save_tree(whole, folder / "fresh.h5")
    found = load_tree(folder / "fresh.h5")
    return found


def test_a_change_on_purpose_has_a_way_out(tmp_path):
    """Data changed in place under the old checksum: refused, and read once the checksum is taken off as said."""
    path = tmp_path / "run.h5"
    save_tree(tree(1.0), path)
    content = path.read_bytes()
    with h5py.File(path, "r+") as file:
        file["a/b/x"].attrs["looked"] = 1
        file["a/b/x"][0] = 7.0
    path.write_bytes(path.read_bytes() + content[-40:])
    with pytest.raises(FileError, match=r"truncate -s -40 FILE takes the checksum off"):
        load_tree(path)
    os.truncate(path, path.stat().st_size - 40)
    assert float(load_tree(path)["a/b"]["x"][0]) == 7.0


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_permissions_are_kept(mode, tmp_path):
    for path, write in ((tmp_path / "run.h5", lambda p: save_tree(tree(), p)), (tmp_path / "a.html", page)):
        path.write_text("old")
        path.chmod(mode)
        write(path)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert path.read_bytes() != b"old"


def page(path):
    with derived_file(path) as part:
        part.write_text("new")


def half_a_page(path):
    with derived_file(path) as part:
        part.write_text("half")
        raise ZeroDivisionError


def test_a_derived_file_that_fails_leaves_the_old_one(tmp_path):
    page(tmp_path / "a.html")
    with pytest.raises(ZeroDivisionError):
        half_a_page(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == "new"
    assert names(tmp_path) == ["a.html"]


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_what_is_written_is_what_xarray_would_read(engine, tmp_path):
    """Every kind of value: both engines of xarray and our own reader find what was given."""
    data = xr.Dataset(
        {
            "real": (("t", "x"), np.random.default_rng(0).normal(size=(40, 50))),
            "missing": ("t", np.where(np.arange(40) % 3, np.nan, 1.0)),
            "whole": ("t", np.arange(40)),
            "truth": ("t", np.arange(40) % 2 == 0),
            "word": ("x", [f"wört {i}" * (i % 4) for i in range(50)]),
            "single": ("x", np.ones(50, np.float32)),
            "scalar": 3.5,
            "bare": (("t", "u"), np.zeros((40, 3))),
            "empty": ("nothing", np.zeros(0)),
        },
        {"t": np.linspace(0, 1, 40), "x": [f"x{i}" for i in range(50)]},
        {"text": "ä", "blank": "", "number": 2, "real": 0.25, "several": np.array([1.0, 2.0])},
    )
    data["real"].attrs.update(units="1", long_name="a number")
    whole = xr.DataTree.from_dict({"/a": data, "/a/b": data[["whole"]], "/c": xr.Dataset(attrs={"complete": 0})})
    whole.attrs = tree().attrs
    save_tree(whole, tmp_path / "run.h5")
    own = load_tree(tmp_path / "run.h5")
    with xr.open_datatree(tmp_path / "run.h5", engine=engine) as other:
        for path in ("/", "/a", "/a/b", "/c"):
            mine, given, theirs = (t[path].to_dataset() for t in (own, whole, other))
            xr.testing.assert_equal(mine, given)
            xr.testing.assert_equal(theirs.load(), given)
            assert mine["truth"].dtype == bool if "truth" in mine else True
        for name, value in data.attrs.items():
            assert np.array_equal(own["a"].attrs[name], value)


def test_a_run_of_version_0_1_written_by_xarray_is_read(tmp_path):
    """The layout before: dimensions of a group that its parents have, fill values, scales without variables."""
    whole = tree()
    whole["c"] = xr.DataTree(xr.Dataset({"y": (("time", "u"), np.ones((2, 3)))}, {"time": [0.0, 1.0]}))
    image = whole.to_netcdf(None, engine="h5netcdf", write_inherited_coords=True)
    (tmp_path / "run.h5").write_bytes(bytes(image))
    found = load_tree(tmp_path / "run.h5")
    for path in ("/a/b", "/c"):
        xr.testing.assert_equal(found[path].to_dataset(), whole[path].to_dataset())


def test_no_way_leads_out_of_a_stage_name(tmp_path):
    """Stages of any name have checkpoints of their own, short enough."""
    checkpoint = Checkpoint(tmp_path / "run.h5", config="a")
    stages = ["s" * 300, "s" * 299 + "t", "../../x", "", "a/b"]
    for i, stage in enumerate(stages):
        checkpoint.save(stage, {"w": np.full(2, float(i))})
    for i, stage in enumerate(stages):
        assert checkpoint.load(stage)["w"][0] == i
    assert all(len(name) < 80 for name in names(tmp_path))
    assert names(tmp_path.parent).count(tmp_path.name) == 1
    checkpoint.remove()
    assert names(tmp_path) == []


def test_a_device_is_never_replaced():
    before = Path("/dev/null").stat()
    with pytest.raises(FileError, match="device"):
        check_target("/dev/null", overwrite=True)
    with pytest.raises(FileError, match="device"), derived_file("/dev/null") as part:
        part.write_text("x")
    assert Path("/dev/null").stat() == before
