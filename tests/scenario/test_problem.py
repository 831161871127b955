"""Problems without a network: densities against sample paths, the generator against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck
from fpsim.scenario import Results, Scenario, load_scenario, report, run, run_shortfalls
from fpsim.scenario.running import figures_of
from fpsim.studies import problem
from fpsim.support.errors import ConfigError


@pytest.fixture(scope="module", params=["double-well", "rotating-flow"])
def tree(request):
    return run(load_scenario(request.param, quick=True))


def test_density_agrees_with_sample_paths(tree):
    assert np.abs(tree["ensemble"].to_dataset()["z"]).max() < 5
    assert run_shortfalls(tree) == ()
    assert [name for name, _ in figures_of(tree)] == ["densities"]


def test_generator_against_closed_forms(tree):
    table = tree["analyses"].to_dataset()
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
        assert "Nothing flows at rest" in report(tree)
        return
    # rotation 3, D = .02 [[1, .8], [.8, 1]]: trace of H^T D^-1 H Lam minus trace of H, Lam from the Lyapunov equation
    assert float(values.sel(quantity="entropy production")) == pytest.approx(50.0, rel=1e-3)
    assert float(exact.sel(quantity="entropy production")) == pytest.approx(50.0, rel=1e-10)
    assert float(values.sel(quantity="relaxation rate")) == pytest.approx(1.0, rel=5e-3)  # eigenvalues -1 +- 3i
    assert "A current stays at rest" in report(tree)


class Interval(problem.FokkerPlanckProblem):
    """Free diffusion between absorbing walls at 0 and pi, from its slowest mode."""

    start: problem.NormalStart = problem.NormalStart(mean=1.0)
    time: problem.Duration = problem.Duration(end=2.0, records=2)
    ensemble: problem.SamplePaths = problem.SamplePaths(replicas=4_000, step=0.001)
    diffusion: float = 0.5

    def equation(self):
        return FokkerPlanck(diffusion=self.diffusion)

    def grid(self):
        return Grid.box((0.0, np.pi, self.theory.cells), boundary="absorbing", names=("x",))

    def passages(self):
        return {"out": problem.Passage(start=(np.pi / 2,), axis="x", place=0.75 * np.pi)}

    def exact(self):
        # from pi / 2: out at 0 or through 3 pi / 4, (L / 2 + d) (L / 2 - d) / 2 D about the middle of that interval
        return {"decay rate": self.diffusion, "passage time, out": (np.pi / 2) * (np.pi / 4) / (2 * self.diffusion)}


def test_one_dimension_with_absorbing_walls():
    """Decay of the slowest mode and exit times in closed form; what is left of the mass is what is left of the paths.

    Walls are crossed between steps, so that paths outlive the density by O(sqrt(step)): three per cent here.
    """
    interval = Scenario(title="An interval", parameters=Interval(), **problem.PARTS)
    tree = run(interval)
    table = tree["analyses"].to_dataset()
    assert np.all(np.isfinite(table["exact"]))
    assert np.all(np.abs(table["value"] / table["exact"] - 1.0) < 1e-3)
    assert "entropy production" not in table["quantity"]
    mass, share = tree["theory"]["mass"].values, tree["ensemble"]["share"].values
    assert 0.3 < mass[-1] < 0.6
    assert np.all(np.abs(share / mass - 1.0) < 0.06)
    assert [name for name, _ in interval.figures(interval.parameters, Results(tree))] == ["densities"]
    assert "paths left" in report(tree)


def test_what_a_problem_lacks_is_said():
    with pytest.raises(ValueError, match="1 are accepted"):
        Interval(start=problem.NormalStart(mean=(1.0, 2.0)))
    with pytest.raises(NotImplementedError, match="FokkerPlanckProblem has no grid"):
        problem.FokkerPlanckProblem()
    with pytest.raises(ConfigError, match="3 entries"):
        load_scenario("double-well", changes={"start.mean": [0.0, 0.0, 0.0]})
