"""Laws of the languages: every text is there in each, and numbers are written as readers do."""

import ast
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from songsinh.web.wording import LANGUAGES, Wording, chosen_language, known_zone

WEB = Path(__file__).parents[2] / "songsinh" / "web"
OTHERS = [code for code, _ in LANGUAGES if code != "en"]
METHODS = [("pages/**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
HOLE = re.compile(r"%\(\w+\)s|%%")
# words that are the same in every language, marks and names
PLAIN = re.compile(r"Songsinh|CSV|Parquet|API|[^\w]|\d")


def marked():
    """Every text that is marked for translation, from pages and templates."""
    options = {"templates/**.html": {"newstyle_gettext": "true", "extensions": "jinja2.ext.do"}}
    found = extract_from_dir(WEB, METHODS, options, keywords=KEYWORDS)
    return {text for _, _, text, _, _ in found}


def catalogue(code):
    with (WEB / "languages" / f"{code}.po").open("rb") as file:
        return {message.id: message for message in read_po(file, locale=code) if message.id}


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_translated_and_no_translation_is_left_over(code):
    known = catalogue(code)
    assert len(marked()) > 300
    assert marked() - set(known) == set()
    assert set(known) - marked() == set()
    assert not [id for id, message in known.items() if not message.string or message.fuzzy]


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_holes_of_its_text(code):
    for id, message in catalogue(code).items():
        asked = id if isinstance(id, str) else id[1]
        texts = [message.string] if isinstance(message.string, str) else message.string
        for text in texts:
            # "one" may stand in words where the plural has a number
            assert set(HOLE.findall(text)) <= set(HOLE.findall(asked)), id
        assert set(HOLE.findall(texts[-1])) == set(HOLE.findall(asked)), id


def test_templates_hold_no_words_outside_of_marks():
    loose = []
    for path in sorted((WEB / "templates").rglob("*.html")):
        text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.S)
        text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)
        text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "\x00", text, flags=re.S)
        for words in re.findall(r">([^<>]+)<", text):
            rest = PLAIN.sub("", words.replace("\x00", ""))
            if rest.strip():
                loose.append(f"{path.name}: {words.strip()}")
    assert not loose


def test_marks_in_code_are_plain_texts():
    """What is put together at run time cannot be translated."""
    for path in sorted((WEB / "pages").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
                assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno}"


def test_numbers_and_times_are_written_as_readers_do():
    english, french = Wording("en", "UTC"), Wording("fr", "Europe/Paris")
    vietnamese = Wording("vi", "Asia/Ho_Chi_Minh")
    assert english.number(1234.5) == "1,234"
    assert vietnamese.number(0.0213) == "0,0213"
    assert french.quantity(298.15, "K") == "25\xa0°C"
    assert english.quantity(0.3, "K") == "0.3\xa0K"
    assert english.about(3.70123, 0.0034, "V") == "3.7012 ± 0.0034\xa0V"
    assert vietnamese.span(754.0) == "13 phút"
    assert english.span(3600.0) == "1 hr"
    assert english.clock(1.7e9) == "22:13"
    assert vietnamese.clock(1.7e9) == "05:13"
    assert french.ago(0.0, 180.0) == "il y a 3 minutes"
    assert english.percent(0.999) == ">\xa099%"
    assert english.percent(0.004) == "<\xa01%"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_not_known_is_a_dash(value):
    w = Wording("vi")
    told = (w.number(value), w.quantity(value, "V"), w.percent(value), w.span(value))
    assert told == ("–",) * 4


def test_a_language_is_the_first_wish_that_can_be_met():
    assert chosen_language(("", "de, fr;q=0.4, vi;q=0.8")) == "vi"
    assert chosen_language(("fr-CA",)) == "fr"
    assert chosen_language(("de", "xx;q=high")) == "en"
    assert known_zone(("No/Where", "../etc/passwd", "Asia/Ho_Chi_Minh")) == "Asia/Ho_Chi_Minh"
    assert known_zone(()) == "UTC"
