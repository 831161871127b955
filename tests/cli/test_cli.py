"""The command line as a user meets it: exit statuses, one-line errors, files never lost."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

import fpsim
from fpsim.cli import main
from fpsim.scenario import available, load_scenario

BAD_USE = {
    "unknown scenario": (["run", "digts"], "unknown"),
    "misspelt key": (["run", "digits-bottleneck", "--set", "sgd.learning_rat=1"], "did you mean learning_rate"),
    "negative learning rate": (["run", "digits-bottleneck", "--set", "sgd.learning_rate=-0.1"], "greater than 0"),
    "batch too large": (
        ["run", "digits-bottleneck", "--set", "sgd.sampling=without_replacement", "--set", "sgd.batch_size=9999"],
        "1797",
    ),
    "grid too large": (["run", "digits-bottleneck", "--set", "theory.cells=400000"], "theory.cells"),
    "grid too large for memory": (
        [
            *("run", "digits-bottleneck", "--set", "data.components=3"),
            *("--set", "start.offset.mean=0.5", "--set", "theory.cells=4000"),
        ],
        "theory.cells = 4000 needs about",
    ),
    "no key=value": (["run", "digits-bottleneck", "--set", "nonsense"], "key=value"),
    "no such file": (["info", "absent.h5"], "no such file"),
    "unknown option": (["run", "digits-bottleneck", "--fast"], "--fast"),
    "unknown command": (["evolve"], "evolve"),
    "unwritable output": (["run", "digits-bottleneck", "--out", "/proc/run.h5"], "cannot write there"),
    "unknown activation": (["run", "digits-bottleneck", "--set", "network.activation=tan"], "tanh"),
}


@pytest.mark.parametrize("case", BAD_USE)
def test_bad_use_is_one_clear_message_and_status_2(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, expected = BAD_USE[case]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_kept(tmp_path, capsys):
    target = tmp_path / "run.h5"
    target.write_text("precious")
    assert main(["run", "digits-bottleneck", "--out", str(target)]) == 2
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "precious"


def test_foreign_file(tmp_path, capsys):
    target = tmp_path / "notes.txt"
    target.write_text("hello")
    assert main(["plot", str(target)]) == 2
    assert "not an HDF5 file" in capsys.readouterr().err


def test_list_names_every_scenario_with_its_title(capsys):
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    for name in available():
        (line,) = [row for row in listed.splitlines() if row.startswith(f"  {name} ")]
        assert line.endswith(load_scenario(name).title)
        assert len(line) < 140


def test_info_and_plot(quick_run, capsys, tmp_path):
    assert main(["info", str(quick_run.file)]) == 0
    said = capsys.readouterr().out
    for part in (
        "conditional closure",
        "seed        20250116",
        "/offset/ensemble",
        "density_W1",
        "state       complete",
    ):
        assert part in said
    assert main(["plot", str(quick_run.file), "--out", str(tmp_path)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in quick_run.figures)


COMMANDS = ("list", "run", "resume", "compare", "plot", "animate", "report", "info", "validate")


def test_help_names_every_command_and_each_has_an_example(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n  {command} " in said
        assert main([command, "--help"]) == 0
        assert f"Example: fpsim {command}" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell):
    """The script that a shell asks for names this program; completing a word answers scenarios."""
    environment = {**os.environ, "_FPSIM_COMPLETE": f"source_{shell}"}
    command = [sys.executable, "-m", "fpsim"]
    script = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert "_FPSIM_COMPLETE=complete_" in script
    words = {"COMP_WORDS": "fpsim run digits", "COMP_CWORD": "2", "_TYPER_COMPLETE_ARGS": "fpsim run digits"}
    environment = {
        **os.environ,
        **words,
        "_FPSIM_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False).stdout
    assert "digits-bottleneck" in answer
    assert "double-well" not in answer


SMALL = {"ensemble.replicas": 200, "theory.cells": 96, "time.end": 5.0, "time.records": 2}


def small_run(folder, *options, scenario="double-well"):
    changes = [f"--set={key}={value}" for key, value in SMALL.items()]
    return main(["run", scenario, "--out", str(folder / "run.h5"), "--quick", *changes, *options])


def test_strict_is_status_1_if_something_fell_short(tmp_path, capsys, monkeypatch):
    from fpsim.scenario import files

    monkeypatch.setattr(files, "run_shortfalls", lambda _tree: ("density: z = 9.1 above 3",))
    assert small_run(tmp_path, "--strict", "--quiet") == 1
    assert "density: z = 9.1 above 3" in capsys.readouterr().err
    monkeypatch.setattr(files, "run_shortfalls", lambda _tree: ())
    assert main(["resume", str(tmp_path / "run.h5"), "--strict", "--quiet"]) == 0


OWN = "from fpsim.scenario import load_scenario\nscenario = load_scenario('momentum', changes={'seed': 5})"


def test_a_scenario_from_a_python_file(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    found = load_scenario(str(tmp_path / "own.py"), changes={"ensemble.replicas": 200})
    assert found.source == "momentum"
    assert (found.parameters.seed, found.parameters.ensemble.replicas) == (5, 200)


def test_run_a_python_file(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    out = tmp_path / "run.h5"
    assert main(["run", str(tmp_path / "own.py"), "--set", "ensemble.replicas=200", "--quiet", "--out", str(out)]) == 0
    run = fpsim.load(out)
    assert run.complete
    assert run.scenario == load_scenario(str(tmp_path / "own.py"), changes={"ensemble.replicas": 200})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1\n1 / 0", "line 2: ZeroDivisionError"),
        ("scenario = (", "line 1: SyntaxError"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("", "scenario is None: scenario = Scenario(...) is accepted"),
        ("scenario = 3", "scenario is 3"),
        ("scenario = {'scenario': 'momentum'}", "scenario = Scenario(...) is accepted"),
        (OWN.replace("seed", "sed"), "did you mean seed"),
    ],
)
def test_a_python_file_that_gives_no_scenario(code, expected, tmp_path, capsys):
    (tmp_path / "own.py").write_text(code)
    assert small_run(tmp_path, scenario=str(tmp_path / "own.py")) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert len(said.splitlines()) == 1


def test_a_file_without_ending_has_its_pictures_beside_it(tmp_path):
    changes = [f"--set={key}={value}" for key, value in SMALL.items()]
    assert main(["run", "rotating-flow", "--out", str(tmp_path / "run"), "--quick", "--quiet", *changes]) == 0
    assert fpsim.load(tmp_path / "run").complete
    assert list((tmp_path / "run-pictures").glob("*.png"))


def test_log_lines_and_no_bars_without_a_terminal(tmp_path, caplog, capsys):
    assert small_run(tmp_path) == 0
    assert any(": 100 %" in record.getMessage() for record in caplog.records)
    assert "\x1b" not in capsys.readouterr().err
    logging.getLogger("fpsim").setLevel(logging.NOTSET)


def test_an_error_of_the_package_is_one_line(monkeypatch, capsys, tmp_path):
    import fpsim.scenario

    def broken(*_, **__):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(fpsim.scenario, "run_to_file", broken)
    assert small_run(tmp_path) == 70
    assert "error inside fpsim" in capsys.readouterr().err
    monkeypatch.setenv("FPSIM_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        small_run(tmp_path)


def test_import_is_light():
    code = (
        "import fpsim, sys; print([m for m in ('numba', 'scipy', 'matplotlib', 'xarray', 'fipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
