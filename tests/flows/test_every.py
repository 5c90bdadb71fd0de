"""`make run-all`: its parameters hold every method with what was tuned, and its report is kept."""

import shutil
from pathlib import Path

import pytest

from flows import every, tuned
from tasks import methods, parameters
from tasks.refusal import Refusal
from tasks.settings import Tuning

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "assets").mkdir()
    for name in ("params.yaml", "assets/every-method.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_method_is_a_branch_and_those_of_params_stay(tree):
    before = parameters.read(tree / "params.yaml").branches.entries()
    every.fill(tree)
    found = parameters.read(tree / "params.yaml").branches.entries()
    assert {entry.method for entry in found.values()} == set(methods.names()) - {
        "supervised"
    }  # of run-iterate
    assert {name: found[name] for name in before} == before
    assert len({entry.optimisation.lora for entry in found.values()}) == 1


def tuning(**settings):
    return Tuning(trials=3, split="validation", seed=100, measure="gold", best=0.6, settings=settings)


def test_what_make_tune_found_is_put_into_its_branches_and_recorded(tree):
    lower = tuning(**{"optimisation.learning_rate": 1e-4, "beta": 0.25})
    tuned.write({"dpo": lower, "ppo": tuning(beta=0.3)}, tree / tuned.FILE, "assets/tuning.yaml")
    every.fill(tree)
    given = parameters.read(tree / "params.yaml")
    found = given.branches.entries()
    assert (found["dpo"].optimisation.learning_rate, found["dpo"].beta) == (1e-4, 0.25)
    assert found["ppo"].beta == 0.3
    assert found["rpo"].optimisation.learning_rate == 5e-4, "no other branch is touched"
    assert given.tuning == {"dpo": lower, "ppo": tuning(beta=0.3)}
    assert every.settings(given).startswith(f"settings of 2 of {len(found)} branches are tuned")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"dpx": tuning(beta=0.3)}, r"tuned.yaml: tuning.dpx: there is no branch 'dpx'; did you mean 'dpo'"),
        ({"dpo": tuning(betta=0.3)}, r"tuning.dpo.betta: there is no such setting; did you mean 'beta'"),
        ({"dpo": tuning(optimisation=1)}, r"tuning.dpo.optimisation: there is no such setting"),
        ({"dpo": tuning(beta=-1.0)}, r"beta: Input should be greater than 0"),
    ],
)
def test_what_is_tuned_for_another_version_is_refused(tree, found, said):
    tuned.write(found, tree / tuned.FILE, "assets/tuning.yaml")
    with pytest.raises(Refusal, match=said):
        every.fill(tree)


def test_without_tuning_it_says_so(tree):
    every.fill(tree)
    assert every.settings(parameters.read(tree / "params.yaml")).startswith("settings by hand")


def test_the_report_is_kept_whole(tmp_path):
    source = tmp_path / "tree"
    source.mkdir()
    for name in every.REPORTS:
        (source / name).write_text(name)
    for _ in range(2):
        every.keep(source, tmp_path / "kept/all")
    assert {path.name: path.read_text() for path in (tmp_path / "kept/all").iterdir()} == {
        name: name for name in every.REPORTS
    }
