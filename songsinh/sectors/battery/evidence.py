"""What a study of a cell has to show, as rows of the credibility card."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from songsinh.models import Array
from songsinh.sectors.battery.end_of_life import LEAD, THRESHOLD_AH, first_below
from songsinh.sectors.battery.studies import Study
from songsinh.twin import Check, Coverage, Ranks

__all__ = ["checks", "coverages", "ranks"]

PUBLISHED: Final = {"particle filters, usual": 15.0}
SOURCE: Final = (
    "Saha, Goebel et al. (2009), IEEE Trans. Instrum. Meas. 58, 291, and work after it: 5 to 15 "
    "discharges when started near 60 to 80 (a summary, not a table value)"
)
WITHIN: Final = {60: 15.0, 80: 10.0}  # discharges that an end of life may be off by
VOLTAGE_MV: Final = 25.0
CHARGE_PERCENT: Final = 2.0  # of full


def checks(study: Study) -> Iterator[Check]:
    """The figures of one cell: end of life, alarms, capacity, voltage, state of charge."""
    yield from _ends(study)
    yield from _alarms(study)
    if study.scores is not None:
        yield study.scores.check(
            "Capacity forecast 1 to 40 discharges ahead, CRPS",
            "Ah",
            where=study.cell.name,
            bar=min(scores.crps for scores in study.scores.baselines.values()),
            note="the bar is the better of the two baselines",
        )
    yield from _voltages(study)
    yield from _charges(study)


def coverages(study: Study) -> tuple[Coverage, ...]:
    """How much the bands of a cell's capacity forecasts covered."""
    if study.scores is None:
        return ()
    return study.scores.coverages(study.cell.name, "capacity 1 to 40 discharges ahead")


def ranks(study: Study) -> tuple[Ranks, ...]:
    """Where a cell's capacities fell among the members."""
    if study.scores is None:
        return ()
    return (Ranks(study.cell.name, study.scores.ranks, "capacity 1 to 40 discharges ahead"),)


def _ends(study: Study) -> Iterator[Check]:
    for at, end in study.ends.items():
        if at >= study.ended:
            continue
        early, late = end.band
        if np.isinf(study.ended):
            count = len(study.capacities)
            yield Check(
                f"End of life foretold at discharge {at}",
                end.foretold,
                unit="discharges",
                where=study.cell.name,
                note=f"90 % band {early:g} to {late:g}; at {count}, its last, it was not there yet",
            )
            yield Check(
                f"90 % band foretold at discharge {at} reaches beyond a life not yet over",
                float(late > count),
                bar=1.0,
                better="more",
                where=study.cell.name,
                note=f"band to {late:g}, {count} discharges seen, the lowest of them with "
                f"{np.nanmin(study.capacities):.4f} Ah",
            )
            continue
        beside = {
            "random walk": abs(_crossing(study.walks[at], at) - study.ended),
            "exponential": abs(_crossing(study.curves[at], at) - study.ended),
        }
        yield Check(
            f"End of life foretold at discharge {at}, error",
            abs(end.foretold - study.ended),
            unit="discharges",
            bar=WITHIN.get(at),
            where=study.cell.name,
            baselines=beside,
            published=PUBLISHED,
            source=SOURCE,
            note=f"foretold {end.foretold:g}, true {study.ended:g}",
            key=True,
        )
        yield Check(
            f"True end of life inside the 90 % band foretold at discharge {at}",
            float(early <= study.ended <= late),
            bar=1.0,
            better="more",
            where=study.cell.name,
            note=f"band {early:g} to {late:g}, true {study.ended:g}",
        )


def _crossing(paths: Array, at: int) -> float:
    """Where the median of a baseline's paths falls below the end of life; far off for never."""
    ahead = first_below(np.median(paths, axis=0), THRESHOLD_AH)
    return float(at + min(ahead, paths.shape[1]))


def _alarms(study: Study) -> Iterator[Check]:
    told = study.alarms
    if told is None:
        return
    note = ""
    if told.open:
        note = (
            f"at discharge {told.open[0]} it warned of an end within {LEAD}, and the record stops "
            f"at {len(study.capacities)} with {np.nanmin(study.capacities):.4g} Ah as its lowest: "
            "whether that warning is right cannot be told"
        )
    yield Check(
        "False alarms",
        len(told.false),
        bar=0.0,
        where=study.cell.name,
        note=note,
        key=bool(np.isinf(study.ended)),
    )
    if np.isfinite(study.ended):
        yield Check(
            "Warned before its end of life",
            told.ahead if np.isfinite(told.ahead) else 0.0,
            unit="discharges",
            bar=1.0,
            better="more",
            where=study.cell.name,
            note=f"first alarm at {told.first:g}, end at {study.ended:g}",
        )


def _voltages(study: Study) -> Iterator[Check]:
    if study.tracking is None:
        return
    held = study.tracking.since(max(study.since, 2))
    if not held.any():
        return
    ours = 1000.0 * study.tracking.errors[held]
    walk, curve = 1000.0 * study.tracking.walk[held], 1000.0 * study.tracking.exponential[held]
    share = float(np.mean(ours <= VOLTAGE_MV))
    for what, of in (("median", np.nanmedian), ("nine in ten below", _ninety)):
        yield Check(
            f"Voltage along a discharge, foretold before it, RMS error, {what}",
            float(of(ours)),
            unit="mV",
            bar=VOLTAGE_MV,
            where=study.cell.name,
            baselines={"random walk": float(of(walk)), "exponential": float(of(curve))},
            note=f"{share:.0%} of {held.sum()} discharges are within; worst {ours.max():.0f} mV",
            key=what == "median",
        )


def _ninety(values: Array) -> float:
    return float(np.nanquantile(values, 0.9))


def _charges(study: Study) -> Iterator[Check]:
    if not study.charges:
        return
    told = study.charges.values()
    usual = 100.0 * np.median([one.error for one in told])
    yield Check(
        "State of charge from a wrong start, RMS error, worst discharge",
        100.0 * max(one.error for one in told),
        unit="%",
        bar=CHARGE_PERCENT,
        where=study.cell.name,
        baselines={
            "always the start": 100.0 * max(one.constant for one in told),
            "counted from the start": 100.0 * max(one.coulomb for one in told),
            "counted from full": 100.0 * max(one.coulomb_from_full for one in told),
        },
        note=f"{len(study.charges)} discharges looked at; median {usual:.2f} %",
    )
