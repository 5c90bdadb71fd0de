"""Numbers that a model gives to (prompt, completion) ids: per-token log-probabilities and rewards.

Training, RLOO, evaluation and summaries all pass through here with the ids of tasks/engine/text.py, so that a reward
model never sees other text when it is used than when it was trained.
"""

from __future__ import annotations

import inspect

import torch
from transformers import PreTrainedModel

Row = tuple[list[int], list[int]]  # prompt ids, completion ids


@torch.no_grad()
def completion_logps(model: PreTrainedModel, rows: list[Row], batch_size: int) -> list[torch.Tensor]:
    """log pi(y_t | x, y_<t) of every completion token, in nats: float32, one tensor of shape (tokens,) a row."""
    model.eval()
    selects = "logits_to_keep" in inspect.signature(model.forward).parameters
    logps: list[torch.Tensor | None] = [None] * len(rows)
    for batch in _batches(rows, batch_size):
        input_ids, mask = _right_padded([rows[i][0] + rows[i][1] for i in batch], model)
        first = min(len(rows[i][0]) for i in batch) - 1  # no earlier position predicts a completion's token
        wanted = {"logits_to_keep": input_ids.shape[1] - first} if selects else {}
        logits = model(input_ids=input_ids, attention_mask=mask, **wanted).logits
        first = input_ids.shape[1] - logits.shape[1]
        for k, i in enumerate(batch):
            prompt, completion = rows[i]
            start = len(prompt) - 1 - first
            kept = logits[k, start : start + len(completion)].float()
            chosen = torch.tensor(completion, device=kept.device)[:, None]
            logps[i] = kept.log_softmax(-1).gather(-1, chosen)[:, 0].cpu()
    return [tensor for tensor in logps if tensor is not None]


@torch.no_grad()
def rewards(model: PreTrainedModel, rows: list[Row], batch_size: int) -> list[float]:
    """The reward model's score of each row, read at the row's last token."""
    model.eval()
    scores = [0.0] * len(rows)
    for batch in _batches(rows, batch_size):
        input_ids, mask = _right_padded([rows[i][0] + rows[i][1] for i in batch], model)
        logits = model(input_ids=input_ids, attention_mask=mask).logits[:, 0].float()
        for k, i in enumerate(batch):
            scores[i] = logits[k].item()
    return scores


def _batches(rows: list[Row], batch_size: int) -> list[list[int]]:
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i][0]) + len(rows[i][1]), i))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _right_padded(sequences: list[list[int]], model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
    pad = model.config.get_text_config().pad_token_id
    longest = max(map(len, sequences))
    input_ids = [ids + [pad] * (longest - len(ids)) for ids in sequences]
    mask = [[1] * len(ids) + [0] * (longest - len(ids)) for ids in sequences]
    return torch.tensor(input_ids, device=model.device), torch.tensor(mask, device=model.device)
