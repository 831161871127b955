"""Shared fixtures: a run of the main job at small size, made once."""

from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["COLUMNS"] = "200"

import pytest


@pytest.fixture(scope="session")
def quick_run(tmp_path_factory):
    """Outcome of the main job with few replicas and coarse grids."""
    from fpsim.scenario import load_scenario, run_to_file

    folder = tmp_path_factory.mktemp("run")
    changes = {"ensemble.replicas": 4000, "theory.cells": 64, "time.records": 10, "comparison.theory_samples": 4000}
    scenario = load_scenario("digits-bottleneck", changes=changes, quick=True)
    return run_to_file(scenario, folder / "run.h5", figures=folder / "pictures", quiet=True)
