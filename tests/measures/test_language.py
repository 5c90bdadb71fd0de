"""Every template that the code says stands in ko.yaml with the same fields, and nothing else does."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from tasks.measures import language
from tasks.measures.definitions import DEFINITIONS

TASKS = Path(language.__file__).resolve().parents[1]
SAYING = {"say", "phrase"}


def literals(text):
    """What is said in a source, as literals."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    given = [call.args[0] for call in calls if getattr(call.func, "id", None) in SAYING and call.args]
    return {node.value for node in given if isinstance(node, ast.Constant)}


def said():
    """All templates: the literals, and the definitions of measures, which other stages read without any language."""
    found = {part for each in DEFINITIONS.values() for part in each}
    for path in sorted(TASKS.rglob("*.py")):
        found |= literals(path.read_text(encoding="utf-8"))
    return found


def fields(template):
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_every_template_is_there_in_korean_and_no_entry_is_left_over():
    given, there = said(), set(language.templates())
    assert given - there == set()
    assert there - given == set()


def test_the_fields_are_the_same_in_both_languages():
    assert {en: fields(ko) for en, ko in language.templates().items() if fields(en) != fields(ko)} == {}


def test_korean_sentences_are_korean_and_end_like_theirs():
    """A template with Latin words alone is a name (ROUGE-L, sft) or holds fields alone."""
    for en, ko in language.templates().items():
        bare = re.sub(r"\{\w+\}", "", en)
        if len(bare.split()) > 3:
            assert re.search("[가-힣]", ko), en
            assert en.endswith(".") == ko.endswith("."), en


def test_no_particle_follows_a_field_whose_last_sound_decides_it():
    """After a number the sound is not known either, so 은/는, 이/가, 을/를, 과/와, (으)로 never follow a field."""
    particle = re.compile(r"\{\w+\}'?(은|는|이|가|을|를|과|와|로|으로)(?=[\s,.)]|$)")
    assert [ko for ko in language.templates().values() if particle.search(ko)] == []


def test_the_scan_sees_calls_of_any_depth_and_no_others():
    assert literals('a = [say("{b} c", b=1), f(phrase("d"))]\nrun("e")\nsay(NAME)\n') == {"{b} c", "d"}


def test_a_template_is_said_in_the_language_that_is_spoken():
    assert language.say("seed {seed}", seed=3) == "seed 3"
    with language.speaking("ko"):
        assert language.say("seed {seed}", seed=3) == "시드 3"
        with language.speaking("en"):
            assert language.say("seed {seed}", seed=3) == "seed 3"
        assert language.spoken() == "ko"
    assert language.spoken() == "en"


def test_the_language_is_put_back_after_an_error():
    with pytest.raises(LookupError, match="no entry for 'nobody said this'"), language.speaking("ko"):
        language.say("nobody said this")
    assert language.spoken() == "en"


def test_a_language_that_nobody_knows_is_an_error():
    with pytest.raises(ValueError, match="'de' is none of en, ko"), language.speaking("de"):
        pass


def test_a_value_is_no_template():
    assert language.say("weights of {model}", model="{0} {secret}") == "weights of {0} {secret}"


def test_what_is_stored_is_told_in_both():
    assert language.both(lambda: language.say("seed {seed}", seed=1)) == {
        "text": "seed 1",
        "text_ko": "시드 1",
    }
