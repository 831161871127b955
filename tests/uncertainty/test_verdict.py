"""One rule for what holds: its rate of false alarms, its power, and the records it is applied to."""

from __future__ import annotations

import copy
import math
import pickle
from statistics import NormalDist

import numpy as np
import pytest

from fpsim.support.errors import DomainError
from fpsim.uncertainty.verdict import ALPHA, Claim, Identity, judged_together, shortfalls, threshold

NORMAL = NormalDist()


def within(count, trials, probability):
    """Whether a binomial count is within four standard errors of its expectation."""
    return abs(count - trials * probability) <= 4.0 * math.sqrt(trials * probability * (1.0 - probability))


def test_thresholds_are_normal_quantiles():
    assert threshold() == pytest.approx(3.0, rel=1e-9)
    for m in (1, 5, 40, 1000):
        assert 2.0 * NORMAL.cdf(-threshold(m)) * m == pytest.approx(ALPHA, rel=1e-9)
    with pytest.raises(DomainError, match="positive"):
        threshold(0)


@pytest.mark.parametrize("records", [1, 8, 30])
@pytest.mark.parametrize("kind", ["identity", "claim"])
def test_rate_of_false_alarms_of_a_family(records, kind):
    """Exact normal data that agree: at most ``ALPHA`` of the families raise an alarm, however long they are."""
    families = 60_000 // records if records > 1 else 30_000
    z = np.abs(np.random.default_rng(records).standard_normal((families, records)))
    z = z[z.max(axis=1) > 2.9]  # others raise no alarm at any threshold

    def record(value):
        return Identity("i", value, 1.0) if kind == "identity" else Claim("c", value, 1.0, 0.0)

    alarms = sum(any(r.verdict == "fails" for r in judged_together(record(x) for x in row)) for row in z)
    assert within(alarms, families, 1.0 - (1.0 - ALPHA / records) ** records)


def test_a_fixed_threshold_would_not_do():
    """Three errors for each of thirty records: 8 % of the families raise an alarm."""
    z = np.abs(np.random.default_rng(1).standard_normal((20_000, 30)))
    alone = sum(any(Identity("i", x, 1.0).verdict == "fails" for x in row) for row in z[z.max(axis=1) > 2.9])
    assert within(alone, 20_000, 1.0 - (1.0 - ALPHA) ** 30)
    assert alone > 20 * 20_000 * ALPHA


@pytest.mark.parametrize("deviation", [3.0, 4.5, 6.0])
def test_power_against_a_known_deviation(deviation):
    """One of ten records deviates by so many errors: it is seen as often as the normal law says."""
    families = 4_000
    z = np.abs(deviation + np.random.default_rng(2).standard_normal(families))
    seen = sum(Claim("c", x, 1.0, 0.0, together=10).verdict == "fails" for x in z)
    level = threshold(10)
    assert within(seen, families, NORMAL.cdf(deviation - level) + NORMAL.cdf(-deviation - level))


@pytest.mark.parametrize("truth", [0.05, 0.1, 0.2])
def test_claims_with_a_tolerance(truth):
    """True violations below, at and above a tolerance of .1, with an error of .01."""
    found = truth + 0.01 * np.random.default_rng(3).standard_normal(20_000)
    verdicts = [Claim("c", x, 0.01, 0.1).verdict for x in found]
    wrong = {0.05: ("fails",), 0.1: ("holds", "fails"), 0.2: ("holds",)}[truth]
    count = sum(v in wrong for v in verdicts)
    assert within(count, 20_000, ALPHA) if truth == 0.1 else count == 0
    right = {0.05: "holds", 0.2: "fails"}.get(truth)
    assert right is None or sum(v == right for v in verdicts) > 0.95 * 20_000


def test_verdicts_and_expectations():
    control = Claim("false on purpose", 0.5, 0.01, 0.05, expected="fails")
    passing = Claim("false on purpose", 0.01, 0.001, 0.05, expected="fails")
    nothing = Claim("nothing left", 0.0, 0.0, 0.05, 0, expected="trivial")
    unknown = Identity("not finite", math.nan, 1.0)
    assert control.met
    assert nothing.met
    assert not passing.met
    assert unknown.verdict == "inconclusive"
    told = shortfalls([control, passing, nothing, unknown])
    assert [line.partition(":")[0] for line in told] == ["claim false on purpose", "identity not finite"]
    assert told[0].endswith("holds, fails expected")
    family = judged_together([control, unknown])
    assert [record.together for record in family] == [2, 2]
    assert type(family[1]) is Identity
    with pytest.raises(DomainError, match="holds, fails, trivial"):
        Identity("i", 0.0, 1.0, expected="maybe")
    with pytest.raises(DomainError, match="nonnegative"):
        Claim("c", 0.0, 0.0, -0.1)
    with pytest.raises(DomainError, match="judged together"):
        Claim("c", 0.0, 0.0, 0.1, together=0)


def test_equal_numbers_hold():
    assert Claim("identical", 0.0, 0.0, 0.0).verdict == "holds"
    assert Identity("identical", 0.0, 0.0).verdict == "holds"


@pytest.mark.parametrize("record", [Identity("i", 0.1, 0.2, details={"x": np.arange(3)}), Claim("c", 0.1, 0.2, 0.3)])
def test_records_pickle_and_copy_and_stay_frozen(record):
    for twin in (pickle.loads(pickle.dumps(record)), copy.deepcopy(record)):
        assert str(twin) == str(record)
        assert list(twin.details) == list(record.details)
        with pytest.raises(AttributeError):
            twin.residual = 0.0
        with pytest.raises(TypeError):
            twin.details["new"] = 1
