"""What alerts and events say, as sentences in the reader's language."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from songsinh.web.wording import Wording

__all__ = [
    "aside",
    "at_level",
    "crossing",
    "figure_word",
    "headline",
    "health_word",
    "keep_word",
    "kind_word",
    "last",
    "milestones",
    "parted",
    "reason",
    "recipe_name",
    "refusal_word",
    "sensor_state",
    "severity_word",
    "soon",
    "spaced",
    "state_word",
    "summary",
    "why_word",
]


def state_word(w: Wording, state: str) -> str:
    """How a twin does, in a word or two."""
    _ = w.gettext
    words = {
        "following": _("Following"),
        "behind": _("Behind"),
        "silent": _("Silent"),
        "starting": _("Starting"),
        "doubtful": _("Doubtful"),
        "paused": _("Paused"),
        "broken": _("Broken"),
        "open": _("Open"),
        "acknowledged": _("Acknowledged"),
        "closed": _("Closed"),
        "running": _("Running"),
        "archived": _("Put away"),
    }
    return words.get(state, _("Unknown"))


def summary(w: Wording, counts: Mapping[str, int]) -> str:
    """How all twins do, in a sentence."""
    _, total = w.gettext, sum(counts.values())
    troubled = sum(counts.get(state, 0) for state in ("broken", "doubtful", "behind", "silent"))
    if not total:
        return _("There is none yet.")
    if not troubled:
        return w.ngettext(
            "It follows its machine.", "All %(num)s follow their machines.", total
        ) % {"num": w.count(total)}
    return w.ngettext(
        "%(num)s of %(total)s needs a look.", "%(num)s of %(total)s need a look.", troubled
    ) % {"num": w.count(troubled), "total": w.count(total)}


def headline(w: Wording, alert: Any, *, lower: bool = False) -> str:
    """An alert in a few words: what crosses what, or what the twin says of itself."""
    _, detail = w.gettext, alert.detail
    if alert.rule == "describes":
        told = _("it no longer describes its machine")
    elif alert.rule.startswith("sensor:"):
        told = _("sensor %(name)s is off") % {"name": spaced(alert.rule.partition(":")[2])}
    elif "threshold" in detail and alert.signal:
        told = crossing(
            w,
            alert.signal,
            direction=str(detail.get("direction")),
            threshold=float(detail["threshold"]),
            unit=str(detail.get("unit") or "1"),
        )
    else:
        told = spaced(alert.rule)
    return told if lower else told[:1].upper() + told[1:]


def severity_word(w: Wording, severity: str) -> str:
    """How grave it is, in a word."""
    _ = w.gettext
    words = {"notice": _("Notice"), "warning": _("Warning"), "danger": _("Danger")}
    return words.get(severity, severity)


def crossing(w: Wording, name: str, *, direction: str, threshold: float, unit: str = "1") -> str:
    """What happens: voltage below 2.7 V."""
    _ = w.gettext
    value = w.quantity(threshold, unit)
    text = (
        _("%(signal)s below %(value)s") if direction == "below" else _("%(signal)s above %(value)s")
    )
    return text % {"signal": spaced(name), "value": value}


def figure_word(w: Wording, what: str) -> str:
    """What a figure of a card is about."""
    _ = w.gettext
    words = {"CRPS": _("Error of the forecast (CRPS)"), "skill": _("Skill")}
    return words.get(what, what)


def recipe_name(recipe: str) -> str:
    """The title of a recipe, or its name."""
    found = json.loads(recipe)
    return str(found.get("title") or found["name"])


def refusal_word(w: Wording, why: str) -> str:
    """Why a reading was refused."""
    _ = w.gettext
    words = {
        "unreadable": _("Unreadable"),
        "not utf-8": _("Not written in UTF-8"),
        "too large": _("Message too large"),
        "too deep": _("Nested too deep"),
        "topic fits no template": _("Topic fits no template"),
        "unknown alias": _("Unknown alias"),
        "unknown twin": _("Unknown twin"),
        "unknown signal": _("Unknown signal"),
        "no value": _("No value"),
        "not a number": _("Not a number"),
        "not finite": _("Not a finite number"),
        "absurd value": _("Absurd value"),
        "time unreadable": _("Time unreadable"),
        "time in the future": _("Time in the future"),
        "time too far back": _("Time too far back"),
        "faster than taken in": _("Faster than taken in"),
    }
    return words.get(why, why)


def keep_word(w: Wording, keep: str) -> str:
    """What a rule of retention leaves."""
    _ = w.gettext
    if keep in ("all", "nothing"):
        return _("everything") if keep == "all" else _("nothing")
    found = re.fullmatch(r"(\d+)(s|min|h) mean", keep)
    if found is None:
        return keep
    span = int(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2]]
    return _("means over %(span)s") % {"span": w.span(span)}


def kind_word(w: Wording, kind: str) -> str:
    """What kind of source it is."""
    _ = w.gettext
    words = {
        "mqtt": _("MQTT, plain JSON"),
        "sparkplug": _("MQTT, Sparkplug B"),
        "opcua": _("OPC UA"),
        "replay": _("Replay of a recording"),
    }
    return words.get(kind, kind)


def sensor_state(health: str) -> str:
    """The mark that stands for a sensor's health."""
    marks = {"fine": "following", "off": "doubtful", "unclear": "behind"}
    return marks.get(health, "silent")


def health_word(w: Wording, health: str) -> str:
    """A sensor's health in a word."""
    _ = w.gettext
    words = {
        "fine": _("Good"),
        "off": _("Off"),
        "unclear": _("Unclear"),
    }
    return words.get(health, _("Unknown"))


def aside(counts: Mapping[str, int]) -> int:
    """How many readings a twin did not believe."""
    return sum(int(counts.get(kind) or 0) for kind in ("wild", "broken", "late", "failed"))


def at_level(quantiles: Mapping[str, Any], level: str, place: int) -> float | None:
    """A quantile of a forecast at a place in its times, None when it is not known."""
    told = quantiles.get(level) or ()
    return told[place] if len(told) > place else None


def last(quantiles: Mapping[str, Any], level: str) -> float | None:
    """A quantile at the end of a forecast, None when it is not known."""
    told = quantiles.get(level) or (None,)
    return _finite(told[-1])


def parted(portrait: Any) -> tuple[list[Any], list[Any]]:
    """What is believed of the signals shown, in their order, and the rest."""
    order = {name: place for place, name in enumerate(portrait.shown)}
    first = [one for one in portrait.believed if one.signal.name in order]
    first.sort(key=lambda one: order[one.signal.name])
    rest = [one for one in portrait.believed if one.signal.name not in order]
    return (first, rest) if first else (rest, [])


def milestones(count: int) -> list[int]:
    """Places along a forecast that a short table shows."""
    return sorted({round(part * (count - 1) / 4) for part in range(5)}) if count else []


def spaced(name: str) -> str:
    """A signal's name as words, without its unit: capacity_ah is read as capacity."""
    return re.sub(r"_(ah|wh|v|a|w|k|pa)$", "", name).replace("_", " ")


def soon(w: Wording, first: Any) -> str:
    """When: in 12 min (5 to 20 min); from seconds ahead at 5, 50 and 95 %."""
    _ = w.gettext
    early, middle, late = (*(_finite(value) for value in first), None, None, None)[:3]
    if early is None:
        return ""
    if middle == 0:
        return _("now")
    if middle is None:
        return _("not before %(span)s") % {"span": w.span(early)}
    if late is None:
        return _("in %(span)s (at least %(early)s)") % {
            "span": w.span(middle),
            "early": w.span(early),
        }
    return _("in %(span)s (%(early)s to %(late)s)") % {
        "span": w.span(middle),
        "early": w.span(early),
        "late": w.span(late),
    }


def reason(w: Wording, alert: Any) -> str:
    """Why an alert was raised; what cannot be told anew stays as it was said."""
    _, detail = w.gettext, alert.detail
    if alert.rule == "describes":
        return _describes(w, alert)
    if alert.rule.startswith("sensor:"):
        return _("Its readings do not agree with the other sensors and with what is believed.")
    if alert.probability is None or "cut" not in detail:
        return str(alert.sentence)
    lead = float(detail.get("lead") or 0.0)
    told = {
        "lead": w.span(lead),
        "chance": w.percent(alert.probability),
        "cut": w.percent(float(detail["cut"])),
    }
    if lead == 0:
        return _("Greatest chance: %(chance)s; it warns above %(cut)s.") % told
    said = _("Greatest chance within %(lead)s: %(chance)s; it warns above %(cut)s.") % told
    when = soon(w, detail.get("first") or ())
    return said + (" " + _("Likely %(when)s.") % {"when": when} if when else "")


def _describes(w: Wording, alert: Any) -> str:
    _, detail = w.gettext, alert.detail
    if "inside" not in detail:
        return _("Its readings are off together.")
    told = {
        "inside": w.count(int(detail["inside"])),
        "count": w.count(int(detail["count"])),
        "signal": spaced(alert.signal or ""),
    }
    return (
        _("%(inside)s of the last %(count)s readings of %(signal)s lay inside its 90 %% bands.")
        % told
    )


def why_word(w: Wording, state: str, why: str) -> str:
    """Why a twin is in its state; what has no words here stays as it was said."""
    _ = w.gettext
    words = {
        "behind": _("readings come faster than they can be followed"),
        "silent": _("nothing has come from its machine for a while"),
        "starting": _("its model is being made ready; what it reads is kept and followed then"),
        "fine": "",
    }
    return words.get(state, "" if why == "fine" else why)


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
