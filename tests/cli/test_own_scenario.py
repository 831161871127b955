"""A scenario in a user's own file: copied, shown, run, resumed, drawn; a run's file never brings its code."""

from __future__ import annotations

import re

import pytest
import xarray as xr

import fpsim
from fpsim.cli import main
from fpsim.scenario import available, load_scenario
from fpsim.storage import load_tree, save_tree
from fpsim.support.errors import FileError

SMALL = ["--set=ensemble.replicas=200", "--set=sgd.momenta=[0.0, 0.5]", "--set=sgd.steps=20", "--quiet"]


@pytest.fixture
def own(tmp_path):
    assert main(["new", str(tmp_path / "my_study.py"), "--from", "momentum"]) == 0
    return tmp_path / "my_study.py"


def line_of(capsys):
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    return said


def test_a_copy_is_the_scenario_under_its_own_name(own):
    copy, original = load_scenario(own), load_scenario("momentum")
    assert (copy.name, copy.source) == ("my-study", "my_study.py")
    assert copy.parameters.model_dump() == original.parameters.model_dump()
    assert own.read_bytes() == available()["momentum"].read_bytes()


def test_a_copy_never_replaces_a_file_unless_asked(own, capsys):
    own.write_text("mine")
    assert main(["new", str(own), "--from", "momentum"]) == 2
    assert "exists already" in line_of(capsys)
    assert own.read_text() == "mine"
    assert main(["new", str(own), "--from", "momentum", "--force"]) == 0
    assert "scenario = Scenario(" in own.read_text()


@pytest.mark.parametrize(
    ("file", "name", "message"),
    [
        ("a.txt", "momentum", "ends in .py (code) or .toml (parameters)"),
        ("a.py", "momentun", "did you mean momentum?"),
        ("a.py", "iris-bottleneck", "has no code of its own but parameters: a file that ends in .toml is accepted"),
        ("no/folder/a.py", "momentum", "cannot write there"),
    ],
)
def test_what_cannot_be_copied_is_said_in_one_line(file, name, message, tmp_path, capsys):
    assert main(["new", str(tmp_path / file), "--from", name]) == 2
    assert message in line_of(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", available())
def test_parameters_as_toml_are_the_same_scenario(name, tmp_path):
    file = tmp_path / "copied.toml"
    assert main(["new", str(file), "--from", name]) == 0
    for quick in (False, True):
        copy, original = load_scenario(file, quick=quick), load_scenario(name, quick=quick)
        assert copy.name == "copied"
        assert copy.parameters == original.parameters
        assert copy.title == original.title


@pytest.mark.parametrize("name", available())
def test_every_parameter_is_shown(name, capsys):
    """With its value, its bounds, and at the beginning what the scenario is for."""
    from fpsim.scenario.parameters.values import dotted

    assert main(["show", name]) == 0
    said = capsys.readouterr().out
    scenario = load_scenario(name)
    assert said.startswith(scenario.title)
    assert [key for key in dotted(scenario.parameters) if f"  {key} = " not in said] == []
    assert " ".join(scenario.purpose.split()) in " ".join(said.split())


def test_shown_are_value_quick_value_meaning_and_bounds(capsys):
    assert main(["show", "momentum"]) == 0
    said = capsys.readouterr().out
    assert "(Stochastic gradient descent)" in said
    assert "ensemble.replicas = 50000   (quick: 10000)" in said
    block = re.search(r"  sgd.momenta = .*?\n\n?  sgd.path", said, re.DOTALL).group()
    assert "Momenta whose stationary variances are measured" in block
    assert "list of 2 to 40 (number, at least 0 and below 1)" in block


def test_a_file_of_ones_own_is_shown(own, capsys):
    assert main(["show", str(own)]) == 0
    assert "sgd.learning_rate = 0.2" in capsys.readouterr().out


def test_a_run_of_ones_own_scenario_is_read_without_its_code(own, tmp_path, capsys):
    """Table, info, comparison, page, values; only pictures and resuming ask for the file, in one line."""
    out = tmp_path / "run.h5"
    assert main(["run", str(own), "--out", str(out), *SMALL]) == 0
    assert (tmp_path / "run" / "momentum.png").is_file()
    run = fpsim.load(out)
    assert run.complete
    assert run.scenario is None
    assert run.seed == 20250116
    found = fpsim.load(out, scenario=own).scenario.parameters
    assert (found.ensemble.replicas, found.sgd.momenta, found.sgd.steps) == (200, (0.0, 0.5), 20)
    for command in ("info", "report", "resume"):
        assert main([command, str(out)]) == 0, capsys.readouterr().err
    page = (tmp_path / "run.html").read_text()
    assert "data:image/png" not in page
    assert "--scenario my_study.py" in page
    assert main(["report", str(out), "--scenario", str(own)]) == 0
    assert "data:image/png" in (tmp_path / "run.html").read_text()
    capsys.readouterr()
    assert main(["plot", str(out), "--out", str(tmp_path / "again")]) == 2
    assert "--scenario FILE" in line_of(capsys)
    assert main(["plot", str(out), "--out", str(tmp_path / "again"), "--scenario", str(own)]) == 0
    assert [p.name for p in (tmp_path / "again").iterdir()] == ["momentum.png"]


def test_a_run_of_ones_own_scenario_goes_on_with_its_code(own, tmp_path, capsys):
    out, again = tmp_path / "run.h5", tmp_path / "again.h5"
    assert main(["run", str(own), "--out", str(out), *SMALL]) == 0
    tree = load_tree(out)
    stopped = xr.DataTree.from_dict({"/": xr.Dataset(attrs={**tree.attrs, "complete": 0})})
    stopped["stationary"] = xr.DataTree(tree["stationary"].to_dataset())
    save_tree(stopped, again)
    assert main(["resume", str(again), "--quiet"]) == 2
    assert "--scenario FILE" in line_of(capsys)
    assert main(["resume", str(again), "--quiet", "--scenario", str(own)]) == 0
    assert all(load_tree(again)[p].to_dataset().identical(tree[p].to_dataset()) for p in ("stationary", "path"))


def test_another_scenario_is_not_taken_for_the_one_that_was_run(own, tmp_path, capsys):
    out, other = tmp_path / "run.h5", tmp_path / "other.py"
    assert main(["run", str(own), "--out", str(out), *SMALL]) == 0
    assert main(["new", str(other), "--from", "momentum"]) == 0
    with pytest.raises(FileError, match=r"scenario = 'my_study.py'; the file given defines 'other.py'"):
        fpsim.load(out, scenario=other)
    assert main(["plot", str(out), "--scenario", "momentum"]) == 2
    assert "a Python file that defines `scenario` is accepted" in line_of(capsys)


def test_ones_own_scenario_of_a_name_of_the_package_stays_ones_own(tmp_path):
    """Neither a file called momentum.py nor a change of ours to other stages is found again as ours."""
    file = tmp_path / "momentum.py"
    assert main(["new", str(file), "--from", "momentum"]) == 0
    assert load_scenario(file).source == "momentum.py"
    changed = tmp_path / "changed.py"
    head = (
        "from dataclasses import replace\nfrom fpsim.scenario import load_scenario\nours = load_scenario('momentum')\n"
    )
    changed.write_text(f"{head}scenario = replace(ours, stages=ours.stages[:1])\n")
    assert load_scenario(changed).source == "changed.py"
    changed.write_text(f"{head}scenario = ours.with_values({{'seed': 1}})\n")
    assert load_scenario(changed).source == "momentum"
