"""The preference lens: its numbers by hand, and what the report shows of them."""

import json

import numpy as np
import pytest

from tasks.measures import cures_told, language, lens_told, markup
from tasks.measures.lens import lens
from tasks.measures.strength import Votes, audit

MEANS = np.array([-4.0, -0.5, 0.1, 0.6, 1.1, 1.6, 2.1, 2.6, 3.5, 0.9])
TURNED = np.isin(np.arange(10), [0, 8])


@pytest.fixture
def told():
    """Ten pairs, two of them turned, one of which is the weakest."""
    votes = Votes(MEANS, np.full(10, 0.25), np.full(10, 2))
    known = {"length_gap": np.arange(10.0), "judge_margin": np.array([np.nan] + [0.5] * 9)}
    found = lens(votes, audit(MEANS, TURNED), known)
    return {"kind": "kfold", "planted_share": 0.2, **json.loads(json.dumps(found))}


def test_the_lens_by_hand(told):
    assert (told["pairs"], told["voters"], told["spread"]) == (10, [2, 2], 0.25)
    assert told["below_zero"] == 0.2
    assert told["classes"] == {"incorrect": 0.2, "ambiguous": 0.2, "normal": 0.6}
    assert told["audit"] == {"recall": 0.5, "planted": 2}  # of 0 and 8 the weakest two are 0 and 1
    assert told["deciles"]["right"] == [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    assert told["deciles"]["length_gap"] == [0, 1, 2, 3, 9, 4, 5, 6, 7, 8]
    assert "judge_margin" not in told["deciles"]  # not known of every pair


def test_strengths_beyond_the_histogram_are_in_its_last_bins(told):
    counts, edges = told["histogram"]["counts"], told["histogram"]["edges"]
    assert (sum(counts), counts[0], counts[-1]) == (10, 1, 1)
    assert (edges[0], edges[-1], len(edges)) == (-3, 3, len(counts) + 1)


def branch(name, family, method="dpo", **settings):
    return {"name": name, "family": family, "method": method, "settings": {"beta": 0.5, **settings}}


def compared(told=None):
    """A comparison of dpo on raw pairs, on flipped ones, and of a cured branch without a raw one."""
    cure = {"cure.strength": "strict", "cure.flip": 0.2, "cure.drop": 0.0}
    branches = [
        branch("dpo", "pairs"),
        branch("flipped", "cured", **cure),
        branch("other", "cured", "ipo", **cure),
    ]
    row = {
        "left": "dpo",
        "right": "flipped",
        "measure": "gold",
        "difference": 0.02,
        "low": 0.01,
        "high": 0.05,
    }
    return {
        "headline": "gold",
        "branches": branches,
        "scores": {
            "greedy": {each["name"]: {"gold": {"mean": 0.4, "low": 0.3, "high": 0.5}} for each in branches}
        },
        "differences": {"greedy": [row | {"verdict": "higher"}]},
        "strength": {
            "votes": {"strict": told} if told else {},
            "cured": {
                "flipped": {
                    "rows": 90,
                    "dropped": 0,
                    "flipped": 18,
                    "smoothed": 0,
                    "flipped_against_judge": 17,
                    "against_judge": 19,
                }
            },
        },
    }


def test_a_cured_branch_stands_against_the_same_settings_on_raw_pairs():
    one, other = cures_told.table(compared()).rows
    assert one[:8] == ["flipped", "strength strict, flip 0.2", "90", "0", "18", "0", "17", "19"]
    assert one[8:] == [
        "0.400 [0.300, 0.500]",
        "dpo 0.400 [0.300, 0.500]",
        "-0.020 [-0.050, -0.010]",
        "lower",
    ]  # cured less raw, turned round
    assert other[-3:] == ["-", "-", "-"]


def test_another_setting_is_no_raw_branch():
    found = compared()
    found["branches"][0]["settings"]["beta"] = 0.1
    assert cures_told.raw_of(found, found["branches"][1]) is None


@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_the_section_is_there_with_votes_and_says_what_the_audit_found(told, spoken):
    with language.speaking(spoken):
        (part,) = lens_told.section(compared(told), None)
        text = markup.section(part)
    assert part.anchor == "preferences"
    assert "50%" in text
    assert "<svg" in text


@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_the_section_says_whether_the_noise_in_the_pairs_is_found(told, spoken):
    told["noise"] = {"planted": 3, "recall": 2 / 3}
    with language.speaking(spoken):
        (part,) = lens_told.section(compared(told), None)
        text = markup.section(part)
    assert "67%" in text


def test_a_single_vote_has_no_spread_to_show(told):
    assert "spread of the votes" in lens_told.tenths("strict", told).header
    assert "spread of the votes" not in lens_told.tenths("strict", told | {"voters": [1, 1]}).header


def test_noise_in_the_pairs_is_warned_of_and_none_is_not():
    noisy = {"pairs": {"planted": 9, "rows_a": 90, "rows_b": 30}}
    (alarm,) = cures_told.alarms(noisy)
    assert alarm["text"].startswith("9 of the 90 training pairs have their labels turned on purpose")
    assert "90" in alarm["text_ko"]
    assert cures_told.alarms({"pairs": {"planted": 0, "rows_a": 90}}) == cures_told.alarms({}) == []


def test_flips_by_votes_that_find_no_more_than_half_are_warned_of():
    def records(recall, flipped=18):
        return {
            "cured-<b>": {"flipped": flipped, "audit_recall": recall},
            "cured-other": {"flipped": 0, "audit_recall": 0.1},
        }

    (alarm,) = cures_told.alarms(records(0.5))
    assert (alarm["kind"], alarm["branch"]) == ("flips", "<b>")
    assert "18 turned pairs, by votes that find 50%" in alarm["text"]
    assert cures_told.alarms(records(0.6)) == cures_told.alarms(records(0.2, flipped=0)) == []


def test_a_comparison_without_votes_has_no_such_section():
    found = compared()
    found["branches"] = found["branches"][:1]
    for without in (found, {name: value for name, value in found.items() if name != "strength"}):
        (part,) = lens_told.section(without, None)
        assert not part.blocks  # sections leave out what has nothing to show


def test_only_votes_of_params_yaml_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lens_told.FOLDER.mkdir(parents=True)
    for vote in ("strict", "former"):
        (lens_told.FOLDER / f"{vote}.json").write_text("{}")
    records = {"cured-flipped": {"rows": 3, "data_sha256": "a"}, "align-dpo-0": {}}
    found = lens_told.read(["strict", "not_yet"], records)
    assert found == {"votes": {"strict": {}}, "cured": {"flipped": {"rows": 3}}}


def test_names_from_data_are_escaped(told):
    found = compared(told)
    found["strength"]["votes"] = {"<b>": told}
    (part,) = lens_told.section(found, None)
    assert "<b>" not in markup.section(part)


def swept(*drops, **more):
    """A comparison of dpo on raw pairs and without these shares of the weakest, 0.01 better each."""
    found = compared()
    cure = {"cure.strength": "strict", "cure.flip": 0.0, "cure.smooth": 0.0, "cure.margin": 0.0} | more
    found["branches"] = [branch("dpo", "pairs")]
    found["branches"] += [branch(f"drop{drop}", "cured", **cure, **{"cure.drop": drop}) for drop in drops]
    found["scores"]["greedy"] = {
        each["name"]: {"gold": {"mean": 0.4 + 0.01 * place, "low": 0.35, "high": 0.5}}
        for place, each in enumerate(found["branches"])
    }
    row = {
        "left": "dpo",
        "measure": "gold",
        "difference": -0.01,
        "low": -0.03,
        "high": 0.02,
        "verdict": "cannot tell apart",
    }
    found["differences"]["greedy"] = [row | {"right": each["name"]} for each in found["branches"][1:]]
    return found


def test_several_shares_left_out_are_a_sweep_in_their_order_with_intervals(monkeypatch):
    drawn = []
    monkeypatch.setattr(cures_told, "_ranges", lambda axes, *given: drawn.append(given))
    (figure,) = cures_told.sweeps(swept(0.4, 0.1))
    assert "<svg" in figure.draw()
    (shares, scores, mean, _), (right, less, difference, _) = drawn
    assert (shares, mean) == ([0.0, 0.1, 0.4], "mean")
    assert [row["mean"] for row in scores] == pytest.approx([0.4, 0.42, 0.41])
    assert (right, difference) == ([0.1, 0.4], "difference")
    assert less == [{"difference": 0.01, "low": -0.02, "high": 0.03}] * 2  # cured less raw


@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_the_sweep_is_in_the_section_with_its_table(spoken):
    with language.speaking(spoken):
        (part,) = lens_told.section(swept(0.1, 0.2), None)
        text = markup.section(part)
    assert text.count("<svg") == 1
    assert "+0.010 [-0.020, +0.030]" in text


def test_one_share_or_another_cure_is_no_sweep():
    assert cures_told.sweeps(swept(0.1)) == []
    assert cures_told.sweeps(swept(0.1, 0.2, **{"cure.margin": 1.0})) == []
