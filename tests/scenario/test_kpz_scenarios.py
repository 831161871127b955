"""The Kardar-Parisi-Zhang scenarios at reduced size: the physics that each promises to show."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from fpsim.errors import ConfigError, MemoryLimitError
from fpsim.scenario import load_scenario, report, run, shortfalls
from fpsim.scenario.running import figures_of


def reduced(name, **changes):
    """A scenario's quick version with some keys changed: ``section__key=value``."""
    return load_scenario(name, changes={key.replace("__", "."): v for key, v in changes.items()}, quick=True)


def verdicts(tree, kind):
    table = tree.to_dataset()
    return dict(zip(table[kind].values, table[f"{kind}_verdict"].values, strict=True))


@pytest.fixture(scope="module")
def identity():
    return run(reduced("kpz-identity", regression__replicas=40_000))


def test_height_equation_is_an_identity_of_second_order_on_evolved_densities(identity):
    budget = identity["height/budget"].to_dataset()
    residual = np.sqrt((budget["relative_residual"] ** 2).mean("time").values)
    order = -np.polyfit(np.log(budget["cells"].values), np.log(residual), 1)[0]
    assert 1.7 < order < 2.7  # the coarsest of the reduced grids, 48^2, is not in the asymptotic range
    assert float(budget["largest_residual"].sel(cells=192).max()) < 1e-3
    sizes = budget["term_size"].isel(time=0)
    assert float(sizes.sel(term="residual")) < 1e-3 * float(sizes.sel(term="rate"))


def test_cole_hopf_viscosity_and_nonlinearity(identity):
    fit = identity["height/regression"].to_dataset()
    for source, coefficient, truth in (
        ("sample paths", "viscosity", 0.1),
        ("sample paths", "nonlinearity", 0.2),
        ("sample paths", "ratio", 2.0),
    ):
        one = fit.sel(source=source, coefficient=coefficient)
        assert abs(float(one["value"]) - truth) < 4 * float(one["error"])
    exact = fit.sel(source="densities", coefficient="ratio")
    assert float(exact["value"]) == pytest.approx(2.0, abs=1e-3)
    gap = identity["height/cole-hopf"].to_dataset()["gap"]
    assert float(gap.max()) < 0.01


def test_identities_hold_and_the_controls_fail(identity):
    found = verdicts(identity, "identity") | verdicts(identity, "claim")
    controls = {
        "K1, viscosity 1.05 times",
        "Cole-Hopf, viscosity 1.05 times",
        "lambda = 2 nu, drift left out",
    }
    assert {name for name, verdict in found.items() if verdict == "fails"} == controls
    assert not shortfalls(identity)
    text = report(identity)
    assert "identities (numerics)" in text
    assert "claims (physics)" in text
    assert [name for name, _ in figures_of(identity)] == ["budget", "terms", "cole-hopf", "burgers"]


def test_stages_of_the_identity_resume_to_the_same_numbers(identity):
    kept = ("/height/budget", "/verdicts/budget")
    partial = xr.DataTree.from_dict({path: identity[path].to_dataset(inherit=False) for path in kept})
    again = run(reduced("kpz-identity", regression__replicas=40_000), done=partial)
    for path in ("/height/cole-hopf", "/height/regression", "/verdicts/regression"):
        assert again[path].to_dataset().identical(identity[path].to_dataset())


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("time__records", 200, "twice the interval"),
        ("regression__snapshots", 4, "an odd number"),
        ("start__std", 0.3, "narrower than the Gibbs density"),
        ("start__mean", (0.0, 0.0, 0.0), "one number or 2"),
        ("height__cells", 100, "height.cells"),
        ("height__viscosity", -1.0, "height.viscosity"),
    ],
)
def test_wrong_keys_of_the_identity_are_named(key, value, says):
    with pytest.raises(ConfigError, match=says):
        reduced("kpz-identity", **{key: value})


def test_what_does_not_fit_into_memory_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr("fpsim.memory.SHARE", 1e-9)
    with pytest.raises(MemoryLimitError, match=r"height\.cells = 192"):
        run(reduced("kpz-identity"))
