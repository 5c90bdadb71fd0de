"""Warnings where the models do no better than a document's first line, or than another document's reference."""

import numpy as np
import pytest

from tasks.measures import unreached

BASELINES = {"lead1": {"gold": 0.3, "rougeL": 0.34}, "random": {"rougeL": 0.19}}


def greedy(**models):
    """Two seeds of two prompts each, whose mean is what is given for gold and ROUGE-L."""
    spread = np.array([[-0.1, 0.1], [0.1, -0.1]])
    return {name: {"gold": spread + gold, "rougeL": spread + rouge} for name, (gold, rouge) in models.items()}


def test_models_above_both_are_no_warning():
    assert unreached.alarms(greedy(sft=(0.2, 0.1), dpo=(0.31, 0.2)), "gold", BASELINES) == []


def test_the_best_model_is_held_against_lead_1():
    (alarm,) = unreached.alarms(greedy(sft=(0.1, 0.2), dpo=(0.25, 0.25), rloo=(0.2, 0.2)), "gold", BASELINES)
    assert (alarm["kind"], alarm["branch"]) == ("lead1", "dpo")
    assert "the best, dpo, has 0.250 on gold, lead-1 0.300" in alarm["text"]
    assert "dpo: 0.250, lead-1: 0.300" in alarm["text_ko"]


def test_the_floor_is_of_rouge_whatever_the_headline_is():
    (alarm,) = unreached.alarms(greedy(sft=(0.4, 0.19), dpo=(0.5, 0.15)), "gold", BASELINES)
    assert (alarm["kind"], alarm["branch"]) == ("random", "sft")
    assert (
        "another document's reference has 0.190 against the reference, sft, the best model, 0.190"
        in alarm["text"]
    )


@pytest.mark.parametrize("baselines", [{}, {"lead1": {}}, {"random": {"chrf": 0.9}}])
def test_what_was_not_measured_is_no_warning(baselines):
    assert unreached.alarms(greedy(sft=(0.0, 0.0), dpo=(0.0, 0.0)), "gold", baselines) == []
