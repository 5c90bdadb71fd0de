"""A trained model's card for the Hugging Face Hub: a YAML header that the Hub reads, and the evidence in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.measures import tables, words
from tasks.measures.evaluations import DECODINGS, SFT
from tasks.measures.quoted import plain

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

ROUGE = ("rouge1", "rouge2", "rougeL")  # what the Hub knows by the name of `rouge`
SHOWN = ("gold", *ROUGE, "reward", "kl_k1", "characters", "ended", "repetition", "invented_numbers")
DATA = {"embedded": "gallim's embedded Korean dialogues", "files": "the user's own documents"}
LANGUAGE = {"embedded": "ko"}
NO_LICENCE = (
    "No licence is set here: choose one that the base model and the data allow, and add it as `license:` to the "
    "header."
)
LIMITS = "The scores are those of this one seed; the comparison above is of means over all seeds."


@dataclass(frozen=True)
class Facts:
    """What the card tells, each part as its file or dvc.lock has it."""

    model: str
    branch: str
    seed: int
    found: Mapping[str, Any]  # comparison.json
    scores: Mapping[str, Any]  # metrics of the evaluation
    rows: Mapping[str, Any]  # metrics of the stage prepare
    settings: Mapping[str, Any]  # of the branch, under dotted names
    sources: Mapping[str, Mapping[str, Any]]  # of prepare, base and sft
    split: str
    weights_sha256: str
    weights_md5: str


def text(facts: Facts) -> str:
    """README.md: the same bytes for the same facts."""
    from huggingface_hub import ModelCard

    return (
        str(ModelCard(f"---\n{_header(facts)}\n---\n\n{_body(facts)}", ignore_metadata_errors=False)).rstrip()
        + "\n"
    )


def _header(facts: Facts) -> str:
    from huggingface_hub import ModelCardData

    prepare, branch = facts.sources["prepare"], _branch(facts)
    base = next(
        (facts.sources[stage]["id"] for stage in ("sft", "base") if "id" in facts.sources[stage]), None
    )
    return ModelCardData(
        language=LANGUAGE.get(prepare["kind"]),
        library_name="transformers",
        pipeline_tag="summarization",
        base_model=base,
        datasets=[prepare["id"]] if "id" in prepare else None,
        metrics=["rouge"],
        tags=list(dict.fromkeys(["gallim", "preference-tuning", branch["method"]])),
        model_name=facts.model,
        eval_results=list(_results(facts)),
    ).to_yaml()


def _results(facts: Facts) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    kind = facts.sources["prepare"]["kind"]
    for decoding in DECODINGS:
        for measure in SHOWN:
            if f"{decoding}_{measure}" in facts.scores:
                yield EvalResult(
                    task_type="summarization",
                    dataset_type=facts.sources["prepare"].get("id", kind),
                    dataset_name=_data(facts),
                    dataset_split=facts.split,
                    metric_type="rouge" if measure in ROUGE else measure,
                    metric_name=f"{tables.label(measure)}, {decoding}",
                    metric_value=facts.scores[f"{decoding}_{measure}"],
                )


def _body(facts: Facts) -> str:
    found, branch = facts.found, _branch(facts)
    parts = [
        f"# {facts.model}",
        f"A summarizer, trained by the method {branch['method']} from `{branch['start']}` with seed {facts.seed}, as "
        f"the branch `{facts.branch}` of a comparison of preference-tuning methods. {NO_LICENCE}",
        "## How it compares",
        "\n".join(f"- {sentence}" for sentence in _sentences(facts)),
        *(f"**Warning:** {plain(one['text'])}" for one in found["warnings"] if one["branch"] == facts.branch),
        "## Scores",
        _table(["measure", *DECODINGS], _score_rows(facts)),
        f"{facts.scores['rows']} documents of the split `{facts.split}`. {LIMITS}",
        "## Data",
        f"{plain(_data(facts))}: {facts.rows['rows_train']} rows to train on, "
        f"{facts.rows['rows_validation']} to validate, "
        f"{facts.rows['rows_test']} to test. The method knows: {branch['information']}.",
        "## Settings",
        _table(["setting", "value"], [[name, str(value)] for name, value in facts.settings.items()]),
        f"Chosen by {branch['trials']} tuning trials."
        if branch["trials"]
        else "Set by hand, by no tuning trial.",
        "## How this was measured",
        *words.method(found),
        "## Where it comes from",
        _table(
            ["what", "hash"],
            [
                ["weights, SHA-256", facts.weights_sha256],
                [f"models/{facts.model}, DVC's MD5", facts.weights_md5],
                ["SFT model, SHA-256", found["hashes"]["models"][SFT]],
                ["prompts, SHA-256", found["hashes"]["prompts_sha256"]],
                ["reward model of the scores, SHA-256", found["hashes"]["reward_sha256"]],
            ],
        ),
        f"`dvc checkout models/{facts.model}` brings the weights back where `dvc.lock` has this hash. Written by "
        f"`python -m tasks card {facts.model}` from files that are the ones in `dvc.lock`.",
    ]
    return "\n\n".join(parts)


def _sentences(facts: Facts) -> Iterator[str]:
    """Every verdict that names the branch, on the mean over all seeds."""
    for greedy, sampled in tables.pairs(facts.found):
        if facts.branch in (greedy["left"], greedy["right"]):
            yield words.sentence(facts.found, greedy, sampled)


def _score_rows(facts: Facts) -> list[list[str]]:
    rows = []
    for measure in SHOWN:
        told = [facts.scores.get(f"{decoding}_{measure}") for decoding in DECODINGS]
        if any(value is not None for value in told):
            rows.append([tables.label(measure), *("" if value is None else str(value) for value in told)])
    return rows


def _branch(facts: Facts) -> Mapping[str, Any]:
    return next(one for one in facts.found["branches"] if one["name"] == facts.branch)


def _data(facts: Facts) -> str:
    source = facts.sources["prepare"]
    return DATA.get(source["kind"], f"{source.get('id')} at {source.get('revision')}")


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(plain, line))} |" for line in lines)
