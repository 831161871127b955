"""The definition of one experiment, from which both the ensemble and the theory are computed.

Immutable: a variant is ``dataclasses.replace(experiment, sgd=...)``.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fpsim.datasets import Dataset, GaussianPopulation
from fpsim.experiment.settings import SGD
from fpsim.experiment.start import Start
from fpsim.network.autoencoder import check_network
from fpsim.support.checks import instance_of
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.support.immutable import Immutable

if TYPE_CHECKING:
    from fpsim.network import Network

__all__ = ["Experiment"]


@dataclass(frozen=True, eq=False)
class Experiment(Immutable):
    """Data, network, rule of training and start.

    Attributes
    ----------
    data : Dataset or GaussianPopulation
        What is trained on.
    network : Network
        What is trained; the loss is ``|f(x) - y|^2 / 2``.
    sgd : SGD
        How it is trained.
    start : Start
        Distribution of the weights at step 0.
    test : Dataset, optional, keyword-only
        Samples held out of a training set (:meth:`fpsim.datasets.Dataset.split`): no step ever sees them, so that they
        change neither ensemble nor theory, only what losses are taken over.

    Raises
    ------
    DomainError
        If the parts do not fit together; the message names the key.
    """

    data: Dataset | GaussianPopulation
    network: Network
    sgd: SGD
    start: Start
    test: Dataset | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        instance_of(self.data, (Dataset, GaussianPopulation), "data")
        check_network(self.network)
        instance_of(self.sgd, SGD, "sgd")
        instance_of(self.start, Start, "start")
        if self.network.widths[0] != self.data.dimension:
            raise DomainError(
                f"network d = {self.network.widths[0]}, data have {self.data.dimension} components; "
                "equal numbers are accepted"
            )
        finite = isinstance(self.data, Dataset)
        instance_of(self.test, (type(None), Dataset), "test")
        if self.test is not None and not (finite and self.test.dimension == self.data.dimension):
            held = f"test set of {self.test.dimension} components with {self.data.name}"
            raise DomainError(f"{held}: a training set with as many components is accepted")
        if self.sgd.sampling == "fresh" and finite:
            raise DomainError(
                "sampling = 'fresh' needs a population; for a training set: iid, without_replacement, ..."
            )
        if self.sgd.sampling not in ("fresh", "shared") and not finite:
            raise DomainError(f"sampling = {self.sgd.sampling!r} needs a training set; for a population: fresh, shared")
        distinct = self.sgd.sampling in ("without_replacement", "epochs")
        if isinstance(self.data, Dataset) and distinct and self.sgd.batch_size > self.data.size:
            raise DomainError(
                f"batch_size = {self.sgd.batch_size} with sampling = {self.sgd.sampling!r}; "
                f"1 to {self.data.size}, the number of samples, is accepted"
            )
        self.start.entries(self.network)

    def warn_if_noise_is_not_white(self) -> None:
        """Warn where the plain Fokker-Planck equation does not describe the ensemble; called by theories.

        Warns
        -----
        ValidityWarning
            For shuffled epochs, whose noise sums to nearly zero over an epoch: the stationary variance is
            smaller than ``c_B Sigma`` gives by orders of magnitude, unless weights relax within an epoch.
            For shared batches, whose replicas are not independent: only averages over the batches obey the
            equation.
        """
        if self.sgd.sampling == "epochs":
            warnings.warn(
                "sampling = 'epochs': noise is anticorrelated within an epoch, the plain "
                "Fokker-Planck equation does not apply; 'iid' or 'without_replacement' is accepted",
                ValidityWarning,
                stacklevel=2,
            )
        if self.sgd.sampling == "shared":
            warnings.warn(
                "sampling = 'shared': all replicas see the same batches, the Fokker-Planck "
                "equation holds for the average over batch sequences, not for this ensemble",
                ValidityWarning,
                stacklevel=2,
            )

    @property
    def batch_factor(self) -> float:
        """``c_B`` of the mini-batch covariance ``S = c_B Sigma`` (docs/conventions.md).

        For shuffled epochs it is the factor of one batch; batches of one epoch are anticorrelated, so that no
        ``c_B`` makes the plain Fokker-Planck equation apply (theory: shuffled epochs).
        """
        b = self.sgd.batch_size
        if isinstance(self.data, Dataset) and self.sgd.sampling in ("without_replacement", "epochs"):
            n = self.data.size
            return (n - b) / (b * (n - 1)) if n > 1 else 0.0
        return 1.0 / b
