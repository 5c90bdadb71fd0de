"""Grid files: what they may say, the trials they make, what comes of them, and that `make run-all` takes it."""

import json
import shutil
from math import isclose
from pathlib import Path

import pytest
from prefect.states import Completed, Failed
from ruamel.yaml import YAML

from flows import branches, console, every, graph, grid, pipeline, trials, tuned, worktree
from tasks import parameters
from tasks.refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [ROOT / "assets/tuning.yaml", ROOT / "assets/sensitivity.yaml"]
TEXT = """
seed: 100
split: validation
trials: 4
keep: assets/tuned.yaml
grid:
  dpo: {optimisation.learning_rate: [1.0e-4, 1.0e-3], beta: [0.1, 0.5]}
  ppo: {beta: [0.03, 0.1, 0.3, 1.0]}
"""


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree/assets").mkdir(parents=True)
    for name in ("params.yaml", "assets/every-method.yaml"):
        shutil.copy(ROOT / name, tmp_path / "tree" / name)
    return tmp_path / "tree"


@pytest.fixture
def written(tmp_path):
    """`written(old, new)`: a grid file with one change, and its path."""

    def write(old: str = "seed", new: str = "seed"):
        assert old in TEXT
        path = tmp_path / "tuning.yaml"
        path.write_text(TEXT.replace(old, new, 1))
        return path

    return write


def fill(path, tree):
    grid.filling(parameters.read_as(grid.Grid, path), path)(tree)


# The file


def test_a_trial_is_a_branch_of_its_own_and_all_else_is_as_it_was(tree, written):
    before = branches.every(tree)
    fill(written(), tree)
    found = YAML(typ="safe").load((tree / "params.yaml").read_text())
    tried = found["branches"]
    assert list(tried["pairs"]) == ["dpo__1", "dpo__2", "dpo__3", "dpo__4"]
    assert list(tried["critic"]) == ["ppo__1", "ppo__2", "ppo__3", "ppo__4"]
    rates = [(one["optimisation"]["learning_rate"], one["beta"]) for one in tried["pairs"].values()]
    assert rates == [(1e-4, 0.1), (1e-4, 0.5), (1e-3, 0.1), (1e-3, 0.5)]
    assert tried["critic"]["ppo__2"] == before["branches"]["critic"]["ppo"], "beta 0.1 is its own"
    assert (found["seeds"], found["evaluate"]["split"]) == ([100], "validation")
    assert not any(tried[family] for family in ("base", "unpaired", "online", "distil"))
    assert (found["align"], before["align"]["snapshots"]) == (before["align"] | {"snapshots": 0}, 2)
    for name in before.keys() - {"branches", "seeds", "evaluate", "align"}:
        assert found[name] == before[name], name
    assert {**found["evaluate"], "split": "test"} == before["evaluate"]


def test_no_judge_is_paid_for_trials(tree, written):
    given = branches.every(tree)
    given["duel"]["judges"] = {
        "paid": {
            **{"kind": "endpoint", "url": "http://127.0.0.1:1/v1", "model": "m", "rubric": "en"},
            **{"temperature": None, "reply_tokens": None, "concurrency": 1, "max_attempts": 1},
            **{"timeout_seconds": 1.0, "requests_per_minute": None},
            "price": {"input": 1.0, "output": 1.0, "reply_tokens": 1, "max_cost": 1.0},
        }
    }
    (tree / "params.yaml").write_text(json.dumps(given))  # JSON is YAML, too
    fill(written(), tree)
    assert YAML(typ="safe").load((tree / "params.yaml").read_text())["duel"]["judges"] == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("trials: 4", "trials: 3", "grid.dpo makes 4 trials, and `trials` says 3"),
        ("[0.03, 0.1, 0.3, 1.0]", "[0.03, 0.1]", "grid.ppo makes 2 trials, and `trials` says 4"),
        ("[0.03, 0.1, 0.3, 1.0]", "[0.03, 0.1, 0.1, 1.0]", "grid.ppo.beta: a value stands twice"),
        ("seed:", "sead:", "unknown parameter 'sead'; did you mean 'seed'?"),
        ("split: validation", "split: test", "split: Input should be 'validation'"),
        ("keep: assets/tuned.yaml", "", "keep: Field required"),
        ("seed: 100", "seed: 1", "seed: 1 is one of those that are compared"),
        ("ppo", "ppoo", r"grid.ppoo: there is no branch 'ppoo'; did you mean 'ppo'\?"),
        (
            "optimisation.learning_rate",
            "learning_rate",
            r"grid.dpo.learning_rate: there is no such setting; did you mean 'optimisation.learning_rate'\?",
        ),
        (
            "[0.1, 0.5]",
            "[0.1, 50.0]",
            r"tuning.yaml: branches.pairs.dpo__2.beta: .* less than or equal to 10",
        ),
    ],
)
def test_what_cannot_be_tried_is_refused_before_anything_runs(tree, written, old, new, said):
    with pytest.raises(Refusal, match=said):
        fill(written(old, new), tree)


def test_the_split_that_is_compared_on_is_refused(tree, written):
    path = tree / "params.yaml"
    path.write_text(path.read_text().replace("split: test  ", "split: validation"))
    with pytest.raises(Refusal, match="models are compared on validation too"):
        fill(written(), tree)


def test_no_file_and_a_missing_one_are_refused(capsys):
    assert grid.main([]) == grid.main(["no/such.yaml"]) == 2
    assert "one grid file is needed" in capsys.readouterr().err


# What is shipped


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_grid_can_be_trained(tree, path):
    fill(path, tree)


def test_make_tune_gives_every_branch_its_trials_with_the_settings_it_has_among_them(tree):
    given, found = branches.every(tree), parameters.read_as(grid.Grid, ROOT / "assets/tuning.yaml").settings()
    entries = {name: entry for family in given["branches"].values() for name, entry in family.items()}
    assert found.keys() == entries.keys(), "every branch, and no other, stands in assets/tuning.yaml"
    for branch, trying in found.items():
        assert entries[branch] in [branches.changed(entries[branch], one, branch) for one in trying], branch


# What comes of it


def test_trials_are_trained_and_evaluated_and_the_stage_compare_is_left_out(here, monkeypatch):
    names = ("align-pairs@a__1-100", "evaluate-pairs@a__1-100", "compare")
    monkeypatch.setattr(pipeline.graph, "read", lambda: [graph.Stage(name, (), False) for name in names])
    monkeypatch.setattr(pipeline, "submit", lambda wanted, logs: [one.name for one in wanted])
    monkeypatch.setattr(pipeline, "outcome", lambda submitted: submitted)
    monkeypatch.setattr(pipeline, "pipeline", pipeline.pipeline.fn)
    monkeypatch.setattr(console, "main", lambda flow, tell: flow())
    assert grid.work(None, of(), Path("t.yaml")) == list(names[:2])


GIVEN = {"a": [{"optimisation.beta": 0.1}, {"optimisation.beta": 0.5}], "b": [{"c": 1}, {"c": 2}]}


def evaluated(model: str, gold: float | None, **sampled: float) -> None:
    folder = Path("reports/evaluation") / model
    folder.mkdir(parents=True)
    scores = {"rougeL": 0.9 - (gold or 0.0)} | ({} if gold is None else {"gold": gold})
    (folder / "summary.json").write_text(json.dumps({"greedy": scores, "sampled": {**scores, **sampled}}))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A worktree after a run in which b's second trial failed."""
    monkeypatch.setenv("GALLIM_STATE", str(tmp_path / "state"))
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path / "tree")
    evaluated("sft", 0.5)
    evaluated("a__1-100", 0.55, reward=0.25, kl_k1=2.0)
    evaluated("a__2-100", 0.6, reward=0.5, kl_k1=4.0)
    evaluated("b__1-100", 0.4)
    (tmp_path / "state/costs").mkdir(parents=True)
    cost = {"seconds": 30.4, "peak_memory_bytes": 3 * 2**20}
    (tmp_path / "state/costs/align-a__1-100.json").write_text(json.dumps(cost))
    return tmp_path


def test_trials_are_gathered_and_a_failed_one_never_wins(here):
    measure, found = trials.gathered(GIVEN, 100)
    assert measure == "gold"
    assert [trial.score for trial in found] == [0.55, 0.6, 0.4, None]
    assert (found[0].reward, found[0].kl, found[0].seconds, found[0].peak_memory_mib) == (
        0.25,
        2.0,
        30.4,
        3.0,
    )
    assert {branch: trial.number for branch, trial in trials.best(found).items()} == {"a": 2, "b": 1}
    spread = trials.spreads(found)
    assert isclose(spread["a"]["range"], 0.05, abs_tol=1e-9)
    assert isclose(spread["a"]["sd"], 0.05 / 2**0.5, abs_tol=1e-6)
    assert (spread["b"]["failed"], spread["b"]["trials"], spread["b"]["sd"]) == (1, 2, None)


def test_where_one_has_no_gold_rouge_decides(here):
    evaluated("b__2-100", None)
    measure, found = trials.gathered(GIVEN, 100)
    assert measure == "rougeL"
    assert trials.best(found)["a"].number == 1


def test_scores_below_zero_have_a_best_one_and_the_first_of_equals_is_it():
    found = [trials.Trial("a", number, {}, score) for number, score in enumerate((-0.5, -0.25, -0.25), 1)]
    assert trials.best(found)["a"].number == 2


def test_the_table_stands_in_columns(here):
    text = trials.markdown(*trials.gathered(GIVEN, 100))
    table = [line for line in text.splitlines() if line.startswith("| ")][:6]
    assert len({len(line) for line in table}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert cells[2] == ["a", "1", "beta 0.1", "0.550", "0.550", "0.250", "2.00", "30", "3"]
    assert cells[3][:4] == ["a", "2 *", "beta 0.5", "0.600"]
    assert cells[5] == ["b", "2", "c 2", "failed", *"-----"]
    assert "gold of sft: 0.500" in text


def of(**changed):
    given = {"seed": 100, "split": "validation", "trials": 2, "keep": "assets/tuned.yaml"}
    lists = {"a": {"optimisation.beta": [0.1, 0.5]}, "b": {"c": [1, 2]}}
    return grid.Grid.model_validate({**given, "grid": lists, **changed})


def test_a_failed_trial_costs_no_table_and_the_best_settings_are_kept(here, capsys):
    (here / "main/assets").mkdir(parents=True)
    one = worktree.Worktree(here / "state/runs/tuning-abcdef-0123456789", here / "main")
    assert grid.tell(Failed(message="b__2 diverged"), one, of(), Path("assets/tuning.yaml")) == 1
    folder = here / "main/reports/grids/tuning"
    found = json.loads((folder / "trials.json").read_text())
    assert (found["commit"], found["measure"], found["sft"]) == ("0123456789", "gold", 0.5)
    assert [trial["score"] for trial in found["trials"]] == [0.55, 0.6, 0.4, None]
    assert (folder / "trials.md").read_text() in capsys.readouterr().out
    kept = tuned.read(here / "main/assets/tuned.yaml")
    assert {branch: (one.best, one.settings) for branch, one in kept.items()} == {
        "a": (0.6, {"optimisation.beta": 0.5}),
        "b": (0.4, {"c": 1}),
    }
    assert {one.trials for one in kept.values()} == {2}, "a failed trial counts"
    assert "# Written by `make tune` from assets/tuning.yaml" in (here / "main/assets/tuned.yaml").read_text()


def test_a_benchmark_keeps_no_settings(here):
    one = worktree.Worktree(here / "state/runs/s-a-b", here / "main")
    assert grid.tell(Completed(message="done"), one, of(keep=None), Path("s.yaml")) == 0
    assert [path.name for path in (here / "main").iterdir()] == ["reports"]


def test_a_branch_whose_trials_all_failed_gets_no_settings_and_is_told(here, capsys):
    shutil.rmtree(here / "tree/reports/evaluation/b__1-100")
    (here / "main/assets").mkdir(parents=True)
    one = worktree.Worktree(here / "state/runs/t-a-b", here / "main")
    assert grid.tell(Failed(message="both"), one, of(), Path("t.yaml")) == 1
    assert tuned.read(here / "main/assets/tuned.yaml").keys() == {"a"}
    assert "t.yaml: grid.b: every trial failed; lower its learning rates" in capsys.readouterr().err


def test_where_no_trial_came_through_nothing_is_written(here):
    shutil.rmtree(here / "tree/reports/evaluation")
    one = worktree.Worktree(here / "state/runs/t-a-b", here / "main")
    with pytest.raises(Refusal, match="no trial came through"):
        grid.tell(Failed(message="all"), one, of(), Path("t.yaml"))
    assert not (here / "main").exists()


def test_what_is_kept_is_what_make_run_all_trains(tree, written):
    found = parameters.read_as(grid.Grid, written())
    chosen = {"dpo": trials.Trial("dpo", 4, found.settings()["dpo"][3], 0.7)}
    grid.keep(chosen, found, "gold", tree / tuned.FILE, Path("assets/tuning.yaml"))
    every.fill(tree)
    given = parameters.read(tree / "params.yaml")
    assert (given.branches.pairs["dpo"].optimisation.learning_rate, given.branches.pairs["dpo"].beta) == (
        1e-3,
        0.5,
    )
    assert given.tuning["dpo"].trials == 4
