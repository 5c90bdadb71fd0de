"""The base family: methods that need no reference, trained from models/base on the pairs alone, without an SFT stage.

Another start than every other branch has, so its rows compare a whole recipe with another, not a method with a method.
"""

from __future__ import annotations

from tasks.engine.families import pairs
from tasks.engine.models import BASE

START = BASE
TRAIN = pairs.TRAIN
trainer = pairs.trainer
told = pairs.told
