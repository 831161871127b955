"""Sweeps: what is accepted, twelve runs interrupted and gone on with, the same bits for one worker and two."""

from __future__ import annotations

import concurrent.futures
import math
import re

import numpy as np
import pytest
import xarray as xr

import fpsim
from fpsim.cli import main
from fpsim.runs.pictures import draw_pictures
from fpsim.scenario import load_scenario, run
from fpsim.storage import load_tree, save_tree
from fpsim.support.errors import ConfigError
from fpsim.sweeps import parse_over, sweep_scalars

SMALL = {"ensemble.replicas": 200, "sgd.momenta": [0.0, 0.5], "sgd.steps": 20}
OVER = {"sgd.learning_rate": (0.05, 0.1, 0.2), "sgd.batch_size": (1, 4)}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.b=0.01,0.02,0.05", (0.01, 0.02, 0.05)),
        ("a.b=1:64:x2", (1, 2, 4, 8, 16, 32, 64)),
        ("a.b=1:60:x2", (1, 2, 4, 8, 16, 32)),
        ("a.b=0:1:0.25", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("a.b=0:0.3:0.1", (0.0, 0.1, 0.2, 0.3)),
        ("a.b=5:1:-2", (5, 3, 1)),
        ("a.b=0.1:10:x10", (0.1, 1.0, 10.0)),
        ("a.b=linear,tanh", ("linear", "tanh")),
        ("a.b=[0.0, 0.5],[0.1, 0.2]", ([0.0, 0.5], [0.1, 0.2])),
        ("a.b=true,false", (True, False)),
    ],
)
def test_ranges(text, values):
    found = parse_over([text])["a.b"]
    assert found == values
    assert [type(v) for v in found] == [type(v) for v in values]


@pytest.mark.parametrize(
    "text",
    ["a", "a=", "=1", "a=1:2", "a=1:2:0", "a=2:1:1", "a=1:64:x1", "a=0:64:x2", "a=1:2:y3", "a=0:1:1e-9", "a=1:2:3:4"],
)
def test_bad_ranges_are_one_line(text, capsys, tmp_path):
    assert main(["sweep", "momentum", "--over", text, "--out", str(tmp_path / "s")]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "accepted" in said
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing to sweep over"),
        (["--over", "sgd.learning_rat=0.1"], "did you mean learning_rate?"),
        (["--over", "sgd.learning_rate=0.1,-1"], "sgd.learning_rate = -1"),
        (["--over", "sgd.learning_rate=0.1,3"], "1e-6 to 2"),
        (["--over", "sgd.learning_rate=0.1,0.1"], "stands twice"),
        (["--over", "sgd.batch_size=1", "--over", "sgd.batch_size=2"], "given twice"),
        (["--over", "seed=1,2", "--seeds", "2"], "one of the two is accepted"),
        (["--over", "sgd.batch_size=1:200:1", "--over", "sgd.steps=2:200:1"], "up to 10000 are accepted"),
    ],
)
def test_what_cannot_be_swept_is_told_before_any_run(options, message, capsys, tmp_path):
    assert main(["sweep", "momentum", *options, "--out", str(tmp_path / "s")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "s").exists()


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Twelve runs, interrupted after the fifth and gone on with."""
    folder = tmp_path_factory.mktemp("sweep")
    seen, stamps = [], {}

    def interrupt(done, total):
        seen.append((done, total))
        if done == 5:
            raise KeyboardInterrupt

    keywords = {"folder": folder, "seeds": 2, "changes": SMALL}
    with pytest.raises(KeyboardInterrupt):
        fpsim.sweep("momentum", OVER, progress=interrupt, **keywords)
    stamps = {p.name: p.stat().st_mtime_ns for p in folder.glob("momentum-*.h5")}
    assert len(stamps) == 5
    assert not (folder / "sweep.h5").exists()
    outcome = fpsim.sweep("momentum", OVER, progress=lambda done, total: seen.append((done, total)), **keywords)
    assert seen[-1] == (12, 12)
    assert all((folder / name).stat().st_mtime_ns == stamp for name, stamp in stamps.items())  # kept, not done again
    return outcome


def test_runs_are_those_of_the_scenario(swept):
    """Each cell of the gathered file is what a run by itself gives, under its keys and seed."""
    tree = load_tree(swept.file)
    assert tree.sizes == {"sgd.learning_rate": 3, "sgd.batch_size": 2, "seed": 2, "momentum": 2}
    cell = {"sgd.learning_rate": 0.1, "sgd.batch_size": 4}
    alone = run(load_scenario("momentum", changes={**SMALL, **cell}))
    seed = alone.attrs["seed"]
    found = tree.dataset.sel({**cell, "seed": seed})
    for name in ("variance", "error", "exact"):
        assert np.array_equal(found[name].values, alone[name].values)
    verdicts = tree["verdicts"].to_dataset().sel({**cell, "seed": seed})
    assert np.array_equal(verdicts["claim_residual"].values, alone["claims"]["claim_residual"].values)
    assert list(verdicts["claim_verdict"].values) == list(alone["claims"]["claim_verdict"].values)
    assert str(found["file"].values) in {path.name for path in swept.runs}
    assert fpsim.load(swept.file).complete


def test_seeds_are_far_apart(swept):
    """A scenario uses the numbers that follow its seed for its own streams."""
    seeds = load_tree(swept.file).dataset["seed"].values
    assert abs(int(seeds[1]) - int(seeds[0])) > 10**6


def test_workers_change_no_bit(swept, tmp_path):
    """Two processes, and an executor that was given."""
    tree = load_tree(swept.file)
    two = fpsim.sweep("momentum", OVER, folder=tmp_path / "two", seeds=2, changes=SMALL, workers=2)
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        given = fpsim.sweep("momentum", OVER, folder=tmp_path / "given", seeds=2, changes=SMALL, executor=executor)
    for other in (two, given):
        again = load_tree(other.file)
        assert again.dataset.drop_attrs().identical(tree.dataset.drop_attrs())
        assert again["verdicts"].to_dataset().identical(tree["verdicts"].to_dataset())
        assert other.report == swept.report


def test_table_has_means_over_seeds_with_standard_errors(swept):
    tree = load_tree(swept.file)
    scalars = sweep_scalars(tree)
    name = "variance[momentum=0.5]"
    values = tree.dataset["variance"].sel({"sgd.learning_rate": 0.2, "sgd.batch_size": 1, "momentum": 0.5}).values
    assert np.array_equal(scalars[name].sel({"sgd.learning_rate": 0.2, "sgd.batch_size": 1}).values, values)
    (row,) = [line for line in swept.report.splitlines() if re.match(r"\s*0\.2\s+1 ", line)]
    heading = next(line for line in swept.report.splitlines() if name in line)
    assert heading.split()[:2] == ["sgd.learning_rate", "sgd.batch_size"]
    shown = f"{values.mean():.5g} ± {values.std(ddof=1) / math.sqrt(2):.1g}"
    assert shown in row


def test_pictures_page_and_info_of_a_sweep(swept, tmp_path, capsys):
    (path,) = draw_pictures(
        load_tree(swept.file), tmp_path, scalars=["variance[momentum=0.5]"], against="sgd.batch_size"
    )
    assert path.name == "variance-momentum-0.5-against-sgd.batch-size.png"
    assert path.stat().st_size > 5000
    assert main(["plot", str(swept.file), "--out", str(tmp_path / "all")]) == 0
    assert len(list((tmp_path / "all").glob("*.png"))) == len(sweep_scalars(load_tree(swept.file)))
    for options in (["--scalar", "x"], ["--against", "x"]):
        assert main(["plot", str(swept.file), *options]) == 2
    assert main(["info", str(swept.file)]) == 0
    assert main(["report", str(swept.file), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "data:image/png" in page
    assert "<table>" in page
    said = capsys.readouterr()
    assert "accepted are" in said.err
    assert "12 runs over sgd.learning_rate, sgd.batch_size, 2 seeds each" in said.out


def test_means_are_drawn_with_their_errors(swept):
    """The points of the picture are the means over seeds, one line for each value of the other key."""
    from fpsim.sweeps import sweep_figures

    tree = load_tree(swept.file)
    ((_, figure),) = sweep_figures(tree, scalars=["variance[momentum=0]"], against="sgd.learning_rate")
    containers = figure.axes[0].containers
    assert len(containers) == 2
    expected = tree.dataset["variance"].sel({"momentum": 0.0}).mean("seed")
    for batch, (line, _, (bars,)) in zip((1, 4), containers, strict=True):
        np.testing.assert_allclose(line.get_xydata()[:, 1], expected.sel({"sgd.batch_size": batch}))
        assert len(bars.get_segments()) == 3


def test_a_larger_grid_adds_to_a_smaller_one(tmp_path):
    first = fpsim.sweep("momentum", {"sgd.batch_size": (4,)}, folder=tmp_path, changes=SMALL)
    stamp = first.runs[0].stat().st_mtime_ns
    both = fpsim.sweep("momentum", {"sgd.batch_size": (1, 4)}, folder=tmp_path, changes=SMALL)
    assert both.runs[1] == first.runs[0]
    assert first.runs[0].stat().st_mtime_ns == stamp
    whole = load_tree(both.runs[0])
    part = xr.DataTree.from_dict({"/": xr.Dataset(), "/stationary": whole["stationary"].to_dataset()})
    part.attrs = {**whole.attrs, "complete": 0}
    save_tree(part, both.runs[0])  # interrupted within a run
    again = fpsim.sweep("momentum", {"sgd.batch_size": (1, 4)}, folder=tmp_path, changes=SMALL)
    assert load_tree(again.runs[0])["path"].to_dataset().identical(whole["path"].to_dataset())


def test_runs_that_fail_are_told_and_the_others_kept(tmp_path):
    first = fpsim.sweep("momentum", {"sgd.batch_size": (1, 4)}, folder=tmp_path, changes=SMALL)
    first.runs[0].write_bytes(b"no run")
    with pytest.raises(ConfigError, match=r"1 of 2 runs failed, the others are kept.*not an HDF5 file"):
        fpsim.sweep("momentum", {"sgd.batch_size": (1, 4)}, folder=tmp_path, changes=SMALL)
    assert first.runs[1].is_file()


def test_sweep_from_the_command_line(tmp_path, capsys):
    """A file of one's own; keys that give the runs claims of different names."""
    own = tmp_path / "mine.py"
    assert main(["new", str(own), "--from", "momentum"]) == 0
    options = ["--over", "sgd.momenta=[0.0, 0.5],[0.0, 0.7]", "--out", str(tmp_path / "s")]
    small = [f"--set={key}={value}" for key, value in SMALL.items() if key != "sgd.momenta"]
    assert main(["sweep", str(own), *options, *small]) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    assert "2 of 2 runs" in said.err
    assert "2 runs over sgd.momenta" in said.out
    table = load_tree(tmp_path / "s" / "sweep.h5")["verdicts"].to_dataset()
    names = [str(n) for n in table["claim"].values]
    assert {"stationary variance at momentum 0.5 is exact", "stationary variance at momentum 0.7 is exact"} <= set(
        names
    )
    other = table["claim_residual"].sel(claim="stationary variance at momentum 0.7 is exact").values
    assert np.isnan(other[0])
    assert np.isfinite(other[1])
