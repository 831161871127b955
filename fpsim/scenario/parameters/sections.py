"""Sections of parameters that scenarios share, as validated immutable values.

A scenario's parameters are a subclass of :class:`Parameters` whose fields are numbers, words or sections like these.
The text beneath a field is its meaning, shown by ``fpsim show``. Unknown keys are refused, every value is checked, and
the resolved configuration is written into the output file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from fpsim.datasets import Dataset, DataTable

__all__ = [
    "Data",
    "EnsembleSize",
    "NetworkShape",
    "NonNegative",
    "Numbers",
    "Parameters",
    "Positive",
    "Section",
    "Sgd",
    "StartName",
    "StartPoint",
    "Time",
]

ENDINGS = (".csv", ".npy", ".npz", ".parquet")
"""Files that :func:`fpsim.datasets.read_table` reads."""
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Numbers = float | tuple[float, ...]
StartName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Section(BaseModel):
    """A table of a scenario: immutable, without unknown keys, all values checked, infinities refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Data(Section):
    """The training set."""

    source: Annotated[str, Field(min_length=1)] = "digits"
    """``digits``, ``iris``, or a table of one's own: a path that ends in .csv, .npy, .npz or .parquet."""
    columns: tuple[str, ...] = ()
    """Columns of a table to take, in this order; all if none are named."""
    components: Annotated[int, Field(ge=1, le=64)] = 2
    """Leading principal components kept: the input width d of the bottleneck."""
    centre: bool = True
    """Subtract the mean of every column."""
    standardise: bool = False
    """Divide every column by its standard deviation, before components are taken."""
    test_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the samples that is held out of training; 0 holds none out."""

    @model_validator(mode="after")
    def _is_a_source(self) -> Data:
        built_in = self.source in ("digits", "iris")
        if not built_in and not self.source.lower().endswith(ENDINGS):
            raise ValueError(
                f"data.source = {self.source!r}: 'digits', 'iris' or a path that ends in {', '.join(ENDINGS)} "
                "is accepted"
            )
        if built_in and self.columns:
            raise ValueError("data.columns: for a table of one's own only")
        if self.source == "digits" and self.standardise:
            raise ValueError(
                "data.standardise = true: false is accepted for digits, some pixels of which are always dark"
            )
        return self

    @property
    def is_own(self) -> bool:
        """Whether it is a table of one's own."""
        return self.source not in ("digits", "iris")

    def table(self) -> DataTable:
        """The table of one's own, with its names and checksum."""
        from fpsim.datasets import read_table

        return read_table(self.source, columns=self.columns)

    def load(self, *, rng: int) -> tuple[Dataset, Dataset | None]:
        """Training set, and the test set if a share is held out.

        The leading component has variance 1; ``rng`` chooses the samples that are held out.

        Raises
        ------
        FileError, DomainError
            If the file cannot be read, a number is missing, or there are too few columns or samples.
        """
        from fpsim.datasets import digits, iris, read_dataset

        if self.source == "digits":
            found = digits(self.components, centre=self.centre)
        elif self.source == "iris":
            found = iris(self.components, centre=self.centre, standardise=self.standardise)
        else:
            found = read_dataset(
                self.source,
                columns=self.columns,
                components=self.components,
                centre=self.centre,
                standardise=self.standardise,
            )
        return found.split(self.test_share, rng=rng) if self.test_share else (found, None)


class NetworkShape(Section):
    """The bottleneck auto-encoder f(x) = W2 phi(W1 x)."""

    bottleneck: Annotated[int, Field(ge=1, le=16)] = 1
    """Width of the hidden layer."""
    activation: str = "linear"
    """Activation function phi of the hidden layer."""


class Sgd(Section):
    """One stochastic-gradient-descent experiment."""

    learning_rate: Positive = 0.05
    """Step size eta: W is moved by - eta times the gradient."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Samples B of a mini-batch."""
    sampling: Literal["iid", "without_replacement", "epochs", "fresh", "shared"] = "iid"
    """How the samples of a mini-batch are drawn."""
    weight_decay: NonNegative = 0.0
    """Coefficient a of the term a |W|^2 / 2 of the loss."""
    label_noise: NonNegative = 0.0
    """Standard deviation of the normal noise on every target."""
    temperature: NonNegative = 0.0
    """Temperature T of the Langevin noise: variance 2 eta T per step."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Heavy-ball momentum mu."""


class StartPoint(Section):
    """Where the weights start: independent normal entries for both matrices."""

    mean: Numbers = 0.0
    """One number, or one per entry of the flattened matrix (the same for both matrices)."""
    std: Positive = 0.1
    """Standard deviation of every entry."""


class EnsembleSize(Section):
    """How many independent runs, and how many of them are kept in the file."""

    replicas: Annotated[int, Field(ge=100, le=10_000_000)] = 50_000
    """Independent runs of the experiment."""
    stored: Annotated[int, Field(ge=0)] = 2_000
    """Replicas whose weights are kept in the file."""


class Time(Section):
    """Training time t = steps * learning_rate, recorded at ``records`` equal intervals after the start."""

    end: Positive = 10.0
    """Training time at which the run ends."""
    records: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Number of equal intervals."""


class Parameters(Section):
    """Parameters of a scenario; every scenario has a seed."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 20250116
    """Seed of all random numbers."""
