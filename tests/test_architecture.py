"""Dependencies run one way: a package imports only from the packages named for it in this table."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "fpsim"
GROUND = {"support", "uncertainty", "_version"}
NUMERICS = {"density", "equation", "lattice", "evolution", "generator", "paths"}
NETWORKS = {"datasets", "network", "experiment", "ensemble"}
THEORY = {"theory", "closures", "comparison"}
ALLOWED = {
    "density": set(),
    "equation": {"density"},
    "lattice": {"density", "equation"},
    "generator": {"density", "equation", "lattice"},
    "evolution": {"density", "equation", "lattice", "generator"},
    "paths": {"density", "equation"},
    "datasets": set(),
    "network": set(),
    "experiment": {"datasets", "network"},
    "ensemble": {"datasets", "network", "experiment"},
    "theory": {"density", "equation"} | NETWORKS,
    "closures": {"density", "equation", "theory"} | NETWORKS,
    "comparison": {"density", "network"},
    "diagnostics": {"density", "equation", "generator", "theory"} | NETWORKS,
    "storage": set(),
    "plots": set(),
    "scenario": NUMERICS | NETWORKS | THEORY | {"storage", "plots", "diagnostics"},
    "validation": NUMERICS | NETWORKS | {"theory", "closures", "diagnostics"},
    "runs": {"density", "comparison", "plots", "scenario", "storage"},
    "cli": {"scenario", "runs", "storage", "validation"},
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fpsim"):
            yield from [node.module] if node.module != "fpsim" else [f"fpsim.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("fpsim."))


@pytest.mark.parametrize("package", ALLOWED)
def test_dependencies_run_one_way(package):
    place = ROOT / package
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert files
    for path in files:
        used = {name.split(".")[1] for name in imports(path)} - GROUND - {package}
        assert used <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {sorted(used - ALLOWED[package])}"


def test_every_package_is_in_the_table():
    found = {p.stem for p in ROOT.iterdir() if (p.is_dir() and (p / "__init__.py").exists()) or p.suffix == ".py"}
    assert found - GROUND - {"__init__", "__main__"} == set(ALLOWED)


def test_no_file_is_longer_than_500_lines_and_half_are_short():
    lengths = sorted(len(p.read_text(encoding="utf-8").splitlines()) for p in ROOT.rglob("*.py"))
    assert lengths[-1] <= 500
    assert lengths[len(lengths) // 2] <= 120
