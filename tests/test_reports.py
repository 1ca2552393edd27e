"""Laws of reports: one file, the same bytes, nothing outside, nothing hidden, both lights."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from songsinh import reports
from songsinh.errors import DataError, SettingError
from songsinh.reports import (
    Alarm,
    CoverageBars,
    Curve,
    Fan,
    Panels,
    RankHistograms,
    Scatter,
    Timeline,
    Traces,
    render,
    write_report,
)
from songsinh.twin import Card, Check, Coverage, Ranks

VOID = {"meta", "link", "br", "hr", "img", "input"}
STYLE = (Path(reports.__file__).parent / "templates" / "report.css").read_text()


def fan(title="B0005", **more):
    x = np.arange(10.0)
    given = {
        "bands": {0.5: (1.8 - x / 20, 2.0 - x / 30), 0.9: (1.7 - x / 15, 2.1 - x / 40)},
        "history": (x - 10, 2.0 - x / 100),
        "truth": (x, 1.9 - x / 25),
        "threshold": 1.4,
        "threshold_label": "end of life",
        "issued": 0.0,
        "baselines": {"random walk": (x, 1.9 - x / 10), "exponential": (x, 1.9 - x / 12)},
        "crossing": (4.0, 6.0, 8.0),
        "crossed": 7.0,
        "x_label": "discharge",
        "y_label": "capacity, Ah",
    }
    return Fan(title, x, 1.9 - x / 22, **(given | more))


def pictures():
    x = np.linspace(0, 10, 40)
    generator = np.random.Generator(np.random.Philox(1))
    curve = Curve("discharge 1", x, np.cos(x), np.cos(x) + 0.1, (np.cos(x) - 1, np.cos(x) + 1))
    alarms = [
        Alarm("B0005", x, x / 10, warned=4.0, happened=8.0),
        Alarm("B0007", x, 0 * x),
        Alarm("B0006", x, x / 20, happened=9.0),
        Alarm("B0018", x, x / 10, warned=6.0),
    ]
    points = generator.normal(size=(20, 3))
    return {
        "fan": fan("One forecast"),
        "panels": Panels("Forecasts", [fan("B0005"), fan("B0006", baselines={})]),
        "traces": Traces("Voltage", [curve], x_label="s", y_label="V", error_factor=1000.0),
        "timeline": Timeline("Alarms", alarms, 0.5, x_label="discharge"),
        "scatter": Scatter("Posterior", points, ("a", "b", "c"), truth=(0, 0, 0)),
        "coverage": CoverageBars("Covered", [Coverage("B0005", 0.9, 0.5, 9, (0.85, 0.95))]),
        "ranks": RankHistograms("Ranks", [Ranks("B0005", (3, 4, 5, 6))]),
    }


def card():
    return Card(
        "battery",
        "A cell <that> ages & dies",
        "About \"it\"",
        "battery-v1",
        "NASA, https://data.nasa.gov",
        "public domain",
        (
            Check("voltage error", 0.02, "V", 0.025, where="B0005", baselines={"last": 0.05}),
            Check("state of charge", 0.03, "1", 0.02, where="B0006", note="counted"),
            Check(
                *("end of life", 7.0, "discharges", (-15, 15), "inside"),
                published={"filter": 10.0}, source="Saha (2009)",
            ),
            Check("not measured", float("nan"), bar=1.0, baselines={"none": float("inf")}),
            Check("time taken", 3.0, "s"),
        ),
        (Coverage("B0005", 0.5, 0.48, 60), Coverage("B0005", 0.9, 0.7, 60, (0.85, 0.95))),
        (Ranks("B0005", (3, 4, 5, 6)), Ranks("B0007", (0, 0))),
        ("room temperature only", "not for safety"),
        {"numpy": "2.0"},
        seed=11,
        command="songsinh validate battery",
    )  # fmt: skip


@pytest.fixture(scope="module")
def page():
    return render(card(), list(pictures().values()), summary="Three cells.")


class Reader(HTMLParser):
    """Reads a page strictly: what opens is closed, and names stand once."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text, self.pictures = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_every_tag_is_closed_and_every_name_stands_once(page):
    tags = read(page).tags
    names = [a["id"] for _, a in tags if "id" in a]
    assert len(names) == len(set(names))
    wanted = set(re.findall(r"url\(#([^)]+)\)", page))
    wanted |= {a["href"][1:] for _, a in tags if a.get("href", "").startswith("#")}
    wanted |= {a["aria-labelledby"] for _, a in tags if "aria-labelledby" in a}
    assert wanted <= set(names)
    assert len(wanted) > 10


def test_the_same_values_give_the_same_bytes(page):
    assert render(card(), list(pictures().values()), summary="Three cells.") == page


def test_a_setting_of_matplotlib_changes_nothing(page):
    import matplotlib

    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "svg.fonttype": "path"}):
        again = render(card(), list(pictures().values()), summary="Three cells.")
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert again == page


def test_the_page_asks_no_host_and_runs_no_script(page):
    tags = read(page).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "embed", "img"}
    for tag, attributes in tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert "://" not in (value or ""), (tag, name, value)
            if name in ("href", "src"):
                assert value.startswith("#")
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src 'none'" in page


def test_every_check_band_and_limit_is_there_with_its_verdict(page):
    text = " ".join(" ".join(read(page).text).split())
    for check in card().checks:
        assert check.what in text
        assert check.note in text
        for name in (*check.baselines, *check.published):
            assert name in text
    for words in ("Saha (2009)", "room temperature only", "not for safety", "Seed 11"):
        assert words in text
    rows = re.findall(r'<td role="cell" class="said".*?</td>', page, re.S)
    seen = [re.sub(r"<[^>]+>", "", row).strip() for row in rows]
    judged = {True: "holds", False: "falls short", None: "not judged"}
    assert seen == [judged[row.holds] for row in (*card().checks, *card().coverages)]


def test_the_headline_counts_what_holds():
    made = card()
    assert "Holds 2 of 5 checks" in render(made)
    good = replace(made, checks=made.checks[:1], coverages=())
    assert "Holds its one check" in render(good)
    assert "Holds all 2 checks" in render(replace(good, checks=good.checks * 2))
    assert "No check has a bar yet" in render(replace(good, checks=()))


def test_a_verdict_has_a_shape_of_its_own(page):
    shapes = {
        kind: set(re.findall(rf'<svg class="mark {kind}".*?</svg>', page, re.S))
        for kind in ("good", "bad", "none")
    }
    assert all(len(found) == 1 for found in shapes.values())
    assert "<circle" in next(iter(shapes["good"]))
    assert "<circle" not in next(iter(shapes["bad"]))


@pytest.mark.parametrize("name", pictures())
def test_every_picture_has_words_for_those_who_cannot_see_it(name):
    picture = pictures()[name]
    page = render(replace(card(), coverages=(), ranks=()), [picture])
    drawn = re.findall(r'<svg viewBox="[^"]+" role="img" aria-labelledby="([^"]+)"', page)
    assert drawn
    for label in drawn:
        told = re.search(rf'<title id="{label}">([^<]+)</title>', page).group(1)
        assert len(told) > 40
        assert "nan" not in told
    if name != "panels":
        own = render(card(), [replace(picture, alt="Said by hand.")])
        assert ">Said by hand.</title>" in own


def test_colours_are_the_variables_of_the_page(page):
    drawn = re.findall(r'<svg viewBox="[^"]+" role="img".*?</svg>', page, re.S)
    assert len(drawn) > 10
    for svg in drawn:
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?![\w-]*\")", re.sub(r'"#[^"]*"', "", svg))
        assert "rgb(" not in svg
        assert "font-family" not in svg
        assert "<text" in svg
    used = set(re.findall(r"var\(--(\w+)", page)) - {"across"}
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    for role in used:
        assert f"--{role}:" in light
        assert f"--{role}:" in dark


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    lit = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * lit[0] + 0.7152 * lit[1] + 0.0722 * lit[2]


def test_text_and_lines_stand_out_from_both_grounds():
    """Source: WCAG 2.2, 1.4.3 and 1.4.11: 4.5 to 1 for text, 3 to 1 for what must be seen."""
    parts = re.split(r"@media[^{]+\{", STYLE)
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in parts[:2])
    for theme in (light, dark):
        for ground in ("paper", "card"):
            for role in ("ink", "soft", "warn", "good", "twin", "first", "second", "third"):
                pair = sorted((luminance(theme[role]), luminance(theme[ground])))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5 - 1.5 * (
                    role in ("first", "second", "third")
                ), (role, ground)


def test_what_is_missing_is_drawn_as_missing():
    x = np.arange(5.0)
    holes = np.array([1.0, np.nan, 2.0, np.nan, 1.0])
    empty = np.full(5, np.nan)
    drawn = render(
        replace(card(), coverages=(Coverage("B0005", 0.9, float("nan"), 0, (0.85, 0.95)),)),
        [
            Fan("Holes", x, holes, {0.9: (holes - 1, holes + 1)}, truth=(x, empty)),
            Traces("Empty", [Curve("none", x, empty, empty)]),
            Timeline("Empty", [Alarm("B0005", x, empty)], 0.5),
            Scatter("One", [[1.0, 2.0]], ("a", "b")),
        ],
    )
    read(drawn)
    assert "nan" not in re.sub(r"<style>.*?</style>", "", drawn, flags=re.S).lower()


def test_words_are_shown_as_they_are_and_never_run():
    nasty = "<script>alert(1)</script>&"
    made = replace(card(), title=nasty, limits=(nasty,), checks=(Check(nasty, 1, nasty, 1),))
    drawn = render(made, [fan(nasty, y_label=nasty, threshold_label=nasty, baselines={})])
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
    read(drawn)


def test_figures_in_words_are_not_touched_by_the_drawing():
    drawn = render(card(), [fan("0.123456", threshold_label="#010f01, $a$ is 3.14159")])
    assert drawn.count("#010f01, $a$ is 3.14159") == 2  # wide and narrow


def test_a_report_is_a_page_and_its_card(tmp_path):
    page = write_report(card(), [fan()], tmp_path / "new" / "battery.html", title="Mine")
    assert page.read_text(encoding="utf-8") == render(card(), [fan()], title="Mine")
    assert Card.from_json(page.with_suffix(".json").read_text(encoding="utf-8")).seed == 11
    assert sorted(p.name for p in page.parent.iterdir()) == ["battery.html", "battery.json"]


def test_nothing_is_written_when_a_picture_cannot_be_drawn(tmp_path):
    broken = Fan("Broken", [1.0, 2.0], [1.0], {})
    with pytest.raises(DataError, match="give \\[points\\] both"):
        write_report(card(), [broken], tmp_path / "a.html")
    with pytest.raises(SettingError, match=r"end its name in \.html"):
        write_report(card(), [], tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []
