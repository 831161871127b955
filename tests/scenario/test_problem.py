"""Problems without a network: densities against sample paths, the generator against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.scenario import load_scenario, report, run


@pytest.fixture(scope="module", params=["double-well", "rotating-flow"])
def tree(request):
    return run(load_scenario(request.param, quick=True))


def test_density_agrees_with_sample_paths(tree):
    assert np.abs(tree["problem/comparison"].to_dataset()["z"]).max() < 5
    assert "relaxation rate" in report(tree)
    assert "exact" in report(tree)


def test_generator_against_closed_forms(tree):
    table = tree["problem/generator"].to_dataset()
    values, exact = table["value"], table["exact"]
    known = table.where(np.isfinite(exact), drop=True)
    assert np.all(np.abs(known["value"] - known["exact"]) < 3 * known["error"] + 1e-12)
    if "passage time, x = -1 to 1" in values["quantity"]:
        assert float(values.sel(quantity="relaxation rate")) == pytest.approx(
            3.3545e-2, rel=5e-3
        )  # quadrature, D = 0.1
        passage = known["value"].sel(quantity="passage time, x = -1 to 1")
        assert float(passage) == pytest.approx(float(exact.sel(quantity=passage["quantity"])), rel=1e-3)
        assert abs(float(values.sel(quantity="entropy production"))) < 1e-12
        return
    # rotation 3, D = .02 [[1, .8], [.8, 1]]: trace of H^T D^-1 H Lam minus trace of H, Lam from the Lyapunov equation
    assert float(values.sel(quantity="entropy production")) == pytest.approx(50.0, rel=1e-3)
    assert float(exact.sel(quantity="entropy production")) == pytest.approx(50.0, rel=1e-10)
    assert float(values.sel(quantity="relaxation rate")) == pytest.approx(1.0, rel=5e-3)  # eigenvalues -1 +- 3i
