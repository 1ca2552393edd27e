"""Running a model: from named values to a run of all members."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from songsinh.errors import DataError, ModelError
from songsinh.models.model import Forcing, Model, Run, columns, forcing
from songsinh.series import Series

__all__ = ["simulate"]


def simulate(
    model: Model,
    times: ArrayLike,
    *,
    states: Mapping[str, ArrayLike] | ArrayLike | None = None,
    parameters: Mapping[str, ArrayLike] | ArrayLike | None = None,
    inputs: Series | Forcing | None = None,
    members: int | None = None,
) -> Run:
    """Run a model from the first of the times (s) through the others.

    States and parameters are given by name, one number for all members or one for each, or as
    arrays [members, columns]; what is not given starts where its signal says. A member that
    fails carries a code and a reason in the run, the others go on.

    >>> from songsinh.models import Equations
    >>> from songsinh.signals import state
    >>> decay = Equations("decay", (state("mass", "kg", 1.0),), rate=lambda t, s, u, p: -s.mass)
    >>> simulate(decay, [0.0, 1.0])["mass"].round(4)
    array([[1.    , 0.3679]])
    """
    grid = np.ascontiguousarray(times, dtype=np.float64)
    if grid.ndim != 1 or not len(grid) or not np.isfinite(grid).all() or (np.diff(grid) < 0).any():
        raise DataError(
            f"the times to simulate are {times!r:.60}; "
            "give seconds in rising order, the start first"
        )
    start = columns(model.signals, "state", states, members)
    law = columns(model.signals, "parameter", parameters, members)
    if len(start) != len(law):
        if 1 not in (len(start), len(law)):
            raise ModelError(
                f"states are given for {len(start)} members and parameters for {len(law)}; "
                "give both for the same members"
            )
        count = max(len(start), len(law))
        start = np.tile(start, (count // len(start), 1))
        law = np.tile(law, (count // len(law), 1))
    return model.run(grid, start, law, forcing(model.signals, inputs), patient=False)
