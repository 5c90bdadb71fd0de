"""assets/strength.yaml: every cured branch has the settings of the raw one, and the noise is set."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows import branches, cures, tuned
from tasks import parameters
from tasks.refusal import Refusal
from tasks.settings import Tuning

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    return tmp_path


def plain(tree):
    return YAML(typ="safe").load((tree / "params.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("planted", cures.read(ROOT / cures.FILE).noise)
def test_what_the_file_adds_is_valid_and_the_raw_branch_stays(planted, tree):
    before, given, found = parameters.read(tree / "params.yaml"), plain(tree), cures.read(ROOT / cures.FILE)
    cures.put(found, given, planted)
    branches.write(given, tree)
    after = parameters.read(tree / "params.yaml")
    assert after.pairs.planted == planted
    assert after.strength == found.strength
    assert after.branches.pairs == before.branches.pairs
    raw = before.branches.pairs[found.of].model_dump()
    assert after.branches.cured.keys() == found.cures.keys()
    for name, entry in after.branches.cured.items():
        assert entry.model_dump() == raw | {"cure": found.cures[name].model_dump()}


def test_the_settings_are_those_that_were_tuned(tree):
    given = plain(tree)
    best = {"trials": 3, "split": "validation", "seed": 100, "measure": "gold", "best": 0.6}
    tuned.put({"dpo": Tuning.model_validate({**best, "settings": {"beta": 0.25}})}, given)
    cures.put(cures.read(ROOT / cures.FILE), given, 0.1)
    assert {entry["beta"] for entry in given["branches"]["cured"].values()} == {0.25}


@pytest.mark.parametrize(
    ("of", "said"), [("dpx", "no branch 'dpx'; did you mean 'dpo'"), ("rloo", "rloo is not of")]
)
def test_a_branch_that_has_no_pairs_is_refused(of, said, tree):
    found = cures.read(ROOT / cures.FILE).model_copy(update={"of": of})
    with pytest.raises(Refusal, match=said):
        cures.put(found, plain(tree), 0.0)
