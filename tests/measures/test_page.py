"""The report as HTML and Markdown, on comparisons made up for it."""

import itertools
import re

import numpy as np
import pytest

from tasks.measures import language, markdown, page
from tasks.measures.blocks import Extras
from tasks.measures.evaluations import NUMBERS
from tasks.measures.examples import Example, Text

HIGHER, SAME = "higher", "cannot tell apart"
ATTACK = '<script>alert("1")</script>'
MEASURES = ("gold", *NUMBERS)
KIB = 1024
BOUND = 1000 * KIB  # of a page of 19 branches and three judges
INTERVAL = {"mean": 0.512345, "low": 0.498765, "high": 0.523456}


def comparison(names, warnings=(), **changes):
    """`names` on 40 prompts and two seeds; the first is higher than SFT and than all others."""
    pairs = [*((name, "sft") for name in names), *itertools.combinations(names, 2)]
    keys = [(name, "sft", measure) for name in names for measure in MEASURES]
    keys += [(*pair, "gold") for pair in pairs[len(names) :]]
    rows = [_row(*key, HIGHER if key[0] == names[0] else SAME) for key in keys]
    scores = {name: dict.fromkeys(MEASURES, INTERVAL) for name in ("sft", *names)}
    spread = {"by_seed": [0.5, 0.51], "minimum": 0.5, "maximum": 0.51, "sd": 0.007}
    ends = [{"branch": name, "seed": 0, "kl": 1.5, "gold": 0.5, "reward": 0.4} for name in names]
    return {
        "headline": "gold",
        "judge": "exact",
        **{"prompts": 40, "samples": 1, "seeds": [0, 1]},
        "bootstrap": {"method": "BCa", "confidence": 0.95, "resamples": 1000, "seed": 0},
        "scores": {"greedy": scores, "sampled": scores},
        "seed_spread": {"greedy": {name: {"gold": spread} for name in names}},
        "differences": {"greedy": rows, "sampled": rows},
        "test": {
            **{"pairs": len(pairs), "patterns": 10000, "power": 0.8},
            **{"wanted_difference": 0.02, "wanted_win_gap": 0.05, "win_gap_prompts": 4181},
        },
        "in_general": {"greedy": []},
        "frontier": {
            "ends": [{"branch": "sft", "seed": None, "kl": 0, "gold": 0.5, "reward": 0.4}, *ends],
            "points": [],
        },
        "best_of": [],
        "warnings": [{"kind": "kl", "branch": each, "text": each, "text_ko": each} for each in warnings],
        "judges": [
            {"name": judge, "exempt": judge == "exact", "agreement": [], "against_exact": None}
            for judge in ("exact", "reward", "rougeL")
        ],
        "win_rates": [_rate(*pair, judge) for judge in ("exact", "reward", "rougeL") for pair in pairs],
        "baselines": {},
        "signatures": {},
        "displacement": {},
        "hashes": {"prompts_sha256": "p" * 64, "models": {"sft": "s" * 64}},
        "branches": [
            {
                **{"name": name, "method": "dpo", "family": "pairs", "start": "models/sft", "trials": 0},
                **{"information": "pairs", "settings": {"beta": 0.1}, "tuned_settings_changed": False},
            }
            for name in names
        ],
        **changes,
    }


def _row(left, right, measure, verdict):
    return {
        **{"left": left, "right": right, "measure": measure, "verdict": verdict},
        **{"difference": 0.034567, "low": 0.012345, "high": 0.056789, "seeds_agreeing": 2},
        **{"p": 0.0123, "p_holm": 0.0456, "effect_size": 0.21, "smallest_detectable": 0.0345},
        "prompts_needed": 1234,
    }


def _rate(left, right, judge):
    return {
        **{"left": left, "right": right, "judge": judge, "wins": 30, "ties": 20, "losses": 30},
        **{"win_rate": 0.634567, "low": 0.512345, "high": 0.723456, "abstained": 0, "flip_rate": None},
        **{"length_controlled": 0.567891, "lc_low": 0.45, "lc_high": 0.65},
    }


def extras(names, **changes):
    rng = np.random.default_rng(0)
    greedy = {
        name: {
            "gold": rng.uniform(size=(1 if name == "sft" else 2, 40)),
            "characters": rng.integers(40, 80, size=(1 if name == "sft" else 2, 40)).astype(float),
        }
        for name in ("sft", *names)
    }
    texts = tuple(Text(name, "민수가 세 시에 만나기로 했다.", 0.5, 0.5) for name in ("sft", *names))
    examples = [Example(f"doc-{place}", None, "민수: 세 시에 보자.", "만난다.", texts) for place in range(8)]
    return Extras(**{"examples": examples, "greedy": greedy, "costs": {}, **changes})


def report(names, kind="html", spoken="en", found=None, more=None):
    write = {"html": page.html, "md": markdown.markdown}[kind]
    with language.speaking(spoken):
        return write(found or comparison(names), more or extras(names))


@pytest.fixture(scope="module")
def english():
    return report(["dpo", "rloo"])


@pytest.fixture(scope="module")
def korean():
    return report(["dpo", "rloo"], spoken="ko")


def test_the_answer_comes_first_then_one_row_a_model(english):
    body = english[english.index("<body>") :]
    first = body[: body.index("<section")]
    assert re.findall("<h1>(.*?)</h1>", first) == [
        "Take dpo: higher than sft on gold, +0.035 [+0.012, +0.057], and lower than no other branch."
    ]
    assert re.findall("<tr><th>(.*?)</th>", first[first.index("<tbody>") :]) == ["sft", "dpo", "rloo"]
    assert "<td class=up>▲ higher</td><td>63 %</td>" in first
    assert "<td>= cannot tell apart</td>" in first


def test_the_contents_lead_to_every_section_and_each_says_what_it_answers(english):
    contents = english[english.index("<nav") : english.index("</nav>")]
    linked = re.findall(r'<a href="#(\w+)">', contents)
    assert linked == re.findall(r'<section id="(\w+)">', english)
    assert linked[0] == "verdicts"
    assert linked[-1] == "reproduce"
    assert english.count("<p class=question>") == len(linked)
    assert all(said.endswith("?") for said in re.findall("<p class=question>([^<]+)", english))


def test_each_language_links_to_the_other_and_to_nothing_else(english, korean):
    away = r'(?:src|href)="(?!#)([^"]*)'
    assert re.findall(away, english) == ["comparison.ko.html"]
    assert re.findall(away, korean) == ["comparison.html"]
    assert '<html lang="en">' in english
    assert '<html lang="ko">' in korean
    assert report(["dpo"], "md").startswith("[한국어](comparison.ko.md)\n")
    assert report(["dpo"], "md", "ko").startswith("[English](comparison.md)\n")


def test_no_english_sentence_is_left_in_the_korean_report(korean):
    lines = re.sub("<[^>]+>", "\n", korean[korean.index("<body>") :]).splitlines()
    english = re.compile("(?:[A-Za-z]{2,}[ ,.]+){4}")
    assert [line for line in lines if english.search(line) and not re.search("[가-힣]", line)] == []


def test_three_warnings_stand_open_and_four_are_folded_under_their_count():
    three = report(["dpo"], found=comparison(["dpo"], ["a", "b", "c"]))
    assert "<div class=alarms><ul><li>a</li><li>b</li><li>c</li></ul></div>" in three
    four = report(["dpo"], found=comparison(["dpo"], ["a", "b", "c", "d"]))
    assert "<div class=alarms><details><summary>4 warnings: KL below 0 4</summary><ul><li>a</li>" in four
    assert "<summary>4 warnings: KL below 0 4</summary>" in report(
        ["dpo"], "md", found=comparison(["dpo"], ["a", "b", "c", "d"])
    )
    assert "<div class=alarms>" not in report(["dpo"])


def test_sentences_between_branches_are_folded_where_there_are_many(english):
    assert "<details><summary>Between branches" not in english  # three pairs in all
    many = report(["a", "b", "c", "d"])  # four against sft, six between
    assert "<details><summary>Between branches: 6 pairs</summary><ul class=verdicts>" in many


@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_a_page_of_nineteen_branches_stays_small(spoken):
    names = [f"branch_{place}" for place in range(19)]
    shown = report(names, spoken=spoken)
    assert len(shown.encode()) < BOUND
    assert shown.count("190") >= 3  # pairs: in folded tables, by their count
    assert len(report(names, "md", spoken).encode()) < BOUND / 4


@pytest.mark.parametrize("kind", ["html", "md"])
@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_every_text_of_data_is_escaped(kind, spoken):
    """Names of branches, ids, texts, warnings, terms, differences, hashes and commits."""
    found = comparison([ATTACK, f"{ATTACK}2"], [ATTACK] * 4)
    terms = {"judge": ATTACK, ATTACK: ATTACK}
    found |= {"contract": {"terms": terms, "branches": {}, "differences": [ATTACK]}}
    found["hashes"] = {ATTACK: ATTACK, "models": {ATTACK: ATTACK}}
    more = extras([ATTACK, f"{ATTACK}2"])
    texts = tuple(Text(ATTACK, f"{ATTACK} {place}", 0.5, 0.5) for place in range(2))
    more = more._replace(
        examples=[Example(ATTACK, None, ATTACK, ATTACK, texts)],
        costs={ATTACK: [{"seconds": 3.0, "code": {"git.sha": ATTACK}}]},
    )
    shown = report([ATTACK], kind, spoken, found, more)
    fences = re.sub("(?s)```.*?```", "", shown)  # a fence's text is text, whatever it is
    assert "<script" not in (shown if kind == "html" else fences)
    assert fences.count("&lt;script&gt;") > 20


def test_commands_stay_as_they_are_typed(english):
    assert ".venv/bin/python -m tasks card dpo-0" in english
    assert "# the card of one model" in report(["dpo"], "md")
