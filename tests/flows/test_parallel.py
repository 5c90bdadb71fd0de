"""Some rounds of `make parallel`: an edit, a kill, a second one on the same stage, and none of them."""

from pathlib import Path

import pytest

from bench import parallel


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[parallel.Line], list[str]]:
    folder, said = tmp_path_factory.mktemp("parallel"), list[str]()
    lines = parallel.run(folder, rounds=3, branches=2, largest=10**6, said=said.append)
    return folder, lines, said


def test_every_promise_holds(toy):
    _, lines, said = toy
    assert [line.kept for line in lines] == [True, True, True, True, None], said
    assert [line.simulations for line in lines] == [6, 1, 1, 1, 3]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("bytes: 1000\n", "bytes: 1001\n", "recorded"),
        ("md5: ", "md5: 0", "another hash"),
    ],
)
def test_a_wrong_dvc_lock_is_found(toy, old: str, new: str, fault: str):
    folder, _, _ = toy
    checked = parallel.Toy(folder, 2, 10**6)
    lock = folder / "dvc.lock"
    text = lock.read_text()
    try:
        lock.write_text(text.replace(old, new))
        assert any(fault in found for found in checked._faults())
    finally:
        lock.write_text(text)
