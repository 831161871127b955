"""Tables of one's own: the same numbers from every kind of file, refused cell by cell, into a run and its file."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from fpsim.cli import main
from fpsim.datasets import from_array, read_dataset, read_table
from fpsim.scenario import Data, load_scenario
from fpsim.storage import load_tree, save_tree
from fpsim.support.errors import ConfigError, DomainError, FileError

NAMES = ("a", "b", "c d")


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(3)
    return rng.normal(size=(50, 3)) @ np.diag([3.0, 1.0, 0.2]) + [5.0, -1.0, 0.0]


def written(path, values, names=NAMES, separator=","):
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, x=values)
    else:
        rows = [separator.join(names)] if names else []
        path.write_text("\n".join([*rows, *(separator.join(map(repr, row)) for row in values.tolist())]))
    return path


@pytest.mark.parametrize("name", ["x.csv", "x.npy", "x.npz"])
def test_numbers_are_those_of_the_file(name, values, tmp_path):
    path = written(tmp_path / name, values)
    table = read_table(path)
    assert np.array_equal(table.values, values)
    assert table.columns == (NAMES if name == "x.csv" else ("column_1", "column_2", "column_3"))
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("names", [NAMES, ()])
def test_separators_and_files_without_names(separator, names, values, tmp_path):
    table = read_table(written(tmp_path / "x.csv", values, names, separator))
    assert np.array_equal(table.values, values)
    assert table.columns == (names or ("column_1", "column_2", "column_3"))


def test_columns_are_taken_in_the_order_asked_for(values, tmp_path):
    path = written(tmp_path / "x.csv", values)
    assert np.array_equal(read_table(path, columns=["c d", "a"]).values, values[:, [2, 0]])
    with pytest.raises(DomainError, match=r"no column 'e'; accepted are a, b, c d"):
        read_table(path, columns=["e"])


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("components", [None, 3, 2])
def test_coordinates_lead_back_to_the_raw_numbers(components, centre, standardise, values, tmp_path):
    """Exactly with all components; with two of three up to the variance that is left out (eigenvalues)."""
    data = read_dataset(
        written(tmp_path / "x.csv", values), components=components, centre=centre, standardise=standardise
    )
    spread = values.std(axis=0) if standardise else np.ones(3)
    back = data.reconstruct(data.x)
    if components != 2:
        np.testing.assert_allclose(back, values, rtol=1e-9, atol=1e-9)
    elif centre:
        scaled = (values - values.mean(axis=0)) / spread
        left = np.sum(((back - values) / spread) ** 2) / len(values)
        assert left == pytest.approx(np.linalg.eigvalsh(np.cov(scaled.T, ddof=0))[0], rel=1e-9)
    assert np.linalg.eigvalsh(np.cov(data.x.T, ddof=0))[-1] == pytest.approx(1.0)
    assert np.allclose(data.x.mean(axis=0), 0.0) == centre


def test_an_array_is_a_data_set_of_its_own(values):
    data = from_array(values, components=2, standardise=True)
    np.testing.assert_allclose(np.linalg.norm(data.basis / values.std(axis=0)[:, None], axis=0), 1.0)
    with pytest.raises(DomainError, match="a feature is the same for all samples"):
        from_array(np.c_[values, np.ones(50)], standardise=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,nan\n", r"row 2, column 'b' is 'nan': finite numbers are accepted"),
        ("a,b\n1,2\n,4\n,5\n", r"row 2, column 'a' is '' \(and 1 more of this column\)"),
        ("a,b\n1,two\n", r"row 1, column 'b' is 'two'"),
        ("a,b\n1,inf\n", r"row 1, column 'b' is 'inf'"),
        ("a,b\n1,2,3\n", r"row 1 has 3 cells, the first line 2"),
        ("a,a\n1,2\n", r"two columns are called 'a'"),
        ("a,b\n", "holds no numbers"),
        ("", "holds no numbers"),
    ],
)
def test_what_is_no_number_is_named_by_row_and_column(text, message, tmp_path):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises((DomainError, FileError), match=message) as caught:
        read_table(tmp_path / "x.csv")
    assert "x.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_tables(values, tmp_path):
    with pytest.raises(FileError, match="No such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(FileError, match=r"a table in \.csv, \.npy, \.npz, \.parquet is accepted"):
        read_table(tmp_path / "x.xlsx")
    (tmp_path / "x.npy").write_bytes(b"no array")
    with pytest.raises(FileError, match=r"x\.npy"):
        read_table(tmp_path / "x.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match="allow_pickle"):
        read_table(tmp_path / "objects.npy")
    np.savez(tmp_path / "pairs.npz", x=values, y=values[:, 0])
    with pytest.raises(FileError, match="holds targets y: networks here reproduce their inputs"):
        read_table(tmp_path / "pairs.npz")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match=r"x\.csv"):
        read_table(tmp_path / "x.csv")


def test_parquet_is_read_or_says_what_it_needs(values, tmp_path):
    path = tmp_path / "x.parquet"
    try:
        import pandas as pd

        pd.DataFrame(values, columns=list(NAMES)).to_parquet(path)
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(FileError, match="needs pandas with pyarrow, which are not installed"):
            read_table(path)
        return
    assert np.array_equal(read_table(path).values, values)
    assert read_table(path).columns == NAMES


def test_a_test_share_is_held_out(values, tmp_path):
    source = str(written(tmp_path / "x.csv", values))
    train, test = Data(source=source, test_share=0.2).load(rng=1)
    assert (train.size, test.size) == (40, 10)
    assert Data(source=source).load(rng=1)[1] is None
    together, whole = np.concatenate([train.x, test.x]), Data(source=source).load(rng=1)[0].x
    assert np.array_equal(together[np.lexsort(together.T)], whole[np.lexsort(whole.T)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.source": "x.xls"}, "'digits', 'iris' or a path that ends in .csv, .npy, .npz, .parquet is accepted"),
        ({"data.columns": ["a"]}, "data.columns: for a table of one's own only"),
        ({"data.standardise": True}, "data.standardise = true: false is accepted for digits"),
        ({"data.test_share": 1.0}, "data.test_share = 1.0"),
    ],
)
def test_wrong_keys_of_data_are_named(changes, message):
    with pytest.raises(ConfigError) as caught:
        load_scenario("digits-bottleneck", changes=changes)
    assert message in str(caught.value)


OWN = '''"""Two numbers of a table."""
import xarray as xr
from fpsim.scenario import Data, Parameters, Scenario

class Numbers(Parameters):
    """Data alone."""
    data: Data = Data()

def moments(p, run):
    train, test = p.data.load(rng=p.seed)
    return xr.Dataset({"variance": ("axis", train.x.var(axis=0)), "held_out": test.size if test else 0})

scenario = Scenario(title="Numbers of a table", parameters=Numbers(), stages=(moments,), description=__doc__,
                    summary=lambda p, run: run["moments"])
'''


def test_origin_and_checksum_stand_in_the_runs_file(values, tmp_path, capsys):
    path, code, out = written(tmp_path / "x.csv", values), tmp_path / "numbers.py", tmp_path / "run.h5"
    code.write_text(OWN)
    keys = {"data.source": path, "data.columns": '["a", "c d"]', "data.test_share": 0.1, "data.components": 1}
    command = ["run", str(code), "--out", str(out), *(f"--set={key}={value}" for key, value in keys.items())]
    assert main(command) == 0, capsys.readouterr().err
    tree = load_tree(out)
    assert tree.attrs["data"] == f"{path}: 50 rows of a, c d"
    assert tree.attrs["data_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert int(tree["held_out"]) == 5
    assert main(["info", str(out)]) == 0
    assert tree.attrs["data_sha256"] in capsys.readouterr().out
    tree.attrs["complete"] = 0
    save_tree(tree, out)
    path.write_text(path.read_text() + "\n1,2,3\n")
    assert main(["resume", str(out), "--scenario", str(code)]) == 2
    assert "changed since the run began" in capsys.readouterr().err


def test_a_table_that_is_refused_leaves_no_file(values, tmp_path, capsys):
    path, code, out = written(tmp_path / "x.csv", values), tmp_path / "numbers.py", tmp_path / "run.h5"
    code.write_text(OWN)
    path.write_text("a,b\n1,2\n3,\n")
    assert main(["run", str(code), "--out", str(out), f"--set=data.source={path}"]) == 2
    said = capsys.readouterr().err
    assert "row 2, column 'b' is ''" in said
    assert len(said.splitlines()) == 1
    assert not out.exists()
