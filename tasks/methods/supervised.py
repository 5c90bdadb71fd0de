"""Supervised fine-tuning of the SFT model on further rows: M1 of Self-Rewarding, and its positives-only variant.

Yuan, Pang, Cho, Li, Sukhbaatar, Xu, Weston (2024), arXiv 2401.10020, section 2.1 and section 3.3. On rows of a prompt x
and an answer y, be it a summary (IFT), the judging of one (EFT) or a candidate that scored highest,

    loss = -log pi(y|x)

Differs from the paper: M1 goes on from models/sft, which has learned the summaries, where the paper's starts from the
base on both kinds of rows; the positives-only variant goes on from M_t on the positives alone, where the paper adds
them to the first rows and starts anew; AdamW.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.settings import Branch

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "taught"


class Config(Branch):
    """No coefficient of its own."""


def loss(logps: Tensor) -> Tensor:
    """One loss a row, (rows,), in nats a sequence."""
    if logps.ndim != 1:
        raise ValueError(f"logps must be (rows,), got shape {tuple(logps.shape)}")
    return -logps


def identity(config: Config) -> dict[str, float]:
    """Nothing: without a reference no number of the first step is known beforehand."""
    return {}
