"""Command verify on the miniature: an honest project passes, and each way to tamper with it is named."""

import json
import re
import shutil
from contextlib import chdir
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tasks import compare, verify
from tasks.__main__ import main
from tasks.ledger import artifacts, graph, receipt, receipts
from tasks.refusal import Refusal

TRAINED = ("dpo-0", "rloo-0")
EVALUATED = ("sft", *TRAINED)
OUTS = {
    "prepare": ["data/prepared"],
    "base": ["models/base"],
    "sft": ["models/sft"],
    "pairs": ["data/pairs"],
    "reward --fold a": ["models/reward-a"],
    "reward --fold b": ["models/reward-b"],
    "align --family pairs --branch dpo --seed 0": ["models/dpo-0", "models/dpo-0-snapshots"],
    "align --family online --branch rloo --seed 0": ["models/rloo-0", "models/rloo-0-snapshots"],
    **{f"evaluate --model {model}": [f"reports/evaluation/{model}"] for model in EVALUATED},
    "compare": ["reports/comparison.json", "reports/comparison.html"],
}
DEPS = {
    "sft": ["models/base", "data/prepared"],
    "pairs": ["data/prepared/train.parquet", "tasks/pairs.py"],
    "align --family pairs --branch dpo --seed 0": ["models/sft", "data/pairs/a.parquet"],
    **{
        f"evaluate --model {model}": [f"models/{model}", "models/sft", "data/prepared"] for model in EVALUATED
    },
    "compare": ["reports/evaluation", "data/prepared"],
}
RECORDS = {"reward --fold a": "reward-a", "reward --fold b": "reward-b"} | {
    words: f"align-{words.split()[4]}-0" for words in OUTS if words.startswith("align")
}


def hashed(path):
    return artifacts.md5(path, artifacts.of(Path(path)))


@pytest.fixture(scope="module")
def recorded(project, tmp_path_factory):
    """The finished miniature with a dvc.lock and a receipt."""
    folder = tmp_path_factory.mktemp("recorded") / "project"
    shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns(".state"))
    (folder / "tasks").mkdir()
    (folder / "tasks/pairs.py").write_text("# the code of the stage pairs")
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.delenv("GALLIM_STATE", raising=False)
        stages = {}
        for words, outs in OUTS.items():
            record = RECORDS.get(words, words.replace(" --model ", "-"))
            metrics = [] if words == "compare" else [f"reports/metrics/{record}.json"]
            stages[record] = {
                "cmd": f"exec python -m tasks {words}",
                "deps": [{"path": path, "md5": hashed(path)} for path in DEPS.get(words, [])],
                "params": {"params.yaml": {"of": record}},
                "outs": [{"path": path, "md5": hashed(path)} for path in (*outs, *metrics)],
            }
        YAML().dump({"stages": stages}, Path("dvc.lock"))
        patch.setattr(graph, "standing", lambda: dict.fromkeys(stages, True))
        assert receipt.leave({"away": "not asked"})
    return folder


@pytest.fixture
def done(recorded, tmp_path, monkeypatch):
    """A copy of it as the working directory, to be tampered with."""
    monkeypatch.delenv("GALLIM_STATE", raising=False)
    shutil.copytree(recorded, tmp_path / "done")
    monkeypatch.chdir(tmp_path / "done")
    stages = YAML(typ="safe").load(Path("dvc.lock").read_text())["stages"]
    monkeypatch.setattr(graph, "standing", lambda: dict.fromkeys(stages, True))
    return tmp_path / "done"


def as_kept(*_):
    """In place of the comparison anew, for tests that are not about it."""
    return SimpleNamespace(found=json.loads(receipt.COMPARISON.read_text()))


def verified(capsys, name=None, answered=as_kept):
    """How many places do not hold, and what is said."""
    wrong = verify.run(name, answered, texts=False)
    return wrong, capsys.readouterr().out


def edited(path, **changed):
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    Path(path).write_text(json.dumps({**found, **changed}), encoding="utf-8")


PREDICTIONS = Path("reports/evaluation/dpo-0/predictions.parquet")


def put(column, row, value, path=PREDICTIONS):
    table = pq.read_table(path)
    values = table[column].to_pylist()
    values[row] = value
    kept = pa.array(values, type=table.schema.field(column).type)
    pq.write_table(table.set_column(table.schema.get_field_index(column), column, kept), path)


def test_an_honest_project_passes_with_the_comparison_made_anew(done, capsys):
    wrong, said = verified(capsys, answered=compare.answered)
    assert wrong == 0, said
    assert "verified against" in said
    parts = ("receipt", "dvc.lock", "files", "graph", "models", "weights", "numbers", "texts", "comparison")
    assert [line.split()[0] for line in said.splitlines() if line.endswith(": ok")] == list(parts)


def test_every_number_of_a_text_can_be_made_anew_too(done):
    assert verify.run(None, as_kept, texts=True) == 0


def test_the_command_ends_with_1_where_something_does_not_hold(done, capsys):
    Path("models/sft/config.json").write_text("{}")
    with pytest.raises(SystemExit) as ended:
        main(["verify"])
    assert ended.value.code == 1
    assert "models/sft/config.json: its bytes are not those that were made" in capsys.readouterr().out


def test_a_byte_in_a_model(done, capsys):
    path = Path("models/dpo-0/model.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    wrong, said = verified(capsys)
    assert "  models/dpo-0/model.safetensors: its bytes are not those that were made; bring back" in said
    assert "dvc checkout --force models/dpo-0`" in said
    assert wrong == 2, said  # the file, and the manifest's hash of all weights


def test_a_predictions_text_that_its_number_does_not_follow_from(done, capsys):
    """The other rows stay, so that means, metrics and comparison all agree with one another."""
    put("prediction", 0, "가 나 다 라 마 바 사")
    wrong, said = verified(capsys)
    assert f"  {PREDICTIONS}: its bytes are not those that were made" in said
    key = pq.read_table(PREDICTIONS)["id"][0].as_py()
    assert f"  {PREDICTIONS}: {key} greedy 0: gold: stands as " in said
    assert wrong == 4, said  # the file, gold, and the two parts of a judge by ROUGE


def test_a_number_of_the_predictions_and_the_verdict_that_it_would_turn(done, capsys):
    """The means no longer follow, nor what stage compare makes of them."""
    table = pq.read_table(PREDICTIONS)
    greedy = [row for row, name in enumerate(table["decoding"].to_pylist()) if name == "greedy"]
    for row in greedy:
        put("gold", row, 0.9 + row / 1000)
    _, said = verified(capsys, answered=compare.answered)
    assert "reports/evaluation/dpo-0/summary.json: greedy.gold: stands as " in said
    assert "reports/metrics/evaluate-dpo-0.json: greedy_gold: stands as " in said
    told = said.partition("  reports/comparison.json: ")[2]
    assert re.match(r"differences\.greedy\[dpo \w+ gold\]\.\w+: says .*, and the evaluations give ", told), (
        said
    )


def test_a_metrics_number(done, capsys):
    edited("reports/metrics/evaluate-rloo-0.json", greedy_rougeL=0.99)
    wrong, said = verified(capsys)
    assert "reports/metrics/evaluate-rloo-0.json: its bytes are not those that were made" in said
    assert "reports/metrics/evaluate-rloo-0.json: greedy_rougeL: stands as 0.99, and the rows give 0." in said
    assert wrong == 2, said


def test_a_verdict_in_the_comparison(done, capsys):
    found = json.loads(receipt.COMPARISON.read_text())
    row = next(
        one for one in found["differences"]["greedy"] if (one["left"], one["measure"]) == ("dpo", "gold")
    )
    honest, row["verdict"] = row["verdict"], "far better"
    receipt.COMPARISON.write_text(json.dumps(found))
    _, said = verified(capsys, answered=compare.answered)
    place = f"differences.greedy[dpo {row['right']} gold].verdict"
    assert f"reports/comparison.json: {place}: says 'far better', and the evaluations give {honest!r}" in said
    assert "reports/comparison.json: headline: is not the one that the receipt names" in said


def test_two_parquets_that_were_swapped(done, capsys):
    one, other = (Path(f"reports/evaluation/{model}/predictions.parquet") for model in TRAINED)
    both = one.read_bytes(), other.read_bytes()
    other.write_bytes(both[0])
    one.write_bytes(both[1])
    _, said = verified(capsys)
    assert f"  {one}: holds the bytes of {other}" in said
    assert f"  {other}: holds the bytes of {one}" in said


def test_an_edited_dvc_lock_even_where_the_file_was_changed_with_it(done, capsys):
    path = "reports/metrics/align-dpo-0.json"
    edited(path, chosen_logp_change_nats=7.0)
    found = YAML(typ="safe").load(Path("dvc.lock").read_text())
    for out in found["stages"]["align-dpo-0"]["outs"]:
        if out["path"] == path:
            out["md5"] = hashed(path)
    found["stages"]["sft"]["params"]["params.yaml"]["of"] = "another"
    YAML().dump(found, Path("dvc.lock"))
    wrong, said = verified(capsys)
    assert f"  dvc.lock: align-dpo-0: not as in the receipt: its output {path}; " in said
    assert "  dvc.lock: sft: not as in the receipt: its parameters; " in said
    assert f"  {path}: its bytes are not those that were made" in said
    assert wrong == 3, said


def test_a_stage_that_read_something_else_than_was_made(done, capsys):
    """Seen by dvc.lock alone, without a receipt."""
    shutil.rmtree(receipts.folder())
    found = YAML(typ="safe").load(Path("dvc.lock").read_text())
    found["stages"]["evaluate-rloo-0"]["deps"][0]["md5"] = "0" * 32 + ".dir"
    YAML().dump(found, Path("dvc.lock"))
    wrong, said = verified(capsys)
    assert "  dvc.lock: evaluate-rloo-0: read another models/rloo-0 than the stages before it made" in said
    assert wrong == 1, said
    assert "NOT verified: 1 places" in said


def test_files_that_are_gone_renamed_or_were_never_made(done, capsys):
    shutil.rmtree("models/rloo-0")
    Path("data/pairs/b.parquet").unlink()
    Path("models/sft/tokenizer.json").rename("models/sft/vocabulary.json")
    Path("models/dpo-0/pytorch_model.bin").write_bytes(b"not safetensors")
    _, said = verified(capsys)
    assert "  models/rloo-0: is not here; bring back" in said
    assert "on another machine `dvc pull` first" in said
    assert "  data/pairs/b.parquet: is not here; " in said
    assert "  models/sft/tokenizer.json: is not here; its bytes lie at models/sft/vocabulary.json" in said
    assert "  models/dpo-0/pytorch_model.bin: no stage made this file; take it away" in said


def test_an_evaluation_of_other_weights(done, capsys):
    """A model trained anew by hand, with a manifest of its own that is right."""
    folder = Path("models/dpo-0")
    shutil.rmtree(folder)
    shutil.copytree("models/rloo-0", folder)
    _, said = verified(capsys)
    assert (
        "  reports/metrics/evaluate-dpo-0.json: model_sha256: names other weights than those in models/dpo-0"
        in said
    )
    assert (
        "  reports/metrics/align-dpo-0.json: weights_sha256: names other weights than those in models/dpo-0"
        in said
    )


def test_an_edited_receipt_and_a_file_that_is_none(done, capsys):
    newest = receipts.read()
    found = json.loads(newest.path.read_text())
    found["headline"]["means"]["dpo"] = 0.99
    newest.path.write_text(json.dumps(found))
    _, said = verified(capsys, newest.name)
    assert f"  {newest.path}: was edited after it was written" in said
    newest.path.write_text('{"layout": 1}')
    with pytest.raises(Refusal, match="is no receipt of layout 1"):
        verify.run(None, as_kept, texts=False)


def test_code_that_was_edited_since_is_a_note_and_no_mismatch(done, capsys):
    Path("tasks/pairs.py").write_text("# edited")
    wrong, said = verified(capsys)
    assert wrong == 0, said
    assert "note: tasks/pairs.py is not as 1 stages read it, which `dvc repro` would run again" in said


def test_without_a_receipt_dvc_lock_alone_is_the_measure_and_without_that_nothing(done, capsys):
    shutil.rmtree(receipts.folder())
    Path("reports/metrics/sft.json").write_text("{}")
    wrong, said = verified(capsys)
    assert "  reports/metrics/sft.json: its bytes are not those that were made" in said
    assert wrong == 1
    Path("dvc.lock").unlink()
    with pytest.raises(Refusal, match="there are no results to verify"):
        verify.run(None, as_kept, texts=False)


def test_the_receipt_of_a_worktree_is_not_held_against_these_files(done):
    newest = receipts.read()
    other = receipts.folder() / "20990101T000000Z-00000000.json"
    receipts.write(other, {**newest.found, "run": {"flow_run": "6b1f", "tree": ".state/runs/6b1f/tree"}})
    assert receipts.read().path == newest.path, "the newest of this tree"
    with pytest.raises(Refusal, match=r"reproduce 20990101T000000Z"):
        verify.run("20990101", as_kept, texts=False)
