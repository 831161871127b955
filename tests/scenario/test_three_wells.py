"""A scenario that a user writes by following docs/writing-scenarios.md: three wells in a plane, by the command line.

The potential is the three-hole benchmark of Metzner, Schuette & Vanden-Eijnden, J. Chem. Phys. 125, 084110 (2006).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import fpsim
from fpsim.cli import main
from fpsim.storage import load_tree

THREE_WELLS = '''"""Three wells in a plane: a density that finds its way from one deep well to the other.

Two deep wells to the left and right, a shallow one above. The share of every well is followed through time, by the
density and by sample paths.
"""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck
from fpsim.scenario import Column, Scenario, Table, named
from fpsim.studies import problem
from fpsim.uncertainty.verdict import Claim


def potential(x, y):
    deep = 5 * np.exp(-((x - 1) ** 2) - y**2) + 5 * np.exp(-((x + 1) ** 2) - y**2)
    above = 3 * np.exp(-(x**2) - (y - 1 / 3) ** 2) - 3 * np.exp(-(x**2) - (y - 5 / 3) ** 2)
    return above - deep + 0.2 * x**4 + 0.2 * (y - 1 / 3) ** 4


class ThreeWells(problem.FokkerPlanckProblem):
    """Three-hole potential with isotropic noise."""

    diffusion: float = 1.0
    """Temperature."""
    start: problem.NormalStart = problem.NormalStart(mean=(-1.0, 0.0), std=0.2)
    time: problem.Duration = problem.Duration(end=12.0, records=6)

    def equation(self):
        return FokkerPlanck(potential=potential, diffusion=self.diffusion)

    def grid(self):
        cells = self.theory.cells
        return Grid.box((-3.0, 3.0, cells), (-2.5, 3.5, cells), boundary="reflecting", names=("x", "y"))

    def passages(self):
        return {"left to right": problem.Passage(start=(-1.0, 0.0), axis="x", place=1.0)}


def wells(p, run):
    """Share of every well, by the density and by the paths."""
    shares = {}
    for source in ("theory", "ensemble"):
        density = run[source]["density"]
        x, y = density["x"], density["y"]
        volume = x.attrs["spacing"] * y.attrs["spacing"]
        places = {"left": (x < 0) & (y < 1), "right": (x > 0) & (y < 1), "above": y > 1}
        shares[source] = [density.where(place, 0.0).sum(("x", "y")).values * volume for place in places.values()]
    return xr.Dataset(
        {
            "share": (("well", "time"), np.array(shares["theory"]), named("mass of the density in the well")),
            "found": (("well", "time"), np.array(shares["ensemble"]), named("share of the paths in the well")),
        },
        {"well": list(places), "time": ("time", p.times, named("time"))},
    )


def claims(p, run):
    yield from problem.claims(p, run)
    last = run["wells"].isel(time=-1)
    for well in last["well"].values:
        share, found = (float(last[name].sel(well=well)) for name in ("share", "found"))
        error = float(np.sqrt(share * (1 - share) / p.ensemble.replicas))
        yield Claim(f"share of the well {well} at the end", abs(found - share), error, 0.0)


def tables(p, run):
    yield from problem.tables(p, run)
    shares = run["wells"]["share"]
    columns = [Column(str(well), shares.sel(well=well).values, ".3f") for well in shares["well"].values]
    yield Table("shares of the wells", [Column("time", p.times, ".3g"), *columns])


def conclusions(p, run):
    yield from problem.conclusions(p, run)
    last = run["wells"]["share"].isel(time=-1)
    most = str(last["well"].values[int(np.argmax(last.values))])
    yield f"At the end the well {most} holds the largest share, {float(last.max()):.3g}."


def figures(p, run):
    yield from problem.figures(p, run)
    figure = Figure(figsize=(5.0, 3.2))
    ax = figure.subplots()
    for well in run["wells"]["well"].values:
        ax.plot(p.times, run["wells"]["share"].sel(well=well), label=str(well))
    ax.set(xlabel="time", title="shares of the wells")
    ax.legend()
    yield "wells", figure


scenario = Scenario(
    title="Three wells in a plane",
    description=__doc__,
    parameters=ThreeWells(),
    quick={"ensemble.replicas": 1_000, "theory.cells": 48, "theory.generator_cells": 60},
    **problem.PARTS
    | {
        "stages": (*problem.PARTS["stages"], wells),
        "claims": claims, "tables": tables, "figures": figures, "conclusions": conclusions,
    },
)
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The file, and its run."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "three_wells.py").write_text(THREE_WELLS, encoding="utf-8")
    out, code = str(folder / "wells.h5"), str(folder / "three_wells.py")
    pictures = str(folder / "pictures")
    assert main(["run", code, "--quick", "--quiet", "--strict", "--out", out, "--figures", pictures]) == 0
    return folder


def test_it_is_short_and_runs_to_file_and_pictures(place):
    """Shares at the end against the Boltzmann weights, up to the mode that is left."""
    assert len(THREE_WELLS.splitlines()) < 120
    assert {path.name for path in (place / "pictures").iterdir()} == {"densities.png", "wells.png"}
    run = fpsim.load(place / "wells.h5")
    assert run.complete
    x, y = np.meshgrid(np.linspace(-3, 3, 601), np.linspace(-2.5, 3.5, 601), indexing="ij")
    depths = ((-3, 0, 1 / 3), (3, 0, 5 / 3), (5, 1, 0), (5, -1, 0))
    holes = sum(depth * np.exp(-((x - a) ** 2) - (y - b) ** 2) for depth, a, b in depths)
    weight = np.exp(holes - 0.2 * x**4 - 0.2 * (y - 1 / 3) ** 4)
    boltzmann = [weight[place].sum() / weight.sum() for place in ((x < 0) & (y < 1), (x > 0) & (y < 1), y > 1)]
    table = run.tree["analyses"].to_dataset()
    slowest = float(table["value"].sel(quantity="relaxation rate"))
    left = np.exp(-12.0 * slowest)
    assert left < 0.1
    np.testing.assert_allclose(run.tree["wells/share"].values[:, -1], boltzmann, atol=left + 0.01)
    assert float(table["value"].sel(quantity="entropy production")) < 1e-10


def test_reading_needs_no_code_and_drawing_does(place, tmp_path, capsys):
    out, code = str(place / "wells.h5"), str(place / "three_wells.py")
    assert main(["info", out]) == 0
    said = capsys.readouterr().out
    assert "shares of the wells" in said
    assert "holds the largest share" in said
    assert main(["report", out, "--scenario", code, "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<img") == 2
    assert "Two deep wells to the left and right" in page
    assert main(["compare", out, "--strict", "--limit", "4"]) == 0
    assert "theory" in capsys.readouterr().out
    assert main(["animate", out, "--out", str(tmp_path / "wells.gif")]) == 0
    assert (tmp_path / "wells.gif").stat().st_size > 1000
    assert main(["plot", out, "--scenario", code, "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "wells.png").read_bytes() == (place / "pictures" / "wells.png").read_bytes()


def test_a_stage_that_was_interrupted_is_resumed_to_the_same_bits(place, tmp_path, capsys):
    """Ctrl-C within the own stage; the file keeps the others, and goes on by the mended scenario."""
    code, out = tmp_path / "three_wells.py", tmp_path / "wells.h5"
    broken = THREE_WELLS.replace("    shares = {}\n", "    raise KeyboardInterrupt\n")
    assert broken != THREE_WELLS
    code.write_text(broken, encoding="utf-8")
    assert main(["run", str(code), "--quick", "--quiet", "--out", str(out)]) == 130
    assert load_tree(out).attrs["complete"] == 0
    code.write_text(THREE_WELLS, encoding="utf-8")
    assert main(["resume", str(out), "--quiet"]) == 2
    assert "--scenario" in capsys.readouterr().err
    assert main(["resume", str(out), "--quiet", "--scenario", str(code)]) == 0
    one, other = load_tree(out), load_tree(place / "wells.h5")
    assert set(one.groups) == set(other.groups)
    for path in one.groups:
        assert one[path].to_dataset().drop_attrs(deep=False).identical(other[path].to_dataset().drop_attrs(deep=False))


def test_the_example_of_the_docs_runs(tmp_path, capsys):
    """The scenario printed in docs/writing-scenarios.md, word for word."""
    text = (Path(fpsim.__file__).parents[1] / "docs" / "writing-scenarios.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "ThreeWells" in block]
    assert len(example.splitlines()) <= 25
    code, out, small = tmp_path / "line.py", str(tmp_path / "line.h5"), "ensemble.replicas=2000"
    code.write_text(example, encoding="utf-8")
    assert main(["run", str(code), "--set", small, "--strict", "--out", out]) == 0
    assert main(["report", out, "--scenario", str(code)]) == 0
    assert "passage time, left to middle" in capsys.readouterr().out
