"""The contract of a comparison as tables: the terms that all share, and what nevertheless differs."""

from __future__ import annotations

from typing import Any

from tasks.measures.language import phrase, say
from tasks.measures.tables import Found, Table
from tasks.measures.trainings import short

TERMS = {
    "start_sha256": phrase("initial weights: models/sft, of all but those from models/base"),
    "reference_sha256": phrase("reference weights: models/sft, also of the KL"),
    "pairs_sha256": phrase("the pairs"),
    "climbed_sha256": phrase("the reward model that branches climb: fold A's"),
    "reward_sha256": phrase("the reward model of the evaluation: fold B's"),
    "reward_scale": phrase("its scale"),
    "prompts_sha256": phrase("prompts as token ids, in their order"),
    "documents_sha256": phrase("documents with references and facts, in their order"),
    "split": phrase("split"),
    "rows": phrase("documents"),
    "tokenizer_sha256": phrase("tokenizer"),
    "template_sha256": phrase("prompt template, with the chat template's"),
    "decoding": phrase("decoding"),
    "judge": phrase("judge"),
    "judge_sha256": phrase("the judge's code"),
    "signatures": phrase("signatures of the measures"),
    "dtype": phrase("floating-point type"),
    "device": phrase("device"),
}
NOTE = phrase(
    "The same for every model, else there is no comparison; hashes by their first 12 digits, whole in comparison.json. "
    "Sizes of batches are no terms: what is drawn for a prompt follows from its seed and its place alone."
)


def tables(found: Found) -> list[Table]:
    """The contract and the declared differences; none for a comparison that was made without."""
    return [*terms(found), *differences(found)]


def terms(found: Found) -> list[Table]:
    """What all share, one row a term."""
    contract = found.get("contract")
    if not contract:
        return []
    unknown = sorted(contract["terms"].keys() - TERMS.keys())
    known = [name for name in (*TERMS, *unknown) if name in contract["terms"]]
    rows = [[say(TERMS[name]) if name in TERMS else name, _said(contract["terms"][name])] for name in known]
    return [Table(say("The contract"), [say("term"), say("value")], rows, say(NOTE), words=True)]


def differences(found: Found) -> list[Table]:
    """What nevertheless differs, one row each."""
    rows = [[each] for each in found.get("contract", {}).get("differences", [])]
    note = say(
        "Where two branches differ in one of these, their difference in score is not their methods' alone."
    )
    title = say("Declared differences")
    return [Table(title, [say("what differs")], rows, note, words=True)] if rows else []


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(each)}" for name, each in sorted(value.items()))
    return f"{value:.6g}" if isinstance(value, float) else short(value)
