"""The tables that `dvc plots` draws."""

from tasks.measures import series

FOUND = {
    "headline": "gold",
    "scores": {
        "greedy": {
            "sft": {"gold": {"mean": 0.5, "low": 0.4, "high": 0.6}, "reward": {"mean": 9.0}},
            "dpo": {"gold": {"mean": 0.7, "low": 0.6, "high": 0.8}, "reward": {"mean": 9.0}},
        }
    },
    "frontier": {
        "ends": [
            {"branch": "sft", "seed": None, "kl": 0.0, "gold": 0.2, "reward": -1.0},
            {"branch": "dpo", "seed": 3, "kl": 2.5, "gold": 0.3, "reward": 1.0},
        ]
    },
    "best_of": [{"n": 2, "kl_bound": 0.193147, "gold": {"mean": 0.25}, "reward": {"mean": 0.5}}],
}


def test_scores_and_frontier_have_a_row_a_model_under_names_that_no_headline_changes():
    tables = series.tables(FOUND, {})
    assert tables["scores.csv"].splitlines() == [
        "model,headline,low,high",
        "sft,0.5,0.4,0.6",
        "dpo,0.7,0.6,0.8",
    ]
    assert tables["frontier.csv"].splitlines() == [
        "branch,model,kl,headline,reward",
        "sft,sft,0.0,0.2,-1.0",
        "dpo,dpo-3,2.5,0.3,1.0",
        "best of n of sft,best of 2,0.193147,0.25,0.5",
    ]


def test_a_curve_keeps_every_line_and_name_and_one_that_holds_no_loss_has_no_table():
    lines = [{"step": 1, "loss": 0.5}, {"step": 5, "loss": None, "kl": 2.0}]
    tables = series.tables(FOUND, {"align-dpo-3": lines, "sft": [], "reward-a": [{"step": 1}]})
    assert tables["curves/align-dpo-3.csv"].splitlines() == ["step,loss,kl", "1,0.5,", "5,,2.0"]
    assert [name for name in tables if name.startswith("curves/")] == ["curves/align-dpo-3.csv"]
