"""Tables that describe a twin at work (as in TOML or JSON) turned into one, each word checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, TypeVar

from songsinh.errors import LiveError, SongsinhError, near
from songsinh.live.twins import Alarm, Episode, Lever, Question, Twin
from songsinh.models import Model
from songsinh.twin import Limit, Noise

__all__ = ["read_twin", "title_of", "words_of"]

MOST: Final = 50  # alarms, levers or questions
MOST_MEMBERS: Final = 1000
MOST_SAMPLES: Final = 1000
MOST_NUMBERS: Final = 20_000_000  # of one forecast: samples, members and signals together
SECONDS: Final = (1e-6, 1e11)  # us are what is counted, and 3000 years are enough
NUMBERS: Final = ("window", "every", "horizon")
WHOLES: Final[Mapping[str, tuple[int, int]]] = {
    "members": (2, MOST_MEMBERS),
    "samples": (2, MOST_SAMPLES),
    "seed": (0, 2**31),
}
WORDS: Final = (
    *("start", "noise", "drift", "expected", "shown", "inputs", "alarms", "levers", "questions"),
    *("episode", *NUMBERS, *WHOLES),
)
Made = TypeVar("Made")


def read_twin(model: Model, name: str, title: str, table: Any, *, meaning: str = "") -> Twin:
    """The twin that a table describes; LiveError says which word of it is wrong."""
    where = f"the twin {name!r}"
    _only(table, WORDS, where)
    if not isinstance(table.get("noise"), dict) or not table["noise"]:
        raise LiveError(
            f"{where} names no sensor; give the noise of at least one, as in noise.level = 0.02"
        )
    noise = Noise(_values(table, "noise", where), _values(table, "drift", where) or None)
    given: dict[str, Any] = {
        "start": {n: _known(v, f"{where}, start {n}") for n, v in _part(table, "start").items()},
        "noise": noise,
        "expected": _values(table, "expected", where),
        "alarms": _made(Alarm, table, "alarms", where),
        "levers": _made(Lever, table, "levers", where),
        "questions": _questions(table, where),
        "episode": _episode(table, where),
        "shown": _names(table, where) or (*noise.readings,),
        **{word: _positive(table[word], f"{where}, {word}") for word in NUMBERS if word in table},
        **{word: _whole(table, word, where) for word in WHOLES if word in table},
    }
    if "inputs" in table:
        if table["inputs"] not in ("held", "linear"):
            raise LiveError(f"{where} has inputs {table['inputs']!r:.40}; use 'held' or 'linear'")
        given["inputs"] = table["inputs"]
    _check(model, given, where)
    twin = Twin(name=name, title=title, model=model, meaning=meaning, **given)
    size = twin.members * twin.samples * len(model.signals)
    if size > MOST_NUMBERS:
        raise LiveError(
            f"{where} has {size} numbers in a forecast (members x samples x signals); "
            f"give fewer, at most {MOST_NUMBERS}"
        )
    return twin


def words_of(recipe: Mapping[str, Any], key: str, most: int = 200) -> str:
    """A text in a recipe; LiveError when it is missing, empty or too long."""
    found = recipe.get(key)
    if not isinstance(found, str) or not 0 < len(found) <= most:
        raise LiveError(f"the recipe has {key} = {found!r:.60}; give a text of at most {most}")
    return found


def title_of(recipe: Mapping[str, Any]) -> str:
    """The title in a recipe, its name where it has none."""
    return words_of(recipe, "title") if recipe.get("title") else words_of(recipe, "name")


def _only(table: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(table, dict):
        raise LiveError(f"{where} is described by {table!r:.40}; give a table")
    for word in table:
        if word not in known:
            raise LiveError(f"{where} has {str(word)[:60]!r}; {near(str(word)[:60], tuple(known))}")


def _part(table: Mapping[str, Any], word: str) -> Mapping[str, Any]:
    found = table.get(word, {})
    if not isinstance(found, dict):
        raise LiveError(f"{word!r} is {found!r:.40}; give a table of names and numbers")
    return found


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        raise LiveError(f"{where} is {value!r:.40}; give a number")
    return float(value)


def _positive(value: Any, where: str) -> float:
    if not SECONDS[0] <= _number(value, where) <= SECONDS[1]:
        raise LiveError(
            f"{where} is {value!r:.40}; give a number of seconds above 0, at most {SECONDS[1]:g}"
        )
    return float(value)


def _whole(table: Mapping[str, Any], word: str, where: str) -> int:
    value, (low, high) = table[word], WHOLES[word]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise LiveError(
            f"{where} has {word} = {value!r:.40}; give a whole number from {low} to {high}"
        )
    return value


def _values(table: Mapping[str, Any], word: str, where: str) -> dict[str, float]:
    return {n: _number(v, f"{where}, {word} {n}") for n, v in _part(table, word).items()}


def _known(value: Any, where: str) -> float | tuple[float, float]:
    """A certain value, or mean and sd."""
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return _number(value[0], where), _number(value[1], where)
    return _number(value, where)


def _names(table: Mapping[str, Any], where: str) -> tuple[str, ...]:
    found = table.get("shown", [])
    if not isinstance(found, (list, tuple)) or not all(isinstance(n, str) for n in found):
        raise LiveError(f"{where} has shown = {found!r:.40}; give a list of signals")
    return tuple(found)


def _rows(table: Mapping[str, Any], word: str, where: str) -> list[dict[str, Any]]:
    found = table.get(word, [])
    whole = isinstance(found, (list, tuple)) and all(isinstance(row, dict) for row in found)
    if not whole or len(found) > MOST:
        raise LiveError(f"{where} has {word} = {found!r:.40}; give a list of up to {MOST} tables")
    return list(found)


def _made(
    kind: Callable[..., Made], table: Mapping[str, Any], word: str, where: str
) -> tuple[Made, ...]:
    rows = _rows(table, word, where)
    return tuple(_one(kind, row, f"{where}, {word} {n}") for n, row in enumerate(rows, 1))


def _one(kind: Callable[..., Made], row: Mapping[str, Any], where: str) -> Made:
    """A value of a kind from a table of its fields."""
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    _only(row, tuple(known), where)
    for word, value in row.items():
        if "float" in str(known[word].type):
            _number(value, f"{where}, {word}")
        elif isinstance(value, (bool, int, float)):
            raise LiveError(f"{where}, {word} is {value!r:.40}; give words")
    try:
        return kind(**row)
    except (TypeError, SongsinhError) as error:
        raise LiveError(f"{where} is incomplete or wrong: {error}") from None


def _questions(table: Mapping[str, Any], where: str) -> tuple[Question, ...]:
    made = []
    for place, row in enumerate(_rows(table, "questions", where), 1):
        limits = _made(Limit, row, "limits", f"{where}, question {place}")
        if "horizon" in row:
            _positive(row["horizon"], f"{where}, question {place}, horizon")
        made.append(_one(Question, {**row, "limits": limits}, f"{where}, question {place}"))
    return tuple(made)


def _episode(table: Mapping[str, Any], where: str) -> Episode | None:
    if "episode" not in table:
        return None
    row, here = table["episode"], f"{where}, episode"
    _only(row, ("gap", "states"), here)
    states = {n: _known(v, f"{here} {n}") for n, v in _part(row, "states").items()}
    return Episode(_positive(row.get("gap"), f"{here} gap"), states)


def _check(model: Model, given: Mapping[str, Any], where: str) -> None:
    """LiveError when a signal that is named is not there, or is of another kind."""
    episode = given["episode"]
    noise = given["noise"]
    asked: list[tuple[str, Sequence[str], tuple[str, ...]]] = [
        ("start", tuple(given["start"]), ("state", "parameter")),
        ("noise", tuple(noise.readings), ("state", "output")),
        ("drift", tuple(noise.drift or {}), ("state", "parameter")),
        ("expected", tuple(given["expected"]), ("input",)),
        ("shown", given["shown"], ("state", "output")),
        ("alarms", [a.signal for a in given["alarms"]], ("state", "output", "parameter")),
        ("levers", [lever.name for lever in given["levers"]], ("input", "parameter")),
        ("questions", [q.lever for q in given["questions"]], ("input", "parameter")),
        ("questions", [q.goal for q in given["questions"]], ("state", "output")),
        ("limits", [m.name for q in given["questions"] for m in q.limits], ("state", "output")),
        ("episode", tuple(episode.states) if episode else (), ("state",)),
    ]
    for word, names, kinds in asked:
        for name in names:
            kind = model.signals[name].kind
            if kind not in kinds:
                raise LiveError(
                    f"{where} names {name!r} in {word}, which is a {kind}; name a "
                    f"{' or '.join(kinds)} there"
                )
    for alarm in given["alarms"]:
        if (alarm.below is None) == (alarm.above is None):
            raise LiveError(
                f"{where} has the alarm {alarm.name!r} with neither or both of below and above; "
                "give one of them"
            )
