"""What CONTRIBUTING.md promises: a new method is one file and one entry in params.yaml."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tasks import methods
from tasks.refusal import Refusal

HINGE = '''"""SLiC's hinge on DPO's margin."""

from typing import Annotated

from pydantic import Field

from tasks.settings import Branch

FAMILY = "pairs"


class Config(Branch):
    """Its coefficient."""

    beta: Annotated[float, Field(gt=0, description="margin's scale")]


def loss(config, chosen_logps, rejected_logps, chosen_reference_logps, rejected_reference_logps):
    """(pairs,); 1 when the policy is the reference."""
    h = (chosen_logps - chosen_reference_logps) - (rejected_logps - rejected_reference_logps)
    return (1 - config.beta * h).relu()


def identity(config):
    return {"loss": 1.0}
'''


@pytest.fixture
def one_file(tmp_path, monkeypatch):
    """A folder of methods in which one file is new."""
    folder = tmp_path / "methods"
    shutil.copytree(methods.FOLDER, folder)
    (folder / "hinge.py").write_text(HINGE)
    monkeypatch.setattr(methods, "FOLDER", folder)
    monkeypatch.setattr(methods, "__path__", [str(folder)])
    yield folder / "hinge.py"
    sys.modules.pop("tasks.methods.hinge", None)


def test_a_new_method_is_trained_evaluated_and_compared(one_file, own):
    walk = own.parameters.branches.entries()["dpo"].optimisation.model_dump()
    own.change("branches.pairs", slic={"method": "hinge", "beta": 0.1, "optimisation": walk})
    own.run("method --family pairs --branch slic")
    trained = own.run("align --family pairs --branch slic --seed 0")
    assert trained["start_sha256"] == own.metrics["sft"]["weights_sha256"] != trained["weights_sha256"]
    assert own.curve("align-slic-0")[0]["loss"] == 1.0
    own.run("evaluate --model slic-0")
    own.run("compare")
    found = json.loads(Path("reports/comparison.json").read_text(encoding="utf-8"))
    assert [branch["name"] for branch in found["branches"]] == ["dpo", "slic", "rloo"]
    assert any((row["left"], row["right"]) == ("slic", "sft") for row in found["differences"]["greedy"])
    assert "slic" in Path("reports/comparison.md").read_text(encoding="utf-8")


def test_a_new_method_that_starts_elsewhere_is_stopped_at_its_first_step(one_file, own):
    one_file.write_text(HINGE.replace('{"loss": 1.0}', '{"loss": 0.5}'))
    walk = own.parameters.branches.entries()["dpo"].optimisation.model_dump()
    own.change("branches.pairs", slic={"method": "hinge", "beta": 0.1, "optimisation": walk})
    with pytest.raises(Refusal, match=r"slic-0: at step 0 loss is 1.000000 and must be 0.500000"):
        own.run("align --family pairs --branch slic --seed 0")
