import json
import re
import statistics
import time
from collections import Counter

import pytest

from tasks.corpus.dialogues import Dialogue, generate, grammar_sha256
from tasks.corpus.exact_judge import judge
from tasks.corpus.korean import FORMS, Word, final_consonant, particle
from tasks.corpus.matters import MATTERS, lexicon

ROWS = generate(11, 2000)


def test_same_seed_same_rows_and_another_seed_other_rows():
    assert generate(3, 40) == generate(3, 40)
    assert [row.document for row in generate(3, 40)] != [row.document for row in generate(4, 40)]


def test_a_longer_list_starts_with_the_shorter():
    assert generate(3, 60)[:25] == generate(3, 25)


def test_a_row_says_where_it_comes_from():
    row = generate(3, 8)[7]
    assert row.id == "dialogue-3-000007"
    assert row.document == "\n".join(f"{speaker}: {text}" for speaker, text in row.turns)
    assert isinstance(row, Dialogue)


def test_every_matter_is_equally_frequent():
    counts = Counter(row.matter for row in ROWS)
    assert len(counts) >= 8
    assert set(counts.values()) == {len(ROWS) // len(MATTERS)}


def test_all_outcomes_and_complications_are_common():
    outcomes = Counter(row.facts["outcome"] for row in ROWS)
    assert all(outcomes[outcome] > 0.15 * len(ROWS) for outcome in ("agreed", "changed", "cancelled"))
    assert sum(len(row.facts["speakers"]) == 3 for row in ROWS) > 0.1 * len(ROWS)
    assert sum(bool(row.facts["rejected"]) for row in ROWS) > 0.3 * len(ROWS)


def test_facts_are_json():
    for row in ROWS[:200]:
        assert json.loads(json.dumps(row.facts)) == row.facts


@pytest.mark.parametrize(
    ("measure", "low", "high", "mean_low", "mean_high"),
    [
        (lambda row: len(row.document), 70, 280, 160, 210),
        (lambda row: len(row.summary), 30, 75, 45, 65),
        (lambda row: len(row.turns), 4, 14, 7, 10),
        (lambda row: len(row.facts["slots"]) + len(row.facts["roles"]) + 1, 5, 6, 5, 6),
    ],
    ids=["document characters", "summary characters", "turns", "facts"],
)
def test_sizes_are_in_their_bands(measure, low, high, mean_low, mean_high):
    sizes = [measure(row) for row in ROWS]
    assert low <= min(sizes)
    assert max(sizes) <= high
    assert mean_low <= statistics.mean(sizes) <= mean_high


def test_every_scored_fact_occurs_literally_in_dialogue_and_reference():
    for row in ROWS:
        words = list(row.facts["slots"].values())
        words += [role[key] for role in row.facts["roles"] for key in ("object", "doer", "to")]
        assert all(word in row.document and word in row.summary for word in words), row


def test_what_is_mentioned_holds_every_slot_value():
    for row in ROWS:
        for slot, value in row.facts["slots"].items():
            assert value in row.facts["mentioned"][slot], row


def test_every_reference_gets_the_full_score():
    wrong = [
        (row.summary, verdict) for row in ROWS if (verdict := judge(row.summary, row.facts)).total != 1.0
    ]
    assert wrong == []


def test_documents_seldom_repeat():
    documents = [row.document for row in generate(12, 5000)]
    assert len(set(documents)) > 0.98 * len(documents)


def test_references_vary():
    """At least six wordings for each matter and outcome, once its values are blanked out."""
    wordings: dict[tuple[str, str], set[str]] = {}
    for row in generate(13, 3000):
        words = {*row.facts["speakers"], *row.facts["slots"].values(), *row.facts["old"].values()}
        words |= {role[key] for role in row.facts["roles"] for key in ("object", "doer")} - {""}
        blanked = re.sub("|".join(map(re.escape, sorted(words, key=len, reverse=True))), "_", row.summary)
        wordings.setdefault((row.matter, row.facts["outcome"]), set()).add(blanked)
    assert min(map(len, wordings.values())) >= 6
    assert len(wordings) == 3 * len(MATTERS)


def test_ten_thousand_rows_take_seconds():
    start = time.process_time()
    generate(14, 2000)
    assert time.process_time() - start < 2.0  # a fifth of 10,000, with room for a busy machine


def test_the_hash_of_the_grammar_is_stable_and_whole():
    assert grammar_sha256() == grammar_sha256()
    assert re.fullmatch("[0-9a-f]{64}", grammar_sha256())


@pytest.mark.parametrize(
    ("word", "closed", "expected"),
    [
        ("민수", "이", "가"),
        ("지영", "이", "이"),
        ("하은", "은", "은"),
        ("피자", "을", "를"),
        ("도시락", "을", "을"),
        ("서울", "으로", "로"),  # ㄹ takes 로
        ("강남역", "으로", "으로"),
        ("제주도", "으로", "로"),
        ("회의실", "과", "과"),
        ("3", "이", "이"),  # 삼
        ("2", "이", "가"),  # 이
        ("7", "으로", "로"),  # 칠
        ("10", "을", "을"),  # 십
        ("30,000", "을", "을"),  # 삼만
        ("1000", "으로", "으로"),  # 천
        ("TV", "이", "가"),
        ("PM", "은", "은"),  # 엠
        ("URL", "으로", "로"),  # 엘
        ("KTX", "을", "를"),
        ("cup", "을", "을"),
        ("지영", "아", "아"),
        ("민수", "아", "야"),
        ("대회의실(2층)", "을", "을"),
    ],
)
def test_particles_by_hand(word, closed, expected):
    assert particle(word, closed) == expected


def test_a_word_takes_its_particle_in_a_template():
    assert (
        "{name:이} {item:을} {day:날}".format(name=Word("지영"), item=Word("피자"), day=Word("내일"))
        == "지영이 피자를 내일"
    )
    assert "{day:날}".format(day=Word("토요일")) == "토요일에"
    assert final_consonant("") == 0


def test_particles_in_generated_rows():
    """Each known word with a particle behind it has the one that its last sound asks for."""
    known = {*lexicon.NAMES, *lexicon.STAFF, *lexicon.REASONS}
    for matter in MATTERS:
        known |= {value for values in matter.slots.values() for value in values}
        known |= {obj for obj, _ in (*matter.deeds, *matter.cancelled_deeds)}
    closed_of = {form: closed for closed, forms in FORMS.items() for form in forms}
    forms = "으로|은|는|이|가|을|를|과|와|로|아|야"
    words = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![가-힣\d])({words})({forms})(?=[ .,?!\n]|$)")
    found = [m.groups() for row in ROWS for m in pattern.finditer(f"{row.document}\n{row.summary}")]
    assert len(found) > 5000
    assert [(word, form) for word, form in found if particle(word, closed_of[form]) != form] == []
