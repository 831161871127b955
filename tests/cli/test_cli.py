"""The command line as a user meets it: exit statuses, one-line errors, files never lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fpsim.cli import main

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


def test_list_info_and_plot(quick_run, capsys, tmp_path):
    assert main(["list"]) == 0
    assert "digits-bottleneck" in capsys.readouterr().out
    assert main(["info", str(quick_run.file)]) == 0
    assert "conditional closure" in capsys.readouterr().out
    assert main(["plot", str(quick_run.file), "--out", str(tmp_path)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in quick_run.figures)


def test_help_of_every_command_has_an_example(capsys):
    for command in ("list", "run", "plot", "info"):
        assert main([command, "--help"]) == 0
        assert "Example: fpsim" in capsys.readouterr().out


def test_import_is_light():
    code = (
        "import fpsim, sys; print([m for m in ('numba', 'scipy', 'matplotlib', 'xarray', 'fipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
