"""The reference cache: what it is keyed by, what it refuses, and that it changes no number."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks import methods
from tasks.engine.families import pairs
from tasks.engine.references import References, Unusable
from tasks.engine.scoring import Scorer
from tasks.engine.training import Job, arguments

WEIGHTS = "a" * 64


@pytest.fixture
def asked(ragged):
    return [*ragged(2), *ragged(2, seed=1)]


@pytest.fixture
def made(build, asked, machine):
    return References.compute(Scorer(build("llama")), asked, WEIGHTS, machine())


@pytest.fixture
def path(made, tmp_path):
    made.save(tmp_path / "references/a.safetensors")
    return tmp_path / "references/a.safetensors"


def test_what_is_loaded_is_every_tokens_float32_log_probability(
    path, made, asked, build, one_by_one, machine
):
    loaded = References.load(path, WEIGHTS, machine())
    assert len(loaded) == len(made) == 16
    found = loaded.per_token(asked)
    assert all(torch.equal(one, other) for one, other in zip(found, made.per_token(asked), strict=True))
    assert {one.dtype for one in found} == {torch.float32}
    with torch.no_grad():
        naive = one_by_one(build("llama"), asked)
    torch.testing.assert_close(found, naive, rtol=0, atol=1e-5)
    assert loaded.sums(asked) == pytest.approx([float(one.sum()) for one in naive], abs=1e-4)


def test_the_same_numbers_are_the_same_bytes_in_whatever_order_they_came(
    path, asked, build, machine, tmp_path
):
    again = References.compute(Scorer(build("llama")), asked[::-1], WEIGHTS, machine())
    again.save(tmp_path / "again")
    assert set(load_file(path)) == {"keys", "logps", "lengths"}
    first, second = load_file(path), load_file(tmp_path / "again")
    torch.testing.assert_close(first, second, rtol=0, atol=1e-5)
    References.load(path, WEIGHTS, machine()).save(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_completions_are_found_in_any_grouping_and_order(made, asked):
    first = asked[0]
    turned = [asked[3], first._replace(completions=first.completions[::-1])]
    expected = made.sums(asked)
    assert made.sums(turned) == [*expected[6:8], expected[1], expected[0]]


def test_packing_changes_no_number_beyond_rounding(made, asked, build, machine):
    other = References.compute(Scorer(build("llama")), asked, WEIGHTS, machine(tokens_at_once=1))
    torch.testing.assert_close(other.per_token(asked), made.per_token(asked), rtol=0, atol=1e-5)


def test_a_setting_of_the_machine_that_changes_no_number_keeps_the_cache(path, machine):
    References.load(path, WEIGHTS, machine(threads=2, trunk_threads=3, tokens_at_once=7))


@pytest.mark.parametrize(
    ("weights", "changed", "why"),
    [
        ("b" * 64, {}, f"its weights_sha256 is {WEIGHTS}, and {'b' * 64} is needed"),
        (None, {}, "the reference's weights have no hash"),
        (WEIGHTS, {"dtype": "bfloat16"}, "its numerics is float32 on cpu, torch .*, and bfloat16 on cpu"),
    ],
)
def test_numbers_of_another_making_are_unusable(path, weights, changed, why, machine):
    with pytest.raises(Unusable, match=why):
        References.load(path, weights, machine(**changed))


def test_numbers_of_another_torch_or_format_are_unusable(path, machine, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(torch, "__version__", "99.1.0")
        with pytest.raises(Unusable, match=r"and float32 on cpu, torch 99\.1\.0 is needed"):
            References.load(path, WEIGHTS, machine())
    monkeypatch.setattr("tasks.engine.references.FORMAT", "0")
    with pytest.raises(Unusable, match="its format is 1, and 0 is needed"):
        References.load(path, WEIGHTS, machine())


def test_a_file_that_is_not_there_or_not_of_this_kind_is_unusable(tmp_path, machine):
    with pytest.raises(Unusable, match="absent does not exist"):
        References.load(tmp_path / "absent", WEIGHTS, machine())
    save_file({"keys": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(Unusable, match="its format is None"):
        References.load(tmp_path / "other", WEIGHTS, machine())


@pytest.mark.parametrize("left", [0, 4, 0.5, 0.99])
def test_a_file_that_was_written_half_is_unusable(left, path, machine):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(left * len(whole)) if left < 1 else left])
    with pytest.raises(Unusable, match="cannot be read"):
        References.load(path, WEIGHTS, machine())


@pytest.mark.parametrize("part", ["prompt", "completion"])
def test_a_completion_that_differs_in_one_token_is_missing(part, made, asked):
    first = asked[0]
    if part == "prompt":
        changed = first._replace(prompt=(first.prompt[0] ^ 1, *first.prompt[1:]))
    else:
        changed = first._replace(completions=(first.completions[0], (*first.completions[1], 1)))
    with pytest.raises(Unusable, match="it lacks a completion of group 1"):
        made.sums([first, changed])


def test_a_token_that_moves_from_the_prompt_to_the_completion_is_another_completion(made, asked):
    first = asked[0]
    moved = first._replace(
        prompt=first.prompt[:-1], completions=tuple((first.prompt[-1], *ids) for ids in first.completions)
    )
    with pytest.raises(Unusable):
        made.sums([moved])


def test_a_length_cut_variant_is_made_from_tokens_and_not_taken_for_the_whole(made, asked):
    """TRL 1.16 stores sums under a key that does not name the cut, and hands them to a run with another one."""
    whole = made.sums(asked)
    for chosen, rejected in zip(*[iter(range(len(whole)))] * 2, strict=True):
        logps = [made.per_token(asked)[place] for place in (chosen, rejected)]
        shared = min(map(len, logps))
        for place, one in zip((chosen, rejected), logps, strict=True):
            half = float(one[:shared].sum() + 0.5 * one[shared:].sum())
            assert (half == pytest.approx(whole[place])) is (len(one) == shared)


# ---- how the pairs family uses it ------------------------------------------------------------------------------------


@pytest.fixture
def sft(build, path, monkeypatch):
    """models/sft is the tiny model; every time that it is loaded is noted."""
    loaded = []
    monkeypatch.setattr(pairs, "REFERENCES", path)
    monkeypatch.setattr(pairs, "verified_manifest", lambda _: {"weights_sha256": WEIGHTS})
    monkeypatch.setattr(pairs, "load_policy", lambda *given: loaded.append(given) or build("llama"))
    return SimpleNamespace(loaded=loaded)


def test_a_pair_gets_the_cached_sums_and_nothing_is_computed(sft, asked, made, machine, notes):
    known = pairs.with_reference(asked, machine(), notes)
    expected = made.sums(asked)
    assert [tuple(group.meta) for group in known] == list(zip(expected[::2], expected[1::2], strict=True))
    assert [group[:2] for group in known] == [group[:2] for group in asked]
    assert (sft.loaded, notes.said) == ([], [])


@pytest.mark.parametrize("spoiled", ["file", "weights", "numerics", "row"])
def test_what_the_cache_cannot_give_is_computed_anew_and_said(
    spoiled, sft, path, asked, made, machine, notes, monkeypatch
):
    """And is right: a stale sum would start the training at another loss than ln 2."""
    compute = machine()
    if spoiled == "file":
        path.unlink()
    if spoiled == "weights":
        monkeypatch.setattr(pairs, "verified_manifest", lambda _: {"weights_sha256": "b" * 64})
    if spoiled == "numerics":
        compute = machine(dtype="bfloat16")
    if spoiled == "row":
        asked = [*asked, asked[0]._replace(completions=((5, 1), (6, 1)))]
    known = pairs.with_reference(asked, compute, notes)
    assert len(sft.loaded) == 1
    assert len(notes.said) == 1
    assert notes.said[0].startswith("warning: the reference cache is not used: ")
    found = torch.tensor([group.meta for group in known])[:8].flatten()
    torch.testing.assert_close(found, torch.tensor(made.sums(asked[:8])), rtol=0, atol=1e-4)


@pytest.mark.parametrize("changed", [{"beta": 0.7}, {"method": "rpo"}, {"learning_rate": 1e-6}, {"steps": 9}])
def test_a_trial_with_other_settings_computes_no_reference(
    changed, sft, asked, made, machine, notes, walk, build, tokenizer, scratch, monkeypatch
):
    """TRL 1.16 computes all of it again when the learning rate, beta or the loss changes."""
    monkeypatch.setattr(pairs, "groups", lambda *_: asked)
    monkeypatch.setattr(pairs.pq, "read_table", lambda _: SimpleNamespace(to_pylist=list))
    method, compute = methods.load(changed.get("method", "dpo")), machine()
    own = {"beta": changed.get("beta", 0.1), **({"sft_weight": 1.0} if "method" in changed else {})}
    optimisation = walk(**{name: changed[name] for name in changed if name not in ("beta", "method")})
    entry = method.Config(method=method.__name__.split(".")[-1], optimisation=optimisation, **own)
    common = arguments(optimisation, compute, 0, scratch)
    job = Job(method, entry, build("llama"), tokenizer, common, "", None, compute, notes, None)
    trainer = pairs.trainer(job)
    metas = {group.meta for _, group in trainer.train_dataset}
    assert metas
    assert metas <= set(zip(made.sums(asked)[::2], made.sums(asked)[1::2], strict=True))
    assert (sft.loaded, notes.said) == ([], [])
