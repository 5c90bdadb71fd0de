"""What TRL 1.16 does with a language model's head."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import trl.trainer.utils


def on_scored_positions() -> AbstractContextManager[Any]:
    """Inside it, TRL's trainers put the completions' positions alone through the LM head, as they do on a GPU.

    On a CPU TRL 1.16 puts the prompt through it, too, and then drops that, to keep shapes fixed for compilers.
    """
    return mock.patch.object(trl.trainer.utils, "_use_triton", return_value=True)
