"""`dvc plots` and `dvc metrics diff` on what compare writes, drawn as dvc.yaml says."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.measures import series

ROOT = Path(__file__).resolve().parents[1]
PLOTS = ("reports/plots/scores.csv", "reports/plots/frontier.csv", "reports/plots/curves/align-dpo-0.csv")
FOUND = {
    "headline": "rougeL",
    "scores": {
        "greedy": {name: {"rougeL": {"mean": 0.5, "low": 0.4, "high": 0.6}} for name in ("sft", "dpo")}
    },
    "frontier": {
        "ends": [
            {"branch": "sft", "seed": None, "kl": 0.0, "rougeL": 0.2, "reward": -1.0},
            {"branch": "dpo", "seed": 0, "kl": 2.5, "rougeL": 0.3, "reward": 1.0},
        ]
    },
    "best_of": [],
}


class Commits:
    """A repository with stage compare's outputs in its first commit, made by the repository's own dvc.yaml."""

    def __init__(self, folder: Path):
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name != "SHELL"}
        who = {
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }
        self._environment = {**kept, **who, "DVC_NO_ANALYTICS": "1"}

    def make(self) -> None:
        stage = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["compare"]
        kept = {"cmd": "true", "metrics": stage["metrics"], "plots": stage["plots"]}
        with (self.folder / "dvc.yaml").open("w") as file:
            YAML().dump({"stages": {"compare": kept}}, file)
        self.do("git", "init", "--quiet")
        self.dvc("init", "--quiet")
        shutil.copytree(ROOT / ".dvc/plots", self.folder / ".dvc/plots", dirs_exist_ok=True)
        self.write(0.5)
        self.dvc("commit", "--force", "--quiet")
        self.do("git", "add", ".")
        self.do("git", "commit", "--quiet", "--message", "first")

    def write(self, loss: float) -> None:
        for name, text in series.tables(FOUND, {"align-dpo-0": [{"step": 1, "loss": loss}]}).items():
            path = self.folder / "reports/plots" / name
            path.unlink(missing_ok=True)  # it may be a link into DVC's cache
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.folder / "reports/comparison.json").write_text(json.dumps({"scores": {"dpo": loss}}))

    def dvc(self, *words: str) -> str:
        return self.do(sys.executable, "-m", "dvc", *words)

    def do(self, *words: str) -> str:
        done = subprocess.run(words, cwd=self.folder, env=self._environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def commits(tmp_path_factory: pytest.TempPathFactory) -> Commits:
    made = Commits(tmp_path_factory.mktemp("plots"))
    made.make()
    return made


def test_every_plot_shows_both_revisions_and_nothing_fails(commits):
    commits.write(0.25)
    found = json.loads(commits.dvc("plots", "diff", "HEAD", "--json"))
    assert "errors" not in found
    assert set(found["data"]) == set(PLOTS)
    for name in PLOTS:
        (plot,) = found["data"][name]
        assert sorted(plot["revisions"]) == ["HEAD", "workspace"]
    (curve,) = found["data"][PLOTS[2]]
    points = {point["rev"]: point["loss"] for point in curve["content"]["data"]["values"]}
    assert points == {"HEAD": "0.5", "workspace": "0.25"}
    (frontier,) = found["data"][PLOTS[1]]
    assert frontier["content"]["encoding"]["color"]["field"] == "branch"


def test_metrics_diff_says_what_changed(commits):
    commits.write(0.25)
    found = json.loads(commits.dvc("metrics", "diff", "HEAD", "--json"))
    told = found["reports/comparison.json"]["scores.dpo"]
    assert (told["old"], told["new"], told["diff"]) == (0.5, 0.25, -0.25)
