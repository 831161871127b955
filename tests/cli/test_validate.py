"""The checks pass here, and each of them can fail."""

from __future__ import annotations

import math

import pytest

from fpsim.cli import main
from fpsim.validation import SUBJECTS, Check, densities, suite, training, validate


@pytest.mark.parametrize("subject", SUBJECTS)
def test_checks_pass(subject):
    checks = list(SUBJECTS[subject]())
    assert checks
    for check in checks:
        assert check.passed, check


def test_a_check_passes_within_its_tolerance_only():
    assert Check("x", 1.0, 1.1, 0.11, "").passed
    assert not Check("x", 1.0, 1.1, 0.09, "").passed
    assert not Check("x", math.nan, 1.0, math.inf, "").passed


def scaled(function, factor):
    def wrong(*arguments, **options):
        return {name: factor * g for name, g in function(*arguments, **options).items()}

    return wrong


def test_a_wrong_gradient_fails(monkeypatch):
    monkeypatch.setattr(training, "sample_gradients", scaled(training.sample_gradients, 1 + 1e-9))
    assert not all(check.passed for check in training.gradients())


def test_a_wrong_equation_fails(monkeypatch):
    class Wrong(densities.FokkerPlanck):
        def __init__(self, *, diffusion, **options):
            super().__init__(diffusion=1.1 * diffusion, **options)

    monkeypatch.setattr(densities, "FokkerPlanck", Wrong)
    for subject in (densities.engine, densities.generator):
        failed = [check.name for check in subject() if not check.passed]
        assert failed
        assert "mass after evolution" not in failed


def test_a_wrong_step_of_sgd_fails(monkeypatch):
    right = training.SGD
    monkeypatch.setattr(training, "SGD", lambda rate, *rest, **options: right(1.2 * rate, *rest, **options))
    failed = [check.name for check in training.stochastic_gradient_descent() if not check.passed]
    assert len(failed) == 3


def test_the_table_and_its_status(monkeypatch, capsys):
    good, bad = (Check(f"number {i}", 1.0, 1.0 + i, 0.5, "by hand") for i in (0, 1))
    monkeypatch.setattr(suite, "SUBJECTS", {"arithmetic": lambda: iter([good])})
    assert main(["validate"]) == 0
    assert "1 of 1 checks passed" in capsys.readouterr().out
    monkeypatch.setattr(suite, "SUBJECTS", {"arithmetic": lambda: iter([good, bad])})
    assert main(["validate"]) == 1
    said = capsys.readouterr().out
    assert "1 of 2 checks passed" in said
    assert "FAILED" in said
    assert [check for _, check in validate()] == [good, bad]
