"""Training of an ensemble of replicas.

The time loop is outermost: all replicas stand at the same step whenever anything is recorded, so memory
holds the weights of one time and the recorded ones, no more, and an interrupt loses nothing that was recorded.
Random numbers are addressed by (key, replica, step): results are the same bits for any number of threads, any
chunk, and for stop-and-continue.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fpsim.ensemble.ensemble import Divergence, Ensemble, State
from fpsim.ensemble.recording import kept_steps, record_steps, tracked_names
from fpsim.ensemble.replicas import Replicas
from fpsim.ensemble.statistics import TILE, EnsembleStatistics, Statistics, measure, observable_names, observables
from fpsim.experiment import Experiment
from fpsim.support.checks import instance_of, whole_number
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.support.interrupts import deferred_interrupt
from fpsim.support.memory import check_memory
from fpsim.support.progress import check_progress
from fpsim.support.random_streams import RNG, key_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.ensemble.recording import Record
    from fpsim.support.progress import Progress

__all__ = ["resume", "train"]

logger = logging.getLogger(__name__)


def train(
    experiment: Experiment,
    *,
    replicas: int,
    times: Sequence[float] | NDArray[np.float64] | None = None,
    steps: Sequence[int] | NDArray[np.int64] | None = None,
    rng: RNG = None,
    record: Record = "weights",
    track: Sequence[str] | None = None,
    statistics: Statistics | None = None,
    state: State | None = None,
    first_replica: int = 0,
    threads: int | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> Ensemble:
    """Train ``replicas`` independent copies of a network and record them.

    Parameters
    ----------
    experiment : Experiment
        Data, network, rule of training and start.
    replicas : int
        Number R of replicas.
    times, steps : sequence, one of the two
        When to record: increasing times ``t = sum of learning rates``, or steps. Times are multiples of a constant
        learning rate; of a schedule the nearest step is taken, whose time the result tells. Training ends at the
        last one.
    rng : None, int, SeedSequence or Generator
        Source of all random numbers, reduced to one key, which the result reports; given as ``rng`` again, the key
        repeats them.
    record : {"weights", "last"} or sequence of int
        Keep weights at every recorded step, at the last only, or at the given ones of the recorded steps; none
        with ``()``, so that a million replicas with statistics need the memory of their weights once.
    track : sequence of str, optional
        Trained matrices to record; all by default.
    statistics : Statistics, optional
        Streaming statistics to take at every recorded step.
    state : State, optional
        Continue from here instead of the start; recorded steps must not lie before it.
    first_replica : int
        Number of the first replica: ``replicas=10, first_replica=50`` gives replicas 50 to 59 of any larger
        ensemble.
    threads : int, optional
        Threads to use; all processors of this process by default. No influence on any number.
    chunk : int, optional
        Replicas advanced per call of the kernel; all by default. No influence on any number.
    progress : callable, optional
        Called with the share of the steps that is done, from 0 to 1, from time to time.

    Returns
    -------
    Ensemble
        A keyboard interrupt ends training early and keeps what is done (``interrupted=True``).

    Raises
    ------
    DomainError
        If an option is not accepted; the message names it.
    MemoryLimitError
        If the recorded weights would not fit into memory; nothing has been computed then.

    Warns
    -----
    ValidityWarning
        If replicas diverged: how many, and from which step on. Statistics then cover the survivors.
    """
    instance_of(experiment, Experiment, "experiment")
    instance_of(state, (type(None), State), "state")
    instance_of(statistics, (type(None), Statistics), "statistics")
    check_progress(progress)
    replicas = whole_number(replicas, "replicas", least=1)
    if chunk is not None:
        whole_number(chunk, "chunk", least=1)
    if whole_number(first_replica, "first_replica", least=0) > 2**32 - 1 - replicas:
        raise DomainError(f"first_replica is {first_replica}: 0 to 2^32 - 1 - replicas is accepted")
    begin = 0 if state is None else state.step
    schedule = record_steps(experiment, times, steps, begin)
    kept = kept_steps(record, schedule)
    tracked = tracked_names(experiment, track)
    key = key_of(rng)
    trained = Replicas(experiment, replicas, first_replica, key, state)
    entries = sum(math.prod(experiment.network.shapes[name]) for name in tracked)
    advice = "record='last' with statistics, fewer times or fewer replicas need less"
    check_memory(8.0 * entries * replicas * len(kept), "recorded weights", advice)

    # pages are taken only when they are filled
    weights = {name: np.empty((len(kept), replicas, *experiment.network.shapes[name])) for name in tracked}
    measured: list[dict[str, NDArray[np.generic]]] = []
    names = () if statistics is None else observable_names(experiment, tracked, statistics)
    done = begin
    recorded = filled = 0
    with deferred_interrupt() as interrupted:
        for target in schedule:
            while done < target and not interrupted.is_set():
                stop = min(target, done + trained.slice_length)
                trained.advance(done, stop, threads=threads, chunk=chunk)
                done = stop
                if progress is not None:
                    try:
                        progress((done - begin) / (schedule[-1] - begin))
                    except KeyboardInterrupt:
                        interrupted.set()
            if done < target:
                break
            recorded += 1
            if target in kept:
                for start in range(0, replicas, TILE):
                    matrices = trained.matrices(start, start + TILE)
                    for name, recorded_matrices in weights.items():
                        recorded_matrices[filled, start : start + TILE] = matrices[name]
                filled += 1
            if statistics is not None:
                tiles = (trained.matrices(start, start + TILE) for start in range(0, replicas, TILE))
                values = (observables(experiment, tile, tracked, statistics, threads) for tile in tiles)
                measured.append(measure(values, statistics))
    logger.debug("trained %d replicas to step %d", replicas, done)

    sgd = experiment.sgd
    all_steps = np.array(schedule[:recorded], dtype=np.int64)
    all_times = np.array([sgd.time(k) for k in all_steps])
    has = np.isin(all_steps, kept)
    ensemble = Ensemble(
        experiment=experiment,
        key=key,
        first_replica=first_replica,
        steps=all_steps[has],
        times=all_times[has],
        weights={name: matrices[:filled] for name, matrices in weights.items()},
        statistics=_collect(statistics, measured, names, all_steps, all_times),
        divergence=Divergence(trained.diverged),
        state=trained.finish(done),
        interrupted=interrupted.is_set() and done < schedule[-1],
    )
    if ensemble.divergence.count:
        warnings.warn(
            f"{ensemble.divergence.count} of {replicas} replicas diverged, the first at step "
            f"{ensemble.divergence.first_step}; their weights are nan since then, statistics cover the rest",
            ValidityWarning,
            stacklevel=2,
        )
    return ensemble


def resume(
    ensemble: Ensemble,
    *,
    times: Sequence[float] | NDArray[np.float64] | None = None,
    steps: Sequence[int] | NDArray[np.int64] | None = None,
    record: Record = "weights",
    track: Sequence[str] | None = None,
    statistics: Statistics | None = None,
    threads: int | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> Ensemble:
    """Continue an ensemble with the bits of an uninterrupted run; options as in `train`."""
    instance_of(ensemble, Ensemble, "ensemble")
    if ensemble.experiment is None or ensemble.state is None or ensemble.key is None:
        raise DomainError("the ensemble has no experiment, state or key to go on from: one that train gave is accepted")
    return train(
        ensemble.experiment,
        replicas=ensemble.replicas,
        times=times,
        steps=steps,
        rng=ensemble.key,
        record=record,
        track=track,
        statistics=statistics,
        state=ensemble.state,
        first_replica=ensemble.first_replica,
        threads=threads,
        chunk=chunk,
        progress=progress,
    )


def _collect(
    spec: Statistics | None,
    measured: list[dict[str, NDArray[np.generic]]],
    names: tuple[str, ...],
    steps: NDArray[np.int64],
    times: NDArray[np.float64],
) -> EnsembleStatistics | None:
    if spec is None or not measured:
        return None
    edges = np.linspace(spec.low, spec.high, spec.bins + 1)
    fields = {key: np.stack([m[key] for m in measured]) for key in measured[0]}
    return EnsembleStatistics(steps=steps, times=times, names=names, edges=edges, **fields)
