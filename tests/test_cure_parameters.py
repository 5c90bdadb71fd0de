"""What params.yaml may say of votes and cures, and what it is refused for."""

import io
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks import parameters
from tasks.refusal import Refusal

ROOT = Path(__file__).resolve().parents[1]
CURE = {
    "strength": "strict",
    "drop": 0.0,
    "flip": 0.2,
    "flip_anyway": False,
    "smooth": 0.0,
    "alpha": 0.0,
    "margin": 0.0,
}


@pytest.fixture
def read():
    """params.yaml with a vote and an entry of branches.cured, as these change them."""

    def parsed(method="dpo", cure=(), own=(), engine="gallim", members=(0, 1, 2, 3), vote=None):
        given = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        vote = vote or {"kind": "kfold", "folds": 2}
        given["strength"] |= {"members": list(members), "votes": {"strict": vote}}
        walk = given["branches"]["pairs"]["dpo"]["optimisation"] | {"engine": engine}
        own = own or {"beta": 0.1}
        entry = {"method": method, **dict(own), "optimisation": walk, "cure": CURE | dict(cure)}
        given["branches"]["cured"] = {"tried": entry}
        text = io.StringIO()
        YAML().dump(given, text)
        return parameters.parse(parameters.Parameters, text.getvalue(), "params.yaml")

    return parsed


def test_by_default_nobody_votes_and_nothing_is_cured():
    found = parameters.read(ROOT / "params.yaml")
    assert (found.strength.votes, found.branches.cured) == ({}, {})


def test_an_entry_is_read_by_its_methods_own_config_and_its_cure(read):
    entry = read().branches.cured["tried"]
    assert (entry.method, entry.beta, entry.cure.flip) == ("dpo", 0.1, 0.2)
    assert type(entry).model_validate(entry.model_dump()) == entry
    assert read().branches.family("tried") == "cured"


@pytest.mark.parametrize(
    ("cure", "said"),
    [
        ({"flip": 0.0}, "cures nothing; such an entry belongs under branches.pairs"),
        ({"drop": 0.5, "flip": 0.6}, "are more than all pairs"),
        ({"drop": 1.0, "flip": 0.0}, "or leave none"),
        ({"flip": 0.0, "drop": 0.1, "flip_anyway": True}, "flip_anyway without a flip"),
        ({"smooth": 0.2}, "smooth and alpha need each other"),
        ({"alpha": 0.2}, "smooth and alpha need each other"),
        ({"strength": "strickt"}, "strength.votes has no 'strickt'; did you mean 'strict'"),
        ({"flipp": 0.1}, "unknown parameter 'flipp'; did you mean 'flip'"),
    ],
)
def test_a_cure_that_is_none_is_refused(cure, said, read):
    with pytest.raises(Refusal, match=said):
        read(cure=cure)


@pytest.mark.parametrize(("method", "own"), [("ipo", {"tau": 0.1}), ("simpo", {"beta": 2.0, "gamma": 0.5})])
def test_a_margin_needs_an_implicit_reward_and_other_cures_do_not(method, own, read):
    with pytest.raises(Refusal, match=f"method {method} has no implicit reward that a margin could be of"):
        read(method=method, own=own, cure={"margin": 1.0})
    assert read(method=method, own=own).branches.cured["tried"].method == method


def test_trl_knows_no_label_of_a_pairs_own(read):
    with pytest.raises(Refusal, match="set engine: gallim"):
        read(engine="trl")


def test_members_are_divided_evenly_among_the_folds(read):
    with pytest.raises(Refusal, match="4 members cannot be divided among 3 folds evenly"):
        read(vote={"kind": "kfold", "folds": 3})
    assert read(vote={"kind": "ensemble"}, members=[7]).strength.members == [7]


def test_a_member_stands_once(read):
    with pytest.raises(Refusal, match="a seed stands twice"):
        read(members=[0, 0])


def test_a_method_that_reads_no_pairs_is_refused(read):
    with pytest.raises(Refusal, match=r"method kto belongs under branches.unpaired"):
        read(method="kto", own={"desirable_weight": 1.0})
