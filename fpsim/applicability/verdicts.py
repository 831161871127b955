"""Orders of the modified equation and closures: which are valid for an experiment, why not, and their cost."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

from fpsim.applicability.costs import Cost, grid_cost, mixture_cost, path_cost, point_seconds, training_cost
from fpsim.closures import joint
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.theory.joint.points import TanhPoints

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["Applicable", "Findings", "closures", "orders"]

MIXTURE, PATHS, REPLICAS = 32_768, 100_000, 50_000
"""Components, paths and runs for which costs are given."""
MOST_ON_A_GRID = 4
NARROW = 0.5
"""Spread of the weights over their size beyond which an ensemble is no narrow one."""


class Applicable(NamedTuple):
    """One theory, and whether it applies.

    Attributes
    ----------
    name : str
    valid : bool
    reason : str
        Its error where it is valid, else what stands in the way.
    cost : Cost or None
    """

    name: str
    valid: bool
    reason: str
    cost: Cost | None


class Findings(NamedTuple):
    """What verdicts depend on, beside the experiment itself.

    ``spread``: standard deviation of the start, stretched along the mean path by what its unstable directions make of
    it, over the size of the weights at the end of that path.
    """

    n: int
    time: float
    curvature: float
    stability: float
    limit: float
    spread: float
    steps: float
    learning_rate: float


def orders(experiment: Experiment, found: Findings) -> tuple[Applicable, ...]:
    """``sme1``, ``sme2`` and ``sme2c``."""
    sgd, general = experiment.sgd, _against_any_order(experiment, found)
    half = 0.5 * found.stability
    constant = ("it holds for a constant learning rate" if callable(sgd.learning_rate) else
                "it holds without momentum" if sgd.momentum else "")  # fmt: skip
    first = general or f"error O(learning rate): {half:.2g} relative, half of learning rate x curvature"
    second = general or constant or f"error O(learning rate^2): {half**2:.2g} relative"
    corrected = general or constant or (
        "no better than sme2 with a temperature" if sgd.temperature else
        "as sme2, and right in widths near a minimum: for moments; all weights have no density under it"
    )  # fmt: skip
    return (
        Applicable("sme1", not general, first, None),
        Applicable("sme2", not (general or constant), second, None),
        Applicable("sme2c", not (general or constant or sgd.temperature), corrected, None),
    )


def _against_any_order(experiment: Experiment, found: Findings) -> str:
    """What stands against every Fokker-Planck equation of the experiment; empty if nothing does."""
    if experiment.sgd.sampling == "epochs":
        return "batches of an epoch are anticorrelated: no white noise (theory of shuffled epochs)"
    if experiment.sgd.sampling == "shared":
        return "all replicas see the same batches: an equation holds for the average over batches only"
    if found.stability >= found.limit:
        return f"learning rate x curvature reaches {found.stability:.3g}, beyond the edge of stability {found.limit:g}"
    network = experiment.network
    if len(network.widths) != 3 or network.activations[1] != "linear":
        return f"widths {network.widths}: gradient moments are known for f(x) = W2 phi(W1 x)"
    return ""


def closures(experiment: Experiment, found: Findings) -> tuple[Applicable, ...]:
    """Closures, the joint law, sample paths and training itself."""
    general, network, sgd = _against_any_order(experiment, found), experiment.network, experiment.sgd
    both = len(network.trained) == 2
    of_matrix = max(rows * columns for rows, columns in (network.shapes[name] for name in network.trained))
    wide = f"a matrix of {of_matrix} weights: grids end at {MOST_ON_A_GRID}" if of_matrix > MOST_ON_A_GRID else ""
    matrix = grid_cost(of_matrix, found.time) if not wide else None
    training = training_cost(found.n, found.steps, sgd.batch_size, REPLICAS)
    frozen = general or wide or ("the partner is trained: right while it has not moved" if both else "")
    single = "" if both else f"only {network.trained[0]} is trained: its partner is frozen"
    factorised = "keeps no correlation of the matrices: widths wrong by a factor" if both else single
    rows = [
        _row("frozen", frozen, "exact: the partner is not trained", matrix),
        _row("mean_field", general or wide or factorised, "", matrix),
        _row("conditional", general or wide or single, "statistical; its ensemble costs training", matrix),
        _row("linear_noise", general or single or _against_narrow(found), "O(width^2)", Cost(1, 8.0 * found.n**2, 0.1)),
    ]
    against = general or single
    large = f"{found.n} weights: a grid ends at {MOST_ON_A_GRID}" if found.n > MOST_ON_A_GRID else ""
    rows.append(_row("joint on a grid", against or large, "grid and tolerance",
                     None if large else grid_cost(found.n, found.time)))  # fmt: skip
    seconds = _point_seconds(experiment, found.n) if not against else None
    mixture = None if seconds is None else mixture_cost(found.n, found.time, found.curvature, MIXTURE, seconds)
    summed = 0 if network.activations[0] == "linear" else getattr(experiment.data, "size", 1024)
    paths = None if against else path_cost(found.n, found.time, found.learning_rate, PATHS, summed)
    rows.append(_row("joint as a mixture", against, "width^2 and number of components, both stated", mixture))
    rows.append(_row("conditional_of_mixture", against or wide, "that of the mixture; no ensemble", mixture))
    rows.append(_row("paths", against, "statistical, number of paths", paths))
    rows.append(Applicable("training", True, "the experiment itself", training))
    return tuple(rows)


def _against_narrow(found: Findings) -> str:
    if found.spread < NARROW:
        return ""
    return f"the ensemble grows to {found.spread:.2g} of the weights themselves: a saddle, or a wide start"


def _row(name: str, against: str, error: str, cost: Cost | None) -> Applicable:
    return Applicable(name, not against, against or error, cost)


def _point_seconds(experiment: Experiment, n: int) -> float:
    """Seconds per point of the joint law's coefficients, by the best order that applies."""
    sgd = experiment.sgd
    second = not (callable(sgd.learning_rate) or sgd.momentum)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        try:
            points = joint(experiment, order="sme2" if second else "sme1").at_points
        except DomainError:
            return float("nan")
    linear = experiment.network.activations[0] == "linear"
    nodes = len(points.nodes) if isinstance(points, TanhPoints) else getattr(experiment.data, "size", 1024)
    kernels = linear or isinstance(points, TanhPoints)
    return point_seconds(n, experiment.network.widths[0], linear=linear, nodes=nodes, kernels=kernels, second=second)
