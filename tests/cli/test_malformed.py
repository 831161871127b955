"""Random malformed configurations and damaged files: one clear line, status 2, nothing lost, never a traceback."""

from __future__ import annotations

import copy
import subprocess
import sys
import tomllib

import numpy as np
import pytest

from fpsim.cli import main
from fpsim.scenario import available, load_scenario

JUNK = [
    *("-1", "0", "1e308", "-1e308", "1e-320", "nan", "inf", "-inf", "true", '""', '"x"', '"0.1"', "[]", "{}"),
    *(
        '"\\u0000"',
        '"\U0001f9ea\\u202e"',
        '"a\\nb"',
        "[1, 2, 3]",
        "[[1]]",
        "{ a = 1 }",
        "1979-05-27T07:32:00Z",
        "07:32:00",
    ),
    *("9" * 30, "9" * 5000, "0x" + "f" * 5000, "-" + "9" * 30, '"' + "long " * 2000 + '"', "[" * 400 + "]" * 400),
]
CHARACTERS = ["[", "]", "=", '"', "'", "\n", "\x00", "#", "\\", ".", ",", "\U0001f4a5", "\u202e", "{", "\t", "é", "-"]


def leaves(table, path=()):
    for key, value in table.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))


def text_of(table, path=()):
    """TOML whose values are already text, so that a value may be anything, well-formed or not."""
    lines = [f"[{'.'.join(path)}]"] * bool(path)
    lines += [f"{key} = {value}" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines.append(text_of(value, (*path, key)))
    return "\n".join(lines)


def as_text(table):
    literal = table.config
    found = tomllib.loads(literal)

    def walk(values):
        return {k: walk(v) if isinstance(v, dict) else toml(v) for k, v in values.items() if k != "description"}

    def toml(value):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, list):
            return "[" + ", ".join(map(toml, value)) + "]"
        return f'"{value}"' if isinstance(value, str) else repr(value)

    return walk(found)


def mutated(table, rng):
    """A scenario's text with one to three things wrong."""
    table = copy.deepcopy(table)
    text = None
    for _ in range(rng.integers(1, 4)):
        path = list(leaves(table))[rng.integers(len(list(leaves(table))))]
        place = table
        for key in path[:-1]:
            place = place[key]
        key = path[-1]
        match rng.integers(7):
            case 0 | 1 | 2:
                place[key] = JUNK[rng.integers(len(JUNK))]
            case 3:
                place[f"{key}_x"] = place.pop(key)
            case 4:
                place['"odd key\\n"' if rng.integers(2) else "unknown"] = "1"
            case 5:
                place[key] = {"inner": "1"}
            case 6:
                text = text_of(table)
                for _ in range(rng.integers(1, 4)):
                    at = int(rng.integers(len(text)))
                    text = text[:at] + CHARACTERS[rng.integers(len(CHARACTERS))] + text[at + int(rng.integers(8)) :]
                return text.encode(errors="surrogatepass")
    return text_of(table).encode(errors="surrogatepass")


@pytest.fixture
def only_checks(monkeypatch):
    """Everything that a run does before work: a mutation that is still valid must not start hours of it."""
    import fpsim.scenario

    class Accepted(SystemExit):
        pass

    def check(scenario, *_, **__):
        scenario.check and scenario.check(scenario.parameters)
        raise Accepted(0)

    monkeypatch.setattr(fpsim.scenario, "run_to_file", check)


def one_clear_line(text):
    (line,) = text.strip().splitlines()[-1:]
    return line.startswith("fpsim: ") and len(line) < 1500 and line.isprintable() and "Traceback" not in text


def campaign(folder, capsys, count, seed):
    """Statuses of runs of mutated configurations."""
    rng = np.random.default_rng(seed)
    tables = [as_text(load_scenario(name, quick=True)) for name in available()]
    path, statuses = folder / "mutated.toml", []
    for _ in range(count):
        path.write_bytes(mutated(tables[rng.integers(len(tables))], rng))
        statuses.append(main(["run", str(path), "--quick", "--out", str(folder / "run.h5")]))
        said = capsys.readouterr()
        content = path.read_bytes()[:2000]
        assert statuses[-1] in (0, 2), (said.err, content)
        if statuses[-1] == 2:
            assert said.out == "", content
            assert one_clear_line(said.err), (said.err, content)
            assert len(said.err.strip().splitlines()) == 1, (said.err, content)
        assert [p.name for p in folder.iterdir()] == ["mutated.toml"]
    return statuses


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
def test_malformed_configurations(only_checks, tmp_path, capsys):
    statuses = campaign(tmp_path, capsys, 100, seed=1)
    assert statuses.count(2) > 70


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
def test_a_thousand_malformed_configurations(only_checks, tmp_path, capsys):
    statuses = campaign(tmp_path, capsys, 1000, seed=2)
    assert statuses.count(2) > 700


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "sgd.learning_rate=" + "9" * 5000],
        ["--set", "=1"],
        ["--set", "a.b.c.=1"],
        ["--set", "sgd=1", "--set", "sgd.batch_size=1"],
        ["--seed", "-1"],
        ["--seed", "1" * 40],
        ["--threads", "0"],
        ["--out", "/dev/null/run.h5"],
        ["--out", "x" * 300 + ".h5"],
        ["--figures", "/proc/pictures"],
        ["--set", "\u202e=1"],
    ],
)
def test_malformed_arguments(arguments, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "double-well", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert one_clear_line(said.err)
    assert len(said.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_in_a_real_process(tmp_path):
    """Nothing is printed before main is reached, and no library adds lines of its own."""
    (tmp_path / "bad.toml").write_text("[sgd\n")
    (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000))
    (tmp_path / "bad.py").write_text("scenario = {\n")
    for arguments in (["run", "bad.toml"], ["info", "bad.h5"], ["resume", "bad.h5"], ["run", "bad.py"]):
        command = [sys.executable, "-m", "fpsim", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("fpsim: bad.")


COMMANDS = ("info", "plot", "report", "resume", "compare", "animate")


def test_damaged_files_are_told_and_kept(quick_run, tmp_path, capsys):
    whole = quick_run.file.read_bytes()
    rng = np.random.default_rng(3)
    path = tmp_path / "run.h5"
    foreign = [b"", b"hello", bytes(100), b"\x89HDF\r\n\x1a\n", whole[:8] + rng.bytes(5000), b"PK\x03\x04" + bytes(50)]
    for trial in range(100):
        place = int(rng.integers(8, len(whole) - 48))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        content = [whole[:place], bytes(flipped), foreign[trial % len(foreign)]][trial % 3]
        path.write_bytes(content)
        assert main([COMMANDS[trial % len(COMMANDS)], str(path)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
        assert said.err.startswith(f"fpsim: {path}")
        assert path.read_bytes() == content
        assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]
