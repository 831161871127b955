"""The vectorised elementary functions against 40-digit decimal arithmetic."""

from decimal import Decimal, getcontext

import numpy as np
import pytest
from numba import njit

from fpsim.support import elementary

getcontext().prec = 40
exp_minus_one, tanh, log = elementary.exp_minus_one, elementary.tanh, elementary.log


@njit(error_model="numpy")
def apply(which, z, out):
    for i in range(z.size):
        if which == 0:
            out[i] = exp_minus_one(z[i])
        elif which == 1:
            out[i] = tanh(z[i])
        else:
            out[i] = log(z[i])


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


def test_special_values():
    out = np.empty(4)
    apply(1, np.array([0.0, np.inf, -np.inf, np.nan]), out)
    assert out[0] == 0.0
    assert out[1] == 1.0
    assert out[2] == -1.0
    assert np.isnan(out[3])
