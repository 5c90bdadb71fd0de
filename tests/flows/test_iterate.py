"""`make run-iterate`: each level of noise has the raw branch and its cures, the level 0 everything and the rounds."""

import shutil
from pathlib import Path

import pytest

from flows import cures, iterate
from tasks import methods, parameters

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    shutil.copytree(
        ROOT / "assets", tmp_path / "assets", ignore=shutil.ignore_patterns("base", "*.safetensors")
    )
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    return tmp_path


def branches(tree):
    return parameters.read(tree / "params.yaml").branches


def test_the_level_without_noise_has_every_branch_and_the_rounds(tree):
    before, rounds = branches(tree).entries(), parameters.read_as(iterate.Rounds, ROOT / iterate.FILE)
    iterate.fill(tree, 0.0)
    given = parameters.read(tree / "params.yaml")
    found = given.branches.entries()
    own = {name for entries in rounds.branches.values() for name in entries}
    assert found.keys() == before.keys() | own | cures.read(ROOT / cures.FILE).cures.keys()
    assert {name: found[name] for name in before} == before
    assert given.pairs.planted == 0
    assert "supervised" in {entry.method for entry in found.values()} <= set(methods.names())
    for name, value in rounds.parameters.items():
        block = given.model_dump()
        for part in name.split("."):
            block = block[part]
        assert block == value


def test_a_level_of_noise_has_the_raw_branch_and_its_cures_alone(tree):
    found = cures.read(ROOT / cures.FILE)
    level = max(found.noise)
    iterate.fill(tree, level)
    given = parameters.read(tree / "params.yaml")
    assert given.branches.entries().keys() == {found.of} | found.cures.keys()
    assert given.pairs.planted == level > 0


def test_enough_documents_are_there_for_every_round(tree):
    iterate.fill(tree, 0.0)
    given = parameters.read(tree / "params.yaml")
    entries, longest = given.branches.iterated, 0
    for name in entries:
        rounds = 1
        while (name := entries[name].after) in entries:
            rounds += 1
        longest = max(longest, rounds)
    assert longest == 2
    assert given.prepare.source.unlabelled >= longest * given.iterate.documents


def test_the_comparison_of_everything_comes_first():
    levels = iterate._levels(ROOT)
    assert levels == sorted(levels)
    assert levels[0] == 0
