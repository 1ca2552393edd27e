"""The ageing of a cell as equations: capacity fades with use and recovers with rest.

Time counts discharges here, not seconds: a rate is per discharge, a life is a number of them,
and a drift grows with the root of their number. Capacities are in Ah.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from songsinh.maths import expm1, maximum
from songsinh.models import Array, Equations, FixedStep
from songsinh.sectors.battery.ageing_constants import LEARNED, REFERENCE, AgeingConstants
from songsinh.signals import Signals, input_, output, parameter, state
from songsinh.twin import Belief, believe

__all__ = ["AGEING", "CALM", "FUTURES", "RESTLESS", "before_first_discharge", "rest_effect"]

FUTURES: Final = 100  # sequences of rests that the members of a forecast share among them
CALM, RESTLESS = 0.25, 4.0  # bounds of one cell's noise as a variance, the usual one being 1


def _rate(t: Any, s: Any, u: Any, p: Any) -> Any:
    # the gain makes what a rest gives back arrive whole, one discharge later
    gain = 1.0 / (p.recovery_life * -expm1(-1.0 / p.recovery_life))
    rest = u.rest_effect[int(p.future)]
    return (
        -maximum(s.fade, 0.0) * s.lasting / REFERENCE,
        -(s.fade - p.usual_fade) / p.fade_life,
        -s.recovered / p.recovery_life + gain * p.regeneration * rest,
    )


def _output(t: Any, s: Any, u: Any, p: Any) -> Any:
    return (s.lasting + s.recovered,)


_STATES = (
    state("lasting", "Ah", LEARNED.capacity, lower=0.0, upper=5.0, meaning="without recovery"),
    state("fade", "Ah", LEARNED.fade, meaning="loss per discharge at 1.8 Ah"),
    state("recovered", "Ah", meaning="capacity that rests gave back, for a while"),
)
_PARAMETERS = (
    parameter("usual_fade", "Ah", LEARNED.fade, meaning="what the fade goes back to"),
    parameter("fade_life", "1", LEARNED.fade_life, lower=1.0, meaning="discharges it takes to"),
    parameter("recovery_life", "1", LEARNED.recovery_life, lower=0.5, meaning="in discharges"),
    parameter(
        *("regeneration", "Ah", LEARNED.regeneration),
        lower=0.0,
        upper=1.0,
        meaning="capacity that a long rest gives back",
    ),
    parameter(
        *("noise_scale", "1", 1.0),
        lower=CALM,
        upper=RESTLESS,
        meaning="this cell's variances, times the usual",
    ),
    parameter("evidence", "1", LEARNED.evidence, lower=0.0, meaning="discharges that say so"),
    parameter("future", "1", lower=0.0, upper=FUTURES - 1, meaning="whose rests a member sees"),
)
# one column for each future: all members see one input, so the futures come side by side
_REST = input_("rest_effect", size=FUTURES, meaning="share of a full recovery by the rest before")
_CAPACITY = output("capacity", "Ah", lower=0.05, upper=4.0, meaning="what a discharge measures")

AGEING: Final = Equations(
    "battery ageing",
    Signals((*_STATES, *_PARAMETERS, _REST, _CAPACITY)),
    rate=_rate,
    output=_output,
    solver=FixedStep(0.5),
    meaning="capacity of a lithium-ion cell, discharge after discharge",
)


def rest_effect(rest_h: ArrayLike, constants: AgeingConstants = LEARNED) -> Array:
    """The share (0 to 1) of a full recovery after a rest in h beyond the usual pause.

    A rest that is not known (NaN) counts as none.

    >>> float(rest_effect(0.0))
    0.0
    """
    hours = np.maximum(np.nan_to_num(np.asarray(rest_h, np.float64), nan=0.0), 0.0)
    return np.asarray(1.0 - np.exp(-hours / constants.rest_scale_h))


def before_first_discharge(
    *, members: int = 500, seed: int = 1, constants: AgeingConstants = LEARNED
) -> Belief:
    """What is thought of a cell sold as 2 Ah before its first discharge, at time 0."""
    return believe(
        AGEING,
        {
            "lasting": (constants.capacity, constants.capacity_spread),
            "fade": (constants.fade, constants.fade_spread),
            "recovered": (0.0, constants.recovered_spread),
            "usual_fade": constants.fade,
            "fade_life": constants.fade_life,
            "recovery_life": constants.recovery_life,
            "regeneration": (constants.regeneration, constants.regeneration_spread),
            "evidence": constants.evidence,
        },
        members=members,
        seed=seed,
    )
