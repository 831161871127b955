"""The vectorised elementary functions against 40-digit decimal arithmetic."""

from decimal import Decimal, getcontext

import numpy as np
import pytest
from numba import njit

from fpsim.support import elementary

getcontext().prec = 40
TWO_PI = Decimal("6.283185307179586476925286766559005768394338798750")
exp_minus_one, tanh, log, cos_sin = (
    elementary.exp_minus_one,
    elementary.tanh,
    elementary.log,
    elementary.cos_sin,
)


@njit(error_model="numpy")
def apply(which, z, out):
    for i in range(z.size):
        if which == 0:
            out[i] = exp_minus_one(z[i])
        elif which == 1:
            out[i] = tanh(z[i])
        elif which == 2:
            out[i] = log(z[i])
        elif which == 3:
            out[i] = cos_sin(z[i])[0]
        else:
            out[i] = cos_sin(z[i])[1]


def sine(x):
    term, total, n = x, x, 1
    while abs(term) > Decimal("1e-38"):
        term *= -x * x / ((n + 1) * (n + 2))
        total, n = total + term, n + 2
    return total


RNG = np.random.default_rng(0)
SIGNED = np.concatenate([RNG.uniform(-30, 30, 300), 10.0 ** RNG.uniform(-14, 0, 200), [-0.5, 22.0, 700.0]])
UNIT = np.concatenate([RNG.uniform(size=300), 10.0 ** RNG.uniform(-16, 0, 200), 1 - 10.0 ** RNG.uniform(-15, -1, 200)])
CASES = {
    "exp_minus_one": (0, SIGNED[:-1], lambda x: x.exp() - 1),
    "tanh": (1, SIGNED, lambda x: ((2 * x).exp() - 1) / ((2 * x).exp() + 1)),
    "log": (2, UNIT, lambda x: x.ln()),
}


@pytest.mark.parametrize("name", CASES)
def test_relative_error_of_two_units_in_the_last_place(name):
    which, z, truth = CASES[name]
    out = np.empty_like(z)
    apply(which, z, out)
    for value, x in zip(out, z, strict=True):
        exact = truth(Decimal(float(x)))
        assert abs(Decimal(float(value)) - exact) <= 2 * Decimal(float(np.spacing(abs(float(exact)))))


@pytest.mark.parametrize(("which", "shift"), [(3, "0.25"), (4, "0")])
def test_cosine_and_sine_of_turns(which, shift):
    turns = UNIT[UNIT < 1]
    out = np.empty_like(turns)
    apply(which, turns, out)
    for value, turn in zip(out, turns, strict=True):
        exact = sine(TWO_PI * (Decimal(float(turn)) + Decimal(shift)))
        assert abs(Decimal(float(value)) - exact) <= Decimal("2.3e-16")


def test_special_values():
    out = np.empty(4)
    apply(1, np.array([0.0, np.inf, -np.inf, np.nan]), out)
    assert out[0] == 0.0
    assert out[1] == 1.0
    assert out[2] == -1.0
    assert np.isnan(out[3])
