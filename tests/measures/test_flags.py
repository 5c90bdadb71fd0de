"""What the report says of trainings whose numbers went wrong."""

from tasks.measures import flags, language

CUT_OFF = {"flagged_cut_off": 0.8, "flagged_cut_off_step": 5}


def test_a_branch_is_warned_of_once_a_limit_by_its_worst_seed_in_both_languages():
    records = {
        "align-rloo-0": {"flagged_kl": 1.25, "flagged_kl_step": 20},
        "align-rloo-2": {"flagged_kl": 3.5, "flagged_kl_step": 10} | CUT_OFF,
        "align-rloo-1": {"flagged_cut_off": 0.6, "flagged_cut_off_step": 24},
        "align-dpo-0": {"rows": 3},
    }
    found = flags.alarms(["dpo", "rloo"], [0, 1, 2], records)
    assert [alarm["text"] for alarm in found] == [
        "rloo left the reference far behind in training: KL up to 3.50 nats a token, first at step 10 (seeds: 0, 2).",
        "rloo wrote answers that never end in training: up to 80%, first at step 5 (seeds: 1, 2).",
    ]
    assert all("시드: " in alarm["text_ko"] for alarm in found)
    assert {alarm["kind"] for alarm in found} == {"training"}


def test_every_limit_of_params_has_its_sentence():
    from tasks.sections.compared import Watch

    assert set(flags.TOLD) == set(Watch.model_fields)
    with language.speaking("ko"):
        for template in flags.TOLD.values():
            assert "rloo" in language.say(template, branch="rloo", value=0.5, step=1, seeds="0")
