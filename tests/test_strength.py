"""Stages member, strength and cured: who votes on what, whether turned labels are found, what a cure leaves."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import strength as stage
from tasks.corpus.pairs import NOISY
from tasks.engine.models import file_sha256
from tasks.measures import cures, strength
from tasks.refusal import Refusal

NOTHING = {"drop": 0.0, "flip": 0.0, "flip_anyway": False, "smooth": 0.0, "alpha": 0.0, "margin": 0.0}


def column(path, name):
    return pq.read_table(path)[name].to_pylist()


def pairs():
    return pq.read_table("data/pairs/a.parquet").to_pylist()


@pytest.fixture
def voted(own):
    """The miniature with all votes of two members cast, out of fold."""
    own.change("strength", members=[3, 5], votes={"strict": {"kind": "kfold", "folds": 2}}, planted=0.25)
    for seed in (3, 5):
        for labels in ("given", "planted"):
            told = own.run(f"member --by strict --seed {seed} --labels {labels}")
            assert told["rows"] + told["votes"] == len(pairs())
    return own


def test_members_vote_strength_is_told_and_pairs_are_cured(voted):
    """One walk through all stages, as the members' trainings are what takes long."""
    told, rows = voted.run("strength --by strict"), pairs()
    votes = {seed: pq.read_table(f"data/strength/strict/given-{seed}.parquet").to_pydict() for seed in (3, 5)}
    assert sorted(votes[3]["place"] + votes[5]["place"]) == list(range(len(rows)))
    prompts = [{rows[place]["prompt"] for place in votes[seed]["place"]} for seed in (3, 5)]
    assert not prompts[0] & prompts[1]
    strengths = column("data/strength-strict.parquet", "strength")
    for seed in (3, 5):
        differences = np.array(votes[seed]["difference"])
        scaled = differences / np.sqrt((differences**2).mean())
        assert [strengths[place] for place in votes[seed]["place"]] == pytest.approx(scaled)
    turned = strength.planted(len(rows), 0.25, voted.parameters.strength.seed)
    assert column("data/strength-strict.parquet", "planted") == turned.tolist()
    assert told["audit_planted"] == turned.sum()
    assert told["data_sha256"] == file_sha256(Path("data/strength-strict.parquet"))

    lens = json.loads(Path("reports/strength/strict.json").read_text())
    assert sum(lens["histogram"]["counts"]) == lens["pairs"] == len(rows)
    assert lens["voters"] == [1, 1]
    assert sum(lens["classes"].values()) == pytest.approx(1, abs=1e-5)
    named = {"strength", "spread", "right", "judge_margin", "length_gap", "logp_chosen", "logp_rejected"}
    assert lens["deciles"].keys() == named
    assert lens["deciles"]["strength"] == sorted(lens["deciles"]["strength"])
    assert max(lens["deciles"]["logp_chosen"]) < 0

    one_drop = 1 / len(rows) + 1e-9
    cure = NOTHING | {"strength": "strict", "drop": one_drop, "smooth": 0.5, "alpha": 0.2, "margin": 1.0}
    entry = voted.entry("dpo").model_dump()
    voted.change("branches.cured", mended=entry | {"cure": cure})
    made = voted.run("cured --family cured --branch mended")
    left = pq.read_table("data/cured/mended.parquet").to_pylist()
    assert made["pairs_sha256"] == file_sha256(Path("data/pairs/a.parquet"))
    assert made["data_sha256"] == file_sha256(Path("data/cured/mended.parquet"))
    assert (made["dropped"], made["flipped"], made["rows"]) == (1, 0, len(rows) - 1)
    weakest = int(np.argmin(strengths))
    assert [row["id"] for row in left] == [row["id"] for row in rows if row is not rows[weakest]]
    kept = [number for place, number in enumerate(strengths) if place != weakest]
    assert [row["wanted_margin"] for row in left] == pytest.approx(kept)
    assert sum(row["smoothing"] == 0.2 for row in left) == made["smoothed"]

    voted.run("method --family cured --branch mended")
    trained = voted.run("align --family cured --branch mended --seed 0")
    assert trained["data_sha256"] == made["data_sha256"]
    assert trained["rows"] == made["rows"]


# ---- without a training: votes as they might have been cast ----------------------------------------------------------


@pytest.fixture
def ranked(own):
    """Strengths that rise with the rows, and a recall of planted flips; gives the stage's word on a cure."""

    def stage(recall=0.9, ids=None, **cure):
        rows = pairs()
        names = ids or [str(row["id"]) for row in rows]
        strengths = [float(place) - 1.5 for place in range(len(names))]
        pq.write_table(pa.table({"id": names, "strength": strengths}), "data/strength-strict.parquet")
        Path("reports/strength").mkdir(parents=True, exist_ok=True)
        Path("reports/strength/strict.json").write_text(json.dumps({"audit": {"recall": recall}}))
        own.change("strength", votes={"strict": {"kind": "ensemble"}})
        whole = NOTHING | {"strength": "strict"} | cure
        own.change("branches.cured", tried=own.entry("dpo").model_dump() | {"cure": whole})
        return own.run("cured --family cured --branch tried")

    return stage


def test_the_weakest_are_turned_and_the_judge_is_heard(ranked):
    share = 2.2 / len(pairs())
    told = ranked(flip=share)
    before, after = pairs(), pq.read_table("data/cured/tried.parquet").to_pylist()
    assert [row["flipped"] for row in after] == [True, True] + [False] * (len(before) - 2)
    assert (after[0]["chosen"], after[0]["rejected"]) == (before[0]["rejected"], before[0]["chosen"])
    assert after[0]["strength"] == 1.5
    assert told["flipped"] == told["flipped_against_judge"] == 2  # the miniature's pairs are the judge's own


@pytest.mark.parametrize("recall", [0.2, 0.5])
def test_flips_are_refused_of_votes_that_do_not_find_planted_ones(recall, ranked):
    with pytest.raises(Refusal, match=rf"finds {recall:.0%} of the labels that were turned on purpose"):
        ranked(recall=recall, flip=0.2)
    assert ranked(recall=recall, drop=0.2)["audit_recall"] == recall  # which needs no trust
    assert ranked(recall=recall, flip=0.2, flip_anyway=True)["flipped"] > 0


def test_noise_that_the_votes_find_is_told_and_none_is_not():
    """The weakest two of five are the second and the fourth; the fourth and the fifth had been turned."""
    given = strength.Votes(np.array([0.4, -1.0, 0.3, -0.2, 0.9]), np.zeros(5), np.ones(5))
    marked = [{"planted": place in (3, 4)} for place in range(5)]
    assert stage._noise(given, marked) == {"noise": {"planted": 2, "recall": 0.5}}
    assert stage._noise(given, [{} for _ in marked]) == {}


def test_a_turned_label_that_the_cure_turns_back_is_right_again(ranked):
    rows = pq.read_table("data/pairs/a.parquet").to_pylist()
    noisy = [
        cures.flip(row) | {"planted": True} if place in (0, 3) else row for place, row in enumerate(rows)
    ]
    pq.write_table(pa.Table.from_pylist(noisy, schema=NOISY), "data/pairs/a.parquet")
    told = ranked(flip=1.2 / len(rows))
    assert (told["flipped"], told["flipped_against_judge"], told["against_judge"]) == (1, 0, 1)
    after = pq.read_table("data/cured/tried.parquet").to_pylist()
    assert (after[0]["chosen"], after[3]["chosen"]) == (rows[0]["chosen"], rows[3]["rejected"])


def test_strengths_of_other_pairs_are_refused(ranked):
    with pytest.raises(Refusal, match="is of other pairs than"):
        ranked(ids=["another"], drop=0.2)


def test_the_bound_of_trust_is_where_as_many_labels_are_mended_as_broken():
    assert strength.TRUSTED == 1 - strength.TRUSTED


def test_an_unknown_vote_or_member_is_refused(own):
    own.change("strength", members=[0, 1], votes={"all": {"kind": "ensemble"}})
    with pytest.raises(Refusal, match="there is no vote 'al' of a member 0"):
        own.run("member --by al --seed 0 --labels given")
    with pytest.raises(Refusal, match="there is no vote 'all' of a member 7"):
        own.run("member --by all --seed 7 --labels given")


def test_an_own_reward_model_has_no_members(own):
    own.change("strength", members=[0, 1], votes={"all": {"kind": "ensemble"}})
    own.change("reward", source={"kind": "own"})
    with pytest.raises(Refusal, match="a ready reward model has no members that could vote"):
        own.run("member --by all --seed 0 --labels given")


def test_in_an_ensemble_every_member_is_trained_on_all_and_votes_on_all(own):
    from tasks import member

    own.change("strength", members=[0, 1], votes={"all": {"kind": "ensemble"}})
    places = list(range(4))
    assert member.shares("all", 1, own.parameters.strength, ["a", "b", "a", "c"]) == (places, places)
