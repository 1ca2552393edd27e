"""Pictures of what was found about cells."""

from collections.abc import Iterator, Sequence

import numpy as np

from songsinh.reports import Alarm, Curve, Fan, Panels, Picture, Timeline, Traces
from songsinh.sectors.battery.end_of_life import LEAD, THRESHOLD_AH, Alarms
from songsinh.sectors.battery.studies import ASKED, Study
from songsinh.sectors.battery.tracking import Tracking

__all__ = ["pictures"]

SHOWN = 3  # cells with voltage pictures


def pictures(studies: Sequence[Study]) -> Iterator[Picture]:
    """Capacity forecasts, alarms, voltage and state of charge, as far as cells have them."""
    for at in ASKED:
        fans = [_fan(study, at) for study in studies if at in study.outlooks]
        if fans:
            yield Panels(
                f"Capacity, foretold at discharge {at}",
                fans,
                f"Each cell was followed for {at} discharges and then foretold to its end; dots "
                "came later and were not seen.",
            )
    told = [(study, study.alarms) for study in studies if study.alarms is not None]
    if told:
        yield Timeline(
            "When the twin warns",
            [_alarm(study, alarms) for study, alarms in told],
            told[0][1].cut,
            f"Chance that capacity falls below {THRESHOLD_AH:g} Ah within {LEAD} discharges, told "
            "anew after each; the cut was learned on other cells.",
            "discharge",
        )
    tracked = [(study, study.tracking) for study in studies if study.tracking is not None]
    for study, tracking in tracked[:SHOWN]:
        yield _traces(study, tracking)
    followed = [study for study in studies if study.charges]
    if followed:
        yield Panels(
            "State of charge, from a wrong start",
            [_charge(study) for study in followed],
            "Told it was nine tenths full when it was full, the twin finds the truth from the "
            "voltage.",
        )


def _fan(study: Study, at: int) -> Fan:
    outlook, end = study.outlooks[at], study.ends[at]
    capacities, last = study.capacities, len(study.capacities)
    ahead = int(min(len(outlook.times), max(last + 20 - at, 40)))
    numbers = np.arange(1, last + 1)
    past, later = numbers <= at, numbers > at
    ended = None if np.isinf(study.ended) else study.ended
    told = (
        f"End of life at {study.ended:g}, foretold {end.foretold:g}."
        if ended
        else (f"Not at its end by {last}; foretold {end.foretold:g}.")
    )
    return Fan(
        study.cell.name,
        outlook.times[:ahead],
        outlook.median[:ahead],
        {
            level: tuple(edge[:ahead] for edge in outlook.band(level))  # type: ignore[misc]
            for level in (0.5, 0.9)
        },
        caption=told,
        x_label="discharge",
        y_label="capacity, Ah",
        history=(numbers[past], capacities[past]),
        truth=(numbers[later], capacities[later]),
        threshold=THRESHOLD_AH,
        threshold_label=f"end of life, {THRESHOLD_AH:g} Ah",
        issued=float(at),
        baselines={
            "random walk": (outlook.times[:ahead], np.median(study.walks[at], axis=0)[:ahead]),
            "exponential": (outlook.times[:ahead], np.median(study.curves[at], axis=0)[:ahead]),
        },
        crossing=(end.band[0], end.foretold, end.band[1]) if np.isfinite(end.foretold) else None,
        crossed=ended,
    )


def _alarm(study: Study, told: Alarms) -> Alarm:
    return Alarm(
        study.cell.name,
        told.numbers,
        told.probabilities,
        told.first if np.isfinite(told.first) else None,
        study.ended if np.isfinite(study.ended) else None,
        unsettled=bool(told.open) and not told.false,
    )


def _traces(study: Study, tracking: Tracking) -> Traces:
    held = np.flatnonzero(tracking.since(max(study.since, 2)))
    curves = []
    for k in np.unique(np.linspace(0, len(held) - 1, 3).astype(int)):
        one = study.cell.discharges[held[k]]
        part = slice(one.first, one.last + 1)
        curves.append(
            Curve(
                f"discharge {one.number}",
                one.times[part] / 60.0,
                one.voltage[part],
                tracking.voltages[held[k]][part],
            )
        )
    return Traces(
        f"Voltage of {study.cell.name}, foretold before each discharge",
        curves,
        "The twin knew only the discharges before; the strip below shows how far it was off.",
        "minutes",
        "voltage, V",
        error_label="twin less measured, mV",
        error_factor=1000.0,
    )


def _charge(study: Study) -> Traces:
    numbers = sorted(study.charges)
    curves = [
        Curve(
            f"discharge {number}",
            study.charges[number].times / 60.0,
            100.0 * study.charges[number].counted,
            100.0 * study.charges[number].soc,
        )
        for number in (numbers[0], numbers[-1])
    ]
    return Traces(
        study.cell.name,
        curves,
        "Counted by the laboratory, and followed by the twin.",
        "minutes",
        "state of charge, %",
        error_label="twin less counted, %",
    )
