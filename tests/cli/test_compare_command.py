"""Comparing files: closed forms, the run's own table, agreement of other seeds, disagreement of other physics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.special import erf

import fpsim
from fpsim.cli import main
from fpsim.density import Grid, from_samples, gaussian
from fpsim.runs.run import Run
from fpsim.runs.run_comparison import compare_runs, remarks, table
from fpsim.scenario import load_scenario, run_to_file
from fpsim.scenario.records import density_variable, grid_coordinates
from fpsim.support.errors import DomainError

TIMES = np.array([0.0, 1.0])


def made(groups, replicas=0, *, seed=1, times=TIMES, weights=None, **attributes):
    """A run that holds given densities, by group, the same at all times; of an ensemble also its weights."""
    data = {}
    for path, density in groups.items():
        coordinates = {"time": times, **grid_coordinates(density.grid)}
        variable = {"density": density_variable([density] * len(times), "density")}
        if weights is not None:
            variable["weights"] = (("time", "replica", "weight"), np.stack([weights] * len(times)))
            coordinates["weight"] = list(density.grid.names)
        data[f"/{path}"] = xr.Dataset(variable, coordinates, {"replicas": replicas, **attributes})
    tree = xr.DataTree.from_dict(data)
    return Run(Path("made.h5"), load_scenario("double-well", changes={"seed": seed}), tree)


def normal(mean, cells=400):
    return gaussian(Grid.box((-6, 7, cells), names=("x",)), mean, 1.0)


@pytest.mark.parametrize("shift", [0.1, 1.0])
@pytest.mark.parametrize("cells", [400, 300])
def test_two_theories_differ_by_their_total_variation(shift, cells):
    """erf(d / sqrt(8)) for normal laws a distance d apart, on the same or on another grid."""
    one, other = made({"a/theory": normal(0.0)}), made({"a/theory": normal(shift, cells)})
    (row,) = compare_runs(one, other)
    assert row.value == pytest.approx(erf(shift / np.sqrt(8)), rel=2e-3)
    assert row.time == 1.0
    assert row.z == np.inf if cells == 400 else row.z > 100  # nothing but the regridding could explain it
    errors = {"time_error": 0.01, "grid_error": 0.03}
    (row,) = compare_runs(made({"a/theory": normal(0.0)}, **errors), made({"a/theory": normal(shift, cells)}, **errors))
    assert row.z == pytest.approx(row.value / 0.04, rel=0.05)


def test_scores_of_a_theory_that_is_true_are_normal():
    """Over 60 seeds: mean 0 and spread 1 within four standard errors, for histograms of 3000 replicas."""
    theory, scores = normal(0.0), []
    rng = np.random.default_rng(5)
    for _ in range(60):
        sample = from_samples(theory.grid, rng.normal(size=3000))
        (row,) = compare_runs(made({"a/theory": theory, "a/ensemble": sample}, replicas=3000))
        scores.append(row.z)
    assert abs(np.mean(scores)) < 4 / np.sqrt(60)
    assert abs(np.std(scores) - 1) < 4 / np.sqrt(120)


def test_scores_of_equal_ensembles_and_of_other_ones():
    rng, grid = np.random.default_rng(2), normal(0.0).grid
    runs = [
        made({"a/ensemble": from_samples(grid, rng.normal(mean, 1.0, 3000))}, replicas=3000) for mean in (0, 0, 0.5)
    ]
    (same,) = compare_runs(runs[0], runs[1])
    (other,) = compare_runs(runs[0], runs[2])
    assert abs(same.z) < 4 < other.z


def sample_run(points, cells, *, stored=False, **options):
    """An ensemble with its histogram on a grid that just holds it, as runs make them."""
    ends = [(a - 0.3, b + 0.3, n) for a, b, n in zip(points.min(axis=0), points.max(axis=0), cells, strict=True)]
    grid = Grid.box(*ends, names=("x", "y"))
    weights = points if stored else None
    return made({"a/ensemble": from_samples(grid, points)}, len(points), weights=weights, **options)


@pytest.mark.parametrize("stored", [True, False])
def test_scores_of_equal_laws_on_other_grids(stored):
    """Mean within four standard errors of 0 for weights; not above it, and no false alarm, for wider cells."""
    rng, scores = np.random.default_rng(8), []
    for seed in range(12):
        one, other = (
            sample_run(rng.normal(size=(2000, 2)) * (0.1, 0.3), cells, stored=stored, seed=2 * seed + k)
            for k, cells in enumerate([(58, 64), (41, 50)])
        )
        (row,) = compare_runs(one, other)
        scores.append(row.z)
    assert max(scores) < 4.0
    assert np.mean(scores) < 4 / np.sqrt(12)
    if stored:
        assert np.mean(scores) > -4 / np.sqrt(12)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("shift", [0.0, 0.05])
def test_other_laws_are_told_on_other_grids(stored, shift):
    rng = np.random.default_rng(3)
    one = sample_run(rng.normal(size=(4000, 2)) * 0.1, (58, 64), stored=stored)
    other = sample_run(rng.normal(size=(4000, 2)) * 0.1 + shift, (41, 50), stored=stored, seed=2)
    (row,) = compare_runs(one, other)
    assert (row.z > 4.0) == (shift > 0.0)
    if shift:  # shifted along both axes: erf(|d| / (sigma sqrt(8))) is the distance, up to floor and cells
        exact = erf(shift * np.sqrt(2) / 0.1 / np.sqrt(8))
        assert row.value == pytest.approx(exact, abs=row.floor)


def test_identical_weights_are_identical_on_any_grid():
    """As the start of one experiment at two temperatures, whose boxes differ."""
    points = np.random.default_rng(4).normal(size=(2000, 2)) * 0.1
    one = sample_run(points, (58, 64), stored=True, times=np.array([0.0, 0.5]))
    other = sample_run(points, (41, 50), stored=True, times=np.array([0.0, 0.7]))
    (row,) = compare_runs(one, other)
    assert (row.time, row.value, row.z, row.shared) == (0.0, 0.0, 0.0, True)
    said = remarks([row])
    assert any("same seed" in line for line in said)
    assert not any("same seed" in line for line in remarks(compare_runs(one, sample_run(points, (41, 50), seed=2))))
    (row,) = compare_runs(one, renamed(other))
    assert (row.first, row.second) == ("made.h5:a/ensemble", "other.h5:a/ensemble")
    assert any("only time in common is the start" in line for line in remarks([row]))


def renamed(run):
    return Run(Path("other.h5"), run.scenario, run.tree)


def test_runs_with_one_seed_are_compared_as_pairs():
    """Replicas moved a little each, in no direction: far below the floor of independent ones, but true for pairs."""
    rng, scores = np.random.default_rng(6), []
    for _ in range(8):
        points = rng.normal(size=(2000, 2)) * 0.1
        moved = points + rng.normal(size=points.shape) * 0.01
        one, other = (sample_run(x, cells, stored=True) for x, cells in ((points, (58, 64)), (moved, (41, 50))))
        (row,) = compare_runs(one, other)
        scores.append(row.z)
    assert max(map(abs, scores)) < 4.0
    moved = points + 0.02  # a shift that independent ensembles of this size would just show
    (row,) = compare_runs(one, sample_run(moved, (41, 50), stored=True))
    assert row.z > 4.0


def test_identical_theories_have_no_excess():
    for errors in ({}, {"time_error": 0.01, "grid_error": 0.03}):
        one = made({"a/theory": normal(0.0)}, **errors)
        (row,) = compare_runs(one, made({"a/theory": normal(0.0)}, **errors))
        assert (row.value, row.z) == (0.0, 0.0)


def test_one_theory_on_two_grids_is_no_alarm():
    """The difference is that of the grids alone, and its spread says so without a stated error."""
    one = made({"a/theory": normal(0.0)})
    other = made({"a/theory": gaussian(Grid.box((-5.9, 6.3, 171), names=("x",)), 0.0, 1.0)})
    (row,) = compare_runs(one, other)
    assert row.value < row.spread < 0.01
    assert 0.0 <= row.z < 1.0


def test_theory_against_an_ensemble_on_another_grid():
    theory = gaussian(Grid.box((-1, 1, 128), (-1, 1, 128), names=("x", "y")), 0.0, 0.01)
    scores = []
    for seed in range(6):
        points = np.random.default_rng(seed).normal(size=(3000, 2)) * 0.1
        run = sample_run(points, (40, 44))
        (row,) = compare_runs(made({"a/theory": theory}), renamed(run))
        scores.append(row.z)
    assert max(scores) < 4.0
    assert np.mean(scores) < 4 / np.sqrt(6)


def test_runs_without_a_common_time_say_so():
    one, other = (
        made({"a/theory": normal(0.0)}, times=np.array([0.0, 1.0])),
        made({"a/theory": normal(0.0)}, times=np.array([0.5, 0.7, 0.9])),
    )
    with pytest.raises(DomainError, match=r"no time in common: a/theory recorded 2 times .*, .* 3 times from 0.5"):
        compare_runs(one, other)


def test_ensembles_of_which_nothing_is_left_are_no_comparison():
    run = made({"a/ensemble": normal(0.0), "a/theory": normal(0.0)}, replicas=100, diverged=100)
    with pytest.raises(DomainError, match="nothing to compare"):
        compare_runs(run)


def test_one_file_agrees_with_its_own_table(quick_run):
    """Histograms are enough: total variations, floors and scores of the run, which saw every replica."""
    run = fpsim.load(quick_run.file)
    rows = compare_runs(run, all_times=True)
    assert len(rows) == 2 * (3 + 2 + 2) * 11  # starts, planes of the joint law and of two closures, times
    for row in rows:
        start, theory = row.first.split("/")
        if theory != "joint":
            continue  # closures are judged in the run by the half of the ensemble that they did not learn from
        own = run.tree[f"{start}/comparison"].to_dataset()
        name = row.variable.replace("_", " ", 1).replace("_", ", ")
        own = own.sel(time=row.time, theory=theory, observable=name)
        assert (row.value, row.floor, row.spread) == pytest.approx(
            [float(own[k]) for k in ("distance", "floor", "spread")], abs=1e-9
        )


def test_nothing_to_compare_and_unknown_distance(quick_run):
    with pytest.raises(DomainError, match="nothing to compare"):
        compare_runs(made({"a/theory": normal(0.0)}))
    with pytest.raises(DomainError, match="distance 'far' is unknown"):
        compare_runs(fpsim.load(quick_run.file), distance="far")


def test_rows_above_the_limit_are_marked():
    one, other = made({"a/ensemble": normal(0.0)}, 3000), made({"a/ensemble": normal(1.0)}, 3000)
    text = table(compare_runs(one, other), limit=4.0)
    assert text.splitlines()[-1].endswith("above 4")
    assert table(compare_runs(one, one), limit=4.0).endswith("identical")


SMALL = {"ensemble.replicas": 2000, "time.end": 1.0, "time.records": 1, "theory.cells": 48, "theory.tolerance": 0.05}


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
def test_the_command_judges_seeds_and_settings(tmp_path, capsys):
    changes = {"one": {}, "seed": {"seed": 3}, "noise": {"seed": 4, "sgd.temperature": 0.02}}
    for name, change in changes.items():
        scenario = load_scenario("digits-bottleneck", quick=True, changes={**SMALL, **change})
        start = {"offset": {"mean": [0.6, 0.2], "std": 0.1}}
        scenario = scenario.with_values({"start": start, "theory.laws": ["conditional"]})
        run_to_file(scenario, tmp_path / f"{name}.h5", quiet=True)
    one, seed, noise = (str(tmp_path / f"{name}.h5") for name in changes)
    # The same physics agrees up to the closure, whose distance to its own ensemble the first command shows.
    assert main(["compare", one, seed, "--strict", "--limit", "8"]) == 0
    assert "offset/ensemble" in capsys.readouterr().out
    assert main(["compare", one, noise, "--strict", "--limit", "8"]) == 1
    assert main(["compare", one, noise]) == 0
    assert "above 4" in capsys.readouterr().out
