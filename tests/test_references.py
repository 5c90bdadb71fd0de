"""Stage references: what it leaves, and that a branch reads it."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.engine import models
from tasks.engine.families import pairs
from tasks.engine.references import References
from tasks.engine.scoring import Scorer, completion_logps

ALIGN = "align --family pairs --branch dpo --seed 0"


@pytest.fixture
def asked(here):
    tokenizer = models.load_tokenizer(models.SFT)
    return pairs.groups(tokenizer, pq.read_table(pairs.TRAIN).to_pylist())


def test_it_holds_what_models_sft_makes_of_every_completion(here, asked):
    weights, compute = here.metrics["sft"]["weights_sha256"], here.parameters.compute
    known = References.load(pairs.REFERENCES, weights, compute)
    by_hand = completion_logps(Scorer(models.load_policy(models.SFT, compute)), asked, 4096)
    for found, expected in zip(known.per_token(asked), by_hand, strict=True):
        assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_its_counts_are_of_different_completions(here, asked):
    told = here.metrics["references"]
    assert told["rows"] == len({(group.prompt, ids) for group in asked for ids in group.completions})
    assert told["weights_sha256"] == here.metrics["sft"]["weights_sha256"]
    assert told["numerics"] == "shared prompts, block"


def test_it_gives_the_same_bytes_again(own):
    before = pairs.REFERENCES.read_bytes()
    assert own.run("references") == own.metrics["references"]
    assert pairs.REFERENCES.read_bytes() == before


def test_a_cache_of_other_weights_is_not_used_and_the_result_is_the_same(own, capsys):
    own.run(ALIGN)
    right = Path("models/dpo-0/model.safetensors").read_bytes()
    text = pairs.REFERENCES.read_bytes()
    sha = own.metrics["sft"]["weights_sha256"].encode()
    pairs.REFERENCES.write_bytes(text.replace(sha, b"0" * len(sha)))
    own.run(ALIGN)
    assert "warning: the reference cache is not used: " in capsys.readouterr().out
    assert Path("models/dpo-0/model.safetensors").read_bytes() == right
