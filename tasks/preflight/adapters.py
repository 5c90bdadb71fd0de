"""LoRA: its layers are there, and the merged weights are the function that was trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.preflight import miniature
from tasks.preflight.finding import Finding, failure, not_yet, note, refused
from tasks.preflight.seen import Seen
from tasks.refusal import Refusal
from tasks.settings import FAMILIES, Lora

TOLERANCE = 1e-4  # of the largest logit, in float32
LENGTH = 16  # tokens of the text that both are held against


def findings(seen: Seen) -> Iterator[Finding]:
    """Of every different block `lora`; nothing where there is none."""
    blocks = _blocks(seen)
    if not blocks:
        return
    if seen.start is None:
        yield not_yet(
            "adapter", ", ".join(blocks.values()), "there is no model yet", "the stages, at their start"
        )
        return
    config = miniature.two_layers(seen.config)
    for lora, place in blocks.items():
        try:
            gap = difference(config, lora)
        except Refusal as refusal:
            yield failure("adapter", f"{place}.modules", refusal.cause, refusal.cure)
            continue
        except ValueError as error:  # peft's own word on targets
            yield refused("adapter", Refusal(place, " ".join(str(error).split())[:200], "name other modules"))
            continue
        if gap > TOLERANCE:
            cause = (
                f"merged weights are another function than the adapter's (by {gap:.2g} of the largest logit)"
            )
            yield failure(
                "adapter", place, cause, "set lora: null, or use another base model", difference=gap
            )
        else:
            cause = f"its layers are there; merged and adapted logits differ by {gap:.1e} of the largest"
            yield note("adapter", place, cause, difference=gap)


def _blocks(seen: Seen) -> dict[Lora, str]:
    """Each block, with the first place where it stands."""
    given, found = seen.given, {}
    walks: list[tuple[str, Any]] = [("sft.source", given.sft.source), ("reward.source", given.reward.source)]
    walks += [
        (f"branches.{family}.{name}", entry)
        for family in FAMILIES
        for name, entry in getattr(given.branches, family).items()
    ]
    for place, block in walks:
        optimisation = getattr(block, "optimisation", None)
        if optimisation is not None and optimisation.lora is not None:
            found.setdefault(optimisation.lora, f"params.yaml: {place}.optimisation.lora")
    return found


def difference(config: Any, lora: Lora) -> float:
    """The largest gap between the logits before and after merging, as a share of the largest logit."""
    import torch
    from peft import get_peft_model

    from tasks.engine.training import adapter

    model = miniature.random_model(config)
    block = adapter(lora, "CAUSAL_LM", model)
    assert block is not None
    block.init_lora_weights = False  # else B is zero, and any merge would do
    with torch.random.fork_rng():
        torch.manual_seed(2)
        adapted = get_peft_model(model, block).eval()
    text = torch.arange(2, 2 + LENGTH)[None] % config.get_text_config().vocab_size
    with torch.no_grad():
        before = adapted(input_ids=text).logits.float()
        after = adapted.merge_and_unload()(input_ids=text).logits.float()
    return float((before - after).abs().max() / before.abs().max())
