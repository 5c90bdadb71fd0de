"""What a run's worktree takes over from the user's folder. The rest of it is tested in tests/ui."""

from flows import worktree


def test_the_users_data_is_copied_and_gits_files_stay(tmp_path):
    mine, tree = tmp_path / "main/own", tmp_path / "tree/own"
    (mine / "deep").mkdir(parents=True)
    (mine / "deep/a.jsonl").write_text("rows")
    (mine / ".gitkeep").write_text("edited")
    tree.mkdir(parents=True)
    (tree / ".gitkeep").write_text("")
    worktree._share(mine, tree)
    with (mine / "deep/a.jsonl").open("a") as edited:  # in place, as some editors do
        edited.write(" and more")
    assert (tree / "deep/a.jsonl").read_text() == "rows"
    assert (tree / ".gitkeep").read_text() == ""


def test_a_file_is_copied_as_well_and_an_absolute_or_missing_path_is_left_alone(tmp_path):
    one, other = tmp_path / "a.csv", tmp_path / "tree/a.csv"
    one.write_text("rows")
    worktree._share(one, other)
    assert other.read_text() == "rows"
    worktree._share(one, one)
    worktree._share(tmp_path / "missing", tmp_path / "tree/missing")
    assert not (tmp_path / "tree/missing").exists()
