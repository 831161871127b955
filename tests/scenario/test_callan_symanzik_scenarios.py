"""The Callan-Symanzik scenarios at reduced size: the physics that each promises to show."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from fpsim.scenario import load_scenario, report, run, run_shortfalls, run_to_file
from fpsim.scenario.records import group
from fpsim.scenario.running import figures_of
from fpsim.storage import load_tree
from fpsim.support.errors import ConfigError, DomainError, MemoryLimitError


def reduced(name, **changes):
    """A scenario's quick version with some keys changed: ``section__key=value``."""
    return load_scenario(name, changes={key.replace("__", "."): v for key, v in changes.items()}, quick=True)


def column(tree, kind, what):
    """``{label: value}`` over the verdict records of a run."""
    if "claims" in tree.children:
        table = tree["claims"].to_dataset(inherit=False)
        return dict(zip(table[kind].values, table[f"{kind}_{what}"].values, strict=True))
    found = {}
    for node in tree["verdicts"].children.values():
        table = node.to_dataset(inherit=False)
        if f"{kind}_{what}" in table:
            labels = table[next(str(d) for d in table.dims if str(d).endswith(kind))].values
            found.update(zip(labels, table[f"{kind}_{what}"].values, strict=True))
    return found


@pytest.fixture(scope="module")
def ou():
    return run(reduced("callan-symanzik-ou", ensemble__replicas=20_000))


RELAXATION, NOISE = 1.3, {"reference": 0.05, "wide": 0.05, "narrow": 0.05, "noisy": 0.1}
START = {"reference": (1.0, 0.22), "wide": (0.8, 0.5), "narrow": (0.3, 0.14), "noisy": (0.7, 0.3)}


def closed_form(name, times):
    """gamma, beta_g, beta_h from the exact mean and variance."""
    (mean, std), stationary, s = START[name], NOISE[name] / RELAXATION, RELAXATION * times
    m, p = mean * np.exp(-s), stationary + (std**2 - stationary) * np.exp(-2 * s)
    g, h = m**2 / (m**2 + p), stationary / (m**2 + p)
    return np.stack([h - 1, -2 * g * h, 2 * h * (1 - h)], axis=-1)


def test_exact_gaussians_give_the_closed_form_to_1e8(ou):
    flow = ou["exact"].to_dataset()
    for name in START:
        gap = flow["rates"].sel(run=name).values - closed_form(name, flow["time"].values)
        assert np.abs(gap).max() < 1e-8


def test_evolved_densities_give_it_within_the_error_estimate(ou):
    flow = ou["evolved"].to_dataset().sel(run="reference")
    gap = np.abs(flow["rates"].values - closed_form("reference", flow["time"].values))
    assert (gap <= flow["rates_error"].values + 1e-10).all()
    assert float(flow["rates_error"].max()) < 1e-2


def test_ensembles_give_it_within_their_standard_errors(ou):
    flow = ou["ensemble"].to_dataset()
    for name in START:
        one = flow.sel(run=name)
        pull = (one["rates"].values - closed_form(name, flow["time"].values)) / one["rates_error"].values
        assert (np.abs(pull[len(pull) // 2]) < 3.0).all()  # the middle: central differences
        assert (np.abs(pull[2:-2]) < 4.5).all()
        assert float(one["rates_error"].isel(time=8).max()) < 0.05


def test_fixed_points_of_the_ornstein_uhlenbeck_flow(ou):
    beta = ou["exact"].to_dataset()
    places = beta["fixed_point"].values
    infrared = np.abs(places - [0.0, 1.0]).max(axis=1) < 1e-5
    assert infrared.sum() == 1
    np.testing.assert_allclose(beta["exponent"].values[infrared], [[-2.0, -2.0]], atol=1e-5)
    line = np.abs(places[:, 1]) < 1e-5
    assert line.any()
    np.testing.assert_allclose(np.sort(np.abs(beta["exponent"].values[line])), [[0.0, 2.0]] * line.sum(), atol=1e-4)


def test_runs_collapse_on_the_gaussian_curve_and_the_two_peaked_one_does_not(ou):
    table = ou["ensemble"].to_dataset()
    g = table["g"].values
    curve = np.stack([np.sqrt(g) * (3 - 2 * g), 3 - 2 * g**2], axis=-1)
    pull = (table["scaled"].values - curve) / table["scaled_error"].values
    of = list(table["run"].values).index("two-peaked")
    assert np.abs(np.delete(pull, of, axis=0)).max() < 5.0
    assert np.abs(pull[of]).max() > 20.0


def test_every_identity_holds_every_control_fails_and_the_empty_test_is_trivial(ou):
    for kind in ("identity", "claim"):
        expected = column(ou, kind, "expected")
        for label, verdict in column(ou, kind, "verdict").items():
            if label.startswith("R2"):
                assert verdict in (expected[label], "inconclusive"), label  # a fifth of the full size
            else:
                assert verdict == expected[label], label
    expected = column(ou, "identity", "expected") | column(ou, "claim", "expected")
    assert {label for label, verdict in expected.items() if verdict != "holds"} == {
        "I1 with 1.3 times the noise",
        "I2 with 1.3 times the noise",
        "I2, ensemble, twice the noise",
        "R1 of two peaks",
        "R1 of two peaks, G_1 and G_2 only",
        "R1 geometric Brownian, pure scaling",
        "R2 to a two-peaked start",
        "R3 with a two-peaked start",
    }
    assert expected["R1 of two peaks, G_1 and G_2 only"] == "trivial"


def test_geometric_brownian_motion_closes_with_one_coupling_and_not_as_pure_scaling(ou):
    residual = column(ou, "claim", "residual")
    assert residual["R1 geometric Brownian, one coupling"] < 1e-6
    scaling = residual["R1 geometric Brownian, pure scaling"]
    n = np.arange(1, 6)
    y = n * (2.2 - 0.4) + 0.4 * n**2  # d ln E W^n / dt by hand
    assert scaling == pytest.approx(np.linalg.norm(y - n * (n @ y) / (n @ n)) / np.linalg.norm(y), abs=1e-6)
    assert scaling == pytest.approx(0.119, abs=5e-4)


@pytest.fixture(scope="module")
def autoencoder():
    return run(reduced("callan-symanzik-autoencoder", ensemble__replicas=20_000, theory__cells=2048))


def test_closure_holds_early_and_fails_at_the_valley(autoencoder):
    for source in ("density", "ensemble"):
        closure = autoencoder[source].to_dataset()
        r1 = closure["R1"].values
        assert r1[0] < 1e-4
        assert r1[8] < 0.01
        error = 4 * float(closure["R1_error"][-1])
        assert r1[-1] + error > 0.5
        assert r1[-1] - error > 0.3
        assert (np.diff(r1[12:]) > 0.0).all()
        assert float(closure["loss"][-1]) < 0.01 * float(closure["loss"][0])
    assert float(autoencoder["density"]["R1"][-1]) > 0.5


def test_ensemble_follows_the_density(autoencoder):
    """E f^n, n = 1 and 2, of the error: SGD against the order-one equation, apart by O(learning rate)."""
    theory = autoencoder["density"].to_dataset()["loss"].values
    sgd = autoencoder["ensemble"].to_dataset()["loss"].values
    np.testing.assert_allclose(sgd[:16], theory[:16], rtol=0.05)


def test_beta_functions_of_the_autoencoder_far_from_the_valley(autoencoder):
    """Geometric Brownian motion below the valley: beta_g = 4 theta kappa, theta = rate / batch, kappa of the data."""
    from fpsim.datasets import digits

    kappa = float(digits(components=1).product_covariance[0, 0, 0, 0])
    flow = autoencoder["ensemble"].to_dataset().isel(time=2)
    for name, theta in (("narrow", 0.05), ("noisy", 0.1)):
        one = flow.sel(run=name)
        g, v = (float(one["couplings"].sel(coupling=c)) for c in "gv")
        beta, error = (float(one[n].sel(rate="beta_g")) for n in ("rates", "rates_error"))
        leading = 4 * theta * kappa
        assert abs(beta - leading) < 4 * error + (4 * g + 4 * v) * leading + 4 * v * g  # saturation, of order g and v


def test_claims_of_the_autoencoder(autoencoder):
    verdict = column(autoencoder, "claim", "verdict")
    for label in ("R1 (tangency), start", "R1, quarter of the time"):
        assert {verdict[f"{label}, {source}"] for source in ("density", "ensemble")} == {"holds"}
    assert {v for label, v in verdict.items() if label.startswith("at the valley")} == {"fails"}
    assert verdict["R1 at the end, G_1 and G_2 only"] == "trivial"
    assert verdict["R1 of the output itself, start, density"] == "holds"
    assert verdict["R1 of the output, Gaussian family"] == "fails"
    residual, error = column(autoencoder, "claim", "residual"), column(autoencoder, "claim", "error")
    told, other = "R2 (transfer) to the held-out run, early", "R2 to another noise, early"
    assert residual[other] - residual[told] > 4 * np.hypot(error[other], error[told])
    identity = column(autoencoder, "identity", "verdict")
    assert {label for label, v in identity.items() if v != "holds"} == {
        "I2, ensemble, order one",
        "I2, ensemble, four times the noise",
    }


def test_identity_of_order_two_can_fail(autoencoder):
    """It would, if order two left as much as order one does."""
    residual, explained = column(autoencoder, "identity", "residual"), column(autoencoder, "identity", "error")
    left = residual["I2, ensemble, order one"]
    assert 3.0 * explained["I2 (hierarchy), ensemble, order two"] < left


@pytest.fixture(scope="module")
def cutoff(tmp_path_factory):
    path = tmp_path_factory.mktemp("cutoff") / "cutoff.h5"
    run_to_file(reduced("cutoff-scaling", ensemble__replicas=8_000), path, quiet=True)
    return load_tree(path)


def test_cutoff_slopes_of_the_regression_are_those_of_the_closed_form(cutoff):
    table = cutoff["regression"].to_dataset().isel(observable=0)
    eta = table["learning_rate"].values
    k = np.round(1.0 / eta)
    naive = (1 - eta) ** k - (1 - eta / 2) ** (2 * k)
    improved = (1 - eta) ** k - (1 - eta / 2 - eta**2 / 8) ** (2 * k)
    np.testing.assert_allclose(table["difference"].sel(line="naive"), naive, rtol=1e-10)
    np.testing.assert_allclose(table["difference"].sel(line="improved"), improved, rtol=1e-8)
    assert abs(float(table["slope"].sel(line="naive")) - 1.0) < 0.1
    assert abs(float(table["slope"].sel(line="improved")) - 2.0) < 0.2


def test_cutoff_slopes_of_the_autoencoder_on_digits(cutoff):
    table = cutoff["autoencoder"].to_dataset()
    for line, slope, tolerance in (("naive", 1.0, 0.1), ("improved", 2.0, 0.2)):
        one = table.sel(line=line)
        assert (np.abs(one["slope"] - slope) < tolerance + 4 * one["slope_error"]).all()
        assert (one["slope_error"] < 0.1).all()


def test_cutoff_identities_hold_and_controls_fail(cutoff):
    for kind in ("identity", "claim"):
        for label, verdict in column(cutoff, kind, "verdict").items():
            assert verdict == ("fails" if label.startswith("control") else "holds"), label
    assert run_shortfalls(cutoff) == ()


def test_a_resumed_run_ends_with_the_same_bits():
    scenario = reduced("cutoff-scaling", ensemble__replicas=500)
    whole = run(scenario)
    again = run(scenario, done=xr.DataTree.from_dict({"regression": group(whole, "regression")}))
    for path in ("autoencoder", "regression", "claims"):
        xr.testing.assert_identical(group(again, path), group(whole, path))


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        ("ou", {"beta-functions", "running-couplings", "flow-diagram", "collapse"}),
        ("autoencoder", {"closure", "running-couplings", "beta-functions", "collapse"}),
        ("cutoff", {"cutoff-slopes"}),
    ],
)
def test_pictures_and_tables(name, pictures, request):
    tree = request.getfixturevalue(name)
    assert {picture for picture, _ in figures_of(tree)} == pictures
    text = report(tree)
    assert text.index("identities (numerics)") < text.index("claims (physics)")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("callan-symanzik-ou", {"time__records": 10}, "multiple of 4"),
        ("callan-symanzik-ou", {"run__wide__mean": 0.0}, "sign of Z"),
        ("callan-symanzik-ou", {"time__end": 0.01}, "pass a common value"),
        ("callan-symanzik-ou", {"run__reference__std": 0.001}, "theory.cells"),
        ("callan-symanzik-ou", {"process__relaxation": -1.0}, "process.relaxation"),
        ("callan-symanzik-autoencoder", {"run__wide__learning_rate": 0.2}, "another one for the last"),
        ("callan-symanzik-autoencoder", {"time__end": 3.3}, "a divisor of"),
        ("callan-symanzik-autoencoder", {"time__records": 12}, "multiple of 8"),
        (
            "callan-symanzik-autoencoder",  # all rates twice, a divisor of the interval, one noise
            {f"run__{name}__learning_rate": 0.1 for name in ("reference", "narrow")}
            | {f"run__{name}__batch_size": 2 for name in ("reference", "narrow")},
            r"run\.reference\.learning_rate = 0\.1 .* up to 0\.05 is accepted",
        ),
        ("cutoff-scaling", {"cutoff__time": 0.7}, "multiple of every one"),
        ("cutoff-scaling", {"cutoff__batch_size": 3}, "cutoff.batch_size"),
        ("cutoff-scaling", {"cutoff__learning_rates": [0.1, 0.1]}, "cutoff.learning_rates repeat"),
        ("cutoff-scaling", {"regression__start": 0.0}, "away from it"),
        ("cutoff-scaling", {"start__mean": (1.0, 2.0, 3.0)}, "start.mean"),
        ("cutoff-scaling", {"network__activation": "swish"}, "activation"),
    ],
)
def test_bad_input_is_named_before_any_work(name, changes, message):
    with pytest.raises((ConfigError, DomainError), match=message):
        run(reduced(name, **changes))


@pytest.mark.parametrize("name", ["callan-symanzik-ou", "callan-symanzik-autoencoder", "cutoff-scaling"])
def test_an_ensemble_beyond_memory_is_refused(name, monkeypatch):
    monkeypatch.setattr("fpsim.support.memory.SHARE", 1e-12)
    with pytest.raises(MemoryLimitError, match="replicas"):
        run(reduced(name))
