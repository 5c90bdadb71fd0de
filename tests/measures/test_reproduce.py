"""How a comparison is made again, in words and commands."""

from tasks.measures import reproduce

COMMIT, OTHER = "a" * 40, "b" * 40


def cost(sha=None, dirty="false"):
    return {"code": {"git.sha": sha, "git.dirty": dirty}} if sha else {"seconds": 1.0}


def comparison(**changes):
    return {
        "branches": [{"name": "dpo"}, {"name": "rloo"}],
        "seeds": [3, 4],
        "scores": {"greedy": {"sft": {}}},
        "judges": [],
        "frontier": {"points": []},
        "best_of": [],
        **changes,
    }


def test_the_commit_is_that_of_the_trainings():
    costs = {"dpo": [cost(COMMIT), cost(COMMIT)], "rloo": [cost(COMMIT)]}
    assert reproduce.told(costs) == f"Trained at commit: {COMMIT} (dpo, rloo)."
    lines = reproduce.commands(comparison(), costs)
    assert lines[0].startswith(f"git checkout {COMMIT}  # ")
    assert [line.split("  #")[0].strip() for line in lines[1:]] == [
        "make run",
        ".venv/bin/python -m dvc checkout",
        ".venv/bin/python -m tasks card dpo-3",
    ]


def test_commits_that_differ_or_had_changes_are_named_and_none_is_chosen():
    costs = {"dpo": [cost(COMMIT)], "rloo": [cost(OTHER, "true")]}
    told = reproduce.told(costs)
    assert f"{COMMIT} (dpo); {OTHER} + (rloo)" in told
    assert told.endswith("A + says that there were changes which that commit does not hold.")
    assert reproduce.commands(comparison(), costs)[0].startswith("git checkout <commit>")


def test_a_commit_that_nobody_recorded_is_no_commit():
    assert reproduce.commits({"dpo": [cost()]}) == {}
    assert "was not recorded here" in reproduce.told({"dpo": [{}]})


def test_what_is_off_says_so_and_how_to_have_it():
    rows = {row[0]: list(row[1:]) for row in reproduce.switched(comparison()).rows}
    assert rows["BERTScore"] == ["no", "params.yaml: evaluate.bertscore"]
    assert rows["a language model as a judge"] == ["no", "params.yaml: duel.judges (docs/judges.md)"]
    assert rows["claims about methods in general"] == ["no", "params.yaml: seeds, at least 8"]
    assert rows["every method"] == ["2 branches", "make run-all"]
    on = comparison(
        seeds=list(range(8)),
        scores={"greedy": {"sft": {"bertscore": {}}}},
        judges=[{"name": "grader", "model": "m", "agreement": [{}]}],
        frontier={"points": [{"step": 1}]},
        best_of=[{"n": 1}, {"n": 4}],
    )
    assert [row[1] for row in reproduce.switched(on).rows] == [
        *("yes", "grader", "grader", "2 branches", "yes", "yes", "up to 4")
    ]
