"""Files are complete or absent; a bad one gives one clear error; an old one is never lost."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray as xr

from fpsim.errors import FileError
from fpsim.storage import check_target, load, provenance, save, writer_lock


def tree(value=1.0):
    data = xr.Dataset({"x": ("time", np.full(2000, value))}, coords={"time": np.arange(2000.0)})
    result = xr.DataTree.from_dict({"/a/b": data})
    result.attrs = provenance(config="", seed=1, command="test")
    return result


def test_round_trip(tmp_path):
    path = tmp_path / "run.h5"
    save(tree(), path)
    back = load(path)
    assert np.array_equal(back["a/b"]["x"], tree()["a/b"]["x"])
    assert back.attrs["seed"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_plain_xarray_opens_a_run_with_named_coordinates(quick_run, engine):
    with xr.open_dataset(quick_run.file, group="offset/ensemble", engine=engine) as ensemble:
        assert set(ensemble["density_W1"].dims) == {"time", "W1_1_1", "W1_1_2"} <= set(ensemble.coords)
        assert ensemble["density_W1"].attrs["units"] == "weight^-2"
    with xr.open_dataset(quick_run.file, engine=engine) as root:
        assert root["std"].sel(start="offset", source="ensemble", weight="W1_1_1").dims == ("time",)
        assert {"start", "time", "closure", "observable"} == set(root["distance"].dims) <= set(root.coords)
    with xr.open_datatree(quick_run.file, engine=engine) as everything:
        assert {"offset", "symmetric"} == set(everything.children)
        assert "[sgd]" in everything.attrs["config"]


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


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    save(tree(1.0), path)

    def full_disk(self, target, **_):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", full_disk)
    with pytest.raises(FileError, match="No space left"):
        save(tree(2.0), path)
    monkeypatch.undo()
    assert float(load(path)["a/b"]["x"][0]) == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_second_writer_is_refused(tmp_path):
    with (
        writer_lock(tmp_path / "run.h5"),
        pytest.raises(FileError, match="another run"),
        writer_lock(tmp_path / "run.h5"),
    ):
        pass
    with writer_lock(tmp_path / "run.h5"):
        pass


def test_files_that_are_not_ours(tmp_path):
    path = tmp_path / "x.h5"
    with pytest.raises(FileError, match="no such file"):
        load(path)
    path.write_text("hello")
    with pytest.raises(FileError, match="not an HDF5 file"):
        load(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1.0
    with pytest.raises(FileError, match="not written by fpsim"):
        load(path)
    newer = tree()
    newer.attrs["fpsim_schema"] = 99
    save(newer, path)
    with pytest.raises(FileError, match="schema 99 is newer"):
        load(path)


def error_of(path):
    try:
        load(path)
    except FileError as error:
        return str(error)
    return None


def test_damaged_files_give_one_line(tmp_path):
    path = tmp_path / "run.h5"
    save(tree(), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for trial in range(100):
        if trial % 2:
            broken = bytearray(whole)
            for place in rng.integers(8, len(whole), 40):
                broken[place] ^= 0xFF
            path.write_bytes(bytes(broken))
        else:
            path.write_bytes(whole[: int(rng.integers(9, len(whole)))])
        message = error_of(path)
        assert message is None or (str(path) in message and "\n" not in message)
        refused += message is not None
    assert refused > 60
