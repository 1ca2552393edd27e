"""Laws of credibility cards: verdicts at the edges, scores, baselines, saved equals loaded."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songsinh.errors import DataError
from songsinh.metrics import crps, skill
from songsinh.twin import (
    Card,
    Check,
    Coverage,
    Ranks,
    exponential,
    random_walk,
    score_bands,
)

finite = st.floats(-1e12, 1e12, allow_nan=False)
words = st.text(max_size=12)


def chance(seed=1):
    return np.random.Generator(np.random.Philox(seed))


def card(*checks, **more):
    return Card("battery", "A cell", "", "battery-v1", "NASA", "public domain", checks, **more)


@given(finite)
def test_a_figure_on_its_bar_holds_and_the_next_one_beyond_falls(bar):
    above, below = math.nextafter(bar, math.inf), math.nextafter(bar, -math.inf)
    seen = [Check("x", ours, bar=bar).holds for ours in (below, bar, above)]
    assert seen == [True, True, False]
    seen = [Check("x", ours, bar=bar, better="more").holds for ours in (below, bar, above)]
    assert seen == [False, True, True]


@pytest.mark.parametrize(
    ("ours", "holds"), [(0.85, True), (0.95, True), (0.8499, False), (0.9501, False)]
)
def test_inside_takes_both_edges(ours, holds):
    assert Check("x", ours, bar=(0.85, 0.95), better="inside").holds is holds
    assert Coverage("B0005", 0.9, ours, 100, (0.85, 0.95)).holds is holds


@pytest.mark.parametrize("better", ["less", "more"])
@pytest.mark.parametrize("ours", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_meets_no_bar(ours, better):
    assert Check("x", ours, bar=1.0, better=better).holds is False
    assert Check("x", math.nan).holds is None
    assert Coverage("x", 0.9, math.nan, 0, (0.85, 0.95)).holds is False


@pytest.mark.parametrize(
    "more",
    [
        {"bar": (1.0, 2.0)},
        {"bar": math.nan},
        {"bar": 1.0, "better": "inside"},
        {"bar": (2.0, 1.0), "better": "inside"},
        {"bar": (1.0, math.inf), "better": "inside"},
        {"better": "smaller"},
        {"published": {"others": 1.0}},
    ],
)
def test_a_check_that_cannot_be_judged_is_refused(more):
    with pytest.raises(DataError, match="'error'"):
        Check("error", 1.0, **more)


def test_a_card_holds_when_every_bar_is_met_and_there_is_one():
    good, bad, shown = Check("a", 1, bar=1), Check("b", 2, bar=1), Check("c", 9)
    assert card(good, shown).holds
    assert not card(good, bad).holds
    assert not card(shown).holds
    narrow = Coverage("B0005", 0.9, 0.7, 50, (0.85, 0.95))
    assert card(good, bad, coverages=(narrow,)).fallen == (bad, narrow)
    assert not card(good, coverages=(narrow,)).holds


@given(
    st.lists(
        st.builds(
            Check,
            what=words,
            ours=st.floats(),
            unit=words,
            bar=st.none() | finite,
            better=st.sampled_from(["less", "more"]),
            where=words,
            baselines=st.dictionaries(words, st.floats(), max_size=2),
            note=words,
            key=st.booleans(),
        ),
        max_size=3,
    )
)
def test_a_card_that_was_saved_is_the_card_that_is_loaded(checks):
    made = card(
        *checks,
        coverages=(Coverage("B0005", 0.9, 0.88, 40, (0.85, 0.95), "capacity", {"walk": 1.0}),),
        ranks=(Ranks("B0005", (3, 4, 5)),),
        limits=("room temperature only",),
        made_with={"numpy": "2"},
        seed=3,
    )
    text = made.to_json()
    assert Card.from_json(text).to_json() == text
    assert [c.holds for c in Card.from_json(text).checks] == [c.holds for c in made.checks]
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} stands in the JSON"))


def test_a_finite_card_comes_back_equal():
    made = card(Check("a", 1.5, bar=(1, 2), better="inside", published={"x": 1}, source="X (2009)"))
    assert Card.from_json(made.to_json()) == made


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "songsinh card 1", "checks": [1]}'])
def test_what_is_no_card_is_refused(text):
    with pytest.raises(DataError):
        Card.from_json(text)


def test_a_misspelt_or_missing_field_is_named():
    content = json.loads(card(Check("a", 1)).to_json())
    with pytest.raises(DataError, match="did you mean 'baselines'"):
        Card.from_json(json.dumps(content | {"checks": [{"what": "a", "baseline": {}}]}))
    del content["title"]
    with pytest.raises(DataError, match="title"):
        Card.from_json(json.dumps(content))


def test_flatness_is_uniform_for_honest_ranks_and_tiny_for_narrow_bands():
    generator = chance()
    p = [Ranks("x", np.bincount(generator.integers(0, 21, 400), minlength=21)) for _ in range(300)]
    shares = np.array([ranks.flatness for ranks in p])
    assert abs(np.mean(shares < 0.1) - 0.1) < 0.05
    assert abs(np.mean(shares < 0.5) - 0.5) < 0.09
    assert Ranks("x", (50, 2, 2, 2, 50)).flatness < 1e-9
    assert math.isnan(Ranks("x", (1, 2, 3)).flatness)


@given(st.lists(st.integers(0, 40), min_size=2, max_size=60))
def test_folding_loses_no_reading(counts):
    seen, expected = Ranks("x", counts).folded()
    assert seen.sum() == sum(counts)
    assert math.isclose(expected.sum(), sum(counts), abs_tol=1e-9)


def test_a_chi_square_table_value_is_met():
    """Source: any chi-square table: 7.815 at three degrees of freedom leaves 5 %."""
    # counts 25 ± d give a statistic of 4 d² / 25
    assert math.isclose(Ranks("x", (32, 18, 32, 18)).flatness, 0.0494, abs_tol=1e-3)  # 7.84
    assert math.isclose(Ranks("x", (30, 20, 30, 20)).flatness, 0.2615, abs_tol=1e-3)  # 4.00


def test_scores_are_those_of_the_metrics_and_leave_out_what_is_missing():
    generator = chance()
    members, truth = generator.normal(size=(50, 30)), generator.normal(size=30)
    wide = 3 * generator.normal(size=(80, 30))
    truth[4] = np.nan
    scores = score_bands(members, truth, generator=chance(), baselines={"wide": wide})
    seen = np.isfinite(truth)
    assert scores.count == 29
    assert math.isclose(scores.crps, float(crps(members.T[seen], truth[seen]).mean()))
    assert scores.skill("wide") == skill(scores.crps, scores.baselines["wide"].crps) > 0
    assert sum(scores.ranks) == 29
    assert len(scores.ranks) == 51
    check = scores.check("capacity", "Ah", bar=1.0, where="B0005")
    assert check.baselines == {"wide": scores.baselines["wide"].crps}
    half, most = scores.coverages("B0005")
    assert (half.bars, most.bars) == (None, (0.85, 0.95))
    assert most.baselines["wide"] >= half.baselines["wide"]
    with pytest.raises(DataError, match="did you mean 'wide'"):
        scores.skill("wid")


def test_a_member_of_no_weight_changes_no_score():
    members, truth = chance().normal(size=(40, 25)), chance(2).normal(size=25)
    padded = np.vstack([members, np.full((40, 25), 99.0)])
    weights = np.repeat([1.0, 0.0], 40)
    plain = score_bands(members, truth, generator=chance())
    weighted = score_bands(padded, truth, generator=chance(), weights=weights)
    assert math.isclose(plain.crps, weighted.crps)
    assert plain.covered == weighted.covered
    # what lies above every member that counts lies above the doubled ranks of the others too
    assert plain.ranks[0] == weighted.ranks[0]


@pytest.mark.parametrize("members", [np.zeros((5, 3)), np.zeros(4), np.full((5, 4), np.nan)])
def test_forecasts_that_do_not_fit_are_refused(members):
    with pytest.raises(DataError):
        score_bands(members, np.zeros(4), generator=chance())


def test_the_random_walk_goes_on_along_the_drift_with_bands_of_the_textbook():
    """Source: Hyndman and Athanasopoulos (2021), sec. 5.5: sd = s sqrt(h (1 + h / (T - 1)))."""
    values = np.cumsum(chance().normal(0.5, 2.0, 80))
    paths = random_walk(
        np.arange(80), values, 79 + np.arange(1, 31), generator=chance(3), members=8000
    )
    ahead = np.arange(1, 31)
    drift = (values[-1] - values[0]) / 79
    spread = np.std(np.diff(values), ddof=1)
    expected = spread * np.sqrt(ahead * (1 + ahead / 79))
    assert np.allclose(paths.mean(0), values[-1] + drift * ahead, atol=0.6)
    assert np.allclose(paths.std(0), expected, rtol=0.05)


def test_an_exact_exponential_is_continued_exactly():
    t, ahead = np.arange(20.0), np.arange(20.0, 40.0)
    curves = exponential(t, 2 * np.exp(-0.03 * t), ahead, generator=chance(), members=5)
    assert np.allclose(curves, 2 * np.exp(-0.03 * ahead), rtol=1e-6)


def test_the_exponential_tells_how_unsure_it_is():
    covered = []
    t, ahead = np.arange(40.0), np.arange(40.0, 50.0)
    for seed in range(60):
        noise = chance(seed).normal(0, 0.05, 50)
        values = 2 * np.exp(-0.02 * np.arange(50)) + noise
        curves = exponential(t, values[:40], ahead, generator=chance(seed + 1000))
        low, high = np.quantile(curves, [0.05, 0.95], axis=0)
        covered.append(np.mean((low <= values[40:]) & (values[40:] <= high)))
    assert 0.83 < np.mean(covered) < 0.96


@pytest.mark.parametrize("baseline", [random_walk, exponential])
def test_a_baseline_is_reproducible_and_skips_missing_readings(baseline):
    t, values = np.arange(12.0), np.linspace(2.0, 1.0, 12) + 0.01 * np.sin(np.arange(12))
    holed = values.copy()
    holed[5] = np.nan
    first, again = (baseline(t, holed, [12.0, 13.0], generator=chance(), members=7) for _ in "ab")
    assert np.array_equal(first, again)
    assert first.shape == (7, 2)
    assert np.isfinite(first).all()
    without = baseline(np.delete(t, 5), np.delete(values, 5), [12, 13], generator=chance())
    assert np.isfinite(without).all()
    for wrong in (([0, 1], [1, 2], [3]), (t, values, [5.0]), (t[::-1], values, [20.0])):
        with pytest.raises(DataError):
            baseline(*wrong, generator=chance())
