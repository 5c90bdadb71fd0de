"""What dvc.lock says was read, against what is here."""

import sys
from pathlib import Path

from tasks.ledger.held import Lock

STAGE = """
stages:
  reads:
    cmd: echo
    deps: [folder, tasks/toy.py]
"""


def test_a_folder_that_dvc_hashed_is_known_again_and_a_change_in_it_is_seen(project, monkeypatch):
    for name in ("b.txt", "a/c.txt", "가.txt"):
        path = project.folder / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    (project.folder / "dvc.yaml").write_text(STAGE)
    done = project.do(sys.executable, "-m", "dvc", "repro")
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(project.folder)
    assert Lock().is_as_read("reads", Path("folder"))
    assert Lock().is_as_read("reads", Path("tasks/toy.py"))
    assert not Lock().is_as_read("reads", Path("data")), "it never read that"
    (project.folder / "folder/a/c.txt").rename(project.folder / "folder/a/d.txt")
    assert not Lock().is_as_read("reads", Path("folder"))
