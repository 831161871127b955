"""Own closures and observables beside ours: in files of 25 lines, in distances, budgets, tables, reports."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from fpsim.datasets import from_array
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.scenario import extended, load_scenario, report, run
from fpsim.scenario.running import figures_of
from fpsim.studies.case import case_of
from fpsim.studies.comparisons import budgets, compare_law, own_observable
from fpsim.studies.laws import CLOSURES, closure_law, joint_law
from fpsim.support.errors import ConfigError, DomainError

PAGE = Path(__file__).parents[2] / "docs" / "writing-scenarios.md"
SMALL = {
    "ensemble.replicas": 500,
    "theory.cells": 32,
    "theory.tolerance": 0.05,
    "theory.components": 256,
    "start": {"offset": {"mean": [0.6, 0.2], "std": 0.1}},
    "time.end": 0.5,
    "time.records": 1,
    "comparison.theory_samples": 500,
    "comparison.measured": 200,
}


def norm(network, w1, w2, x):
    return np.sum(w1**2, axis=(1, 2))


@pytest.fixture(scope="module")
def case():
    x = np.random.default_rng(1).normal(size=(200, 2)) * [1.4, 0.9]
    start = Start.gaussian({"W1": [[0.7, 0.3]], "W2": [[0.7], [0.3]]}, 0.15)
    experiment = Experiment(from_array(x), BottleneckAutoEncoder(2, 1), SGD(0.05, 4, temperature=0.002), start)
    return case_of(train(experiment, replicas=2_000, times=[0.0, 0.5, 1.0], rng=3), cells=96)


def own_page_file(heading, folder):
    """The Python block beneath a heading of the page, as a file."""
    text = PAGE.read_text(encoding="utf-8").split(heading, 1)[1]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    assert len(block.strip().splitlines()) <= 25
    (folder / "mine.py").write_text(block)
    return folder / "mine.py"


def test_the_page_s_closure_stands_beside_ours(tmp_path):
    """A point at the partner's mean: with narrow partners the means of mean field, which has widths as well."""
    file = own_page_file("### An own closure", tmp_path)
    laws = ["joint", "moving-point", "mean-field"]
    scenario = load_scenario(file, changes={**SMALL, "theory.laws": laws})
    assert scenario.source == "mine.py"
    tree = run(scenario)
    table = tree["offset/comparison"].to_dataset().isel(time=-1)
    assert list(table["theory"].values) == laws
    assert float(table["distance"].sel(theory="moving-point", observable="density W1")) > 0.0
    assert {"moving-point", "mean-field"} <= set(tree["offset/budget"].to_dataset()["theory"].values)
    means = [tree[f"offset/{law}"].to_dataset()["mean"].isel(time=-1).values for law in laws[1:]]
    np.testing.assert_allclose(*means, atol=0.02)  # widths of 0.1: their square
    assert "moving-point" in report(tree)


def test_the_page_s_observable_enters_distances_budget_and_report(tmp_path):
    tree = run(load_scenario(own_page_file("### An own observable", tmp_path), changes=SMALL))
    name = "largest output"
    table = tree["offset/comparison"].to_dataset().isel(time=-1)
    assert np.isfinite(table["z"].sel(theory="joint", observable=name))
    assert np.isnan(table["z"].sel(theory="mean-field", observable=name))  # it claims no outputs
    assert name in tree["offset/outputs"].to_dataset()["observable"].values
    assert name in tree["offset/distances"].to_dataset()["quantity"].values
    budget = tree["offset/budget"].to_dataset()
    assert np.isfinite(budget["total"].sel(theory="joint", observable=name))
    assert np.isnan(budget["total"].sel(theory="mean-field", observable=name))
    assert f"joint law, {name}" in report(tree)
    ((panel, *_),) = [
        figure.axes for key, figure in figures_of(tree, code=load_scenario(tmp_path / "mine.py")) if key == "budget"
    ]
    assert name in [label.get_text() for label in panel.get_yticklabels()]


def test_ours_stays_as_it_is():
    extended("bottleneck", OBSERVABLES={"norm": norm})
    with pytest.raises(ConfigError, match=r"theory.laws.0 = 'mine'"):
        load_scenario("bottleneck", changes={"theory.laws": ["mine"]})
    mine = extended("digits-bottleneck", CLOSURES_OF_MATRICES={"mine": CLOSURES["mean-field"]})
    assert mine.with_values({"theory.laws": ["mine"]}).title == load_scenario("digits-bottleneck").title


def test_what_cannot_be_extended_is_refused():
    with pytest.raises(ConfigError, match=r"has no table NOTHING: .*OBSERVABLES.* is accepted"):
        extended("bottleneck", NOTHING={})
    with pytest.raises(ConfigError, match="is unknown"):
        extended("bottlenek", OBSERVABLES={})


def test_the_budget_of_an_observable_names_the_lost_pairing(case):
    """W1 and W2 move against each other along the valley, so an entry of their product is wrong if paired at random."""

    def product(network, w1, w2, x):
        return (w2 @ w1)[:, 0, 0]

    laws = {"mean-field": closure_law(case, "mean-field", CLOSURES["mean-field"], tolerance=0.02)}
    laws["joint"] = joint_law(case, components=1024, width=0.1, rng=1)
    own = {name: {"product": product} for name in laws}
    found = budgets(case, laws, tolerance=0.05, order="sme2", svag=4, seed=1, own=own, draws=1_000)
    closure, joint = (found[name][-1] for name in ("mean-field", "joint"))
    assert [b.observable for b in (closure, joint)] == ["product", "product"]
    lost = {row.source: row for row in closure.rows}["correlation of the matrices"]
    assert lost.resolved
    assert "correlation of the matrices" not in [row.source for row in joint.rows]
    assert (lost.distance - lost.floor) / lost.spread > 6.0  # of the total the closure takes part off again
    assert joint.leading == "sampling"
    rows = compare_law(case, laws["joint"], outputs=True, probes=(0,), draws=1_000, seed=2, own=own["joint"])
    assert rows[-1][-1].observable == "product"
    assert abs(rows[-1][-1].z) < 4.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda network, w1, w2, x: 1.0, r"shape \(\): one finite number for each of 3 replicas"),
        (lambda network, w1, w2, x: w1, r"shape \(3, 1, 2\)"),
        (lambda network, w1, w2, x: np.full(3, np.nan), "not finite values"),
        (lambda network, w1, w2, x: np.array(["a", "b", "c"]), "not finite values"),
    ],
)
def test_an_observable_that_is_no_number_is_refused(wrong, message):
    network, weights = BottleneckAutoEncoder(2, 1), (np.ones((3, 1, 2)), np.ones((3, 2, 1)))
    with pytest.raises(DomainError, match=f"observable 'mine' answered .*{message}"):
        own_observable("mine", wrong, network, weights, np.ones((4, 2)))


def test_a_closure_that_answers_no_equation_is_refused(case):
    with pytest.raises(DomainError, match="closure 'mine' answered None for W1: a FokkerPlanck is accepted"):
        closure_law(case, "mine", lambda *_: None, tolerance=0.05)


def test_an_error_in_an_own_function_is_told_with_its_line(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from fpsim.scenario import extended\n\n\ndef wrong(network, w1, w2, x):\n    return w1.no_such_thing\n\n\n"
        'scenario = extended("bottleneck", OBSERVABLES={"wrong": wrong})\n'
    )
    with pytest.raises(ConfigError, match=r"mine\.py, line 5: AttributeError.*no_such_thing"):
        run(load_scenario(tmp_path / "mine.py", changes=SMALL))
