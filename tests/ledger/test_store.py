"""MLflow's database is whole or not there, whoever creates it first."""

import sqlite3
from pathlib import Path

import pytest

from tasks.ledger import store


def test_two_processes_that_create_it_at_once_both_get_it(two_creators: tuple[Path, list[str]]):
    home, said = two_creators
    assert said[0] == said[1]
    left = {path.name for path in (home / "mlflow").iterdir()} - {
        "artifacts"
    }  # of tests with a copy of this database
    assert left == {"mlflow.db"}
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as database:
        rows = database.execute("select artifact_location from experiments where name = 'gallim'").fetchall()
    database.close()
    assert rows == [((home / "mlflow" / "artifacts").as_uri(),)]


def test_it_is_the_users_own_where_there_is_one_and_its_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org/mlflow")
    assert store.uri() == "https://me:secret@example.org/mlflow"
    assert store.shown() == "https://example.org/mlflow"


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite:////home/me/runs.db", "/home/me/runs.db"),
        ("sqlite:////home/me/runs.db?timeout=9", "/home/me/runs.db"),
        ("sqlite:///:memory:", None),
        ("postgresql://db/mlflow", None),
        ("http://127.0.0.1:5000", None),
    ],
)
def test_a_users_own_sqlite_file_is_created_as_carefully(
    monkeypatch: pytest.MonkeyPatch, address: str, file: str | None
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert store._file() == (Path(file) if file else None)


def test_the_address_does_not_depend_on_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("GALLIM_STATE", raising=False)
    worktree = tmp_path / "run"
    worktree.mkdir()
    (worktree / ".git").write_text(f"gitdir: {tmp_path}/main/.git/worktrees/run\n")
    monkeypatch.chdir(worktree)
    assert store.uri() == f"sqlite:///{tmp_path}/main/.state/mlflow/mlflow.db"
