"""A model's compiled code, for kernels that move the members of many beliefs by themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np

from songsinh.models import compilation, integration, strides
from songsinh.models.steps import FIXED, STIFF

__all__ = ["LANES", "WIDEST", "Code"]

LANES, WIDEST = 16, 64  # members that step together, and states they have in all


@final
@dataclass(frozen=True)
class Code:
    """The law of a model as kernels call it, and the kernels that run it.

    A kernel is a plain Python function. The global names `leap` and `observe` in it and in its
    helpers come to mean what they mean in `compilation` and `integration`; `leap(solver, ...)`
    integrates. So kernels do not hang on the model, and are compiled once for all of them.
    """

    method: int
    law: tuple[Any, ...]
    output: Any
    tolerance: tuple[Any, ...]
    most_steps: int
    states: int
    events: int
    inputs: int
    is_compiled: bool = True

    def kernel(self, function: Callable[..., Any], *example: Any) -> Any:
        """The kernel for arguments like the example: compiled, or as it stands in Python."""
        linked = _linked(function)
        if not self.is_compiled:
            return linked
        return compilation.compiled(linked, f"void({', '.join(map(_kind, example))})")

    @property
    def solver(self) -> Any:
        """The kernel that integrates, as `leap` takes it."""
        kernel = strides.stride if self._is_even else integration.driver(self.method)
        if not self.is_compiled:
            return kernel
        return compilation.place_of(compilation.compiled(kernel, integration.INTEGRATE))

    def workspace(self, members: int) -> tuple[Any, ...]:
        """Fresh room for the solver, of one thread and so many members."""
        if self._is_even:
            return strides.room(members, self.states, self.inputs)  # type: ignore[no-any-return]
        one = self.method == STIFF or not self.is_compiled
        lanes = 1 if one else max(1, min(LANES, WIDEST // self.states, members))
        return integration.workspace(  # type: ignore[no-any-return]
            self.method, self.states, self.events, self.inputs, lanes
        )

    @property
    def _is_even(self) -> bool:
        """Whether all members take the same steps."""
        return self.method == FIXED and not self.events


@cache
def _linked(function: Callable[..., Any]) -> Any:
    return compilation.fixed(function, leap=compilation.leap, observe=integration.observe)


def _kind(value: Any) -> str:
    """How numba calls the type of a value: numbers, contiguous arrays and tuples of these."""
    if isinstance(value, tuple):
        return f"Tuple(({', '.join(map(_kind, value))},))"
    if isinstance(value, np.ndarray):
        dtype = "boolean" if value.dtype == np.bool_ else value.dtype.name
        return f"{dtype}[{':, ' * (value.ndim - 1)}::1]"
    if isinstance(value, bool):
        return "boolean"
    return "int64" if isinstance(value, int) else "float64"
