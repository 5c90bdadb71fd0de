"""A run again from its receipt, with the real git and DVC around two stages that take no time."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest

from flows import reproduce
from flows.again import needs
from tasks.ledger import receipt, receipts
from tasks.refusal import Refusal

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC's own

ROOT = Path(__file__).resolve().parents[2]
CLEAN = """
from pathlib import Path
rows = Path("data/own/rows.txt").read_text()
Path("data/clean/a").mkdir(parents=True)
Path("data/clean/a/b.txt").write_text(rows.upper())
Path("data/clean/a-c.txt").write_text("in DVC's list of the folder this comes before a/b.txt")
"""
FIT = """
import json, os
from pathlib import Path
rate = float(Path("params.yaml").read_text().partition("rate: ")[2].split()[0])
loss = 1 / 3 * rate * len(Path("data/clean/a/b.txt").read_text()) + float(os.environ.get("OFFSET", 0))
Path("reports").mkdir(exist_ok=True)
Path("reports/fit.json").write_text(json.dumps({"loss": loss, "rows": 2}))
Path("reports/fit.html").write_text(os.environ.get("OFFSET", "the time it took"))
"""
GRAPH = """
stages:
  fit:
    cmd: exec python fit.py
    params: [rate]
    deps: [data/clean/a/b.txt, fit.py]
    outs: [reports/fit.html]
    metrics: [reports/fit.json]
  clean:
    cmd: exec python clean.py
    deps: ["${own.rows}", clean.py]
    outs: [data/clean]
"""


class Project:
    """Rows of the user's own that git does not know, a stage that cleans them and one that fits."""

    def __init__(self, folder: Path):
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GALLIM", "SHELL"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        self.environment = {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}

    def make(self) -> None:
        files = {"clean.py": CLEAN, "fit.py": FIT, "dvc.yaml": GRAPH, "data/own/rows.txt": "some rows"}
        files["params.yaml"] = "own: {rows: data/own/rows.txt}\nrate: 0.5\n"
        files[".gitignore"] = "/.state/\n/data/\n/reports/\n"
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.do("git", "init", "--quiet")
        self.do(sys.executable, "-m", "dvc", "init", "--quiet")
        self.do("git", "add", "--all")
        self.do("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "start")
        self.do(sys.executable, "-m", "dvc", "repro", "--quiet")
        self.receipt()

    def do(self, *words: str) -> None:
        subprocess.run(
            words, cwd=self.folder, env=self.environment, check=True, capture_output=True, timeout=120
        )

    def receipt(self) -> receipts.Receipt:
        with chdir(self.folder):
            found = receipt.leave({"away": "not asked"})
        assert found
        return found

    def again(self, *words: str, **more: str) -> tuple[int, str]:
        """The exit code and what is said."""
        done = subprocess.run(
            [sys.executable, "-m", "flows.reproduce", *words],
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def _made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "project"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GALLIM_STATE", raising=False)
        Project(folder).make()
    return folder


@pytest.fixture
def ran(_made, tmp_path, monkeypatch) -> Project:
    """The project after its run, with the receipt."""
    monkeypatch.delenv("GALLIM_STATE", raising=False)
    shutil.copytree(_made, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def test_an_honest_run_comes_out_bit_equal_though_a_report_tells_another_time(ran):
    """And nothing of it was restored: DVC's cache of the project is not asked, nor is its own run in it changed."""
    before = (ran.folder / "dvc.lock").read_bytes()
    shutil.rmtree(ran.folder / ".dvc/cache/runs")
    code, said = ran.again("latest")
    assert (code, "bit-equal: 2 of 2 stages run again" in said) == (0, True), said
    assert said.index("clean: bit-equal") < said.index("fit: bit-equal")
    assert (ran.folder / "dvc.lock").read_bytes() == before
    assert list((ran.folder / ".state/runs").iterdir()) == [], "the worktree is gone"
    assert not (ran.folder / ".dvc/cache/runs").exists()


def test_numbers_of_another_processor_are_within_the_tolerance_and_larger_ones_are_not(ran):
    """loss is 1/3 x 0.5 x 9 = 1.5; 1e-4 of it may differ."""
    code, said = ran.again("latest", OFFSET="1e-5")
    assert (code, "within tolerance: 2 of 2" in said) == (0, True), said
    assert "first that differs: fit: reports/fit.json has other bytes and the same numbers" in said
    code, said = ran.again("latest", OFFSET="1e-3")
    assert (code, "different: 2 of 2" in said) == (1, True), said
    assert "first that differs: fit: reports/fit.json (loss was 1.5 and is 1.501)" in said


def test_changed_data_is_named_with_the_first_stage_that_read_it(ran):
    (ran.folder / "data/own/rows.txt").write_text("other rows, more of them")
    code, said = ran.again("latest")
    assert code == 1, said
    told = said.partition("first that differs: ")[2]
    assert told.startswith(
        "clean: its input data/own/rows.txt is not the one that was read; data/clean/a/b.txt"
    )


def test_code_that_the_commit_does_not_hold_is_named(ran):
    """The run had an edit that was never committed and is gone now."""
    committed = (ran.folder / "fit.py").read_text()
    (ran.folder / "fit.py").write_text(committed.replace("1 / 3", "1 / 4"))
    ran.do(sys.executable, "-m", "dvc", "repro", "--quiet")
    newest = ran.receipt()
    (ran.folder / "fit.py").write_text(committed)
    code, said = ran.again(newest.name)
    assert code == 1, said
    assert "first that differs: fit: its input fit.py is not the one that was read" in said
    code, said = ran.again(newest.name, "--until", "clean")
    assert (code, "bit-equal: 1 of 1" in said) == (0, True), said


def test_a_stage_that_fails_is_the_first_that_differs(ran):
    code, said = ran.again("latest", OFFSET="many")
    assert code == 1
    assert "first that differs: fit: failed: ValueError: could not convert string to float: 'many'" in said


def test_what_the_receipt_of_such_a_run_holds(ran):
    """DVC's own hashes of a folder and of files, after the stages that DVC's graph puts first."""
    from ruamel.yaml import YAML

    with chdir(ran.folder):
        found = receipts.read()
    stages = YAML(typ="safe").load((ran.folder / "dvc.lock").read_text())["stages"]
    assert list(found.stages) == ["clean", "fit"]
    for name, stage in stages.items():
        told = {path: one["md5"] for path, one in found.stages[name]["outs"].items()}
        assert told == {out["path"]: out["md5"] for out in stage["outs"]}
    assert sorted(found.files) == [
        "data/clean/a-c.txt",
        "data/clean/a/b.txt",
        "reports/fit.html",
        "reports/fit.json",
    ]
    assert needs(found, "fit") == {"clean"}
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ran.folder, capture_output=True, text=True)
    assert found.found["git"] == {"sha": head.stdout.strip(), "dirty": "false", "changed": {}}
    assert found.found["params"]["text"].endswith("rate: 0.5\n")
    assert found.found["environment"]["packages"]["numpy"]


def test_a_run_that_changed_nothing_leaves_no_second_receipt_and_one_that_did_leaves_one(ran):
    first = ran.receipt()
    (ran.folder / "clean.py").touch()
    assert ran.receipt().path == first.path
    (ran.folder / "params.yaml").write_text((ran.folder / "params.yaml").read_text().replace("0.5", "0.6"))
    with chdir(ran.folder):
        assert receipt.leave({}) is None, "edited, and not yet run"
    ran.do(sys.executable, "-m", "dvc", "repro", "--quiet")
    assert ran.receipt().path != first.path
    assert len(list((ran.folder / ".state/receipts").iterdir())) == 2


def test_a_run_of_the_flow_that_failed_leaves_a_receipt_of_what_it_had(ran, monkeypatch):
    monkeypatch.setenv(receipt.FLOW_RUN, "6b1f")
    (ran.folder / "reports/fit.json").unlink()
    (ran.folder / "params.yaml").write_text((ran.folder / "params.yaml").read_text().replace("0.5", "0.6"))
    left = ran.receipt()
    assert left.found["run"] == {"flow_run": "6b1f", "tree": "."}
    assert list(left.stages) == ["clean"]
    assert {"name": "fit", "current": False} in left.found["stages"]


def test_what_cannot_be_run_again_is_refused_before_anything_runs(ran, monkeypatch):
    monkeypatch.chdir(ran.folder)
    found = receipts.read()
    reproduce._require_possible(found, ["clean", "fit"], ask=False)
    sized = json.loads(json.dumps(found.found))
    sized["stages"][0]["outs"]["data/clean"]["files"]["data/clean/a/b.txt"]["size"] = 10**15
    with pytest.raises(Refusal, match="needs about 2000000"):
        reproduce._require_possible(receipts.Receipt(found.path, sized), ["clean"], ask=False)
    asked = json.loads(json.dumps(found.found))
    asked["stages"][1]["outs"]["reports/fit.html"]["files"] = {"data/feedback/x.verdicts.jsonl": {"size": 9}}
    paid = receipts.Receipt(found.path, asked)
    with pytest.raises(Refusal, match="fit would ask a judge over the network again"):
        reproduce._require_possible(paid, ["clean", "fit"], ask=False)
    reproduce._require_possible(paid, ["clean"], ask=False)
    lost = receipts.Receipt(found.path, {**found.found, "git": {"sha": "0" * 40, "changed": {}}})
    with pytest.raises(Refusal, match="cat-file"):
        reproduce._require_possible(lost, ["clean"], ask=False)
    with pytest.raises(Refusal, match="names no commit"):
        reproduce._require_possible(
            receipts.Receipt(found.path, {**found.found, "git": {"sha": "--all"}}), ["clean"], ask=False
        )
    for outside in ("../../secret", "/etc/passwd"):
        with pytest.raises(Refusal, match="outside of the project"):
            reproduce.changes({"git": {"changed": {outside: "gone"}}})


def test_another_machine_and_an_edited_receipt_are_told_first(ran, monkeypatch):
    monkeypatch.chdir(ran.folder)
    found = receipts.read()
    assert [line for line in reproduce.warnings(found) if line.startswith("warning")] == []
    other = json.loads(json.dumps(found.found))
    other["environment"]["processor"] = "another one"
    other["environment"]["packages"] |= {"torch": "1.0", "some-plugin": "3"}
    told = "\n".join(reproduce.warnings(receipts.Receipt(found.path, other)))
    assert "the receipt was edited after it was written" in told
    assert "another machine: processor: another one then, " in told
    assert "another machine: torch: 1.0 then, " in told
    assert "1 other packages have other versions" in told
