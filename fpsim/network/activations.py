"""Activation functions phi with first and second derivative, by name.

The functions work on arrays (NumPy) and, compiled by numba, on numbers, so one definition serves theory and
training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fpsim.support.checks import answer, instance_of, real_array, shown
from fpsim.support.errors import DomainError

__all__ = ["Activation", "activation", "register_activation"]

Function: TypeAlias = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Activation:
    """An activation function and its derivatives; pickled by its name.

    Attributes
    ----------
    name : str
        Name in configurations and files.
    function, derivative, second_derivative : callable
        ``phi``, ``phi'`` and ``phi''`` of an array or a number; ``second_derivative`` may be ``None`` (then
        theories that need the Hessian refuse it).
    """

    name: str
    function: Function
    derivative: Function
    second_derivative: Function | None = None

    def __reduce__(self) -> tuple[Callable[[str], Activation], tuple[str]]:
        return activation, (self.name,)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * z)


BUILT_IN = (
    Activation("linear", lambda z: z + 0.0, lambda z: 0.0 * z + 1.0, lambda z: 0.0 * z),
    Activation(
        "tanh",
        np.tanh,
        lambda z: 1.0 - np.tanh(z) ** 2,
        lambda z: -2.0 * np.tanh(z) * (1.0 - np.tanh(z) ** 2),
    ),
    Activation("relu", lambda z: np.maximum(z, 0.0), lambda z: 1.0 * (z > 0.0), lambda z: 0.0 * z),
    Activation(
        "sigmoid",
        _sigmoid,
        lambda z: _sigmoid(z) * (1.0 - _sigmoid(z)),
        lambda z: _sigmoid(z) * (1.0 - _sigmoid(z)) * (1.0 - 2.0 * _sigmoid(z)),
    ),
)
_registry = {a.name: a for a in BUILT_IN}


def activation(name: str) -> Activation:
    """Registered activation ``name``.

    Raises
    ------
    DomainError
        If no activation of this name is registered.
    """
    try:
        return _registry[name]
    except (KeyError, TypeError):
        accepted = ", ".join(_registry)
        raise DomainError(f"activation = {name!r} is unknown; accepted: {accepted}, or one registered before") from None


def register_activation(
    name: str, function: Function, derivative: Function, second_derivative: Function | None = None
) -> Activation:
    """Add an activation of one's own.

    Parameters
    ----------
    name : str
        A name not taken by a built-in activation.
    function, derivative, second_derivative : callable
        Functions of one argument that work on arrays and that numba can compile for a number (NumPy
        functions do).

    Raises
    ------
    DomainError
        If the name belongs to a built-in activation or the derivative disagrees with the function.
    """
    instance_of(name, str, "name")
    for key, f in (("function", function), ("derivative", derivative), ("second_derivative", second_derivative)):
        if not callable(f) and (f is not None or key != "second_derivative"):
            raise DomainError(f"{key} of activation {name!r} is {shown(f)}: a function of one argument is accepted")
    if name in (a.name for a in BUILT_IN):
        raise DomainError(f"activation {name!r} is built in and cannot be replaced; choose another name")
    z = np.array([-1.37, -0.61, 0.23, 0.94, 1.71])
    for key, f, df in (
        ("derivative", function, derivative),
        ("second_derivative", derivative, second_derivative),
    ):
        if df is None:
            continue
        up, down, found = (
            real_array(answer(function_, (place,), key), f"activation {name!r}")
            for function_, place in ((f, z + 1e-6), (f, z - 1e-6), (df, z))
        )
        slope = (up - down) / 2e-6
        if found.shape not in ((), z.shape) or not np.allclose(found, slope, rtol=1e-6, atol=1e-6):
            raise DomainError(f"activation {name!r}: {key} gives {found} at {z}, finite differences give {slope}")
    _registry[name] = Activation(name, function, derivative, second_derivative)
    return _registry[name]
