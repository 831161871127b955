"""The page of a scenario's run: what it is for, changed keys, every number of its tables, verdicts and conclusions."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest

from fpsim.runs.html_page import html_report
from fpsim.scenario import load_scenario, run
from fpsim.scenario.records import group
from fpsim.scenario.tables import read_tables

SMALL = {"ensemble.replicas": 200, "sgd.momenta": [0.0, 0.5], "sgd.steps": 20}


class Tables(HTMLParser):
    """Rows of cells of every table, and whether each table lies where it may scroll."""

    def __init__(self):
        super().__init__()
        self.tables, self.place, self.open, self.scrolls = [], [], False, []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img", "br"):
            self.place.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
            self.scrolls.append(any(a.get("class") == "wide" for _, a in self.place))
        if tag == "tr":
            self.tables[-1].append([])
        self.open = tag in ("td", "th")
        if self.open:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.place.pop()[0] == tag  # well formed
        self.open = False

    def handle_data(self, data):
        if self.open:
            self.tables[-1][-1][-1] += data


@pytest.fixture(scope="module")
def tree():
    return run(load_scenario("momentum", changes=SMALL))


@pytest.fixture(scope="module")
def page(tree):
    return html_report(tree)


def test_all_tables_and_verdicts_stand_on_the_page(tree, page):
    found = Tables()
    found.feed(page)
    assert found.place == []
    assert all(found.scrolls)
    written = read_tables(tree)
    assert found.tables[: len(written)] == [[one["headings"], *one["rows"]] for one in written]
    claims = group(tree, "claims")
    (rows,) = found.tables[len(written) :]
    assert [row[0] for row in rows[1:]] == [str(name) for name in claims["claim"].values]
    for row, residual, verdict in zip(
        rows[1:], claims["claim_residual"].values, claims["claim_verdict"].values, strict=True
    ):
        assert float(row[1]) == pytest.approx(float(residual), rel=0.06)
        assert row[-1].split()[0] == verdict
    assert "<pre>" + html.escape(str(tree.attrs["table"])) not in page


def test_purpose_changed_keys_and_conclusions_are_in_order(tree, page):
    places = [page.index(html.escape(part)) for part in (
        tree.attrs["description"].splitlines()[0],
        "ensemble.replicas = 200 (was: 50000)",
        read_tables(tree)[0]["title"],
        tree.attrs["conclusions"].splitlines()[0],
        "data:image/png;base64,",
    )]  # fmt: skip
    assert places == sorted(places)


def test_words_of_a_file_are_text_and_no_markup(tree):
    hostile = tree.copy()
    for key in ("title", "description", "changed", "conclusions", "missing"):
        hostile.attrs[key] = "<script>alert(1)</script>"
    hostile.attrs["tables"] = hostile.attrs["tables"].replace("stationary variance", "<script>alert(2)</script>")
    assert "<script" not in html_report(hostile)
