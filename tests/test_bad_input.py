"""Whatever a user gives, the answer is a result or one line of place, cause and cure: never a traceback."""

import copy
import json
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tasks import __main__ as entry
from tasks import parameters
from tasks.corpus.preferences import own_rows
from tasks.engine import models
from tasks.engine.text import decode, encode_completion
from tasks.refusal import Refusal

ROOT = Path(__file__).resolve().parents[1]
PARAMS = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
FEW = settings(max_examples=60, derandomize=True, deadline=None, database=None)

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
TURN = st.fixed_dictionaries(
    {}, optional={"role": st.just("user") | st.just("assistant") | JSON, "content": JSON}
)
SIDE = JSON | st.lists(TURN, max_size=3)
PAIR = st.fixed_dictionaries({}, optional={"prompt": SIDE, "chosen": SIDE, "rejected": SIDE, "id": JSON})


def places(block, before=()):
    """The path of every value in a nested block."""
    for name, value in block.items() if isinstance(block, dict) else enumerate(block):
        yield (*before, name)
        if isinstance(value, dict | list):
            yield from places(value, (*before, name))


def one_line(refused):
    assert "\n" not in str(refused)
    assert refused.place
    assert refused.cause
    assert refused.cure


@FEW
@given(rows=st.lists(PAIR, max_size=4), file=st.sampled_from(["a.jsonl", "b.jsonl"]))
def test_any_json_as_own_pairs(rows, file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    (folder / file).write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    try:
        kept, dropped = own_rows(folder, lambda messages: " ".join(turn["content"] for turn in messages))
    except Refusal as refused:
        one_line(refused)
    else:
        dropped.pop("mended", None)
        assert len(kept) + sum(dropped.values()) == len(rows)
        assert all(row["chosen"] and row["rejected"] and row["chosen"] != row["rejected"] for row in kept)


@FEW
@given(content=st.binary(max_size=60))
@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.parquet"])
def test_any_bytes_as_own_pairs(name, content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    (folder / name).write_bytes(content)
    with pytest.raises(Refusal) as refused:
        own_rows(folder, str)
    one_line(refused.value)


@FEW
@given(place=st.sampled_from(list(places(PARAMS))), value=JSON)
def test_any_value_anywhere_in_params(place, value, tmp_path_factory):
    changed = copy.deepcopy(PARAMS)
    block = changed
    for name in place[:-1]:
        block = block[name]
    block[place[-1]] = value
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(json.dumps(changed), encoding="utf-8")  # JSON is YAML
    try:
        parameters.read(path)
    except Refusal as refused:
        one_line(refused)


@FEW
@given(content=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_as_params(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(Refusal) as refused:
        parameters.read(path)
    one_line(refused.value)


@FEW
@given(summary=st.text(max_size=60))
def test_any_summary_comes_back_from_its_ids(summary, project):
    tokenizer = models.load_tokenizer(project.folder / models.SFT)
    ids = encode_completion(tokenizer, summary)
    assert decode(tokenizer, ids) == summary.strip()
    assert ids.count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "summarize --model models/sft empty.txt",
            "gallim: empty.txt: holds no text; give a file with a document",
        ),
        ("summarize --model models/sft none.txt", "gallim: none.txt: cannot be read as UTF-8 ("),
        (
            "summarize --model models/none some.txt",
            "gallim: models/none: has no manifest.json; run the stage",
        ),
        ("summarize some.txt", "gallim: command line: the following arguments are required: --model; see"),
        ("evaluate --model dpo-9", "gallim: models/dpo-9: has no manifest.json; run the stage"),
        (
            "align --family pairs --branch dpoo --seed 0",
            "gallim: params.yaml: branches.pairs: there is no entry 'dpoo';",
        ),
        (
            "align --family online --branch dpo --seed 0",
            "gallim: params.yaml: branches.online: there is no entry 'dpo';",
        ),
        ("reward --fold c", "gallim: command line: argument --fold: invalid choice: 'c'"),
        ("reward", "gallim: command line: stage reward needs --fold; see its cmd in dvc.yaml"),
    ],
)
def test_a_wrong_command_is_refused_in_one_line(words, said, own, capsys, monkeypatch):
    monkeypatch.setattr(entry.environment, "die_with_parent", lambda: None)  # pytest is to live on
    monkeypatch.setattr(entry.environment, "settle", lambda stage: None)
    monkeypatch.setattr(entry.signal, "signal", lambda *_: None)
    monkeypatch.setenv("GALLIM_STATE", str(own.folder / ".state"))
    (own.folder / "tasks").symlink_to(ROOT / "tasks")
    Path("empty.txt").write_text("")
    Path("some.txt").write_text("글")
    with chdir(own.folder):
        assert entry.main(words.split()) == entry.REFUSED
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gallim")]
    assert line.startswith(said)
