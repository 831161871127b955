"""Laws between SGD and a theory, each differing from the one before in one thing only, as ensembles of replicas.

1. SGD with independent batches, where the run shuffles epochs or shares batches: the replicas of the theory.
2. SGD with Gaussian gradients of the same mean and covariance. One such step is a step of weak second order for the
   equation ``sme2c``, so its law stands for that equation's, to O(learning rate^2).
3. SVAG (Li, Malladi & Arora 2021, arXiv:2102.12470), whose law tends to that of the first-order equation ``sme1`` with
   error O(1 / l). From 2 to 3 is what the order of the modified equation changes, ``1 - 1 / l`` of it.

No closure enters: what is left between 3 and a closure is the closure's doing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpsim.ensemble.train import train
from fpsim.experiment import Experiment
from fpsim.support.progress import Progress

__all__ = ["BATCHES", "NOISE", "ORDER", "Link", "intermediate_laws"]

Array = NDArray[np.float64]
BATCHES = "dependent batches"
NOISE = "non-Gaussian mini-batch noise"
ORDER = "order of the modified equation"


@dataclass(frozen=True, eq=False)
class Link:
    """One law of the chain at the last time.

    Attributes
    ----------
    name : str
        What the law is.
    source : str
        What sets it apart from the law before.
    weights : dict of str to ndarray, shape (R, entries)
        Weights of the surviving replicas, by matrix.
    """

    name: str
    source: str
    weights: dict[str, Array]


def intermediate_laws(
    experiment: Experiment,
    *,
    replicas: int,
    step: int,
    svag: int,
    seed: int,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Link, ...]:
    """Train the intermediate ensembles to a step of the original; seeds are independent of each other.

    Parameters
    ----------
    step : int
        Step of the experiment at whose time the laws are wanted.
    svag : int
        ``l`` of the SVAG ensemble.

    Raises
    ------
    KeyboardInterrupt
        On an interrupt.
    """
    sgd = experiment.sgd
    changes = []
    if sgd.sampling in ("epochs", "shared"):
        sgd = replace(sgd, sampling="without_replacement" if sgd.sampling == "epochs" else "iid")
        changes.append(("independent batches", BATCHES, sgd))
    changes.append(("Gaussian noise", NOISE, replace(sgd, noise="gaussian")))
    changes.append((f"sme1 (SVAG, l = {svag})", ORDER, replace(sgd, noise="svag", svag_l=svag)))
    found = []
    for index, (name, source, changed) in enumerate(changes):
        ensemble = train(
            replace(experiment, sgd=changed),
            replicas=replicas,
            steps=[step * changed.svag_l],
            rng=np.random.SeedSequence([seed, 1 + index]),
            threads=threads,
        )
        if ensemble.interrupted:
            raise KeyboardInterrupt
        alive = ~ensemble.divergence.mask
        weights = {m: w[-1, alive].reshape(int(alive.sum()), -1) for m, w in ensemble.weights.items()}
        found.append(Link(name, source, weights))
        if progress is not None:
            progress((index + 1) / len(changes))
    return tuple(found)
