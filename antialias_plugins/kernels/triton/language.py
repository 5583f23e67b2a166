"""The one file that imports Triton. What the kernels are written in comes from here."""

from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

__all__ = ['INTERPRETED', 'device', 'jit', 'next_power_of_2', 'tl']

jit = triton.jit
next_power_of_2 = triton.next_power_of_2


@jit
def _probe():
    pass


# Decided when a kernel is defined: with TRITON_INTERPRET=1 all of them run as NumPy, on the CPU too.
INTERPRETED = not isinstance(_probe, triton.JITFunction)


def device(function: Callable) -> Any:
    """Decorate a function that kernels call.

    The interpreter needs no decoration, and with one it would prepare Triton's language anew at every call.
    """
    return function if INTERPRETED else jit(function)
