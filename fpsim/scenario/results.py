"""Results of a run, group by group, as its functions see them; and what a stage is given besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import xarray as xr

from fpsim.scenario.records import group
from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from fpsim.ensemble import Ensemble
    from fpsim.experiment import Experiment
    from fpsim.storage import Checkpoint
    from fpsim.support.progress import Progress, Reporter

T = TypeVar("T")

__all__ = ["MissingGroupError", "Results", "Workbench"]


class MissingGroupError(DomainError, KeyError):
    """A group is not there: its stage could not be computed, or has not been yet."""

    def __str__(self) -> str:
        return str(self.args[0])


class Results(Mapping[str, xr.Dataset]):
    """Groups of a run by path: ``run["offset/ensemble"]`` is a data set.

    Parameters
    ----------
    tree : xarray.DataTree
        The run.
    """

    def __init__(self, tree: xr.DataTree) -> None:
        self.tree = tree

    def __getitem__(self, path: str) -> xr.Dataset:
        if f"/{path.strip('/')}" not in self.tree.groups:
            raise MissingGroupError(f"group {path} is not there; there are {', '.join(self) or 'none'}")
        return group(self.tree, path.strip("/"))

    def __iter__(self) -> Iterator[str]:
        return (node.path.strip("/") for node in self.tree.subtree if node.path != "/" and node.data_vars)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Workbench(Results):
    """Results so far, and what a stage may use.

    Parameters
    ----------
    tree : xarray.DataTree
        Groups of earlier stages.
    threads : int, optional
        Number of threads; results must not depend on it.
    reporter : callable
        Makes ``progress(share)`` for a task.
    checkpoint : Checkpoint, optional
        Keeps the state of long training beside the run's file.
    """

    def __init__(
        self,
        tree: xr.DataTree,
        *,
        threads: int | None,
        reporter: Reporter,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        super().__init__(tree)
        self.threads = threads
        self.path = ""
        self._reporter = reporter
        self._checkpoint = checkpoint
        self._made: dict[str, object] = {}

    def progress(self, task: str) -> Progress:
        """``progress(share)`` of a task, by its name as it is shown."""
        return self._reporter(task)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What ``make()`` answers, made once for all stages; it must be the same whenever a run goes on.

        Parameters
        ----------
        name : str
            What is made, unique within the run.
        """
        if name not in self._made:
            self._made[name] = make()
        return cast(T, self._made[name])

    def train(
        self,
        experiment: Experiment,
        *,
        name: str,
        replicas: int,
        steps: Sequence[int],
        seed: int,
        partial: Callable[[Ensemble], xr.Dataset] | None = None,
    ) -> Ensemble:
        """Train an ensemble; an interruption costs seconds, and a name that was trained before is not trained again.

        Parameters
        ----------
        name : str
            What is trained, unique within the run; later stages get the same ensemble by the same name, also after
            the run was interrupted.
        steps : sequence of int
            Steps to record, increasing.
        partial : callable, optional
            The stage's data set made of what is recorded so far, put into the file for readers of a growing run.
        """
        from fpsim.scenario.training import train_kept

        path = self.path
        return self.once(
            f"ensemble {name}",
            lambda: train_kept(
                experiment,
                replicas=replicas,
                steps=steps,
                seed=seed,
                stage=name,
                checkpoint=self._checkpoint,
                threads=self.threads,
                progress=self.progress(f"{name}: train {replicas} replicas"),
                partial=None if partial is None else lambda ensemble: {path: partial(ensemble)},
            ),
        )
