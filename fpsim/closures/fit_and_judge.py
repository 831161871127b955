"""Split of an ensemble into the replicas that a closure is fitted on and those that it is judged on.

A closure that takes its averages from an ensemble (``conditional``, ``empirical_path``) and is then held against the
same replicas is judged by its own training data: noise of the fit is noise of the reference, and their distance comes
out too small. Replicas are independent, so that two halves by number are two ensembles of one law.
"""

from __future__ import annotations

from fpsim.ensemble.ensemble import Divergence, Ensemble
from fpsim.support.checks import instance_of
from fpsim.support.errors import DomainError

__all__ = ["fit_and_judge"]


def fit_and_judge(ensemble: Ensemble) -> tuple[Ensemble, Ensemble]:
    """Two ensembles of half the replicas each, with none in common; the first has the odd one.

    Their arrays are views: nothing is copied. Streaming statistics and the state of training are left out, since both
    belong to all replicas.

    Parameters
    ----------
    ensemble : Ensemble

    Returns
    -------
    fit, judge : Ensemble
        ``closure(experiment, matrix, fit)`` is compared with the weights of ``judge``.

    Raises
    ------
    DomainError
        If there are fewer than two replicas, or they share their batches and are not independent.
    """
    instance_of(ensemble, Ensemble, "ensemble")
    experiment = ensemble.experiment
    if experiment is not None and experiment.sgd.sampling == "shared":
        raise DomainError("sampling = 'shared': halves of one ensemble are not independent; two keys are accepted")
    if ensemble.replicas < 2:
        raise DomainError(f"the ensemble has {ensemble.replicas} replica: at least 2 are accepted")
    half = -(-ensemble.replicas // 2)
    fit, judge = (
        Ensemble(
            times=ensemble.times,
            weights={name: w[:, part] for name, w in ensemble.weights.items()},
            experiment=experiment,
            steps=ensemble.steps,
            key=ensemble.key,
            first_replica=ensemble.first_replica + (part.start or 0),
            divergence=Divergence(ensemble.divergence.steps[part]),
            interrupted=ensemble.interrupted,
        )
        for part in (slice(0, half), slice(half, None))
    )
    return fit, judge
