"""Motion: the members of a belief carried through time, wandering as they go."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import FilterError
from songsinh.models import Array, Forcing, Model, Run, forcing
from songsinh.series import Series
from songsinh.twin.belief import Belief, place

__all__ = ["Wander", "advance", "carried", "wandering"]


@final
@dataclass(frozen=True, eq=False)
class Wander:
    """How columns of states or parameters wander: which, their sd per root of a second, bounds."""

    moving: NDArray[np.intp]
    sds: Array
    lower: Array
    upper: Array

    def step(self, table: Array, span: float, chance: np.random.Generator) -> Array:
        """The table [members, columns] after so many seconds, inside its bounds."""
        if not len(self.moving):
            return table
        drawn = chance.standard_normal((len(table), len(self.moving)))
        table = table.copy()
        table[:, self.moving] += np.sqrt(span) * self.sds * drawn
        return np.clip(table, self.lower, self.upper)


Wanders = tuple[Wander, Wander]  # of states, of parameters


def advance(
    model: Model,
    belief: Belief,
    times: Array,
    inputs: Series | Forcing | None = None,
    drift: Mapping[str, float] | None = None,
) -> tuple[Belief, Run]:
    """The belief at the last of the times (s), and the run of its members through all of them.

    With drift the members wander at each of the times; without it one run goes through.
    A member that fails is given the place of one that did not; FilterError if most fail.
    """
    if times[0] != belief.time:
        raise FilterError(
            f"the belief stands at {belief.time:.6g} s and cannot begin at {times[0]:.6g} s; "
            "begin at its own time"
        )
    wander = wandering(model, drift)
    return carried(model, belief, times, wind=forcing(model.signals, inputs), wander=wander)


def wandering(model: Model, drift: Mapping[str, float] | None) -> Wanders | None:
    """How states and parameters wander under a drift; None without one."""
    if not drift:
        return None
    signals = model.signals
    sds = {
        "state": np.zeros(len(signals.columns("state"))),
        "parameter": np.zeros(len(signals.columns("parameter"))),
    }
    for name, sd in drift.items():
        kind, index = place(model, name)
        size = signals[name].size if name in signals else 1
        sds[kind][index : index + size] = sd
    moving = {kind: np.flatnonzero(sd) for kind, sd in sds.items()}
    return (
        Wander(
            *(moving["state"], sds["state"][moving["state"]]),
            *(signals.lower("state"), signals.upper("state")),
        ),
        Wander(
            *(moving["parameter"], sds["parameter"][moving["parameter"]]),
            *(signals.lower("parameter"), signals.upper("parameter")),
        ),
    )


def carried(
    model: Model, belief: Belief, times: Array, *, wind: Forcing, wander: Wanders | None
) -> tuple[Belief, Run]:
    """What `advance` gives, from inputs and drift that are already prepared."""
    if wander is None:
        return _leg(model, belief, times, wind, None)
    runs = []
    for step in range(max(len(times) - 1, 1)):
        belief, run = _leg(model, belief, times[step : step + 2], wind, wander)
        runs.append(run)
    return belief, runs[0] if len(runs) == 1 else _joined(times, runs)


def _leg(
    model: Model, belief: Belief, times: Array, wind: Forcing, wander: Wanders | None
) -> tuple[Belief, Run]:
    """One run through the times; members wander once it is over."""
    run = model.run(times, belief.states, belief.parameters, wind)
    states, parameters, cycle = run.states[:, -1], belief.parameters, belief.cycle
    time = float(run.times[-1])
    span = time - belief.time
    if (run.codes != 0).any():
        run, states, parameters = _replaced(belief, run)
    if wander is not None and span > 0:
        chance = belief.generator()
        states = wander[0].step(states, span, chance)
        parameters = wander[1].step(parameters, span, chance)
        shown = model.run(run.times[-1:], states, parameters, wind)
        run.states[:, -1], run.outputs[:, -1] = states, shown.outputs[:, 0]
        cycle += 1
    return replace(belief, time=time, states=states, parameters=parameters, cycle=cycle), run


def _replaced(belief: Belief, run: Run) -> tuple[Run, Array, Array]:
    """Members that failed take the place of others, in turn."""
    fine = np.flatnonzero(run.codes == 0)
    if 2 * len(fine) < len(belief):
        why = run.failed[0][1] if run.failed else "an event stopped it"
        raise FilterError(
            f"{len(belief) - len(fine)} of {len(belief)} members failed after {belief.time:.6g} s "
            f"(the first: {why}); check the readings and the bounds of states and parameters"
        )
    source = np.arange(len(belief))
    lost = np.flatnonzero(run.codes != 0)
    source[lost] = fine[np.arange(len(lost)) % len(fine)]
    mended = replace(
        run, states=run.states[source], outputs=run.outputs[source], codes=run.codes[source]
    )
    return mended, mended.states[:, -1], belief.parameters[source]


def _joined(times: Array, runs: list[Run]) -> Run:
    first = runs[0]
    states = np.concatenate([first.states[:, :1], *(run.states[:, 1:] for run in runs)], axis=1)
    outputs = np.concatenate([first.outputs[:, :1], *(run.outputs[:, 1:] for run in runs)], axis=1)
    reached = runs[-1].reached.copy()
    for run in reversed(runs):  # a member that was replaced reached only where it failed first
        short = run.reached < run.times[-1]
        reached[short] = run.reached[short]
    return replace(first, times=times, states=states, outputs=outputs, reached=reached)
