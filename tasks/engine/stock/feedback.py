"""engine: trl for the feedback family: the trainer of pairs, whose reference is a model in memory."""

from __future__ import annotations

from tasks.engine.stock import pairs

trainer = pairs.trainer
