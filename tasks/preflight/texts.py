"""How a row becomes tokens: shown on a sample, and held against the ways in which that goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tasks.preflight.finding import Finding, asked, failure, not_yet, note, refused, warning
from tasks.preflight.seen import Seen
from tasks.refusal import Refusal

ENCODED = 200  # rows that are looked at token by token
SHOWN = 240  # characters of a sample's prompt
FEW = 0.01  # of rows: what is rarer is a note


def findings(seen: Seen) -> Iterator[Finding]:
    """On the tokenizer of the model that trainings start from, and on rows encoded by it."""
    if seen.start is None:
        yield not_yet("tokens", "models/base", "there is no tokenizer yet", "the stages base and sft")
        return
    try:
        tokenizer = seen.tokenizer
    except Refusal as refusal:
        yield refused("tokens", refusal)
        return
    yield from _template(seen, tokenizer)
    yield from _pad(seen, tokenizer)
    rows = seen.splits.get("train")
    if rows is None or not rows.rows:
        yield not_yet("tokens", "data/prepared", "there are no rows yet", "the stages prepare and sft")
        return
    some = rows.rows[:: max(1, len(rows.rows) // ENCODED)][:ENCODED]
    yield from _encoded(seen, tokenizer, some, rows.place)


def _template(seen: Seen, tokenizer: Any) -> Iterator[Finding]:
    """The prompt's text must stand at the beginning of prompt and answer, character by character."""
    from tasks.engine.text import render

    given, place = seen.given.text, str(seen.start)
    document = "가나다 - 첫째 줄\n둘째 줄: 끝."
    prompt = render(tokenizer, document, given)
    if document not in prompt:
        cause = "the chat template does not write the document as it is given"
        yield failure("template", place, cause, "use another chat template, or a base model without one")
    if tokenizer.chat_template is None:
        if not given.template.endswith((" ", "\n", "\t")):
            cause = f"ends with {given.template[-1:]!r}, so the summary's first word sticks to it"
            yield warning(
                "template", "params.yaml: text.template", cause, "end it with a space or line break"
            )
        return
    turn = [{"role": "user", "content": given.instruction.replace("{document}", document)}]
    answer = [*turn, {"role": "assistant", "content": "요약입니다."}]
    whole = str(tokenizer.apply_chat_template(answer, tokenize=False))
    if not whole.startswith(prompt):
        cause = "its rendered prompt is no prefix of the rendered prompt with an answer"
        cure = "the model would be trained behind another prompt than its own; mend the chat template"
        yield warning("template", place, cause, cure)
    elif not whole[len(prompt) :].removeprefix("요약입니다.").lstrip().startswith(tokenizer.eos_token):
        closed = whole[len(prompt) :].removeprefix("요약입니다.").strip()[:40]
        cause = f"the chat template closes an answer with {closed!r}, and EOS is {tokenizer.eos_token!r}"
        cure = (
            f"name {closed!r} as eos_token in tokenizer_config.json, or no summary of this model may ever end"
        )
        yield warning("EOS", place, cause, cure)


def _pad(seen: Seen, tokenizer: Any) -> Iterator[Finding]:
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        cause = "has no pad token of its own; one is added before the first training"
        yield note("EOS", str(seen.start), cause)


def _encoded(seen: Seen, tokenizer: Any, rows: Sequence[dict[str, Any]], place: str) -> Iterator[Finding]:
    from tasks.engine.groups import Group
    from tasks.engine.text import decode, render
    from tasks.engine.tokens import require_learnable

    try:
        groups = [
            Group.of(tokenizer, render(tokenizer, row["document"], seen.given.text), [row["summary"]])
            for row in rows
        ]
    except Refusal as refusal:  # two BOS
        yield refused("BOS", refusal)
        return
    if tokenizer.pad_token_id not in (None, tokenizer.eos_token_id):
        embeddings = seen.config.get_text_config().vocab_size
        yield from asked("EOS", lambda: require_learnable(place, tokenizer, embeddings, groups))
    lost = [
        row["id"]
        for row, group in zip(rows, groups, strict=True)
        if decode(tokenizer, list(group.completions[0])) != row["summary"].strip()
    ]
    if lost:
        cause = f"{len(lost)} of {len(rows)} summaries do not come back from their tokens, {lost[0]} first"
        level = warning if len(lost) > FEW * len(rows) else _soft
        yield level("tokens", place, cause, "the tokenizer has no tokens for some characters; see the sample")
    yield from _literal(tokenizer, rows, groups, seen)
    sides = (_apart(tokenizer, row, group, seen) for row, group in zip(rows, groups, strict=True))
    apart = sum(sides)
    yield note("sample", f"{place}: {rows[0]['id']}", _sample(tokenizer, groups[0]))
    cause = (
        f"{len(rows)} rows encoded: one EOS ends each summary, and a prompt's tokens are those before its summary "
        f"(tokenized as one text, {apart} would be cut elsewhere, which is why no stage does that)"
    )
    yield note("tokens", place, cause, rows=len(rows), apart=apart, lost=len(lost))


def _soft(check: str, place: str, cause: str, cure: str) -> Finding:
    return note(check, place, cause)


def _literal(
    tokenizer: Any, rows: Sequence[dict[str, Any]], groups: Sequence[Any], seen: Seen
) -> Iterator[Finding]:
    """Documents that spell a special token, which the model would read as a command."""
    from tasks.engine.text import encode_prompt, render

    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}

    def count(ids: Sequence[int]) -> int:
        return sum(one in special for one in ids)

    own = count(encode_prompt(tokenizer, render(tokenizer, "가", seen.given.text)))
    spelled = [row["id"] for row, group in zip(rows, groups, strict=True) if count(group.prompt) != own]
    if spelled:
        cause = f"{len(spelled)} of {len(rows)} documents spell a special token, {spelled[0]} first"
        yield warning(
            "tokens", "data/prepared", cause, "take it out of the document: the model reads a command"
        )


def _apart(tokenizer: Any, row: dict[str, Any], group: Any, seen: Seen) -> bool:
    """Whether tokenizing prompt and summary as one text would cut them elsewhere."""
    from tasks.engine.text import encode_prompt, render

    prompt = render(tokenizer, row["document"], seen.given.text)
    joint = encode_prompt(tokenizer, prompt + row["summary"])
    return tuple(joint) != group.prompt + group.completions[0][:-1]


def _sample(tokenizer: Any, group: Any) -> str:
    """The first row, as text and as tokens."""
    prompt = tokenizer.decode(list(group.prompt))
    shown = prompt if len(prompt) <= SHOWN else f"{prompt[: SHOWN // 2]} [...] {prompt[-SHOWN // 2 :]}"
    pieces = " ".join(tokenizer.decode([one]) for one in group.completions[0])
    ids = f"{list(group.prompt[:6])} ... {list(group.prompt[-3:])}"
    said = f"completion ({len(group.completions[0])} tokens) {pieces!r}"
    return f"prompt ({len(group.prompt)} tokens: {ids}) {shown!r}; {said}"
