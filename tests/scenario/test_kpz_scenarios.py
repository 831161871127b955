"""The Kardar-Parisi-Zhang scenarios at reduced size: the physics that each promises to show."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from fpsim.scenario import Results, load_scenario, report, run, run_shortfalls
from fpsim.scenario.running import figures_of
from fpsim.support.errors import ConfigError, MemoryLimitError
from fpsim.uncertainty.verdict import judged_together, shortfalls


def reduced(name, **changes):
    """A scenario's quick version with some keys changed: ``section__key=value``."""
    return load_scenario(name, changes={key.replace("__", "."): v for key, v in changes.items()}, quick=True)


def verdicts(tree, kind):
    table = tree["claims"].to_dataset(inherit=False)
    return dict(zip(table[kind].values, table[f"{kind}_verdict"].values, strict=True))


@pytest.fixture(scope="module")
def identity():
    return run(reduced("kpz-identity", regression__replicas=40_000))


def test_height_equation_is_an_identity_of_second_order_on_evolved_densities(identity):
    budget = identity["budget"].to_dataset()
    residual = np.sqrt((budget["relative_residual"] ** 2).mean("time").values)
    order = -np.polyfit(np.log(budget["cells"].values), np.log(residual), 1)[0]
    assert 1.7 < order < 2.7  # the coarsest of the reduced grids, 48^2, is not in the asymptotic range
    assert float(budget["largest_residual"].sel(cells=192).max()) < 1e-3
    sizes = budget["term_size"].isel(time=0)
    assert float(sizes.sel(term="residual")) < 1e-3 * float(sizes.sel(term="rate"))


def test_cole_hopf_viscosity_and_nonlinearity(identity):
    fit = identity["regression"].to_dataset()
    for source, coefficient, truth in (
        ("sample paths", "viscosity", 0.1),
        ("sample paths", "nonlinearity", 0.2),
        ("sample paths", "ratio", 2.0),
    ):
        one = fit.sel(source=source, coefficient=coefficient)
        assert abs(float(one["value"]) - truth) < 4 * float(one["error"])
    exact = fit.sel(source="densities", coefficient="ratio")
    assert float(exact["value"]) == pytest.approx(2.0, abs=1e-3)
    gap = identity["cole_hopf"].to_dataset()["gap"]
    assert float(gap.max()) < 0.01


def test_identities_hold_and_the_controls_fail(identity):
    found = verdicts(identity, "identity") | verdicts(identity, "claim")
    controls = {
        "K1, viscosity 1.05 times",
        "Cole-Hopf, viscosity 1.05 times",
        "nothing else, drift left out",
    }
    assert {name for name, verdict in found.items() if verdict == "fails"} == controls
    assert not run_shortfalls(identity)
    text = report(identity)
    assert "identities (numerics)" in text
    assert "claims (physics)" in text
    assert [name for name, _ in figures_of(identity)] == ["budget", "terms", "cole-hopf", "burgers"]


def test_stages_of_the_identity_resume_to_the_same_numbers(identity):
    partial = xr.DataTree.from_dict({"/budget": identity["budget"].to_dataset(inherit=False)})
    again = run(reduced("kpz-identity", regression__replicas=40_000), done=partial)
    for path in ("/cole_hopf", "/regression", "/claims"):
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
    monkeypatch.setattr("fpsim.support.memory.SHARE", 1e-9)
    with pytest.raises(MemoryLimitError, match=r"height\.cells = 192"):
        run(reduced("kpz-identity"))


@pytest.fixture(scope="module")
def surface():
    return run(reduced("kpz-surface", growth__replicas=1200, growth__times=4, schemes__end=30.0))


def test_surfaces_grow_with_the_exponents_of_their_class(surface):
    for name, beta in (("edwards-wilkinson", 1 / 4), ("kpz", 1 / 3)):
        grown = surface[f"growth/{name}"].to_dataset()
        error = grown.attrs["growth_exponent_error"]
        assert abs(grown.attrs["growth_exponent"] - beta) < 0.01 + 4 * error
        assert error < 0.01
        z = (grown["local_exponent"] - beta) / grown["local_exponent_error"]
        assert float(np.abs(z).max()) < 4.0


def test_edwards_wilkinson_surfaces_are_exact_on_the_lattice(surface):
    linear = surface["growth/edwards-wilkinson"].to_dataset()
    z = (linear["width2"] - linear["exact_width2"]) / linear["width2_error"]
    assert float(np.abs(z).max()) < 4.0
    ratio = linear["structure_factor"] / linear["exact_structure_factor"]
    assert abs(float(ratio.mean()) - 1.0) < 4.0 / np.sqrt(ratio.size * 768)
    kpz = surface["growth/kpz"].to_dataset()
    assert float(kpz["width2"][-1]) > 1.2 * float(linear["exact_width2"][-1])


def test_height_of_one_site_has_the_law_of_flat_starts(surface):
    kpz = surface["growth/kpz"].to_dataset()
    value, error = kpz["chi_cumulant"], kpz["chi_cumulant_error"]
    flat = kpz["law_cumulant"].sel(law="flat")
    near = np.abs(value - flat) < 0.05 * np.abs(flat) + 4 * error
    assert bool(near.sel(cumulant=["mean", "variance", "skewness"]).all())
    curved = kpz["law_cumulant"].sel(law="gue")
    assert bool((np.abs(value - curved) > 8 * error).sel(cumulant=["mean", "variance"]).all())
    assert float(value.sel(cumulant="skewness")) > 4 * float(error.sel(cumulant="skewness"))


def test_stationary_state_is_kept_by_one_scheme_only(surface):
    schemes = surface["schemes"].to_dataset()
    exact = schemes.attrs["exact_width2"]
    assert exact == pytest.approx((64 - 1 / 64) / 12)
    last = schemes.isel(time=-1)
    gap = (last["width2"] - exact) / last["width2_error"]
    assert abs(float(gap.sel(scheme="lam-shin"))) < 4
    assert float(gap.sel(scheme="centred")) < -4
    rough = surface["roughness"].to_dataset()
    assert abs(rough.attrs["roughness_exponent"] - 0.5) < 4 * rough.attrs["roughness_exponent_error"]


def test_verdicts_of_the_surfaces(surface):
    found = verdicts(surface, "identity") | verdicts(surface, "claim")
    controls = {
        "Edwards-Wilkinson: growth exponent 1/3",
        "KPZ: growth exponent 1/4",
        "KPZ against curved law, mean",
        "KPZ against curved law, variance",
        "centred: stationary width",
        "centred: stationary velocity",
    }
    assert {name for name, verdict in found.items() if verdict == "fails"} == controls
    assert found["KPZ: widths are a power of the size"] == "trivial"  # two sizes
    assert not run_shortfalls(surface)
    assert "trivial" in report(surface)
    names = ["surfaces", "growth", "structure-factor", "one-point-law", "stationary-state"]
    assert [name for name, _ in figures_of(surface)] == names


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("growth__size", 32, "saturates before the last time 64"),
        ("growth__times", 3, "growth.times"),
        ("roughness__sizes", (64, 16), "increasing sizes"),
        ("roughness__sizes", (64,), "roughness.sizes"),
        ("schemes__size", 33, "schemes.size"),
        ("growth__nonlinearity", 0.0, "growth.nonlinearity"),
    ],
)
def test_wrong_keys_of_the_surfaces_are_named(key, value, says):
    with pytest.raises(ConfigError, match=says):
        reduced("kpz-surface", **{key: value})


@pytest.fixture(scope="module")
def environments():
    return run(reduced("random-environment", autoencoder__replicas=1000, walk__steps=(25, 100)))


def test_linear_autoencoder_is_not_kpz(environments):
    table = environments["regimes"].to_dataset()
    regime = dict(zip(table["case"].values, table["regime"].values, strict=True))
    assert regime["linear auto-encoder"] == "Gaussian"
    assert regime["linear auto-encoder, T = 0"] == "one random flow"
    assert regime["random features, wide"] == "KPZ candidate"
    assert regime["random features, narrow"] == "Gaussian"
    assert np.isinf(float(table["correlation_length"].sel(case="linear auto-encoder")))
    one = table.sel(case="random features, wide").dropna("bin")
    x2 = (one["distance"] / 0.1) ** 2
    exact = np.sqrt(((1 - x2 / 2) * np.exp(-x2 / 2)) ** 2 + 0.5 / 1000)  # what finitely many features leave
    near = one["distance"] > 0.2
    assert float(np.abs(one["correlation"] - exact)[near].max()) < 0.03
    far = one["correlation"][one["distance"] > 0.6]
    assert float(np.abs(far / np.sqrt(2.0 / 1000) - 1.0).max()) < 0.1  # of 1000 random cosines in two dimensions


def test_replicas_with_common_batches_move_together(environments):
    replicas = environments["replicas"].to_dataset()
    means = replicas["mean"].isel(ensemble=slice(0, -1))  # of environments; last: batches of their own
    shifted = means.max("ensemble") - means.min("ensemble")
    error = replicas["std"].isel(ensemble=-1) * np.sqrt(2 / 1000)  # of a difference of independent replicas
    assert float(np.abs(shifted / error).max()) > 6.0
    pair = environments["pair"].to_dataset()
    gap = np.abs(pair["correlation"] / pair["exact"] - 1.0)
    assert float(gap.max()) < 0.01
    assert float((pair["exact"].sel(batches="common") / pair["exact"].sel(batches="own"))[-1]) > 1.2


def test_walks_have_the_two_walker_variance(environments):
    walk = environments["walk"].to_dataset()
    assert float(walk["exact_std"].sel(steps=100)) == pytest.approx(0.114993, abs=5e-7)
    assert float((np.abs(walk["std"] - walk["exact_std"]) / walk["std_error"]).max()) < 4.0
    mean, error = (walk[name].sel(cumulant="mean") for name in ("chi", "chi_error"))
    assert abs(float(mean.sel(steps=100)) + 1.30) < 4 * float(error.sel(steps=100)) + 0.005
    assert float(mean.sel(steps=25) - mean.sel(steps=100)) > 0.1  # towards -1.77, slowly


def test_verdicts_of_the_environments(environments):
    found = verdicts(environments, "identity") | verdicts(environments, "claim")
    controls = {
        "decorrelated: linear auto-encoder",
        "decorrelated: tanh auto-encoder",
        "decorrelated: random features, narrow",
        "pair, taken for independent",
        "two walkers, taken for the bulk law",
    }
    assert {name for name, verdict in found.items() if verdict == "fails"} == controls
    assert not run_shortfalls(environments)
    assert "one random flow" in report(environments)
    assert [name for name, _ in figures_of(environments)] == ["replicas", "correlation", "walk"]


def test_the_other_law_has_the_two_walker_variance_and_no_rescaled_tail():
    small = {"autoencoder__replicas": 64, "features__samples": 100, "pair__cells": 64}
    tree = run(reduced("random-environment", walk__law="two-point", walk__steps=(4, 25), walk__velocity=0.99, **small))
    walk = tree["walk"].to_dataset()
    assert float((np.abs(walk["std"] - walk["exact_std"]) / walk["std_error"]).max()) < 4.0
    assert bool(np.isnan(walk["chi"]).all())
    assert "chi" not in report(tree)
    assert len(list(figures_of(tree))) == 3


def test_a_network_labelled_kpz_falls_short(environments):
    changed = {path: environments[path].to_dataset(inherit=False) for path in ("/regimes", "/pair", "/walk")}
    labels = changed["/regimes"]["regime"].values.copy()
    labels[0] = "KPZ candidate"
    changed["/regimes"] = changed["/regimes"].assign(regime=("case", labels))
    scenario = load_scenario("random-environment", quick=True)
    records = judged_together(scenario.claims(scenario.parameters, Results(xr.DataTree.from_dict(changed))))
    (line,) = shortfalls(records)
    assert line.startswith("claim linear auto-encoder: no KPZ candidate")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("autoencoder__bottleneck", 3, "at most autoencoder.components = 2"),
        ("autoencoder__end", 0.01, "at least one step"),
        ("walk__steps", (100, 50), "increasing numbers"),
        ("walk__velocity", 1.0, "walk.velocity"),
        ("walk__steps", (100, 1000), "up to 886 steps"),
        ("walk__law", "beta", "walk.law"),
        ("pair__cells", 63, "pair.cells"),
    ],
)
def test_wrong_keys_of_the_environments_are_named(key, value, says):
    with pytest.raises(ConfigError, match=says):
        reduced("random-environment", **{key: value})
