"""The moment table: values by NumPy, standard errors against the scatter over seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsim.comparison import moment_table
from fpsim.density import Grid, gaussian
from fpsim.support.errors import DomainError

MEAN = np.array([0.5, -0.2])
COVARIANCE = np.array([[0.25, -0.3], [-0.3, 0.64]])
THEORY = gaussian(Grid.box((-2.5, 3.5, 96), (-5.0, 5.0, 96), names=("a", "b")), MEAN, COVARIANCE)


def replicas(seed, count=2000):
    return np.random.default_rng(seed).multivariate_normal(MEAN, COVARIANCE, count)


def test_rows_are_named_and_have_the_ensembles_moments():
    x = replicas(0)
    rows = {r.name: r for r in moment_table(THEORY, x)}
    assert list(rows) == ["mean a", "mean b", "std a", "std b", "corr a b"]
    assert rows["mean b"].ensemble == pytest.approx(x[:, 1].mean())
    assert rows["std a"].ensemble == pytest.approx(x[:, 0].std())
    assert rows["corr a b"].ensemble == pytest.approx(np.corrcoef(x.T)[0, 1])
    assert rows["corr a b"].theory == pytest.approx(-0.75, abs=2e-3)
    assert rows["std b"].theory == pytest.approx(0.8, rel=2e-3)


def test_z_scores_are_standard_normal_for_every_row():
    """100 seeds: mean 0 and deviation 1 within 4 standard errors; the theory may be a density or a sample."""
    for theory in (lambda s: THEORY, lambda s: replicas(1000 + s, 3000)):
        z = np.array([[row.z for row in moment_table(theory(s), replicas(s))] for s in range(100)])
        assert np.abs(z.mean(axis=0)).max() < 4 / math.sqrt(100) + 0.05
        assert np.abs(z.std(axis=0) - 1.0).max() < 4 / math.sqrt(200)


def test_factorised_theory_claims_no_correlation():
    x = replicas(3)
    line = [THEORY.marginal(0), THEORY.marginal(1)]
    row = moment_table(line, x)[-1]
    assert row.name == "corr a b"
    assert row.theory == 0.0
    assert row.z < -20


def test_coordinates_must_agree():
    with pytest.raises(DomainError, match="theory has 1 coordinates, samples 2"):
        moment_table(THEORY.marginal(0), replicas(0))
    with pytest.raises(DomainError, match="1 of 2000 samples are not finite"):
        moment_table(THEORY, np.where(np.arange(4000).reshape(2000, 2) == 7, np.inf, replicas(0)))
