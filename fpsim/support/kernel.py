"""How the lane kernels are compiled.

`lane_kernel` compiles functions that work on arrays owned by their caller and allocate nothing: reference
counts, updated atomically at every use of an array, would cost more than the arithmetic, and Python's check
of every division would keep loops from becoming vector instructions. `inlined` is for functions of numbers
inside such loops. No fast-math: results are the same bits on every machine and for every width of its
vectors.
"""

from __future__ import annotations

from typing import Any

from fpsim.support.compilation import njit

__all__ = ["inlined", "lane_kernel"]

_options: dict[str, Any] = {
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
lane_kernel = njit(**_options)
inlined = njit(**_options, forceinline=True)
