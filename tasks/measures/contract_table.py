"""The contract of a comparison as tables: the terms that all share, and what nevertheless differs."""

from __future__ import annotations

from typing import Any

from tasks.measures.tables import Found, Table
from tasks.measures.trainings import short

TERMS = {
    "start_sha256": "initial weights: models/sft, of all but those from models/base",
    "reference_sha256": "reference weights: models/sft, also of the KL",
    "pairs_sha256": "the pairs",
    "climbed_sha256": "the reward model that branches climb: fold A's",
    "reward_sha256": "the reward model of the evaluation: fold B's",
    "reward_scale": "its scale",
    "prompts_sha256": "prompts as token ids, in their order",
    "documents_sha256": "documents with references and facts, in their order",
    "split": "split",
    "rows": "documents",
    "tokenizer_sha256": "tokenizer",
    "template_sha256": "prompt template, with the chat template's",
    "decoding": "decoding",
    "judge": "judge",
    "judge_sha256": "the judge's code",
    "signatures": "signatures of the measures",
    "dtype": "floating-point type",
    "device": "device",
}
NOTE = (
    "The same for every model, else there is no comparison; hashes by their first 12 digits, whole in comparison.json. "
    "Sizes of batches are no terms: what is drawn for a prompt follows from its seed and its place alone."
)


def tables(found: Found) -> list[Table]:
    """The contract and the declared differences; none for a comparison that was made without."""
    contract = found.get("contract")
    if not contract:
        return []
    known = [
        name
        for name in (*TERMS, *sorted(contract["terms"].keys() - TERMS.keys()))
        if name in contract["terms"]
    ]
    terms = [[TERMS.get(name, name), _said(contract["terms"][name])] for name in known]
    shown = [Table("The contract", ["term", "value"], terms, NOTE, words=True)]
    if contract["differences"]:
        rows = [[each] for each in contract["differences"]]
        note = "Where two branches differ in one of these, their difference in score is not their methods' alone."
        shown.append(Table("Declared differences", ["what differs"], rows, note, words=True))
    return shown


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(each)}" for name, each in sorted(value.items()))
    return f"{value:.6g}" if isinstance(value, float) else short(value)
