"""Stage method: the tie of a branch to its method's bytes."""

import hashlib
import json
import shutil
from pathlib import Path

from tasks import methods


def test_a_branch_is_tied_to_the_bytes_of_its_methods_file(here):
    for branch, family in (("dpo", "pairs"), ("rloo", "online")):
        source = (methods.FOLDER / f"{branch}.py").read_bytes()
        assert json.loads(Path(f"models/methods/{branch}.json").read_text()) == {
            "method": branch,
            "family": family,
            "source_sha256": hashlib.sha256(source).hexdigest(),
        }


def test_an_edited_method_has_another_tie(own, tmp_path, monkeypatch):
    before = Path("models/methods/dpo.json").read_text()
    shutil.copytree(methods.FOLDER, tmp_path / "methods")
    with (tmp_path / "methods" / "dpo.py").open("a") as file:
        file.write("\nEDITED = True\n")
    monkeypatch.setattr(methods, "FOLDER", tmp_path / "methods")
    own.run("method --family pairs --branch dpo")
    assert Path("models/methods/dpo.json").read_text() != before
