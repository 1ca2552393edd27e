"""The kinds of sources: how each reads its settings, and what runs it."""

import types
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Union, final, get_args, get_origin, get_type_hints

from songsinh.errors import SettingError, near
from songsinh.live.sources import mqtt, opcua, replay, sparkplug
from songsinh.live.sources.measures import Measure
from songsinh.live.sources.opcua import Item

__all__ = ["KINDS", "SECRETS", "Kind", "fill", "read_settings"]

SECRETS: Final = ("password", "key", "security")  # not to be shown to anybody


@final
@dataclass(frozen=True)
class Kind:
    """A kind of source: its settings (a dataclass) and `run(settings, take, note=...)`."""

    name: str
    title: str
    settings: type[Any]
    run: Callable[..., Coroutine[Any, Any, None]]


KINDS: Final[Mapping[str, Kind]] = {
    "mqtt": Kind("mqtt", "MQTT with plain JSON", mqtt.Mqtt, mqtt.run),
    "sparkplug": Kind("sparkplug", "MQTT with Sparkplug B", sparkplug.Sparkplug, sparkplug.run),
    "opcua": Kind("opcua", "OPC UA", opcua.Opcua, opcua.run),
    "replay": Kind("replay", "Replay of a recording", replay.Replay, replay.run),
}


def read_settings(
    kind: str,
    name: str,
    given: Mapping[str, Any],
    *,
    made: float | None = None,
    folders: Sequence[Path] | None = None,
) -> Any:
    """The settings of a source from its table row; SettingError when they make no sense.

    `made` (s since 1970, when the source was made) fixes what must not change by a restart: when
    a replay began, and how a broker knows us. A replay reads only from `folders`, if given.
    """
    if kind not in KINDS:
        raise SettingError(f"there is no source of the kind {kind!r}; {near(kind, tuple(KINDS))}")
    rest = {key: value for key, value in given.items() if key != "clock"}
    if given.get("clock", "event") not in ("event", "arrival", "own"):
        raise SettingError(f"the clock is {given['clock']!r}; use event or arrival")
    if kind == "replay" and made is not None and rest.get("begun") is None:
        rest["begun"] = made
    if kind in ("mqtt", "sparkplug") and made is not None:
        broker = rest.get("broker", {})
        if isinstance(broker, Mapping):
            rest["broker"] = {"identifier": f"songsinh-{name}-{int(made * 1e6):x}", **broker}
    if kind == "replay" and folders is not None and isinstance(rest.get("path"), str):
        rest["path"] = str(replay.inside(rest["path"], folders))
    return fill(KINDS[kind].settings, rest | {"name": name}, f"source {name!r}")


def fill(made: type[Any], given: Mapping[str, Any], where: str) -> Any:
    """A dataclass from a table, each value checked against the type of its field."""
    hints = get_type_hints(made)
    known = {one.name: one for one in fields(made)}
    for key in given:
        if key not in known:
            raise SettingError(f"{where} has no setting {key!r}; {near(str(key), tuple(known))}")
    for one in known.values():
        if one.default is MISSING and one.default_factory is MISSING and one.name not in given:
            raise SettingError(f"{where} needs the setting {one.name!r}; give it")
    return made(**{key: _fit(hints[key], given[key], f"{where}, {key!r}") for key in given})


def _fit(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return fill(hint, value, where)
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in parts:
            return None
        parts = tuple(part for part in parts if part is not type(None))
        fitting = [part for part in parts if _suits(part, value)]
        hint, origin = (fitting or parts)[0], None
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        if parts[0] is Item:  # reads its own tables
            return tuple(value)
        return tuple(_fit(parts[0], one, where) for one in value)
    if origin is not None and isinstance(value, Mapping) and origin is not tuple:
        if parts[1] is not Measure and not all(isinstance(v, str) for v in value.values()):
            raise SettingError(f"{where} is {value!r}; give names for names")
        return value
    if isinstance(hint, type) and _suits(hint, value):
        return hint(value) if hint is float else value
    raise SettingError(f"{where} is {value!r:.80}; give {getattr(hint, '__name__', 'a table')}")


def _suits(hint: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)
